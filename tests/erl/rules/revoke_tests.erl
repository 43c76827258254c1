%% tacit:revoke/1 ends a node's links here and keeps it out, over restarts, whatever tacit.conf
%% allows, until tacit:unrevoke/1. On a mesh, `revoked' lines and reloads do it everywhere.
-module(revoke_tests).

-include_lib("eunit/include/eunit.hrl").
-include_lib("kernel/include/file.hrl").

-define(A, 'a@127.0.0.1').
-define(B, 'b@127.0.0.2').
-define(C, 'c@127.0.0.3').

revoke_test_() ->
    [{Title, {timeout, 120, Test}} || {Title, Test} <- tests()].

tests() ->
    [{"a revoked node is cut and kept out, no matter who dials, until it is given back; others "
      "stay", fun revoked/0},
     {"what is revoked stays so over a restart of the node, and a reload", fun restarted/0},
     {"a node that has no link and never had one is revoked by its line; a key by its "
      "fingerprint", fun without_link/0},
     {"explain and check know who is revoked, by tacit:revoke/1 and by a line of tacit.conf",
      fun explained/0},
     {"who is not known cannot be revoked, and nothing changes", fun unknown/0},
     {"a file of revoked keys that is not understood wholly keeps the node from starting, and a "
      "running one as it was: a line's end of another system, a blank, a comment, a mark before",
      fun bad_file/0},
     {"two nodes of one host that revoke lose nothing of each other's", fun two_nodes/0},
     {"what could not be written is revoked after a reload, too, and is written as soon as it can "
      "be; what is written can be read, whatever the umask", fun unwritten/0},
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

explained() ->
    [#{conf := Conf} = Host, Other] = hosts(2),
    A = mesh:start("a", Host),
    Explain = fun(More) ->
                      {Status, Text} = mesh:tacit(["explain", "--conf", Conf, "b@127.0.0.2" | More]),
                      {Status, re:run(Text, "the key is revoked", [global]) =/= nomatch}
              end,
    Revoked = fun() ->
                      {0, Text} = mesh:tacit(["check", "--conf", Conf]),
                      re:run(Text, "^peer +\\*@127.0.0.2 .*  revoked$", [multiline]) =/= nomatch
              end,
    Key = ["--key", maps:get(public_key, Other)],
    ?assertEqual([{0, false}, {0, false}, false], [Explain([]), Explain(Key), Revoked()]),
    {ok, #{fingerprints := [Fingerprint]}} = mesh:call(A, tacit, revoke, [?B]),
    ?assertEqual([{1, true}, {1, true}, true], [Explain([]), Explain(Key), Revoked()]),
    {ok, _} = mesh:call(A, tacit, unrevoke, [?B]),
    ?assertEqual([{0, false}, {0, false}, false], [Explain([]), Explain(Key), Revoked()]),
    mesh:in_mesh(Host, ["revoked = ", Fingerprint, "\n"]),
    ?assertEqual([{1, true}, {1, true}, true], [Explain([]), Explain(Key), Revoked()]),
    mesh:stop(A).

fingerprint(Node) ->
    {ok, #{fingerprint := Fingerprint}} = mesh:call(Node, tacit, info, []),
    Fingerprint.

revoked() ->
    [A, B, _] = Nodes = start_all(hosts(3)),
    [?assertEqual(pong, ping(A, Name)) || Name <- [?B, ?C]],
    Fingerprint = fingerprint(B),
    ?assertEqual({ok, #{fingerprints => [Fingerprint], dropped => [<<"b@127.0.0.2">>],
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

%% Where a peer came from that was let in is known, and gets in first: not one that is cut.
restarted() ->
    [A, B] = start_all(hosts(2)),
    Known = fun() -> {ok, #{known := Count}} = mesh:call(A, tacit, info, []), Count end,
    ?assertEqual(pong, ping(B, ?A)),
    ?assertEqual(1, Known()),
    ?assertMatch({ok, _}, mesh:call(A, tacit, revoke, [?B])),
    mesh:wait_until(fun() -> Known() =:= 0 end),
    ?assertEqual({ok, #{dropped => []}}, mesh:call(A, tacit, reload, [])),
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
    ?assertEqual({ok, #{fingerprints => [Fingerprint], dropped => [], lasts => true}},
                 mesh:call(A, tacit, revoke, [?B])),
    ?assertEqual(pang, ping(B, ?A)),
    ?assertMatch({ok, _}, mesh:call(A, tacit, unrevoke, [Fingerprint])),
    ?assertEqual(pong, ping(B, ?A)),
    ?assertEqual({ok, #{fingerprints => [Fingerprint], dropped => [<<"b@127.0.0.2">>],
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
    [#{dir := Dir} = HostA, HostB] = hosts(2),
    File = filename:join(Dir, "revoked"),
    B = mesh:start("b", HostB),
    Fingerprint = fingerprint(B),
    Args = mesh:start_link_args("a@127.0.0.1", #{host => HostA}),
    [begin
         ok = file:write_file(File, ["\n", Text]),
         #{status := Status, err := Err} = mesh:erl(Args, []),
         ?assertEqual({Text, {1, "tacit: " ++ File ++ ":2: got '" ++ Shown ++
                                  "', expected a fingerprint and nothing beside it\n"}},
                      {Text, {Status, Err}})
     end || {Text, Shown} <- [{"somebody\n", "somebody"}, {"# db2\n", "# db2"}]],
    Bad = [[Fingerprint, "\r\n"], [Fingerprint, " \n"], [Fingerprint, " ; db2\n"],
           ["# db2, stolen\n", Fingerprint, "\n"], [<<16#ef, 16#bb, 16#bf>>, Fingerprint, "\n"]],
    [begin
         ok = file:write_file(File, Text),
         ?assertMatch(#{status := 1}, mesh:erl(Args, []))
     end || Text <- Bad],
    ok = file:write_file(File, [Fingerprint, "\n"]),
    A = mesh:start("a", HostA),
    [begin
         ok = file:write_file(File, Text),
         {error, Why} = mesh:call(A, tacit, reload, []),
         ?assertMatch({match, _}, re:run(Why, "^" ++ File ++ ":1: got '.*expected a fingerprint")),
         ?assertEqual(pang, ping(B, ?A))
     end || Text <- Bad],
    ok = file:write_file(File, ""),
    ?assertMatch({ok, _}, mesh:call(A, tacit, reload, [])),
    ?assertEqual(pong, ping(B, ?A)),
    mesh:stop_pair({A, B}).

%% Behind one door, with one tacit.conf.
two_nodes() ->
    Host = door:host("127.0.0.1"),
    Door = door:start(Host),
    [A1, A2] = [mesh:start(Name, Host) || Name <- ["a1", "a2"]],
    [One, Two] = [binary:copy(<<Letter>>, 43) || Letter <- "AE"],
    ?assertMatch({ok, #{lasts := true}}, mesh:call(A1, tacit, revoke, [One])),
    ?assertMatch({ok, #{lasts := true}}, mesh:call(A2, tacit, revoke, [Two])),
    ?assertEqual(lists:sort([One, Two]), lists:sort(revoked_lines(A1))),
    ?assertMatch({ok, #{lasts := true}}, mesh:call(A1, tacit, unrevoke, [One])),
    ?assertEqual([Two], revoked_lines(A1)),
    lists:foreach(fun mesh:stop/1, [A1, A2]),
    0 = door:stop(Door).

revoked_lines(Node) ->
    {ok, Bytes} = file:read_file(revoked_file(Node)),
    binary:split(Bytes, <<"\n">>, [global, trim]).

unwritten() ->
    [A, B] = start_all(hosts(2)),
    Fingerprint = fingerprint(B),
    File = revoked_file(A),
    %% No line of it is taken away while it is no file.
    ok = file:make_dir(File),
    ?assertMatch({ok, #{lasts := false}}, mesh:call(A, tacit, revoke, [?B])),
    mesh:logged(A, [File, "directory", "is tried again"]),
    ok = file:del_dir(File),
    ?assertMatch({ok, _}, mesh:call(A, tacit, reload, [])),
    ?assertEqual(pang, ping(B, ?A)),
    %% Nobody asks for it again.
    mesh:wait_until(fun() -> filelib:is_regular(File) end),
    ?assertEqual([Fingerprint], revoked_lines(A)),
    mesh:logged(A, ["what was revoked is written"]),
    ok = file:change_mode(File, 8#600),
    Other = binary:copy(<<"A">>, 43),
    ?assertMatch({ok, #{lasts := true}}, mesh:call(A, tacit, revoke, [Other])),
    ?assertEqual(lists:sort([Other, Fingerprint]), lists:sort(revoked_lines(A))),
    {ok, #file_info{mode = Mode}} = file:read_file_info(File),
    ?assertEqual(8#644, Mode band 8#777),
    ?assertMatch({ok, _}, mesh:call(A, tacit, reload, [])),
    ?assertEqual(pang, ping(B, ?A)),
    mesh:stop_pair({A, B}).

five_hosts() ->
    [Bad | Nodes] = All = start_all(hosts(6)),
    Names = [maps:get(name, Node) || Node <- All],
    [?assertEqual(pong, ping(Node, Name)) || Node <- All, Name <- Names],
    Fingerprint = fingerprint(Bad),
    [begin
         revoke_line(Node, Fingerprint),
         ?assertEqual({ok, #{dropped => [<<"a@127.0.0.1">>]}}, mesh:call(Node, tacit, reload, []))
     end || Node <- Nodes],
    [mesh:wait_until(fun() -> mesh:nodes_of(Node) =:= Names -- [?A, maps:get(name, Node)] end)
     || Node <- Nodes],
    mesh:wait_until(fun() -> mesh:nodes_of(Bad) =:= [] end),
    [?assertEqual(pang, ping(Bad, maps:get(name, Node))) || Node <- Nodes],
    lists:foreach(fun mesh:stop/1, All).

revoke_line(#{host := #{conf := Conf}}, Fingerprint) ->
    {ok, Text} = file:read_file(Conf),
    ok = file:write_file(Conf, string:replace(Text, "[mesh]", ["[mesh]\nrevoked = ", Fingerprint])).
