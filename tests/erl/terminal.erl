%% A remote shell in a real terminal, as a user has it.
-module(terminal).

-include_lib("eunit/include/eunit.hrl").

-export([remote_shell/3]).

%% erl -remsh from Host, under the name Own (none: no name is given), evaluates on Node, and
%% leaves nothing there. The terminal is made by script(1). (To OTP 25 a dumb one means a local
%% shell only.)
-spec remote_shell(mesh:host(), string() | none, mesh:node_ref()) -> ok.
remote_shell(Host = #{ip := Ip}, Own, Node = #{name := Name}) ->
    need_terminal(),
    Release = mesh:release(Ip),
    Args = mesh:start_link_args(Own, #{host => Host, args => ["-remsh", atom_to_list(Name)]}),
    Command = ["exec" | maps:get(run, Release, [])] ++ ["erl" | Args],
    Port = open_port({spawn_executable, os:find_executable("script")},
                     [{args, ["-q", "-c", lists:join($\s, Command), "/dev/null"]},
                      {env, [{"TERM", "xterm"} | mesh:node_env()] ++
                           maps:get(release_env, Release, [])},
                      binary, exit_status]),
    try
        converse(Port, Node)
    after
        [os:cmd("kill " ++ integer_to_list(Pid))
         || {os_pid, Pid} <- [erlang:port_info(Port, os_pid)]]
    end.

%% A bare chroot has no pseudo-terminals: skipped there, not failed.
need_terminal() ->
    case os:cmd("script -q -c true /dev/null") of
        "" -> ok;
        Why -> throw({skip, ["no terminal to be had: ", Why]})
    end.

converse(Port, Node = #{name := Name}) ->
    _ = see(Port, ["(", atom_to_list(Name), ")1>"], <<>>),
    port_command(Port, "{answer, node(), 6 * 7}.\r"),
    _ = see(Port, io_lib:format("{answer,~p,42}", [Name]), <<>>),
    ?assertMatch([_], mesh:call(Node, erlang, nodes, [connected])),
    port_command(Port, "\^G"), % job control: q ends this shell's erl
    _ = see(Port, " --> ", <<>>),
    port_command(Port, "q\r"),
    ok = ended(Port),
    mesh:wait_until(fun() -> mesh:call(Node, erlang, nodes, [connected]) =:= [] end).

ended(Port) ->
    receive
        {Port, {data, _}} -> ended(Port);
        {Port, {exit_status, 0}} -> ok
    end.

%% Reads the terminal until it shows Text.
see(Port, Text, Seen) ->
    case binary:match(Seen, iolist_to_binary(Text)) of
        nomatch ->
            receive
                {Port, {data, Bytes}} -> see(Port, Text, <<Seen/binary, Bytes/binary>>);
                {Port, {exit_status, Status}} -> error({ended, Status, Seen})
            end;
        _ ->
            Seen
    end.
