%% Every kind of node name: hidden, short, with an address as host, dynamic.
-module(names_tests).

-include_lib("eunit/include/eunit.hrl").
-include_lib("kernel/include/dist.hrl").

names_test_() ->
    [{Title, {timeout, 60, Test}} || {Title, Test} <- tests()].

tests() ->
    [{"a hidden node is in nodes(hidden), not in nodes(), and works", fun hidden/0},
     {"-sname: nodes with short host names mesh by their endpoints", fun short_names/0},
     {"a short name is not dialled by a node with long names", fun short_from_long/0},
     {"IPv4 addresses are host parts", fun ipv4_hosts/0},
     {"IPv6 addresses are host parts, listened on as [::1]", fun ipv6_hosts/0},
     {"-name undefined: the first peer names the node RANDOM@HOST, which then is a full peer",
      fun() -> dynamic_name("-name", "127.0.0.1") end},
     {"-sname undefined gets a name, too",
      fun() -> dynamic_name("-sname", "one") end},
     {"a dynamic node finds a second peer by the name that the first gave it",
      fun dynamic_goes_on/0},
     {"a dynamic node that lost the peer who named it gets a name again",
      fun dynamic_again/0},
     {"a key that is good for one name only gets no dynamic name", fun exact_key_not_dynamic/0},
     {"who proved a dynamic name may not go on with a static one", fun dynamic_then_static/0},
     {"who proved a static name may not go on with a dynamic one", fun static_then_dynamic/0}].

%% Two hosts that trust each other for the globs given.
hosts(GlobA, GlobB) ->
    A = mesh:host("127.0.0.1"),
    B = mesh:host("127.0.0.2", #{mesh => A}),
    ok = mesh:trust(A, B, GlobB),
    ok = mesh:trust(B, A, GlobA),
    {A, B}.

hidden() ->
    {A, B} = hosts("*@127.0.0.1", "*@127.0.0.2"),
    Nodes = {NodeA = #{name := NameA}, NodeB = #{name := NameB}} =
        {mesh:start("a", A), mesh:start("b", B, #{args => ["-hidden"]})},
    ?assertEqual(pong, mesh:call(NodeA, net_adm, ping, [NameB])),
    ?assertEqual([], mesh:call(NodeA, erlang, nodes, [])),
    ?assertEqual([NameB], mesh:call(NodeA, erlang, nodes, [hidden])),
    ?assertEqual([NameA], mesh:call(NodeB, erlang, nodes, [hidden])),
    ?assertEqual(NameB, mesh:call(NodeA, rpc, call, [NameB, erlang, node, []])),
    mesh:stop_pair(Nodes).

short_names() ->
    {A, B} = hosts("*@one", "*@two"),
    meshes({mesh:start("a", A, #{name_flag => "-sname", node => "a@one"}),
            mesh:start("b", B, #{name_flag => "-sname", node => "b@two"})}).

short_from_long() ->
    {A, B} = hosts("*@127.0.0.1", "*@two"),
    Nodes = {NodeA, #{name := NameB}} =
        {mesh:start("a", A), mesh:start("b", B, #{name_flag => "-sname", node => "b@two"})},
    ?assertEqual(pang, mesh:call(NodeA, net_adm, ping, [NameB])),
    mesh:wait_until(fun() -> re:run(mesh:log(NodeA),
                                    "does not fit this node's longnames") =/= nomatch end),
    mesh:stop_pair(Nodes).

ipv4_hosts() ->
    meshes(mesh:pair()).

ipv6_hosts() ->
    A = mesh:host("::1"),
    B = mesh:host("127.0.0.2", #{mesh => A}),
    ok = mesh:trust(A, B),
    ok = mesh:trust(B, A),
    meshes({mesh:start("a", A), mesh:start("b", B)}),
    %% and dialled from the other side
    {NodeB, NodeA} = {mesh:start("b", B), mesh:start("a", A)},
    meshes({NodeB, NodeA}).

%% They call each other both ways, and stop.
meshes({A = #{name := NameA}, B = #{name := NameB}} = Nodes) ->
    ?assertEqual(pong, mesh:call(A, net_adm, ping, [NameB])),
    ?assertEqual(NameB, mesh:call(A, rpc, call, [NameB, erlang, node, []])),
    ?assertEqual(NameA, mesh:call(B, rpc, call, [NameA, erlang, node, []])),
    mesh:stop_pair(Nodes).

%% --- dynamic names -----------------------------------------------------------------------

dynamic_name(Flag, Host) ->
    {A, B} = hosts("*@" ++ Host, "*@" ++ case Flag of "-name" -> "127.0.0.2"; _ -> "two" end),
    NodeB = #{name := NameB} =
        mesh:start("b", B, #{name_flag => Flag,
                             node => case Flag of "-name" -> "b@127.0.0.2"; _ -> "b@two" end}),
    NodeA = mesh:start("a", A, #{name_flag => Flag, node => "undefined@" ++ Host}),
    ?assertEqual(nonode@nohost, mesh:call(NodeA, erlang, node, [])),
    ?assert(mesh:call(NodeA, net_kernel, connect_node, [NameB])),
    Name = mesh:call(NodeA, erlang, node, []),
    ?assertMatch([[_ | _], Host], string:split(atom_to_list(Name), "@")),
    ?assertEqual([Name], mesh:call(NodeB, erlang, nodes, [hidden])),
    ?assertEqual(Name, mesh:call(NodeB, rpc, call, [Name, erlang, node, []])),
    mesh:stop_pair({NodeA, NodeB}).

dynamic_goes_on() ->
    {A, B} = hosts("*@127.0.0.1", "*@127.0.0.2"),
    C = mesh:host("127.0.0.3", #{mesh => A}),
    ok = mesh:trust(A, C),
    ok = mesh:trust(C, A),
    Nodes = [NodeA, NodeB, NodeC] = [mesh:start("a", A, #{node => "undefined@127.0.0.1"}),
                                     mesh:start("b", B), mesh:start("c", C)],
    [?assert(mesh:call(NodeA, net_kernel, connect_node, [maps:get(name, N)]))
     || N <- [NodeB, NodeC]],
    Name = mesh:call(NodeA, erlang, node, []),
    ?assertEqual([[Name], [Name]],
                 [mesh:call(N, erlang, nodes, [hidden]) || N <- [NodeB, NodeC]]),
    lists:foreach(fun mesh:stop/1, Nodes).

%% OTP restarts net_kernel then.
dynamic_again() ->
    {A, B} = hosts("*@127.0.0.1", "*@127.0.0.2"),
    NodeA = mesh:start("a", A, #{node => "undefined@127.0.0.1"}),
    Names = [begin
                 NodeB = #{name := NameB} = mesh:start("b", B),
                 ?assert(mesh:call(NodeA, net_kernel, connect_node, [NameB])),
                 Name = mesh:call(NodeA, erlang, node, []),
                 mesh:stop(NodeB),
                 mesh:wait_until(fun() ->
                                         mesh:call(NodeA, erlang, node, []) =:= nonode@nohost
                                 end),
                 Name
             end || _ <- [1, 2]],
    ?assertEqual(2, length(lists:usort(Names))),
    mesh:stop(NodeA).

exact_key_not_dynamic() ->
    {A, B} = hosts("app@127.0.0.1", "*@127.0.0.2"),
    NodeB = #{name := NameB} = mesh:start("b", B),
    Dynamic = mesh:start("a", A, #{node => "undefined@127.0.0.1"}),
    ?assertNot(mesh:call(Dynamic, net_kernel, connect_node, [NameB])),
    ?assertEqual(nonode@nohost, mesh:call(Dynamic, erlang, node, [])),
    ?assertMatch({ok, #{state := down, direction := out, reason := name}},
                 mesh:call(Dynamic, tacit, info, [NameB])),
    ?assertEqual([], mesh:call(NodeB, erlang, nodes, [connected])),
    mesh:stop(Dynamic),
    meshes({mesh:start("app", A), NodeB}).

dynamic_then_static() ->
    refused_for_claim(#{own => "127.0.0.1", dynamic => true}, 0, "app@127.0.0.1").

static_then_dynamic() ->
    refused_for_claim(#{own => "app@127.0.0.1", dynamic => false}, ?DFLAG_NAME_ME, "127.0.0.1").

%% A peer that is not honest: its channel proves Claim, its distribution handshake says Name.
refused_for_claim(Claim, Flag, Name) ->
    {A = #{conf := Conf}, B} = hosts("*@127.0.0.1", "*@127.0.0.2"),
    NodeB = mesh:start("b", B),
    Peer = mesh:start("peer", A, #{node => none}),
    Flags = ?DFLAG_HANDSHAKE_23 bor ?MANDATORY_DFLAGS_25 bor Flag,
    Hello = [$N, <<Flags:64, 1:32, (length(Name)):16>>, Name],
    Dial = Claim#{node => "b@127.0.0.2", address => {{127, 0, 0, 2}, maps:get(port, B)},
                  timeout => 5000},
    ?assertEqual({down, name_mismatch}, mesh:on(Peer, fun() -> say(Conf, Dial, Hello) end)),
    mesh:wait_until(fun() -> re:run(mesh:log(NodeB), "reason=name_mismatch") =/= nomatch end),
    ?assertEqual([], mesh:call(NodeB, erlang, nodes, [connected])),
    mesh:stop_pair({Peer, NodeB}).

%% What comes back for a first message of the distribution handshake.
say(Conf, Dial, Hello) ->
    ok = tacit_drv:load(),
    ok = tacit_drv:configure(unicode:characters_to_binary(Conf)),
    {ok, Port} = tacit_drv:open(),
    ok = tacit_drv:connect(Port, Dial),
    receive {tacit_connected, Port} -> ok end,
    ok = tacit_drv:proceed(Port, 10000),
    receive {tacit_up, Port, _, _} -> ok end,
    ok = tacit_drv:send(Port, Hello),
    case tacit_drv:recv(Port) of
        {ok, Message} -> {said, Message};
        {error, {Reason, _}} -> {down, Reason}
    end.
