%% One file, signed by the mesh's authority and put on any one host, is in force on all of
%% them: rules and revocations, by serial number, never back. Nothing else is taken for it.
-module(policy_tests).

-include_lib("eunit/include/eunit.hrl").

-import(signed, [authority/0, path/1, put_file/2, serial/1, has/2]).

-define(A, 'a@127.0.0.1').
-define(B, 'b@127.0.0.2').

policy_test_() ->
    [{Title, {timeout, 300, Test}} || {Title, Test} <- tests()].

tests() ->
    [{"a signed policy on one of five hosts lets a new host in on all five, and no link is "
      "touched; the next one revokes it, and it is gone from all five", fun five_hosts/0},
     {"what was taken lasts over a restart, and reaches a node that was not there",
      fun restarted/0},
     {"an older one does not come in force on a running node, though what it kept is gone",
      fun no_way_back/0},
     {"altered, cut short, a certificate, by a foreign authority, of an older serial, of the same "
      "one with other rules: refused with the reason, and nothing changes", fun refused/0},
     {"rules that the authority may not sign, that contradict or that fail their own test: "
      "refused with file and line, and nothing changes", fun bad_rules/0},
     {"what a peer sends that is no newer policy is refused, and nothing changes",
      fun from_peer/0},
     {"a test that an authority signed keeps no revoked line of the host's own from loading, nor "
      "the node from starting with it", fun own_revocation/0},
     {"what a policy revokes is revoked on a host that for another reason does not take it",
      fun revoked_apart/0},
     {"a line of tacit.conf decides before one that is signed, and tacit explain says which",
      fun local_first/0}].

%% --- help ------------------------------------------------------------------------------------

put_text(Place, Text) ->
    File = filename:join(mesh:dir(), "text"),
    ok = file:write_file(File, Text),
    put_file(Place, File).

contents(File) ->
    {ok, Bytes} = file:read_file(File),
    Bytes.

%% Nothing dials or parts but the test: not global.
start(Name, Host) ->
    Args = ["-kernel", "dist_auto_connect", "never",
            "-kernel", "prevent_overlapping_partitions", "false"],
    mesh:start(Name, Host, #{args => Args}).

hosts(Count, Conf) ->
    A = mesh:host("127.0.0.1", #{conf => Conf}),
    [A | [mesh:host("127.0.0." ++ integer_to_list(I), #{mesh => A, conf => Conf}) ||
             I <- lists:seq(2, Count)]].

pair(Conf) ->
    [A, B] = hosts(2, Conf),
    ok = mesh:trust(A, B),
    ok = mesh:trust(B, A),
    {start("a", A), start("b", B)}.

connect(From, Name) ->
    mesh:call(From, net_kernel, connect_node, [Name]).

%% --- tests -----------------------------------------------------------------------------------

five_hosts() ->
    {Key, Conf} = authority(),
    Hosts = hosts(5, Conf),
    [First | _] = Hosts,
    New = mesh:host("127.0.0.6", #{mesh => First}),
    [mesh:trust(X, Y) || X <- Hosts, Y <- Hosts, X =/= Y],
    [mesh:trust(New, X) || X <- Hosts],
    Five = [start([Letter], Host) || {Letter, Host} <- lists:zip("abcde", Hosts)],
    Stranger = start("f", New),
    Names = [maps:get(name, Node) || Node <- Five],
    [connect(Node, Name) || Node <- Five, Name <- Names, Name =/= maps:get(name, Node)],
    [mesh:wait_until(fun() -> mesh:nodes_of(Node) =:= Names -- [maps:get(name, Node)] end) ||
        Node <- Five],
    Handshakes = [mesh:handshakes(Node) || Node <- Five],
    ?assertNot(connect(Stranger, hd(Names))),
    Refused = [mesh:handshakes(Node) || Node <- Five],
    ?assertMatch([_ | _], Handshakes),

    put_file(lists:nth(3, Five), signed:policy(Key, 1, signed:section(New))),
    [has(Node, 1) || Node <- Five],
    ?assertEqual(Refused, [mesh:handshakes(Node) || Node <- Five]),
    [?assert(connect(Stranger, Name)) || Name <- Names],
    mesh:wait_until(fun() -> mesh:nodes_of(Stranger) =:= Names end),

    {ok, #{fingerprint := Fingerprint}} = mesh:call(Stranger, tacit, info, []),
    Then = [mesh:handshakes(Node) || Node <- Five],
    put_file(lists:nth(5, Five),
             signed:policy(Key, 2, [signed:section(New), "[mesh]\nrevoked = ", Fingerprint, "\n"])),
    [has(Node, 2) || Node <- Five],
    mesh:wait_until(fun() -> mesh:nodes_of(Stranger) =:= [] end),
    [mesh:wait_until(fun() -> mesh:nodes_of(Node) =:= Names -- [maps:get(name, Node)] end) ||
        Node <- Five],
    ?assertEqual(Then, [mesh:handshakes(Node) || Node <- Five]),
    [?assertNot(connect(Stranger, Name)) || Name <- Names],
    lists:foreach(fun mesh:stop/1, [Stranger | Five]).

restarted() ->
    {Key, Conf} = authority(),
    {A, B} = pair(Conf),
    %% As one of a node in another container may be called, whose process number is the same.
    Other = path(A) ++ ".kept." ++ maps:get(os_pid, A),
    ok = file:write_file(Other, "half of it"),
    put_file(A, signed:policy(Key, 7, "[group work]\n")),
    has(A, 7),
    mesh:wait_until(fun() -> filelib:is_file(path(A) ++ ".kept") end),
    ?assertEqual({ok, <<"half of it">>}, file:read_file(Other)),
    mesh:stop(A),
    %% Where the file itself is gone, what was kept counts; and an older one does not.
    ok = file:delete(path(A)),
    Again = start("a", maps:get(host, A)),
    ?assertEqual(7, serial(Again)),
    mesh:stop(Again),
    put_file(A, signed:policy(Key, 6, "[group work]\n")),
    Third = start("a", maps:get(host, A)),
    ?assertEqual(7, serial(Third)),
    mesh:logged(Third, ["main.policy:5: serial 6, expected one above 7"]),
    ?assertEqual(0, serial(B)),
    ?assert(connect(B, ?A)),
    has(B, 7),
    mesh:stop_pair({Third, B}).

no_way_back() ->
    {Key, Conf} = authority(),
    [Host] = hosts(1, Conf),
    A = start("a", Host),
    put_file(A, signed:policy(Key, 7, "[group work]\n")),
    has(A, 7),
    mesh:wait_until(fun() -> filelib:is_file(path(A) ++ ".kept") end),
    ok = file:delete(path(A) ++ ".kept"),
    put_file(A, signed:policy(Key, 6, "[group play]\n")),
    _ = mesh:call(A, tacit, reload, []), % or it has looked itself, and kept again what it has
    mesh:logged(A, ["serial 6"]),
    ?assertEqual(7, serial(A)),
    mesh:stop(A).

%% Two nodes that are linked, and have the policy of serial 5: they, and its text.
linked_with_five(Key, Conf) ->
    {A, B} = pair(Conf),
    ?assert(connect(A, ?B)),
    Good = contents(signed:policy(Key, 5, "[group work]\n")),
    put_text(A, Good),
    [has(Node, 5) || Node <- [A, B]],
    {A, B, Good}.

refused() ->
    {Key, Conf} = authority(),
    {Foreign, _} = authority(),
    {A, B, Good} = linked_with_five(Key, Conf),
    Before = [mesh:handshakes(Node) || Node <- [A, B]],
    Certificate = filename:join(mesh:dir(), "certificate"),
    {ok, #{public_key := Public}} = mesh:call(A, tacit, info, []),
    {0, _} = mesh:tacit(["cert", "sign", "--authority", Key, "--public-key",
                         binary_to_list(Public), "--name", "a@127.0.0.1", "--not-after", "9d",
                         Certificate]),
    [begin
         put_text(A, Text),
         ?assertEqual({ok, #{dropped => []}}, mesh:call(A, tacit, reload, [])),
         mesh:logged(A, [path(A) ++ Reason]),
         ?assertEqual([5, 5], [serial(Node) || Node <- [A, B]]),
         ?assertEqual(Before, [mesh:handshakes(Node) || Node <- [A, B]]),
         ?assertEqual([?B], mesh:nodes_of(A))
     end || {Text, Reason} <-
                [{string:replace(Good, "work", "play"), ": the signature does not hold"},
                 {binary:part(Good, 0, byte_size(Good) - 3), ": the signature does not hold"},
                 {string:replace(Good, "serial = 5", "serial = 6"),
                  ": the signature does not hold"},
                 {binary:part(Good, 0, 60), ": not a signed policy, or a part of one"},
                 {contents(Certificate), ": a certificate, expected a policy"},
                 {string:replace(contents(Certificate), "certificate", "policy"),
                  ": the signature does not hold"},
                 {contents(signed:policy(Foreign, 9, "[group work]\n")),
                  ":2: signed by another authority than [authority main]"},
                 {contents(signed:policy(Key, 4, "[group work]\n")),
                  ":5: serial 4, expected one above 5"},
                 {contents(signed:policy(Key, 5, "[group play]\n")),
                  ":5: serial 5 again, with other rules"}]],
    %% And the other way round: a policy is no certificate.
    #{host := #{conf := ConfB, dir := DirB}} = B,
    ok = file:write_file(filename:join(DirB, "my.cert"), Good),
    {ok, Text} = file:read_file(ConfB),
    ok = file:write_file(ConfB, string:replace(Text, "[host]\n",
                                               "[host]\ncertificate = my.cert\n")),
    {error, NoCertificate} = mesh:call(B, tacit, reload, []),
    ?assertNotEqual(nomatch, string:find(NoCertificate, "my.cert: not a certificate")),
    mesh:stop_pair({A, B}).

bad_rules() ->
    {Key, Conf} = authority(),
    {A, B} = pair(Conf),
    ?assert(connect(A, ?B)),
    put_file(A, signed:policy(Key, 1, "[group work]\n")),
    [has(Node, 1) || Node <- [A, B]],
    Public = foreign:key_text(foreign:identity()),
    Other = foreign:key_text(foreign:identity()),
    [begin
         put_file(A, signed:policy(Key, Serial, Rules)),
         ?assertEqual({ok, #{dropped => []}}, mesh:call(A, tacit, reload, [])),
         mesh:logged(A, [path(A) ++ Reason]),
         ?assertEqual([1, 1], [serial(Node) || Node <- [A, B]]),
         ?assertEqual([?B], mesh:nodes_of(A))
     end || {Serial, Rules, Reason} <-
                [{2, ["[peer x@example.net]\npublic-key = ", Public, "\n"],
                  ":7: [peer x@example.net] is for nodes that [authority main] may not sign for"},
                 {3, ["[test]\ndeny = *@127.0.0.*\n"], ":8: deny *@127.0.0.*: it is allowed"}]],
    %% What no host could take is not even signed.
    From = filename:join(mesh:dir(), "rules"),
    [begin
         ok = file:write_file(From, Rules),
         {1, Said} = mesh:tacit(["policy", "sign", "--authority", Key, From, From ++ ".out"]),
         ?assertNotEqual(nomatch, string:find(Said, From ++ Reason)),
         ?assertNot(filelib:is_file(From ++ ".out"))
     end || {Rules, Reason} <-
                [{"[host]\n", ":1: got '[host]', expected [mesh], [peer NAME]"},
                 {"[mesh]\nkey-file = x\n", ":2: unknown key 'key-file' in [mesh], expected revoked"},
                 {["[peer x@a.b]\npublic-key = ", Public, "\npair-key = x\n"],
                  ":3: unknown key 'pair-key'"},
                 {["[peer x@a.b]\npublic-key = ", Public, "\n[peer x@a.b]\npublic-key = ", Other,
                   "\n"], ":3: [peer x@a.b] is also at line 1"}]],
    mesh:stop_pair({A, B}).

from_peer() ->
    {Key, Conf} = authority(),
    {Foreign, _} = authority(),
    {A, B, Good} = linked_with_five(Key, Conf),
    Gossip = mesh:call(B, erlang, whereis, [tacit_gossip]),
    Send = fun(Message) ->
                   mesh:call(A, erlang, send, [{tacit_gossip, ?B}, Message])
           end,
    [begin
         Send({tacit_policy, ?A, iolist_to_binary(Text)}),
         mesh:logged(B, ["policy from a@127.0.0.1: nothing was changed: ", Reason])
     end || {Text, Reason} <-
                [{string:replace(Good, "work", "play"), "the signature does not hold"},
                 {"hello", "not a signed policy"},
                 {contents(signed:policy(Foreign, 9, "[group work]\n")),
                  "no [authority] with a 'policy' line signed it"},
                 {contents(signed:policy(Key, 4, "[group work]\n")), "serial 4, expected one above 5"},
                 {contents(signed:policy(Key, 5, "[group play]\n")),
                  "serial 5 again, with other rules"},
                 {contents(signed:policy(Key, 6, "[peer x@a.b]\npublic-key = " ++
                                             foreign:key_text(foreign:identity()) ++ "\n")),
                  "main.policy:7: [peer x@a.b] is for nodes that"}]],
    [Send(Message) || Message <- [{tacit_policy, ?A, 7}, {tacit_policy, "a", Good},
                                  {tacit_policy, nobody@nowhere, Good}, {tacit_policy, ?A, <<>>},
                                  {tacit_policy, ?A, Good},
                                  {tacit_policies, ?A, [1 | 2]}, {tacit_policies, ?A, [x, {y}]},
                                  {tacit_policies, x, lists:duplicate(70, x)},
                                  {tacit_policies, ?A, [{<<>>, 1, <<>>}, {x, y, z}]}]],
    ?assertEqual({ok, #{dropped => []}}, mesh:call(B, tacit, reload, [])),
    ?assertEqual(Gossip, mesh:call(B, erlang, whereis, [tacit_gossip])),
    ?assertEqual(5, serial(B)),
    ?assertEqual([?A], mesh:nodes_of(B)),
    mesh:stop_pair({A, B}).

own_revocation() ->
    {Key, Conf} = authority(),
    {A, B} = pair(Conf),
    ?assert(connect(A, ?B)),
    #{host := #{conf := ConfA}} = A,
    {ok, #{fingerprint := Fingerprint}} = mesh:call(B, tacit, info, []),
    put_file(A, signed:policy(Key, 1, [signed:section(maps:get(host, B)),
                                       "[test]\nallow = b@127.0.0.2\n"])),
    has(A, 1),
    {ok, Text} = file:read_file(ConfA),
    ok = file:write_file(ConfA, string:replace(Text, "[mesh]\n",
                                               ["[mesh]\nrevoked = ", Fingerprint, "\n"])),
    ?assertEqual({ok, #{dropped => [<<"b@127.0.0.2">>]}}, mesh:call(A, tacit, reload, [])),
    ?assertEqual(1, serial(A)),
    mesh:stop(A),
    Again = start("a", maps:get(host, A)),
    ?assertEqual(1, serial(Again)),
    ?assertNot(connect(B, ?A)),
    mesh:stop_pair({Again, B}).

revoked_apart() ->
    {Key, Conf} = authority(),
    {A, B, _} = linked_with_five(Key, Conf),
    {ok, #{fingerprint := Fingerprint}} = mesh:call(A, tacit, info, []),
    Text = contents(signed:policy(Key, 6, ["[mesh]\nrevoked = ", Fingerprint, "\n[peer x@a.b]\n"
                                           "public-key = ",
                                           foreign:key_text(foreign:identity()), "\n"])),
    mesh:call(A, erlang, send, [{tacit_gossip, ?B}, {tacit_policy, ?A, Text}]),
    mesh:logged(B, ["policy from a@127.0.0.1: not taken but for what it revokes, 1 links dropped"]),
    mesh:logged(B, ["main.policy:9: [peer x@a.b] is for nodes that"]),
    ?assertEqual([], mesh:nodes_of(B)),
    ?assertEqual(5, serial(B)),
    ?assertNot(connect(A, ?B)),
    {ok, _} = mesh:call(B, tacit, reload, []),
    ?assertNot(connect(A, ?B)),
    mesh:stop(B),
    Again = start("b", maps:get(host, B)),
    ?assertEqual(5, serial(Again)),
    ?assertNot(connect(A, ?B)),
    %% Until there is one as new.
    put_file(Again, signed:policy(Key, 6, "[group work]\n")),
    has(Again, 6),
    mesh:wait_until(fun() -> connect(A, ?B) end),
    mesh:stop_pair({A, Again}).

local_first() ->
    {Key, Conf} = authority(),
    {A, B} = pair(Conf),
    ?assert(connect(A, ?B)),
    #{host := #{conf := ConfA}} = A,
    Other = foreign:key_text(foreign:identity()),
    put_file(A, signed:policy(Key, 1, ["[peer *@127.0.0.2]\npublic-key = ", Other, "\n",
                                       "[peer x@127.0.0.2]\npublic-key = ", Other, "\n"])),
    has(A, 1),
    ?assertEqual([?B], mesh:nodes_of(A)),
    Explain = fun(Name) ->
                      {0, Said} = mesh:tacit(["explain", "--conf", ConfA, Name]),
                      hd(string:lexemes(lists:flatten(Said), "\n"))
              end,
    ?assertMatch({match, _}, re:run(Explain("y@127.0.0.2"),
                                    "^in   allowed  " ++ ConfA ++ ":\\d+ \\[peer \\*@127.0.0.2\\]$")),
    ?assertEqual("in   allowed  " ++ path(A) ++ ":9 [peer x@127.0.0.2]", Explain("x@127.0.0.2")),
    mesh:stop_pair({A, B}).
