%% tacit:revoke/1 ends a node's links here and keeps it out, over restarts, whatever tacit.conf
%% allows, until tacit:unrevoke/1. On a mesh, `revoked' lines and reloads do it everywhere.
-module(revoke_tests).

-include_lib("eunit/include/eunit.hrl").

-define(A, 'a@127.0.0.1').
-define(B, 'b@127.0.0.2').
-define(C, 'c@127.0.0.3').

revoke_test_() ->
    [{Title, {timeout, 120, Test}} || {Title, Test} <- tests()].

tests() ->
    [{"a revoked node is cut and kept out, whoever dials, until it is given back; others stay",
      fun revoked/0},
     {"what is revoked stays so over a restart of the node, and a reload", fun restarted/0},
     {"a node that has no link and never had one is revoked by its line; a key by its "
      "fingerprint", fun without_link/0},
     {"who is not known cannot be revoked, and nothing changes", fun unknown/0},
     {"a file of revoked keys that says nothing sensible keeps the node from starting",
      fun bad_file/0},
     {"a node that is on a 'revoked' line of five hosts is gone from each after its reload",
      fun five_hosts/0}].

hosts(Count) ->
    [First | Rest] = [io_lib:format("127.0.0.~b", [I]) || I <- lists:seq(1, Count)],
    A = mesh:host(lists:flatten(First)),
    Hosts = [A | [mesh:host(lists:flatten(Ip), #{mesh => A}) || Ip <- Rest]],
    [mesh:trust(X, Y) || X <- Hosts, Y <- Hosts, X =/= Y],
    Hosts.

%% Without global's own partings, which follow when two of its nodes lose each other.
start_all(Hosts) ->
    Args = ["-kernel", "prevent_overlapping_partitions", "false"],
    [mesh:start([Letter], Host, #{args => Args}) || {Letter, Host} <- lists:zip(lists:seq($a, $a + length(Hosts) - 1),
                                                               Hosts)].

ping(From, Name) -> mesh:call(From, net_adm, ping, [Name]).

fingerprint(Node) ->
    {ok, #{fingerprint := Fingerprint}} = mesh:call(Node, tacit, info, []),
    Fingerprint.

revoked() ->
    [A, B, _] = Nodes = start_all(hosts(3)),
    [?assertEqual(pong, ping(A, Name)) || Name <- [?B, ?C]],
    Fingerprint = fingerprint(B),
    ?assertEqual({ok, #{fingerprints => [Fingerprint], cut => [<<"b@127.0.0.2">>],
                        lasts => true}},
                 mesh:call(A, tacit, revoke, [?B])),
    mesh:wait_until(fun() -> mesh:nodes_of(A) =:= [?C] end),
    ?assertEqual(pang, ping(B, ?A)),
    ?assertEqual(pang, ping(A, ?B)),
    ?assertMatch({ok, #{reason := refused, text := "the key is revoked"}},
                 mesh:call(A, tacit, info, [?B])),
    ?assertEqual([?C], mesh:nodes_of(A)),
    ?assertEqual({ok, #{fingerprints => [Fingerprint], lasts => true}},
                 mesh:call(A, tacit, unrevoke, [?B])),
    ?assertEqual(pong, ping(B, ?A)),
    ?assertMatch({error, _}, mesh:call(A, tacit, unrevoke, [?B])),
    lists:foreach(fun mesh:stop/1, Nodes).

restarted() ->
    [A, B] = start_all(hosts(2)),
    ?assertEqual(pong, ping(A, ?B)),
    ?assertMatch({ok, _}, mesh:call(A, tacit, revoke, [?B])),
    ?assertEqual({ok, #{cut => []}}, mesh:call(A, tacit, reload, [])),
    ?assertEqual(pang, ping(B, ?A)),
    mesh:stop(A),
    Again = mesh:start("a", maps:get(host, A)),
    ?assertEqual(pang, ping(B, ?A)),
    ?assertEqual(pang, ping(Again, ?B)),
    ?assertMatch({ok, _}, mesh:call(Again, tacit, unrevoke, [?B])),
    ?assertEqual(pong, ping(B, ?A)),
    mesh:stop_pair({Again, B}).

without_link() ->
    [A, B] = start_all(hosts(2)),
    Fingerprint = fingerprint(B),
    ?assertEqual({ok, #{fingerprints => [Fingerprint], cut => [], lasts => true}},
                 mesh:call(A, tacit, revoke, [?B])),
    ?assertEqual(pang, ping(B, ?A)),
    ?assertMatch({ok, _}, mesh:call(A, tacit, unrevoke, [Fingerprint])),
    ?assertEqual(pong, ping(B, ?A)),
    ?assertEqual({ok, #{fingerprints => [Fingerprint], cut => [<<"b@127.0.0.2">>],
                        lasts => true}},
                 mesh:call(A, tacit, revoke, [Fingerprint])),
    mesh:stop_pair({A, B}).

unknown() ->
    [A, B] = start_all(hosts(2)),
    ?assertEqual(pong, ping(A, ?B)),
    [?assertMatch({error, _}, mesh:call(A, tacit, revoke, [Who])) ||
        Who <- ['x@127.0.0.9', 'no name', <<"no fingerprint">>, <<>>, 7]],
    ?assertEqual([?B], mesh:nodes_of(A)),
    ?assertNot(filelib:is_file(revoked_file(A))),
    mesh:stop_pair({A, B}).

revoked_file(#{host := #{dir := Dir}}) -> filename:join(Dir, "revoked").

bad_file() ->
    [#{dir := Dir} = Host] = hosts(1),
    File = filename:join(Dir, "revoked"),
    ok = file:write_file(File, "\nsomebody\n"),
    Args = mesh:start_link_args("a@127.0.0.1", #{host => Host}),
    #{status := Status, err := Err} = mesh:erl(Args, []),
    ?assertEqual({1, "tacit: " ++ File ++ ":2: got 'somebody', expected a fingerprint\n"},
                 {Status, Err}).

five_hosts() ->
    [Bad | Nodes] = All = start_all(hosts(6)),
    Names = [maps:get(name, Node) || Node <- All],
    [?assertEqual(pong, ping(Node, Name)) || Node <- All, Name <- Names],
    Fingerprint = fingerprint(Bad),
    [begin
         revoke_line(Node, Fingerprint),
         ?assertEqual({ok, #{cut => [<<"a@127.0.0.1">>]}}, mesh:call(Node, tacit, reload, []))
     end || Node <- Nodes],
    [mesh:wait_until(fun() -> mesh:nodes_of(Node) =:= Names -- [?A, maps:get(name, Node)] end)
     || Node <- Nodes],
    mesh:wait_until(fun() -> mesh:nodes_of(Bad) =:= [] end),
    [?assertEqual(pang, ping(Bad, maps:get(name, Node))) || Node <- Nodes],
    lists:foreach(fun mesh:stop/1, All).

revoke_line(#{host := #{conf := Conf}}, Fingerprint) ->
    {ok, Text} = file:read_file(Conf),
    ok = file:write_file(Conf, string:replace(Text, "[mesh]", ["[mesh]\nrevoked = ", Fingerprint])).
