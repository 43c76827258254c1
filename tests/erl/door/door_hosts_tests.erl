%% Two hosts, each a network namespace of its own, with one port open on either.
-module(door_hosts_tests).

-include_lib("eunit/include/eunit.hrl").

door_hosts_test_() ->
    [{"three nodes behind one port mesh with three behind another, and only those ports are open",
      {timeout, 180, fun three_and_three/0}}].

three_and_three() ->
    Pid = os:getpid(),
    [NsA, NsB] = Spaces = ["tacit-a-" ++ Pid, "tacit-b-" ++ Pid],
    lists:all(fun(Ns) -> os:cmd("ip netns add " ++ Ns ++ " && echo made") =:= "made\n" end, Spaces)
        orelse throw({skip, "no network namespaces here"}),
    try
        "" = os:cmd("ip -n " ++ NsA ++ " link add veth type veth peer name veth netns " ++ NsB),
        [up(Ns, Ip) || {Ns, Ip} <- [{NsA, "192.0.2.10"}, {NsB, "192.0.2.20"}]],
        mesh(NsA, NsB)
    after
        [os:cmd("ip netns del " ++ Ns) || Ns <- Spaces]
    end.

up(Ns, Ip) ->
    "" = os:cmd("ip -n " ++ Ns ++ " link set lo up"),
    "" = os:cmd("ip -n " ++ Ns ++ " addr add " ++ Ip ++ "/24 dev veth"),
    "" = os:cmd("ip -n " ++ Ns ++ " link set veth up").

mesh(NsA, NsB) ->
    A = host("192.0.2.10", #{}),
    B = host("192.0.2.20", #{mesh => A}),
    ok = mesh:trust(A, B),
    ok = mesh:trust(B, A),
    In = fun(Ns) -> ["ip", "netns", "exec", Ns] end,
    Doors = [door:start(H, #{exec => In(Ns)}) || {H, Ns} <- [{A, NsA}, {B, NsB}]],
    Exec = fun(Ns) -> {os:find_executable("ip"), tl(In(Ns)) ++ ["erl"]} end,
    NodesA = [mesh:start(N, A, #{exec => Exec(NsA)}) || N <- ["a1", "a2", "a3"]],
    NodesB = [mesh:start(N, B, #{exec => Exec(NsB)}) || N <- ["b1", "b2", "b3"]],
    [?assertEqual({From, To, pong}, {From, To, mesh:call(Node, net_adm, ping, [To])})
     || #{name := From} = Node <- NodesA, #{name := To} <- NodesB],
    [?assertMatch({Ns, [_]}, {Ns, listening(Ns)}) || Ns <- [NsA, NsB]],
    lists:foreach(fun mesh:stop/1, NodesA ++ NodesB),
    [0, 0] = [door:stop(D) || D <- Doors].

listening(Ns) ->
    string:lexemes(os:cmd("ip netns exec " ++ Ns ++ " ss -Hltn"), "\n").

%% An address that only the namespace has.
host(Ip, Options) ->
    Host = #{conf := Conf} =
        door:host("127.0.0.1", Options#{port => 4370, conf => "legacy-epmd = no\n"}),
    {ok, Text} = file:read_file(Conf),
    ok = file:write_file(Conf, string:replace(Text, "listen = 127.0.0.1", "listen = " ++ Ip)),
    Host#{ip => Ip}.
