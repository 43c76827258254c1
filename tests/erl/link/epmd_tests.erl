%% -epmd_module tacit_epmd: what it answers by itself, and what it passes on to OTP's own
%% where that runs.
-module(epmd_tests).

-include_lib("eunit/include/eunit.hrl").

-define(VERSION, 6). % of the distribution protocol

epmd_test_() ->
    [{setup, fun mesh:pair/0, fun mesh:stop_pair/1,
      fun(Nodes) -> [{Title, {timeout, 60, fun() -> Test(Nodes) end}} ||
                        {Title, Test} <- alone()] end},
     {"with epmd, registration, ports and names are epmd's", {timeout, 60, fun with_epmd/0}},
     {"where epmd should run and does not, the node starts, and names is an error",
      {timeout, 60, fun epmd_is_missing/0}},
     {"a node without a name has none to tell", {timeout, 60, fun no_name/0}}].

alone() ->
    [{"names/0,1 and net_adm:names tell this node and its one port", fun own_names/1},
     {"names/1 tells nothing about another host", fun other_names/1},
     {"port_please/2,3 gives the port at which Tacit reaches a node", fun port_of_peer/1},
     {"port_please of a name that cannot be is noport", fun no_port/1},
     {"register_node/2,3 succeeds and leaves the creation to net_kernel", fun register_alone/1},
     {"erl asks tacit_epmd", fun is_asked/1}].

own_names({_, #{host := #{port := Port}} = B}) ->
    Expected = {ok, [{"b", Port}]},
    ?assertEqual([Expected, Expected],
                 [mesh:call(B, M, names, []) || M <- [tacit_epmd, net_adm]]),
    [?assertEqual({Host, Expected}, {Host, mesh:call(B, M, names, [Host])})
     || M <- [tacit_epmd, net_adm], Host <- ["127.0.0.2", '127.0.0.2', "localhost"]],
    %% Every loopback address is this host's, whether or not the interface lists it.
    [?assertEqual(Expected, mesh:call(B, tacit_epmd, names, [Ip]))
     || Ip <- [{127, 0, 0, 1}, {127, 0, 0, 7}, "127.1.2.3"]].

other_names({_, B}) ->
    [?assertEqual({error, address}, mesh:call(B, tacit_epmd, names, [Host]))
     || Host <- [{192, 0, 2, 1}, "192.0.2.1", "host.invalid"]].

port_of_peer({A, #{host := #{port := Port}}}) ->
    Expected = {port, Port, ?VERSION},
    [?assertEqual(Expected, mesh:call(A, tacit_epmd, port_please, Args))
     || Args <- [["b", "127.0.0.2"], [b, '127.0.0.2'], ["b", {127, 0, 0, 2}],
                 ["b", "127.0.0.2", 1000], ["b", "127.0.0.2", infinity]]],
    %% without an endpoint of its own: the default port
    ?assertEqual({port, 4370, ?VERSION},
                 mesh:call(A, tacit_epmd, port_please, ["c", "host.invalid"])).

no_port({A, _}) ->
    [?assertEqual(noport, mesh:call(A, tacit_epmd, port_please, [Name, "127.0.0.2"]))
     || Name <- ["", "b@c", "no name"]].

register_alone({A, _}) ->
    [?assertEqual({ok, -1}, mesh:call(A, tacit_epmd, register_node, Args))
     || Args <- [["x", 1234], ["x", 1234, inet], [x, 1234, inet6]]].

is_asked({A, _}) ->
    ?assertEqual(tacit_epmd, mesh:call(A, net_kernel, epmd_module, [])),
    ?assertEqual(undefined, mesh:call(A, erlang, whereis, [erl_epmd])).

%% --- beside OTP's own --------------------------------------------------------------------

flags() -> "-epmd_module tacit_epmd -start_epmd false".

with_epmd() ->
    stock:with_epmd(["127.0.0.1"], fun with_epmd/1).

with_epmd(Env) ->
    Options = #{env => Env, flags => flags(), args => stock:interface("127.0.0.1")},
    Plain = mesh:start("plain", mesh:host("127.0.0.1"),
                       Options#{proto => "-proto_dist inet_tcp tacit"}),
    {ok, [{"plain", Port}]} = mesh:call(Plain, tacit_epmd, names, []),
    ?assertEqual({ok, [{"plain", Port}]}, mesh:call(Plain, net_adm, names, ["127.0.0.1"])),
    [?assertMatch({port, Port, _}, mesh:call(Plain, tacit_epmd, port_please, Args))
     || Args <- [["plain", "127.0.0.1"], ["plain", {127, 0, 0, 1}, 5000]]],
    ?assertEqual(noport, mesh:call(Plain, tacit_epmd, port_please, ["b", "127.0.0.1"])),
    ?assertNotEqual(maps:get(port, maps:get(host, Plain)), Port),
    %% Tacit alone registers nothing there; who calls register_node does
    Tacit = mesh:start("alone", mesh:host("127.0.0.1"), Options),
    ?assertEqual({ok, [{"plain", Port}]}, mesh:call(Tacit, tacit_epmd, names, [])),
    {ok, _} = mesh:call(Tacit, tacit_epmd, register_node, ["other", 12345]),
    {ok, Names} = mesh:call(Tacit, tacit_epmd, names, []),
    ?assertEqual([{"other", 12345}, {"plain", Port}], lists:sort(Names)),
    lists:foreach(fun mesh:stop/1, [Plain, Tacit]).

epmd_is_missing() ->
    Env = [{"ERL_EPMD_PORT", integer_to_list(mesh:free_port("127.0.0.1"))}],
    Node = mesh:start("a", mesh:host("127.0.0.1"), #{env => Env, flags => flags()}),
    ?assertEqual({error, address}, mesh:call(Node, tacit_epmd, names, [])),
    mesh:stop(Node).

no_name() ->
    Node = mesh:start("a", mesh:host("127.0.0.1"), #{node => none}),
    ?assertEqual({ok, []}, mesh:call(Node, tacit_epmd, names, [])),
    ?assertEqual({ok, []}, mesh:call(Node, tacit_epmd, names, ["localhost"])),
    mesh:stop(Node).
