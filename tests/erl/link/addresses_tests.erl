%% Where a node listens, and from where it dials.
-module(addresses_tests).

-include_lib("eunit/include/eunit.hrl").

addresses_test_() ->
    [{"a node listens on every configured address, IPv4 and IPv6, and on no other",
      {timeout, 60, fun listens_where_told/0}},
     {"two nodes mesh over IPv6", {timeout, 60, fun mesh_over_ipv6/0}},
     {"[host] source is where outgoing connections come from",
      {timeout, 60, fun source_is_used/0}},
     {"a wildcard address is refused unless listen-wildcard = yes",
      fun wildcard_is_refused/0},
     {"with listen-wildcard = yes a node listens everywhere",
      {timeout, 60, fun wildcard_works/0}}].

%% tacit init's listen line, exchanged for another.
listen(#{conf := Conf}, Listen) ->
    {ok, Text} = file:read_file(Conf),
    ok = file:write_file(Conf, re:replace(Text, "(?m)^listen = .*$", ["listen = ", Listen])).

answers(Ip, Port) ->
    {ok, Address} = inet:parse_address(Ip),
    case gen_tcp:connect(Address, Port, []) of
        {ok, Socket} -> gen_tcp:close(Socket), true;
        {error, econnrefused} -> false
    end.

listens_where_told() ->
    #{port := Port} = Host = mesh:host("127.0.0.1"),
    P = integer_to_list(Port),
    ok = listen(Host, ["127.0.0.1:", P, ", 127.0.0.3:", P, ", [::1]:", P]),
    A = mesh:start("a", Host),
    try
        ?assertEqual([true, true, true, false, false],
                     [answers(Ip, Port) || Ip <- ["127.0.0.1", "127.0.0.3", "::1",
                                                  "127.0.0.2", "127.0.0.4"]]),
        {ok, #{listen := Listen}} = mesh:call(A, tacit, info, []),
        ?assertEqual([list_to_binary(["127.0.0.1:", P]), list_to_binary(["127.0.0.3:", P]),
                      list_to_binary(["[::1]:", P])], Listen)
    after
        mesh:stop(A)
    end.

mesh_over_ipv6() ->
    HostA = mesh:host("::1"),
    HostB = mesh:host("::1", #{mesh => HostA}),
    ok = mesh:trust(HostA, HostB, "b@localhost.example"),
    ok = mesh:trust(HostB, HostA, "a@localhost.example"),
    A = mesh:start("a", HostA, #{node => "a@localhost.example"}),
    B = mesh:start("b", HostB, #{node => "b@localhost.example"}),
    try
        ?assertEqual(pong, mesh:call(A, net_adm, ping, ['b@localhost.example'])),
        {ok, #{peer_address := Address}} = mesh:call(A, tacit, info, ['b@localhost.example']),
        ?assertMatch(<<"[::1]:", _/binary>>, Address)
    after
        mesh:stop_pair({A, B})
    end.

source_is_used() ->
    {A, B} = Pair = mesh:pair(#{a_conf => ""}),
    mesh:stop(A),
    #{host := #{conf := Conf} = HostA} = A,
    {ok, Text} = file:read_file(Conf),
    ok = file:write_file(Conf, string:replace(Text, "[host]", "[host]\nsource = 127.0.0.77")),
    A2 = mesh:start("a", HostA),
    try
        ?assertEqual(pong, mesh:call(A2, net_adm, ping, [maps:get(name, B)])),
        {ok, #{peer_address := Address}} = mesh:call(B, tacit, info, [maps:get(name, A)]),
        ?assertMatch(<<"127.0.0.77:", _/binary>>, Address)
    after
        mesh:stop(A2),
        mesh:stop_pair(Pair)
    end.

wildcard_is_refused() ->
    Host = mesh:host("127.0.0.1"),
    [begin
         ok = listen(Host, Any),
         {1, Text} = mesh:tacit(["check", "--conf", maps:get(conf, Host)]),
         ?assertMatch({match, _}, re:run(Text, "listen-wildcard"))
     end || Any <- ["0.0.0.0:4370", "[::]:4370"]].

wildcard_works() ->
    Port = mesh:free_port("0.0.0.0"), % on every address
    Host = mesh:host("127.0.0.1", #{port => Port}),
    ok = listen(Host, ["0.0.0.0:", integer_to_list(Port), "\nlisten-wildcard = yes"]),
    A = mesh:start("a", Host),
    try
        ?assert(answers("127.0.0.9", Port))
    after
        mesh:stop(A)
    end.
