%% -proto_dist inet_tcp tacit: plain TCP to those on [plain] lines, Tacit to all others, and
%% nothing in between. The plain nodes are stock Erlang with OTP's own epmd, on loopback.
-module(plain_tests).

-include_lib("eunit/include/eunit.hrl").

-define(BOTH, "-proto_dist inet_tcp tacit").

plain_test_() ->
    [{"a node speaks plain TCP to an old node and Tacit to a new one at the same time",
      {timeout, 60, with_epmd(fun both_at_once/1)}},
     {"the old node may be the one that dials",
      {timeout, 60, with_epmd(fun old_dials/1)}},
     {"a [plain] line *@HOST stands for every name there, and for no other host",
      {timeout, 60, with_epmd(fun whole_host/1)}},
     {"a plain node with the right cookie that is on no [plain] line is refused",
      {timeout, 60, with_epmd(fun stranger_dials/1)}},
     {"a node that is on no [plain] line is not dialled in plain",
      {timeout, 60, with_epmd(fun stranger_not_dialled/1)}},
     {"without any [plain] line nobody comes in in plain",
      {timeout, 60, with_epmd(fun no_line/1)}},
     {"a node on a [plain] line does not get in under a name that is Tacit's",
      {timeout, 60, with_epmd(fun old_under_new_name/1)}},
     {"net_kernel:allow/1 narrows the [plain] lines, too",
      {timeout, 60, with_epmd(fun allow_narrows/1)}},
     {"-proto_dist tacit inet_tcp stops the node with one line",
      {timeout, 60, fun wrong_order/0}},
     {"a carrier that Tacit does not know stops the node with one line",
      {timeout, 60, with_epmd(fun wrong_carrier/1)}},
     {"Tacit cannot listen: the node does not start in plain alone",
      {timeout, 60, with_epmd(fun tacit_cannot_listen/1)}},
     {"inet_tcp cannot listen: the node does not start with Tacit alone",
      {timeout, 60, with_epmd(fun plain_cannot_listen/1)}},
     {"at run time, too, no plain listener is left when Tacit cannot start",
      {timeout, 60, with_epmd(fun run_time_failure/1)}},
     {"without a listener, or with a dynamic name, both carriers dial",
      {timeout, 60, with_epmd(fun no_listener/1)}}].

with_epmd(Test) ->
    fun() -> stock:with_epmd(["127.0.0.1", "127.0.0.3", "127.0.0.4"], Test) end.

%% The node that moves: its own host and Env, with Plain as [plain] lines.
moving(Env, Lines) ->
    A = mesh:host("127.0.0.1", #{conf => plain(Lines)}),
    {A, mesh:start("a", A, moving_options(Env))}.

moving_options(Env) ->
    #{proto => ?BOTH, env => Env, flags => "-epmd_module tacit_epmd -start_epmd false",
      args => stock:interface("127.0.0.1")}.

plain([]) -> "";
plain(Nodes) -> ["\n[plain]\n" | [["node = ", Node, "\n"] || Node <- Nodes]].

%% A node that knows nothing of Tacit.
old(Name, Ip, Env) ->
    stock:node(Name, Ip, Env).

name(#{name := Name}) -> Name.

ping(From, To) ->
    mesh:call(From, net_adm, ping, [name(To)]).

both_at_once(Env) ->
    {HostA, A} = moving(Env, []),
    HostB = mesh:host("127.0.0.2", #{mesh => HostA}),
    mesh:stop(A),
    ok = mesh:append(HostA, plain(["old@127.0.0.3"])),
    ok = mesh:append(HostA, "\n"),
    ok = mesh:trust(HostA, HostB),
    ok = mesh:trust(HostB, HostA),
    A1 = mesh:start("a", HostA, moving_options(Env)),
    B = mesh:start("b", HostB),
    Old = old("old", "127.0.0.3", Env),
    ?assertEqual({pong, pong}, {ping(A1, Old), ping(A1, B)}),
    ?assertEqual(lists:sort([name(Old), name(B)]), lists:sort(mesh:call(A1, erlang, nodes, []))),
    ?assertMatch({ok, #{state := up}}, mesh:call(A1, tacit, info, [name(B)])),
    ?assertEqual({error, unknown}, mesh:call(A1, tacit, info, [name(Old)])),
    [?assertEqual(name(A1), mesh:call(N, rpc, call, [name(A1), erlang, node, []]))
     || N <- [Old, B]],
    lists:foreach(fun mesh:stop/1, [A1, B, Old]).

old_dials(Env) ->
    {_, A} = moving(Env, ["old@127.0.0.3"]),
    Old = old("old", "127.0.0.3", Env),
    ?assertEqual(pong, ping(Old, A)),
    ?assertEqual([name(Old)], mesh:call(A, erlang, nodes, [])),
    lists:foreach(fun mesh:stop/1, [A, Old]).

whole_host(Env) ->
    {_, A} = moving(Env, ["*@127.0.0.3"]),
    [Old1, Old2, Other] = Nodes = [old("old1", "127.0.0.3", Env), old("old2", "127.0.0.3", Env),
                                   old("old3", "127.0.0.4", Env)],
    ?assertEqual({pong, pong, pang}, {ping(Old1, A), ping(A, Old2), ping(Other, A)}),
    ?assertEqual(pang, ping(A, Other)),
    lists:foreach(fun mesh:stop/1, [A | Nodes]).

stranger_dials(Env) ->
    {_, A} = moving(Env, ["old@127.0.0.3"]),
    Strangers = [old("other", "127.0.0.3", Env), old("old", "127.0.0.4", Env)],
    ?assertEqual([pang, pang], [ping(S, A) || S <- Strangers]),
    ?assertEqual([], mesh:call(A, erlang, nodes, [connected])),
    lists:foreach(fun mesh:stop/1, [A | Strangers]).

stranger_not_dialled(Env) ->
    {_, A} = moving(Env, ["old@127.0.0.3"]),
    Other = old("other", "127.0.0.4", Env),
    ?assertEqual(pang, ping(A, Other)),
    ?assertEqual([], mesh:call(Other, erlang, nodes, [connected])),
    lists:foreach(fun mesh:stop/1, [A, Other]).

no_line(Env) ->
    {_, A} = moving(Env, []),
    Old = old("old", "127.0.0.3", Env),
    ?assertEqual({pang, pang}, {ping(Old, A), ping(A, Old)}),
    %% nor a node that waits for a name
    Dynamic = old("undefined", "127.0.0.3", Env),
    ?assertNot(mesh:call(Dynamic, net_kernel, connect_node, [name(A)])),
    ?assertEqual([], mesh:call(A, erlang, nodes, [connected])),
    lists:foreach(fun mesh:stop/1, [A, Old, Dynamic]).

%% b@127.0.0.4 has a [peer] line: that is no way in for a plain node of this name.
old_under_new_name(Env) ->
    {HostA, A0} = moving(Env, ["old@127.0.0.3"]),
    mesh:stop(A0),
    ok = mesh:trust(HostA, mesh:host("127.0.0.4", #{mesh => HostA})),
    A = mesh:start("a", HostA, moving_options(Env)),
    Old = old("b", "127.0.0.4", Env),
    ?assertEqual(pang, ping(Old, A)),
    lists:foreach(fun mesh:stop/1, [A, Old]).

allow_narrows(Env) ->
    {_, A} = moving(Env, ["*@127.0.0.3"]),
    ok = mesh:call(A, net_kernel, allow, [['old1@127.0.0.3', 'b@127.0.0.2']]),
    [Old1, Old2] = Nodes = [old("old1", "127.0.0.3", Env), old("old2", "127.0.0.3", Env)],
    ?assertEqual({pong, pang}, {ping(Old1, A), ping(Old2, A)}),
    lists:foreach(fun mesh:stop/1, [A | Nodes]).

%% --- what stops the node -----------------------------------------------------------------

run(Host, Proto, Args, Env) ->
    mesh:erl(["-s", "init", "stop" |
              mesh:start_link_args("a@127.0.0.1",
                                   #{host => Host, proto => Proto,
                                     flags => "-epmd_module tacit_epmd -start_epmd false",
                                     args => stock:interface("127.0.0.1") ++ Args})], Env).

one_line(Pattern, #{status := Status, err := Err, files := Files}) ->
    ?assertEqual({1, []}, {Status, Files}),
    ?assertMatch({match, _}, re:run(Err, ["^tacit: .*", Pattern, ".*\n$"]), Err).

wrong_order() ->
    one_line("-proto_dist tacit inet_tcp: expected tacit alone, or inet_tcp tacit",
             run(mesh:host("127.0.0.1"), "-proto_dist tacit inet_tcp", [], [])).

wrong_carrier(Env) ->
    one_line("-proto_dist inet_tls tacit: expected tacit alone",
             run(mesh:host("127.0.0.1"), "-proto_dist inet_tls tacit", [], Env)).

tacit_cannot_listen(Env) ->
    Host = #{port := Port} = mesh:host("127.0.0.1"),
    {ok, Socket} = gen_tcp:listen(Port, [{ip, {127, 0, 0, 1}}]),
    one_line("Address already in use", run(Host, ?BOTH, [], Env)),
    ok = gen_tcp:close(Socket).

%% OTP says its own line first.
plain_cannot_listen(Env) ->
    {ok, Socket} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}}]),
    {ok, Port} = inet:port(Socket),
    Taken = [integer_to_list(Port)],
    #{status := 1, err := Err, files := []} =
        run(mesh:host("127.0.0.1"), ?BOTH,
            ["-kernel", "inet_dist_listen_min" | Taken] ++
                ["-kernel", "inet_dist_listen_max" | Taken], Env),
    ?assertMatch({match, _}, re:run(Err, "tacit: .*inet_tcp does not listen"), Err),
    ok = gen_tcp:close(Socket).

run_time_failure(Env) ->
    Host = #{port := Port} = mesh:host("127.0.0.1"),
    {ok, Socket} = gen_tcp:listen(Port, [{ip, {127, 0, 0, 1}}]),
    Options = moving_options(Env),
    A = mesh:start("a", Host, Options#{node => none}),
    Start = fun() -> mesh:call(A, net_kernel, start, ['a@127.0.0.1', #{}]) end,
    ?assertMatch({error, _}, Start()),
    mesh:wait_until(fun() -> mesh:call(A, erlang, node, []) =:= nonode@nohost end),
    ?assertEqual([], mesh:on(A, fun() -> [P || P <- erlang:ports(),
                                               erlang:port_info(P, name) =:= {name, "tcp_inet"},
                                               {error, enotconn} =:= inet:peername(P)]
                                end)),
    ok = gen_tcp:close(Socket),
    ?assertMatch({ok, _}, Start()),
    mesh:stop(A).

no_listener(Env) ->
    {HostA, A0} = moving(Env, ["old@127.0.0.3"]),
    mesh:stop(A0),
    HostB = mesh:host("127.0.0.2", #{mesh => HostA}),
    ok = mesh:trust(HostA, HostB),
    ok = mesh:trust(HostB, HostA),
    B = mesh:start("b", HostB),
    Old = old("old", "127.0.0.3", Env),
    [begin
         Options = #{args := Args} = moving_options(Env),
         A = mesh:start("a", HostA, Options#{node => Node, args => Args ++ More}),
         ?assertEqual({true, true}, {mesh:call(A, net_kernel, connect_node, [name(B)]),
                                     mesh:call(A, net_kernel, connect_node, [name(Old)])}),
         mesh:stop(A)
     end || {Node, More} <- [{"a@127.0.0.1", ["-dist_listen", "false"]},
                             {"undefined@127.0.0.1", []}]],
    lists:foreach(fun mesh:stop/1, [B, Old]).
