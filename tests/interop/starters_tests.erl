%% Nodes that start nodes: OTP's peer and slave, behind one door.
-module(starters_tests).

-include_lib("eunit/include/eunit.hrl").

starters_test_() ->
    {setup, fun start/0, fun stop/1,
     fun(World) -> [{Title, {timeout, 120, fun() -> Test(World) end}} ||
                       {Title, Test} <- tests()] end}.

tests() ->
    [{"peer:start starts a node that reports over Tacit, and ends with it", fun peer_start/1},
     {"slave:start does", fun slave_start/1},
     {"a peer that is cut off from its starter ends", fun cut_off/1}].

start() ->
    Host = door:host("127.0.0.1"),
    ok = mesh:trust(Host, Host),
    Door = door:start(Host),
    {mesh:start("a", Host), Door, mesh:start_link_args(none, #{host => Host})}.

stop({Node, Door, _}) ->
    mesh:stop(Node),
    0 = door:stop(Door).

peer_start({Node, _, Args}) ->
    {Pid, Name} = mesh:on(Node, fun() -> start_peer(p1, Args) end),
    ?assertEqual('p1@127.0.0.1', Name),
    ?assertEqual([Name], mesh:call(Node, erlang, nodes, [])),
    ?assertMatch({ok, #{state := up}}, mesh:call(Node, tacit, info, [Name])),
    ?assertEqual(Name, mesh:call(Node, rpc, call, [Name, erlang, node, []])),
    ok = mesh:call(Node, peer, stop, [Pid]),
    mesh:wait_until(fun() -> mesh:call(Node, erlang, nodes, []) =:= [] end).

%% Without `connection' peer's own talk goes over distribution. The peer belongs to a process
%% that outlives this call.
start_peer(Name, Args) ->
    {ok, Pid, Node} = peer:start(#{name => Name, host => "127.0.0.1", args => Args,
                                   wait_boot => 60000}),
    {Pid, Node}.

slave_start({Node, _, Args}) ->
    mesh:call(Node, code, ensure_loaded, [slave]) =:= {module, slave}
        orelse throw({skip, "this release has no slave any more"}),
    Flags = lists:flatten(lists:join($\s, Args)),
    {ok, Name} = mesh:call(Node, slave, start, ['127.0.0.1', s1, Flags]),
    ?assertEqual(Name, mesh:call(Node, rpc, call, [Name, erlang, node, []])),
    ok = mesh:call(Node, slave, stop, [Name]),
    mesh:wait_until(fun() -> mesh:call(Node, erlang, nodes, []) =:= [] end).

cut_off({Node, _, Args}) ->
    {_, Name} = mesh:on(Node, fun() -> start_peer(p2, Args) end),
    OsPid = mesh:call(Node, rpc, call, [Name, os, getpid, []]),
    mesh:wait_until(fun() ->
                            _ = mesh:call(Node, erlang, disconnect_node, [Name]),
                            not mesh:runs(#{os_pid => OsPid})
                    end).
