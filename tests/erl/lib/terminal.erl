%% Programs in a real terminal, as a user has them: remote shells.
-module(terminal).

-include_lib("eunit/include/eunit.hrl").

-export([remote_shell/3, converse/3]).

%% erl -remsh from Host, under the name Own (none: no name is given), evaluates on Node, and
%% leaves nothing there. (To OTP 25 a dumb terminal means a local shell only.)
-spec remote_shell(mesh:host(), string() | none, mesh:node_ref()) -> ok.
remote_shell(Host = #{ip := Ip}, Own, Node = #{name := Name}) ->
    Release = mesh:release(Ip),
    Args = mesh:start_link_args(Own, #{host => Host, args => ["-remsh", atom_to_list(Name)]}),
    Command = ["exec" | maps:get(run, Release, [])] ++ ["erl" | Args],
    Connected = fun() -> mesh:call(Node, erlang, nodes, [connected]) end,
    ok = converse(lists:join($\s, Command), mesh:node_env() ++ maps:get(release_env, Release, []),
                  [{["(", atom_to_list(Name), ")1>"], "{answer, node(), 6 * 7}.\r"},
                   {io_lib:format("{answer,~p,42}", [Name]),
                    fun() -> ?assertMatch([_], Connected()), "\^G" end}, % job control:
                   {" --> ", "q\r"}]), % q ends this shell's erl
    mesh:wait_until(fun() -> Connected() =:= [] end).

%% Runs the command in a terminal, made by script(1), until it ends well: for each step, what
%% it must show, then what is typed, or what a fun does and gives to be typed.
-spec converse(iodata(), [{string(), string()}],
               [{iodata(), iodata() | fun(() -> iodata())}]) -> ok.
converse(Command, Env, Steps) ->
    need_terminal(),
    Port = open_port({spawn_executable, os:find_executable("script")},
                     [{args, ["-q", "-c", Command, "/dev/null"]},
                      {env, [{"TERM", "xterm"} | Env]}, binary, exit_status]),
    try
        [begin
             _ = see(Port, Text, <<>>),
             port_command(Port, if is_function(Type) -> Type(); true -> Type end)
         end || {Text, Type} <- Steps],
        ended(Port)
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
