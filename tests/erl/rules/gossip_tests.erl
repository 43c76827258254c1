%% What nodes tell each other of policies and mesh keys arrives, also where the process that
%% hears of it, or the one that was to do it, is lost at that moment.
-module(gossip_tests).

-include_lib("eunit/include/eunit.hrl").

-define(A, 'a@127.0.0.1').
-define(B, 'b@127.0.0.2').
%% Nothing dials or parts but the test: not global.
-define(QUIET, ["-kernel", "dist_auto_connect", "never",
                "-kernel", "prevent_overlapping_partitions", "false"]).

gossip_test_() ->
    [{Title, {timeout, 180, Test}} || {Title, Test} <- tests()].

tests() ->
    [{"a policy that is lost with tacit_gossip, to which it came, comes again", fun unheard/0},
     {"a policy that is lost with tacit_reload, which was to try it, comes again", fun untried/0},
     {"that a peer opens other mesh keys is known, though tacit_gossip was lost as it heard so",
      fun mesh_keys/0},
     {"while all of it is killed again and again on both nodes a policy comes to both, and "
      "revokes", fun killed/0}].

linked(Conf) ->
    {A, B} = mesh:pair(#{a_conf => Conf, b_conf => Conf, args => ?QUIET}),
    ?assert(mesh:call(A, net_kernel, connect_node, [?B])),
    mesh:wait_until(fun() -> mesh:nodes_of(B) =:= [?A] end),
    {A, B}.

%% From now on its inbox only fills.
hold(Node, Name) ->
    mesh:call(Node, sys, suspend, [Name]).

%% Ends it with a message in its inbox of which Is is true.
kill_with(Node, Name, Is) ->
    mesh:wait_until(fun() -> lists:any(Is, inbox(Node, Name)) end),
    mesh:on(Node, fun() -> exit(whereis(Name), kill) end).

inbox(Node, Name) ->
    {messages, Messages} = mesh:on(Node, fun() -> process_info(whereis(Name), messages) end),
    Messages.

unheard() ->
    {Key, Conf} = signed:authority(),
    {A, B} = linked(Conf),
    hold(B, tacit_gossip),
    signed:put_file(A, signed:policy(Key, 1, "[group work]\n")),
    signed:has(A, 1),
    %% So that a sends it at once.
    mesh:on(B, fun() ->
                       {ok, #{policies := [#{key := Public}]}} = tacit_drv:info(host),
                       {tacit_gossip, ?A} ! {tacit_policies, ?B, [{Public, 0, <<>>}]}
               end),
    kill_with(B, tacit_gossip, fun({tacit_policy, ?A, _}) -> true; (_) -> false end),
    signed:has(B, 1),
    mesh:stop_pair({A, B}).

untried() ->
    {Key, Conf} = signed:authority(),
    {A, B} = linked(Conf),
    hold(B, tacit_reload),
    signed:put_file(A, signed:policy(Key, 1, "[group work]\n")),
    kill_with(B, tacit_reload, fun({'$gen_call', _, {policy, ?A, _}}) -> true; (_) -> false end),
    signed:has(B, 1),
    mesh:stop_pair({A, B}).

mesh_keys() ->
    {#{host := #{conf := Conf}} = A, B} = linked(""),
    hold(B, tacit_gossip),
    ?assertMatch({0, _}, mesh:tacit(["mesh-key", "add", "--conf", Conf])),
    kill_with(B, tacit_gossip, fun(M) -> M =:= {tacit_mesh_keys, ?A} end),
    {ok, #{mesh_keys := [_, _] = Keys}} = mesh:call(A, tacit, info, []),
    mesh:wait_until(fun() ->
                            {ok, #{peer_mesh_keys := Shown}} = mesh:call(B, tacit, info, [?A]),
                            Shown =:= Keys
                    end),
    mesh:stop_pair({A, B}).

killed() ->
    {Key, Conf} = signed:authority(),
    HostA = mesh:host("127.0.0.1", #{conf => Conf}),
    Hosts = [HostA | [mesh:host(Ip, #{mesh => HostA, conf => Conf}) ||
                         Ip <- ["127.0.0.2", "127.0.0.3"]]],
    [mesh:trust(X, Y) || X <- Hosts, Y <- Hosts, X =/= Y],
    [A, B, C] = Nodes = [mesh:start(Name, Host, #{args => ?QUIET}) ||
                            {Name, Host} <- lists:zip(["a", "b", "c"], Hosts)],
    [?assert(mesh:call(From, net_kernel, connect_node, [To])) ||
        {From, To} <- [{A, ?B}, {C, ?A}, {C, ?B}]],
    {ok, #{fingerprint := Fingerprint}} = mesh:call(C, tacit, info, []),
    Self = self(),
    Killers = [spawn_link(fun() -> mesh:on(Node, fun kill_all/0), Self ! {self(), done} end) ||
                  Node <- [A, B]],
    signed:put_file(A, signed:policy(Key, 1, ["[mesh]\nrevoked = ", Fingerprint, "\n"])),
    [receive {Killer, done} -> ok end || Killer <- Killers],
    [signed:has(Node, 1) || Node <- [A, B]],
    [mesh:wait_until(fun() -> mesh:nodes_of(Node) =:= [Other] end) ||
        {Node, Other} <- [{A, ?B}, {B, ?A}]],
    lists:foreach(fun mesh:stop/1, Nodes).

%% More often than their supervisor stands.
kill_all() ->
    [kill(Name) || _ <- lists:seq(1, 10), Name <- [tacit_gossip, tacit_reload, tacit_control]].

kill(Name) ->
    case whereis(Name) of
        undefined -> timer:sleep(1), kill(Name);
        Pid -> exit(Pid, kill)
    end.
