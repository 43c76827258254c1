%% A node that writes its crash dump, for as long as that takes: for all others it is gone.
-module(crash_dump_tests).

-include_lib("eunit/include/eunit.hrl").

-define(A, 'a@127.0.0.1').
-define(B, 'b@127.0.0.2').

crash_dump_test_() ->
    [{Title, {timeout, 120, Test}} || {Title, Test} <- tests()].

tests() ->
    [{"while a node writes its crash dump its link is down, dials to it fail at once, and the "
      "next node of its name starts and is reached", fun alone/0},
     {"with a door, too: the name is free for the next node while the dump is written",
      fun behind_a_door/0}].

alone() ->
    HostA = mesh:host("127.0.0.1"),
    HostB = mesh:host("127.0.0.2", #{mesh => HostA}),
    A = start_a(HostA, HostB),
    Old = crash(A, HostB),
    %% Before the set-up time, which is longer than this call may take.
    ?assertEqual(pang, mesh:call(A, net_adm, ping, [?B])),
    replaced(A, HostB, Old).

behind_a_door() ->
    HostA = mesh:host("127.0.0.1"),
    HostB = door:host("127.0.0.2", #{mesh => HostA}),
    Door = door:start(HostB),
    A = start_a(HostA, HostB),
    replaced(A, HostB, crash(A, HostB)),
    door:stop(Door).

start_a(HostA, HostB) ->
    mesh:trust(HostA, HostB),
    mesh:trust(HostB, HostA),
    mesh:start("a", HostA, #{args => ["-kernel", "net_setuptime", "120"]}).

%% B writes its dump to a pipe that nobody reads.
crash(A, HostB) ->
    Dump = filename:join(mesh:dir(), "dump"),
    [] = os:cmd("mkfifo " ++ Dump),
    B = mesh:start("b", HostB, #{env => [{"ERL_CRASH_DUMP", Dump}]}),
    ok = mesh:on(A, fun() ->
                            pong = net_adm:ping(?B),
                            monitor_node(?B, true),
                            erpc:cast(?B, erlang, halt, ["for a dump"]),
                            receive {nodedown, ?B} -> ok end
                    end),
    B#{dump => Dump}.

%% The old node is still there when the new one is reached.
replaced(A, HostB, #{dump := Dump} = Old) ->
    New = #{os_pid := Pid} = mesh:start("b", HostB),
    ?assertEqual(pong, mesh:call(A, net_adm, ping, [?B])),
    ?assertEqual(Pid, mesh:call(A, erpc, call, [?B, os, getpid, []])),
    ?assert(mesh:runs(Old)),
    ?assertMatch("=erl_crash_dump" ++ _, os:cmd("head -c 100 " ++ Dump)),
    mesh:wait_until(fun() -> not mesh:runs(Old) end, 60000),
    mesh:stop(Old),
    [mesh:stop(N) || N <- [A, New]].
