%% Nodes at their host's door: secure-epmd holds the one port, and hands them their links.
-module(door_nodes_tests).

-include_lib("eunit/include/eunit.hrl").

door_test_() ->
    [{Title, {timeout, 120, Test}} || {Title, Test} <- tests()].

tests() ->
    [{"nodes behind one door mesh with nodes behind another, and none of them listens",
      fun meshes/0},
     {"tacit:info/0 says whether and where a node is registered", fun info/0},
     {"kill -9 of the door: links live on without a lost message; started again, the nodes "
      "are registered within 5 s, under the same creation, and new links form", fun killed/0},
     {"a name that a live node has is refused on both sides, and that node does not start",
      fun taken/0},
     {"a name is free as soon as its node is gone, kill -9 or not", fun freed/0},
     {"without a door at its socket a node does not start, and says so", fun no_door/0}].

%% Two hosts, each with a door.
hosts() ->
    A = door:host("127.0.0.1"),
    B = door:host("127.0.0.2", #{mesh => A}),
    %% All four combinations: where some of a mesh cannot meet, global parts the others.
    [ok = mesh:trust(To, Who) || To <- [A, B], Who <- [A, B]],
    {A, B}.

names(Nodes) -> [Name || #{name := Name} <- Nodes].

meshes() ->
    {A, B} = hosts(),
    Doors = [door:start(H) || H <- [A, B]],
    NodesA = [mesh:start(N, A) || N <- ["a1", "a2"]],
    NodesB = [mesh:start(N, B) || N <- ["b1", "b2"]],
    [?assertEqual({From, To, pong}, {From, To, mesh:call(Node, net_adm, ping, [To])})
     || #{name := From} = Node <- NodesA, To <- names(NodesB)],
    [?assertEqual(To, mesh:call(Node, erpc, call, [To, erlang, node, []]))
     || Node <- NodesB, To <- names(NodesA)],
    {ok, #{peer_address := Address}} =
        mesh:call(hd(NodesB), tacit, info, [hd(names(NodesA))]),
    ?assertMatch(<<"127.0.0.", _/binary>>, Address),
    [?assertEqual([], listening(Pid)) || #{os_pid := Pid} <- NodesA ++ NodesB],
    lists:foreach(fun mesh:stop/1, NodesA ++ NodesB),
    lists:foreach(fun door:stop/1, Doors).

%% The TCP sockets that a process listens on.
listening(Pid) ->
    Sockets = os:cmd("ls -l /proc/" ++ Pid ++ "/fd"),
    {match, Inodes} = re:run(Sockets, "socket:\\[([0-9]+)\\]",
                             [global, {capture, [1], list}]),
    [Inode || File <- ["tcp", "tcp6"], Line <- lines("/proc/net/" ++ File),
              [_, _, _, "0A", _, _, _, _, _, Inode | _] <- [string:lexemes(Line, " ")],
              lists:member([Inode], Inodes)].

lines(File) ->
    {ok, Bytes} = file:read_file(File),
    string:lexemes(binary_to_list(Bytes), "\n").

info() ->
    {A, _} = hosts(),
    Door = #{socket := Socket} = door:start(A),
    Node = mesh:start("a", A),
    Path = list_to_binary(Socket),
    ?assertMatch({ok, #{door := #{socket := Path, state := registered}}},
                 mesh:call(Node, tacit, info, [])),
    door:stop(Door),
    wait_for_state(Node, lost),
    Again = door:start(A),
    wait_for_state(Node, registered),
    mesh:wait_until(fun() -> re:run(mesh:log(Node),
                                    "tacit: registered with the door at") =/= nomatch end),
    mesh:stop(Node),
    door:stop(Again),
    Alone = mesh:start("a", mesh:host("127.0.0.3")),
    ?assertMatch({ok, #{door := #{socket := <<>>, state := none}}},
                 mesh:call(Alone, tacit, info, [])),
    mesh:stop(Alone).

state(Node) ->
    {ok, #{door := #{state := State}}} = mesh:call(Node, tacit, info, []),
    State.

wait_for_state(Node, State) ->
    mesh:wait_until(fun() -> state(Node) =:= State end).

%% A sender on one node counts up to a receiver on the other, all the while.
killed() ->
    {A, B} = hosts(),
    [DoorA, DoorB] = [door:start(H) || H <- [A, B]],
    {NodeA = #{name := NameA}, NodeB = #{name := NameB}} = Pair =
        {mesh:start("a", A), mesh:start("b", B)},
    ?assertEqual(pong, mesh:call(NodeA, net_adm, ping, [NameB])),
    Creation = creation(DoorB, NameB),
    Counter = mesh:on(NodeB, fun() -> spawn(fun() -> count(0) end) end),
    Sender = mesh:on(NodeA, fun() -> spawn(fun() -> send(Counter, 1) end) end),
    [door:kill(D) || D <- [DoorA, DoorB]],
    [wait_for_state(N, lost) || N <- [NodeA, NodeB]],
    Seen = counted(NodeB, Counter),
    mesh:wait_until(fun() -> counted(NodeB, Counter) > Seen end),
    Start = erlang:monotonic_time(millisecond),
    Again = [DoorB2, _] = [door:start(H) || H <- [B, A]],
    [wait_for_state(N, registered) || N <- [NodeA, NodeB]],
    io:format("registered after ~b ms~n", [erlang:monotonic_time(millisecond) - Start]),
    ?assertEqual(Creation, creation(DoorB2, NameB)),
    New = mesh:start("new", A),
    ?assertEqual(pong, mesh:call(New, net_adm, ping, [NameB])),
    ?assertEqual([NameA], mesh:call(NodeB, erlang, nodes, []) -- [maps:get(name, New)]),
    Last = mesh:on(NodeA, fun() ->
                                  Sender ! {stop, self()},
                                  receive {sent, N} -> N end
                          end),
    mesh:wait_until(fun() -> counted(NodeB, Counter) =:= Last end),
    mesh:stop(New),
    mesh:stop_pair(Pair),
    lists:foreach(fun door:stop/1, Again).

send(To, N) ->
    To ! {n, N},
    receive
        {stop, From} -> From ! {sent, N}
    after 1 ->
        send(To, N + 1)
    end.

%% One that is lost, or comes twice, ends it.
count(N) ->
    receive
        {n, Next} when Next =:= N + 1 -> count(Next);
        {get, From} -> From ! {counted, N}, count(N)
    end.

counted(Node, Counter) ->
    mesh:on(Node, fun() ->
                          Counter ! {get, self()},
                          receive {counted, N} -> N after 30000 -> error(counter_is_gone) end
                  end).

%% What the door has noted of a node.
creation(Door, Name) ->
    Node = atom_to_list(Name),
    [Creation] = [C || ["node", N, _Pid, _Uid, _Release, C | _] <- door:show(Door), N =:= Node],
    Creation.

taken() ->
    {A, _} = hosts(),
    Door = door:start(A),
    Node = mesh:start("a", A),
    #{status := Status, err := Err} =
        mesh:erl(mesh:start_link_args("a@127.0.0.1", #{host => A, args => ["-s", "init", "stop"]}),
                 []),
    ?assertMatch({1, {match, _}},
                 {Status, re:run(Err, "^tacit: .*tacit.conf: \\[host\\] door = .*door.sock: "
                                 "the door refuses a@127.0.0.1: name_taken: .*\n$")}),
    ?assertMatch([_ | _], [L || L <- door:events(Door, "refused"),
                                string:find(L, "name_taken") =/= nomatch]),
    ?assertEqual(registered, state(Node)),
    mesh:stop(Node),
    door:stop(Door).

freed() ->
    {A, _} = hosts(),
    Door = door:start(A),
    Node = mesh:start("a", A),
    mesh:kill(Node),
    Again = mesh:start("a", A),
    mesh:stop(Again),
    Bare = mesh:start("bare", A, #{node => none}),
    [begin
         {ok, _} = mesh:call(Bare, net_kernel, start, ['a@127.0.0.1', #{name_domain => longnames}]),
         ok = mesh:call(Bare, net_kernel, stop, [])
     end || _ <- lists:seq(1, 5)],
    mesh:stop(Bare),
    door:stop(Door).

no_door() ->
    {A, _} = hosts(),
    #{status := Status, err := Err} =
        mesh:erl(mesh:start_link_args("a@127.0.0.1", #{host => A, args => ["-s", "init", "stop"]}),
                 []),
    ?assertMatch({1, {match, _}},
                 {Status, re:run(Err, "^tacit: .*tacit.conf: \\[host\\] door = .*door.sock: "
                                 "No such file or directory\n$")}).
