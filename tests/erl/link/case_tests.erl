%% Names that are not in lower case: as Erlang has them, byte for byte, from end to end.
-module(case_tests).

-include_lib("eunit/include/eunit.hrl").

-define(A, 'Rabbit@DB1.Example').
-define(B, 'x@db2.EXAMPLE').

case_test_() ->
    [{Title, {timeout, 120, Test}} || {Title, Test} <- tests()].

tests() ->
    [{"nodes whose hosts are in upper case mesh, behind a door and without, and are called by "
      "commands; another spelling is another node, which no line lets in", fun upper_case/0},
     {"a name with a byte beyond ASCII keeps the node from starting, with a line",
      fun beyond_ascii/0}].

upper_case() ->
    A = door:host("127.0.0.1", #{conf => "door-users = *: *@DB1.Example\n"}),
    B = mesh:host("127.0.0.2", #{mesh => A}),
    ok = mesh:trust(A, B, "*@db2.EXAMPLE"),
    ok = mesh:trust(A, A, "*@DB1.Example"),
    ok = mesh:trust(B, A, "*@DB1.Example"),
    Door = door:start(A),
    NodeA = mesh:start("a", A, #{node => atom_to_list(?A)}),
    NodeB = mesh:start("b", B, #{node => atom_to_list(?B)}),
    ?assertEqual(pong, mesh:call(NodeB, net_adm, ping, [?A])),
    ?assertEqual([?B], mesh:nodes_of(NodeA)),
    %% by libtacit_ei, under a name at that host
    {0, Said} = mesh:tacit(["call", "--conf", maps:get(conf, A), "-c", "tacittest",
                            atom_to_list(?A), "erlang", "node"]),
    ?assertEqual("'Rabbit@DB1.Example'", lists:flatten(Said)),
    %% The host is the same to DNS, and the endpoint is A's: but no line is for it.
    ?assertEqual(pang, mesh:call(NodeB, net_adm, ping, ['Rabbit@db1.example'])),
    ok = mesh:trust(B, A, "*@db1.example"),
    {ok, _} = mesh:call(NodeB, tacit, reload, []),
    ?assertEqual(pang, mesh:call(NodeB, net_adm, ping, ['Rabbit@db1.example'])),
    mesh:stop(NodeB),
    Other = mesh:start("b", B, #{node => "x@db2.example"}),
    ?assertEqual(pang, mesh:call(Other, net_adm, ping, [?A])),
    ?assertMatch({ok, #{reason := name}}, mesh:call(Other, tacit, info, [?A])),
    lists:foreach(fun mesh:stop/1, [NodeA, Other]),
    0 = door:stop(Door).

beyond_ascii() ->
    Host = mesh:host("127.0.0.1"),
    Args = mesh:start_link_args("e@b1\x{e9}.example", #{host => Host}),
    #{status := 1, err := Err} = mesh:erl(Args, [{"LC_ALL", "C.UTF-8"}]),
    ?assertMatch({match, _}, re:run(Err, "^tacit: e@b1.* is not a node name that Tacit takes.*"
                                    "all ASCII")).
