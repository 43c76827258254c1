%% A host of several addresses is reached by the first that answers; one that leads nowhere,
%% or a question to the resolver that is never answered, keeps nobody waiting.
-module(race_tests).

-include_lib("eunit/include/eunit.hrl").

-define(V4, {127, 0, 0, 5}).
-define(V6, {0, 0, 0, 0, 0, 0, 0, 1}).
-define(NAME, "dual.example").
-define(B, 'b@dual.example').

%% The set-up time is longer than a call of mesh's: who waits for it does not pass.
-define(PATIENT, ["-kernel", "net_setuptime", "120"]).

race_test_() ->
    [{Title, {timeout, 120, Test}} || {Title, Test} <- tests()].

tests() ->
    [{"an IPv4 address that leads nowhere beside an IPv6 one where the node is",
      fun() -> one_is_dead([?V6], ?V4) end},
     {"an IPv6 address that leads nowhere beside an IPv4 one where the node is",
      fun() -> one_is_dead([?V4], ?V6) end},
     {"the resolver never says whether there is an IPv4 address",
      fun() -> one_is_not_answered(?V6, a) end},
     {"the resolver never says whether there is an IPv6 address",
      fun() -> one_is_not_answered(?V4, aaaa) end},
     {"the resolver never says anything: pang, and why", fun none_is_answered/0},
     {"at one of two addresses somebody listens and says nothing", fun one_is_mute/0},
     {"at two addresses of one node one connection goes on, and says one first message",
      fun one_goes_on/0},
     {"C nodes and the command: an IPv4 address that leads nowhere beside an IPv6 one",
      fun() -> one_is_dead_to_c([?V6], ?V4) end},
     {"C nodes and the command: an IPv6 address that leads nowhere beside an IPv4 one",
      fun() -> one_is_dead_to_c([?V4], ?V6) end},
     {"C nodes: the resolver never says whether there is an IPv4 address",
      fun() -> one_is_not_answered_to_c(?V6, a) end},
     {"C nodes: at one of two addresses somebody listens and says nothing",
      fun one_is_mute_to_c/0},
     {"the command calls nodes where nobody says what its own host is called",
      fun nameless_to_command/0}].

%% A, and the host of B, which is to listen at these addresses.
hosts(Ips) ->
    HostA = mesh:host("127.0.0.1"),
    HostB = mesh:host("127.0.0.5", #{mesh => HostA}),
    #{conf := Conf, port := Port} = HostB,
    {ok, Text} = file:read_file(Conf),
    Listen = lists:join(", ", [at(Ip, Port) || Ip <- Ips]),
    ok = file:write_file(Conf, re:replace(Text, "(?m)^listen = .*$", ["listen = ", Listen])),
    mesh:trust(HostA, HostB#{ip := ?NAME}, atom_to_list(?B)),
    mesh:trust(HostB, HostA),
    {HostA, HostB}.

at(Ip, Port) when tuple_size(Ip) =:= 8 -> io_lib:format("[~s]:~b", [inet:ntoa(Ip), Port]);
at(Ip, Port) -> io_lib:format("~s:~b", [inet:ntoa(Ip), Port]).

start_b(HostB) -> mesh:start("b", HostB, #{node => atom_to_list(?B)}).

%% Both addresses are B's.
know(A) ->
    mesh:on(A, fun() ->
                       ok = inet_db:set_lookup([file]),
                       [ok = inet_db:add_host(Ip, [?NAME]) || Ip <- [?V4, ?V6]],
                       ok
               end).

assert_reached(A) ->
    ?assertEqual(pong, mesh:call(A, net_adm, ping, [?B])).

%% --- addresses --------------------------------------------------------------------------------

one_is_dead(Alive, Dead) ->
    {HostA, #{port := Port} = HostB} = hosts(Alive),
    Sockets = fill(listen(Dead, Port), Dead, Port, []),
    B = start_b(HostB),
    A = mesh:start("a", HostA, #{args => ?PATIENT}),
    know(A),
    assert_reached(A),
    [gen_tcp:close(S) || S <- Sockets],
    mesh:stop_pair({A, B}).

listen(Ip, Port) ->
    Family = case Ip of ?V6 -> [inet6]; _ -> [] end,
    {ok, Listener} = gen_tcp:listen(Port, Family ++ [{ip, Ip}, {backlog, 0}]),
    Listener.

%% Connects until the system takes no more: it then leaves the next ones without an answer.
fill(Listener, Ip, Port, Queue) ->
    case gen_tcp:connect(Ip, Port, [], 500) of
        {ok, Socket} -> fill(Listener, Ip, Port, [Socket | Queue]);
        {error, timeout} -> [Listener | Queue]
    end.

one_is_mute() ->
    {HostA, #{port := Port} = HostB} = hosts([?V4]),
    Mute = listen(?V6, Port),
    B = start_b(HostB),
    A = mesh:start("a", HostA),
    know(A),
    assert_reached(A),
    gen_tcp:close(Mute),
    mesh:stop_pair({A, B}).

one_goes_on() ->
    {HostA, HostB} = hosts([?V4, ?V6]),
    B = start_b(HostB),
    A = mesh:start("a", HostA),
    know(A),
    assert_reached(A),
    {ok, #{exchanges := Exchanges}} = mesh:call(B, tacit, info, []),
    ?assertEqual(1, Exchanges),
    ?assertMatch([_], mesh:call(A, tacit_drv, links, [])),
    mesh:stop_pair({A, B}).

%% --- the resolver -----------------------------------------------------------------------------

one_is_not_answered(Ip, Unanswered) ->
    {HostA, HostB} = hosts([Ip]),
    B = start_b(HostB),
    A = mesh:start("a", HostA, #{args => ?PATIENT}),
    Resolver = ask_at(A, fun(Type) when Type =:= Unanswered -> never; (_) -> Ip end),
    assert_reached(A),
    gen_udp:close(Resolver),
    mesh:stop_pair({A, B}).

none_is_answered() ->
    {HostA, _} = hosts([?V4]),
    A = mesh:start("a", HostA, #{args => ["-kernel", "net_setuptime", "2"]}),
    Resolver = ask_at(A, fun(_) -> never end),
    ?assertEqual(pang, mesh:call(A, net_adm, ping, [?B])),
    ok = mesh:logged(A, ["link refused", "reason=timeout", "no answer from the resolver"]),
    gen_udp:close(Resolver),
    mesh:stop(A).

%% A resolver of the test's own, which A asks from now on.
ask_at(A, Answer) ->
    {ok, Socket} = gen_udp:open(0, [binary, {ip, {127, 0, 0, 1}}, {active, false}]),
    {ok, Port} = inet:port(Socket),
    serve(Socket, Answer),
    ok = mesh:on(A, fun() ->
                            ok = inet_db:set_resolv_conf(""),
                            ok = inet_db:set_lookup([dns]),
                            [ok = inet_db:del_ns(Ip) || {Ip, _} <- inet_db:res_option(nameservers)],
                            ok = inet_db:set_timeout(100000),
                            ok = inet_db:add_ns({127, 0, 0, 1}, Port)
                    end),
    Socket.

serve(Socket, Answer) ->
    Pid = spawn(fun() -> receive go -> answer(Socket, Answer) end end),
    ok = gen_udp:controlling_process(Socket, Pid),
    Pid ! go.

answer(Socket, Answer) ->
    case gen_udp:recv(Socket, 0) of
        {ok, {Ip, Port, Bytes}} ->
            {ok, Query} = inet_dns:decode(Bytes),
            [Question] = inet_dns:msg(Query, qdlist),
            reply(Socket, Ip, Port, Query, inet_dns:dns_query(Question), Answer),
            answer(Socket, Answer);
        {error, closed} ->
            ok
    end.

reply(Socket, Ip, Port, Query, Question, Answer) ->
    Type = proplists:get_value(type, Question),
    case Answer(Type) of
        never ->
            ok;
        Address ->
            Record = inet_dns:make_rr([{domain, ?NAME}, {type, Type}, {class, in}, {ttl, 60},
                                       {data, Address}]),
            Header = inet_dns:make_header(inet_dns:msg(Query, header), qr, true),
            Reply = inet_dns:make_msg([{header, Header}, {qdlist, inet_dns:msg(Query, qdlist)},
                                       {anlist, [Record]}]),
            ok = gen_udp:send(Socket, Ip, Port, inet_dns:encode(Reply))
    end.

%% --- C nodes and the command ------------------------------------------------------------------

%% Longer than the test's C node may take for an answer.
-define(C_PATIENCE, 300000).

%% What runs a command that sees these texts in the place of these files.
inside(Files) ->
    Inside = ["unshare", "--mount", "sh", "-c",
              lists:append(["mount --bind " ++ file(Text) ++ " " ++ File ++ " && "
                            || {File, Text} <- Files]) ++ "exec \"$@\"", "sh"],
    run(Inside, ["echo", "inside"]) =:= "inside\n" orelse throw({skip, "no namespaces here"}),
    Inside.

file(Text) ->
    File = filename:join(mesh:dir(), "file"),
    ok = file:write_file(File, Text),
    File.

run(Inside, Command) ->
    os:cmd(lists:join(" ", ["'" ++ Word ++ "'" || Word <- Inside ++ Command])).

know() ->
    inside([{"/etc/hosts", [own_name() | [[inet:ntoa(Ip), " ", ?NAME, "\n"] || Ip <- [?V4, ?V6]]]}]).

%% ei asks for it in each handshake.
own_name() ->
    {ok, Own} = inet:gethostname(),
    ["127.0.0.1 ", Own, "\n"].

connects(Inside, HostA) ->
    C = cnode:start("c", HostA, #{exec => Inside}),
    Fd = cnode:connect(C, ?B, ?C_PATIENCE),
    cnode:close(C, Fd),
    cnode:stop(C).

one_is_dead_to_c(Alive, Dead) ->
    {#{conf := Conf} = HostA, #{port := Port} = HostB} = hosts(Alive),
    Inside = know(),
    Sockets = fill(listen(Dead, Port), Dead, Port, []),
    B = start_b(HostB),
    connects(Inside, HostA),
    Exe = filename:join(os:getenv("TACIT_BUILD"), "tacit"),
    Said = run(Inside, [Exe, "ping", "--conf", Conf, "--as", "p@127.0.0.1", atom_to_list(?B)]),
    ?assertMatch({match, _}, re:run(Said, "answer to p@127.0.0.1")),
    [gen_tcp:close(S) || S <- Sockets],
    mesh:stop(B).

one_is_mute_to_c() ->
    {HostA, #{port := Port} = HostB} = hosts([?V4]),
    Inside = know(),
    Mute = listen(?V6, Port),
    B = start_b(HostB),
    C = cnode:start("c", HostA, #{exec => Inside}),
    Fd = cnode:connect(C, ?B, 10000),
    cnode:close(C, Fd),
    cnode:stop(C),
    gen_tcp:close(Mute),
    mesh:stop(B).

%% The system's resolver knows no other port.
resolver(Answer) ->
    case gen_udp:open(53, [binary, {ip, {127, 0, 0, 1}}, {active, false}]) of
        {ok, Resolver} -> serve(Resolver, Answer), Resolver;
        {error, Reason} -> throw({skip, inet:format_error(Reason)})
    end.

resolv_conf() -> {"/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:100\n"}.

one_is_not_answered_to_c(Ip, Unanswered) ->
    {HostA, HostB} = hosts([Ip]),
    Inside = inside([resolv_conf(), {"/etc/hosts", own_name()}]),
    Resolver = resolver(fun(Type) when Type =:= Unanswered -> never; (_) -> Ip end),
    B = start_b(HostB),
    connects(Inside, HostA),
    gen_udp:close(Resolver),
    mesh:stop(B).

nameless_to_command() ->
    #{conf := Conf} = Host = mesh:host("127.0.0.5"),
    ok = mesh:trust(Host, Host),
    Inside = inside([resolv_conf(), {"/etc/hosts", "127.0.0.1 localhost\n"}]),
    Resolver = resolver(fun(_) -> never end),
    B = mesh:start("b", Host),
    Exe = filename:join(os:getenv("TACIT_BUILD"), "tacit"),
    ?assertEqual("1\n", run(Inside, [Exe, "call", "--conf", Conf, "-c", "tacittest", "b@127.0.0.5",
                                     "erlang", "abs", "[-1]"])),
    gen_udp:close(Resolver),
    mesh:stop(B).
