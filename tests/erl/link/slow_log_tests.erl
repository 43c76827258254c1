%% A log that takes nothing for as long as it likes: no link waits for it, and what could not
%% be written is counted.
-module(slow_log_tests).

-include_lib("eunit/include/eunit.hrl").

-export([log/2, gate/1]). % on the nodes

-define(A, 'a@127.0.0.1').
-define(B, 'b@127.0.0.2').
-define(C, 'c@127.0.0.3').
-define(TRIES, 20).
-define(LINES, 2000). % more than wait for a log

slow_log_test_() ->
    [{Title, {timeout, 120, Test}} || {Title, Test} <- tests()].

tests() ->
    [{"while the log takes nothing peers are refused, links come up and are cut, on both "
      "sides", fun links_go_on/0},
     {"lines that the log does not take are kept, up to a number, and those beyond counted",
      fun counted/0},
     {"tacit_logger that was killed is there again, and writes", fun killed/0},
     {"on a node that does not listen an accepted link is no notice", fun quiet/0},
     {"a door whose log nobody reads goes on, and counts the lines that it could not write",
      fun unread_door/0}].

%% --- a handler that waits ---------------------------------------------------------------------

close_gate(Node) ->
    ok = mesh:on(Node, fun() ->
                               register(gate, spawn(?MODULE, gate, [[]])),
                               logger:add_handler(?MODULE, ?MODULE, #{})
                       end).

open_gate(Node) ->
    mesh:on(Node, fun() -> gate ! open, ok end).

%% What logs a line of ours waits until the gate is open.
log(#{msg := {Format, _}}, _Config) ->
    case string:prefix(Format, "tacit:") of
        nomatch -> ok;
        _ -> gate ! {pass, self()}, receive go -> ok end
    end;
log(_Event, _Config) ->
    ok.

gate(open) ->
    receive {pass, Pid} -> Pid ! go, gate(open) end;
gate(Waiting) ->
    receive
        {pass, Pid} -> gate([Pid | Waiting]);
        {ask, Pid} -> Pid ! {gate, Waiting =/= []}, gate(Waiting);
        open -> [Pid ! go || Pid <- Waiting], gate(open)
    end.

%% Whether a line waits at the gate.
waits(Node) ->
    mesh:on(Node, fun() -> gate ! {ask, self()}, receive {gate, Waiting} -> Waiting end end).

%% --- tests ------------------------------------------------------------------------------------

%% C holds the mesh key, and B has no line for it.
links_go_on() ->
    HostA = mesh:host("127.0.0.1"),
    [HostB, HostC] = [mesh:host(Ip, #{mesh => HostA}) || Ip <- ["127.0.0.2", "127.0.0.3"]],
    [mesh:trust(Host, HostB) || Host <- [HostA, HostC]],
    mesh:trust(HostB, HostA),
    Nodes = [A, B, C] =
        [mesh:start(Name, Host) || {Name, Host} <- [{"a", HostA}, {"b", HostB}, {"c", HostC}]],
    [close_gate(N) || N <- Nodes],
    [?assertEqual(pang, mesh:call(C, net_adm, ping, [?B])) || _ <- lists:seq(1, ?TRIES)],
    mesh:wait_until(fun() -> waits(B) end),
    ?assertEqual(pong, mesh:call(A, net_adm, ping, [?B])),
    mesh:part(A, B),
    ?assertEqual(pong, mesh:call(B, net_adm, ping, [?A])),
    ?assertMatch({ok, #{dropped := [<<"a@127.0.0.1">>]}}, mesh:call(B, tacit, revoke, [?A])),
    ?assertMatch({ok, _}, mesh:call(B, tacit, reload, [])),
    [open_gate(N) || N <- Nodes],
    ok = mesh:logged(B, ["link refused", "name=c@127.0.0.3"]),
    ok = mesh:logged(B, ["link accepted", "name=a@127.0.0.1"]),
    ok = mesh:logged(B, ["link dropped", "name=a@127.0.0.1"]),
    [mesh:stop(N) || N <- Nodes].

counted() ->
    A = mesh:start("a", mesh:host("127.0.0.1")),
    close_gate(A),
    Who = #{direction => in, name => "n@h", fingerprint => "", address => "", line => ""},
    [ok = mesh:call(A, tacit_log, refused, [Who, refused, integer_to_list(N)])
     || N <- lists:seq(1, ?LINES)],
    open_gate(A),
    ok = mesh:logged(A, ["lines left out"]),
    Lines = string:lexemes(mesh:log(A), "\n"),
    Written = length([L || L <- Lines, string:find(L, "link refused") =/= nomatch]),
    [LeftOut] = [N || L <- Lines,
                      {match, [N]} <- [re:run(L, "tacit: ([0-9]+) lines left out",
                                              [{capture, all_but_first, list}])]],
    ?assert(Written > 0),
    ?assertEqual(?LINES, Written + list_to_integer(LeftOut)),
    mesh:stop(A).

killed() ->
    A = mesh:start("a", mesh:host("127.0.0.1")),
    close_gate(A),
    Say = fun(Text) -> ok = mesh:call(A, tacit_logger, warning, ["tacit: ~s", [Text]]) end,
    [Say("lost") || _ <- lists:seq(1, ?LINES)],
    Old = mesh:call(A, erlang, whereis, [tacit_logger]),
    true = mesh:call(A, erlang, exit, [Old, kill]),
    mesh:wait_until(fun() -> is_pid(mesh:call(A, erlang, whereis, [tacit_logger])) end),
    open_gate(A),
    Say("written"),
    ok = mesh:logged(A, ["tacit: written"]),
    mesh:stop(A).

quiet() ->
    HostA = mesh:host("127.0.0.1"),
    HostB = mesh:host("127.0.0.2", #{mesh => HostA}),
    mesh:trust(HostA, HostB),
    mesh:trust(HostB, HostA),
    A = mesh:start("a", HostA),
    Args = ["-dist_listen", "false"],
    Quiet = mesh:start("quiet", HostB, #{args => Args}),
    Told = mesh:start("told", HostB, #{args => Args ++ ["-kernel", "logger_level", "info"]}),
    [?assertEqual(pong, mesh:call(N, net_adm, ping, [?A])) || N <- [Quiet, Told]],
    ok = mesh:logged(Told, ["link accepted", "name=a@127.0.0.1"]),
    _ = mesh:call(Quiet, sys, get_state, [tacit_logger]), % what was to be written is
    ?assertEqual(nomatch, string:find(mesh:log(Quiet), "link accepted")),
    [mesh:stop(N) || N <- [A, Quiet, Told]].

%% Two lines a registration: more than a pipe takes.
unread_door() ->
    Host = door:host("127.0.0.1"),
    Pipe = filename:join(mesh:dir(), "pipe"),
    Script = "mkfifo $0; cat $0 & echo $! > $0.reader; exec \"$@\" 2> $0",
    Door = door:start(Host, #{exec => ["/bin/sh", "-c", Script, Pipe]}),
    {ok, Reader} = file:read_file(Pipe ++ ".reader"),
    Signal = fun(S) -> [] = os:cmd("kill -" ++ S ++ " " ++ binary_to_list(Reader)) end,
    Signal("STOP"),
    [begin
         {ok, Socket, _} = door:register(Door, "n" ++ integer_to_list(N) ++ "@127.0.0.1"),
         ok = socket:close(Socket)
     end || N <- lists:seq(1, ?LINES)],
    Signal("CONT"),
    mesh:wait_until(fun() ->
                            {ok, Socket, _} = door:register(Door, "last@127.0.0.1"),
                            ok = socket:close(Socket),
                            Lines = door:log(Door),
                            lists:any(fun(L) -> string:find(L, " left_out=") =/= nomatch end,
                                      Lines)
                    end),
    door:stop(Door).
