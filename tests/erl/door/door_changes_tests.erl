%% A node's door in tacit.conf: added, changed and taken away while the node runs; and doors
%% with nodes that do not listen, or speak plain TCP as well.
-module(door_changes_tests).

-include_lib("eunit/include/eunit.hrl").

changes_test_() ->
    [{Title, {timeout, 180, Test}}
     || {Title, Test} <-
            [{"tacit reload takes a door that is added, changed or gone: new links go there, those "
              "that are up stay", fun reloads/0},
             {"with -dist_listen false a node registers with no door, needs none, and dials",
              fun no_listen/0},
             {"with -proto_dist inet_tcp tacit a door's node meets plain nodes of the host through "
              "the door's own epmd, and Tacit's through the door", fun both_carriers/0}]].

ping(From, #{name := To}) ->
    mesh:call(From, net_adm, ping, [To]).

%% --- reload --------------------------------------------------------------------------------

%% Where the node of host A is reached, and by which door; none: by none.
reloads() ->
    #{conf := Conf} = A = mesh:host("127.0.0.1"),
    B = mesh:host("127.0.0.2", #{mesh => A}),
    ok = mesh:trust(A, B),
    {ok, TextA} = file:read_file(Conf),
    {ok, TextB} = file:read_file(maps:get(conf, B)),
    ok = mesh:trust(B, A),
    [P1, P2, P3] = [mesh:free_port("127.0.0.1") || _ <- [1, 2, 3]],
    NodeA = mesh:start("a", A),
    NodeB = mesh:start("b", B),
    ?assertEqual(pong, ping(NodeB, NodeA)),
    Change = fun(Door, Port) ->
                     set(A, conf(TextA, Door, Port)),
                     ?assertEqual([maps:get(name, NodeB)], mesh:call(NodeA, erlang, nodes, [])),
                     set(B, TextB),
                     ok = mesh:trust(B, A#{port := Port}),
                     {0, _} = reload(B)
             end,
    Linked = fun() ->
                     true = mesh:call(NodeB, erlang, disconnect_node, [maps:get(name, NodeA)]),
                     mesh:wait_until(fun() -> ping(NodeB, NodeA) =:= pong end)
             end,
    One = door(A, "one.sock", conf(TextA, "one.sock", P1)),
    Change("one.sock", P1), % added
    ?assertEqual(registered, settled(NodeA)),
    Linked(),
    {error, econnrefused} = gen_tcp:connect("127.0.0.1", maps:get(port, A), []),
    Change("two.sock", P2), % changed, to one that is not there yet
    mesh:wait_until(fun() -> door:counter(One, "nodes") =:= 0 end),
    mesh:wait_until(fun() -> state(NodeA) =:= lost end),
    Two = door(A, "two.sock", conf(TextA, "two.sock", P2)),
    mesh:wait_until(fun() -> door:counter(Two, "nodes") =:= 1 end),
    ?assertEqual(registered, settled(NodeA)),
    Linked(),
    ?assertMatch({0, _}, reload(A)), % nothing changed: it stays where it is
    ?assertEqual(registered, state(NodeA)),
    Change(none, P3), % gone
    mesh:wait_until(fun() -> door:counter(Two, "nodes") =:= 0 end),
    ?assertEqual(none, state(NodeA)),
    Linked(),
    mesh:stop_pair({NodeA, NodeB}),
    [0 = door:stop(D) || D <- [One, Two]].

conf(Text, Door, Port) ->
    Listen = re:replace(Text, "listen = .*", io_lib:format("listen = 127.0.0.1:~b", [Port])),
    case Door of
        none -> Listen;
        _ -> string:replace(Listen, "[host]\n", ["[host]\ndoor = ", Door, "\n"])
    end.

%% A daemon with a configuration of its own beside the host's, of the same keys.
door(#{dir := Dir} = Host, Socket, Text) ->
    Conf = filename:join(Dir, Socket ++ ".conf"),
    ok = file:write_file(Conf, Text),
    door:start(Host#{conf := Conf}, #{socket => filename:join(Dir, Socket)}).

%% And reloads it, if nodes run that have it.
set(#{conf := Conf, ip := "127.0.0.1"} = Host, Text) ->
    ok = file:write_file(Conf, Text),
    {Status, Said} = reload(Host),
    Reached = ["door: reloaded" || door_runs(Host)] ++ ["a@127.0.0.1: reloaded"],
    Missed = ["tacit: door: not reached: " || has_door(Host), not door_runs(Host)],
    ?assertEqual({length(Missed), Reached},
                 {Status, [L || L <- string:lexemes(lists:flatten(Said), "\n"),
                                string:prefix(L, "tacit: ") =:= nomatch]}),
    [?assertMatch({match, _}, re:run(Said, M ++ ".*is secure-epmd running")) || M <- Missed];
set(#{conf := Conf}, Text) ->
    ok = file:write_file(Conf, Text).

has_door(#{conf := Conf}) ->
    {ok, Text} = file:read_file(Conf),
    re:run(Text, "^door = ", [multiline]) =/= nomatch.

door_runs(#{dir := Dir, conf := Conf}) ->
    {ok, Text} = file:read_file(Conf),
    case re:run(Text, "^door = (.*)$", [multiline, {capture, all_but_first, list}]) of
        {match, [Socket]} -> element(1, file:read_link_info(filename:join(Dir, Socket))) =:= ok;
        nomatch -> false
    end.

reload(#{conf := Conf}) ->
    mesh:tacit(["reload", "--conf", Conf]).

state(Node) ->
    {ok, #{door := #{state := State}}} = mesh:call(Node, tacit, info, []),
    State.

%% Registered, or what keeps it from that for half a minute.
settled(Node) ->
    try mesh:wait_until(fun() -> state(Node) =:= registered end), registered
    catch error:waited_in_vain -> mesh:call(Node, tacit, info, [])
    end.

%% --- without a listener --------------------------------------------------------------------

no_listen() ->
    A = door:host("127.0.0.1"),
    B = mesh:host("127.0.0.2", #{mesh => A}),
    ok = mesh:trust(A, B),
    ok = mesh:trust(B, A),
    NodeB = mesh:start("b", B),
    Options = #{args => ["-dist_listen", "false"]},
    Alone = mesh:start("a", A, Options), % no door is there
    ?assertEqual(pong, ping(Alone, NodeB)),
    Door = door:start(A),
    Other = mesh:start("c", A, Options),
    ?assertEqual(pong, ping(Other, NodeB)),
    ?assertEqual([none, none], [state(N) || N <- [Alone, Other]]),
    ?assertEqual(0, door:counter(Door, "nodes")),
    ?assertMatch({0, _}, reload(A)),
    ?assertEqual({none, 0}, {state(Other), door:counter(Door, "nodes")}),
    lists:foreach(fun mesh:stop/1, [Alone, Other, NodeB]),
    0 = door:stop(Door).

%% --- two carriers --------------------------------------------------------------------------

both_carriers() ->
    A = door:host("127.0.0.1"),
    B = mesh:host("127.0.0.2", #{mesh => A}),
    ok = mesh:trust(B, A),
    ok = mesh:trust(A, B),
    ok = mesh:append(A, "\n[plain]\nnode = old@127.0.0.1\n"),
    Door = #{epmd := Epmd} = door:start(A),
    Env = [{"ERL_EPMD_PORT", integer_to_list(Epmd)}],
    NodeA = mesh:start("a", A, #{proto => "-proto_dist inet_tcp tacit", env => Env,
                                 flags => "-epmd_module tacit_epmd -start_epmd false",
                                 args => stock:interface("127.0.0.1")}),
    Old = stock:node("old", "127.0.0.1", Env),
    NodeB = mesh:start("b", B),
    ?assertEqual({pong, pong}, {ping(Old, NodeA), ping(NodeB, NodeA)}),
    ?assertMatch({ok, #{state := up}}, mesh:call(NodeA, tacit, info, [maps:get(name, NodeB)])),
    ?assertEqual({error, unknown}, mesh:call(NodeA, tacit, info, [maps:get(name, Old)])),
    Linked = [maps:get(name, N) || N <- [NodeB, Old]],
    [mesh:part(NodeA, N) || N <- [NodeB, Old]],
    ?assertEqual({pong, pong}, {ping(NodeA, Old), ping(NodeA, NodeB)}),
    ?assertEqual(registered, state(NodeA)),
    _ = door:kill(Door), % neither kind of link needs it
    mesh:wait_until(fun() -> state(NodeA) =:= lost end),
    ?assertEqual(lists:sort(Linked), lists:sort(mesh:call(NodeA, erlang, nodes, []))),
    Again = door:start(A, #{epmd => Epmd}),
    ?assertEqual(registered, settled(NodeA)),
    lists:foreach(fun mesh:stop/1, [NodeA, NodeB, Old]),
    0 = door:stop(Again).
