%% The directory: which nodes a host has, told to those who may ask.
-module(directory_tests).

-include_lib("eunit/include/eunit.hrl").

-define(BAD_CONF, 7).

directory_test_() ->
    [{Title, {timeout, 120, Test}} || {Title, Test} <- tests()].

tests() ->
    [{"net_adm:names/1 and `tacit names' tell the nodes behind a door to a host that may ask",
      fun behind_door/0},
     {"who has no directory = yes is refused, and both sides say so", fun not_allowed/0},
     {"directory = yes holds to its whole line, at a door and at a node that is its own: from, "
      "direction, expires, and keys that are revoked", fun whole_line/0},
     {"a key that a node behind the door revoked, or a signed policy, is refused at the door, too; "
      "an older policy does not give it back",
      fun revoked_elsewhere/0},
     {"a door whose file of revoked keys is not understood wholly does not start; one that runs "
      "says so, and what it read before holds", fun bad_revoked/0},
     {"a door whose key is revoked is not believed: by a line, or by tacit:revoke/1 and its file",
      fun revoked_door/0},
     {"a node that is its own door tells itself, and nobody else", fun own_door/0},
     {"without door-identity any who ask meet silence", fun no_identity/0},
     {"tacit show tells of the door and its nodes: for people, as JSON, and as lines with tabs",
      fun show/0},
     {"a door that shows another key than the door-key is not believed", fun other_key/0}].

%% A host that has a door, and one that may ask it.
hosts() ->
    A = door:host("127.0.0.1"),
    B = mesh:host("127.0.0.2", #{mesh => A}),
    identify(A),
    know_door(B, A),
    know_peer(A, B, "directory = yes\n"),
    {A, B}.

%% Gives a host's door its identity, and says its public key in Asker's tacit.conf.
identify(#{dir := Dir} = Host) ->
    {0, _} = mesh:tacit(["keygen", filename:join(Dir, "door.key")]),
    in_host_section(Host, "door-identity = door.key\n").

in_host_section(#{conf := Conf}, Line) ->
    {ok, Text} = file:read_file(Conf),
    ok = file:write_file(Conf, string:replace(Text, "[host]\n", ["[host]\n", Line])).

know_door(Asker, #{dir := Dir} = Host) ->
    {0, Key} = mesh:tacit(["pubkey", filename:join(Dir, "door.key")]),
    ok = mesh:trust(Asker, Host),
    mesh:append(Asker, ["door-key = ", Key, "\n"]).

know_peer(Host, Peer, Line) ->
    ok = mesh:trust(Host, Peer),
    mesh:append(Host, Line).

names(#{conf := Conf}, Host) ->
    {Status, Text} = mesh:tacit(["names", "--conf", Conf, Host]),
    {Status, lists:flatten(Text)}.

behind_door() ->
    {#{port := Port} = A, B} = hosts(),
    Door = door:start(A),
    [A1, A2] = [mesh:start(N, A) || N <- ["a1", "a2"]],
    NodeB = mesh:start("b", B),
    Expected = [{"a1", Port}, {"a2", Port}],
    [?assertEqual({M, Expected}, {M, sorted(mesh:call(NodeB, M, names, ["127.0.0.1"]))})
     || M <- [net_adm, tacit_epmd]],
    ?assertEqual(Expected, sorted(mesh:call(A1, net_adm, names, []))),
    {0, Printed} = names(B, "127.0.0.1"),
    ?assertEqual(["a1@127.0.0.1", "a2@127.0.0.1"], lists:sort(string:lexemes(Printed, "\n"))),
    mesh:stop(A1),
    mesh:wait_until(fun() -> names(B, "127.0.0.1") =:= {0, "a2@127.0.0.1"} end),
    lists:foreach(fun mesh:stop/1, [A2, NodeB]),
    0 = door:stop(Door),
    {1, Gone} = names(B, "127.0.0.1"),
    ?assertMatch({match, _}, re:run(Gone, "Connection refused")).

sorted({ok, Names}) -> lists:sort(Names).

not_allowed() ->
    A = door:host("127.0.0.1"),
    B = mesh:host("127.0.0.2", #{mesh => A}),
    identify(A),
    know_door(B, A),
    know_peer(A, B, "directory = no\n"),
    Door = door:start(A),
    ?assertMatch({1, _}, names(B, "127.0.0.1")),
    {1, Text} = names(B, "127.0.0.1"),
    ?assertMatch({match, _}, re:run(Text, "refuses: no \\[peer\\] line lets this key ask")),
    NodeB = mesh:start("b", B),
    ?assertEqual({error, address}, mesh:call(NodeB, net_adm, names, ["127.0.0.1"])),
    mesh:wait_until(fun() -> re:run(mesh:log(NodeB),
                                    "name=@127.0.0.1 .*lets this key ask") =/= nomatch end),
    ?assertMatch([_ | _], door:events(Door, "directory_refused")),
    mesh:stop(NodeB),
    0 = door:stop(Door),
    C = mesh:host("127.0.0.3", #{mesh => A}), % knows no door
    {1, None} = names(C, "127.0.0.1"),
    ?assertMatch({match, _}, re:run(None, "has a door-key for that host")).

whole_line() ->
    {#{conf := Conf} = A, B} = hosts(),
    {ok, Text} = file:read_file(Conf),
    {ok, Own} = file:read_file(maps:get(conf, B)),
    Line = fun(More) -> [Text, More, "\n"] end,
    Cases = [{Line("from = 127.0.0.3"), "does not allow the address"},
             {Line("direction = out"), "is for the other direction"},
             {Line("expires = 2020-01-01"), "has expired"}],
    ok = file:write_file(maps:get(conf, B), string:replace(Own, "[host]\n",
                                                           "[host]\nsource = 127.0.0.2\n")),
    Door = door:start(A),
    Set = fun(Changed) ->
                  ok = file:write_file(Conf, Changed),
                  {ok, _} = door:command(Door, 6)
          end,
    Refused = fun() -> door:events(Door, "directory_refused") end,
    [begin Set(Changed), refused(B, Why) end || {Changed, Why} <- Cases],
    {match, [Fingerprint]} = re:run(hd(Refused()), "fingerprint=([^ ]+)",
                                    [{capture, all_but_first, list}]),
    Set(string:replace(Text, "[mesh]\n", ["[mesh]\nrevoked = ", Fingerprint, "\n"])),
    refused(B, "the key is revoked"),
    ?assertEqual(["wrong_address", "wrong_direction", "expired", "revoked"],
                 [lists:last(string:split(Event, "reason=")) || Event <- Refused()]),
    Set(Line("from = 127.0.0.2\ndirection = in\nexpires = 2999-01-01")),
    ?assertMatch({0, _}, names(B, "127.0.0.1")),
    0 = door:stop(Door),
    own_line(A, string:replace(Text, "door = door.sock\n", ""), B, list_to_binary(Fingerprint)).

refused(Host, Why) ->
    {Status, Said} = names(Host, "127.0.0.1"),
    ?assertMatch({1, {match, _}, _}, {Status, re:run(Said, Why), Said}).

%% The same at a node; what tacit:revoke/1 revokes is for its directory, too.
own_line(#{conf := Conf} = A, Text, B, Fingerprint) ->
    ok = file:write_file(Conf, Text),
    Node = mesh:start("a", A),
    ?assertEqual({0, "a@127.0.0.1"}, names(B, "127.0.0.1")),
    ok = file:write_file(Conf, [Text, "from = 127.0.0.3\n"]),
    {ok, _} = mesh:call(Node, tacit, reload, []),
    refused(B, "does not allow the address"),
    ok = file:write_file(Conf, Text),
    {ok, _} = mesh:call(Node, tacit, reload, []),
    {ok, _} = mesh:call(Node, tacit, revoke, [Fingerprint]),
    refused(B, "the key is revoked"),
    mesh:stop(Node).

revoked_elsewhere() ->
    {#{dir := Dir} = A, B} = hosts(),
    Key = filename:join(Dir, "authority.key"),
    {0, Public} = mesh:tacit(["authority", "new", Key]),
    mesh:append(A, ["\n[authority main]\npublic-key = ", Public, "\nnames = *@*\n",
                    "policy = main.policy\n"]),
    Door = door:start(A),
    Node = mesh:start("a", A),
    NodeB = mesh:start("b", B),
    {ok, #{fingerprint := Fingerprint}} = mesh:call(NodeB, tacit, info, []),
    ?assertMatch({0, _}, names(B, "127.0.0.1")),
    {ok, _} = mesh:call(Node, tacit, revoke, [Fingerprint]),
    refused(B, "the key is revoked"),
    {ok, _} = mesh:call(Node, tacit, unrevoke, [Fingerprint]),
    ?assertMatch({0, _}, names(B, "127.0.0.1")),
    Rules = filename:join(Dir, "rules"),
    ok = file:write_file(Rules, ["[mesh]\nrevoked = ", Fingerprint, "\n"]),
    {0, _} = mesh:tacit(["policy", "sign", "--authority", Key, Rules,
                         filename:join(Dir, "main.policy")]),
    %% A question that is asked while the door reloads is cut: it looks for policies by itself.
    mesh:wait_until(fun() ->
                            {_, Said} = names(B, "127.0.0.1"),
                            string:find(Said, "the key is revoked") =/= nomatch
                    end, 60000),
    ?assertMatch([_ | _], door:events(Door, "reloaded")),
    lists:foreach(fun mesh:stop/1, [Node, NodeB]),
    %% What was signed before does not come back, wherever it is put.
    Policy = filename:join(Dir, "main.policy"),
    ok = file:write_file(Rules, "[group any]\n"),
    ok = file:delete(Policy),
    {0, _} = mesh:tacit(["policy", "sign", "--authority", Key, "--serial", "1", Rules, Policy]),
    _ = file:delete(Policy ++ ".kept"),
    {refused, ?BAD_CONF, Text} = door:command(Door, 6),
    ?assertMatch({match, _}, re:run(Text, "serial 1 of .authority main., expected [0-9]+ or above")),
    refused(B, "the key is revoked"),
    0 = door:stop(Door).

bad_revoked() ->
    {#{dir := Dir} = A, B} = hosts(),
    File = filename:join(Dir, "revoked"),
    {0, Check} = mesh:tacit(["check", "--conf", maps:get(conf, B)]),
    {match, [Fingerprint]} = re:run(Check, "^fingerprint +(.*)$",
                                    [multiline, {capture, all_but_first, list}]),
    ok = file:write_file(File, [Fingerprint, "\r\n"]),
    {exit, 1, Lines} = door:start(A, #{ready => false}),
    Why = "revoked:1: got .*expected a fingerprint and nothing beside it",
    ?assertMatch({match, _}, re:run(Lines, Why)),
    ok = file:write_file(File, [Fingerprint, "\n"]),
    Door = door:start(A),
    refused(B, "the key is revoked"),
    [begin
         ok = file:write_file(File, [Text, "\n"]),
         refused(B, "the key is revoked"),
         ?assertMatch({match, _}, re:run(shown(Door), "trouble\t.*" ++ Why)),
         {refused, ?BAD_CONF, Said} = door:command(Door, 6),
         ?assertMatch({match, _}, re:run(Said, Why))
     end || Text <- [Fingerprint ++ "\r", Fingerprint ++ " ", "# b\n" ++ Fingerprint]],
    ?assertMatch([_ | _], door:events(Door, "revoked_failed")),
    ok = file:write_file(File, ""),
    {ok, _} = door:command(Door, 6),
    ?assertMatch({0, _}, names(B, "127.0.0.1")),
    ?assertEqual(nomatch, string:find(shown(Door), "trouble\t")),
    0 = door:stop(Door).

shown(Door) ->
    {ok, Text} = door:command(Door, 5),
    unicode:characters_to_list(Text).

revoked_door() ->
    {#{dir := Dir} = A, #{dir := DirB, conf := ConfB} = B} = hosts(),
    Door = door:start(A),
    NodeB = mesh:start("b", B),
    ?assertMatch({0, _}, names(B, "127.0.0.1")),
    ?assertEqual({ok, []}, mesh:call(NodeB, net_adm, names, ["127.0.0.1"])),
    Fingerprint = fingerprint_of(filename:join(Dir, "door.key")),
    Refused = fun() ->
                      refused(B, "the door's key is revoked"),
                      ?assertEqual({error, address},
                                   mesh:call(NodeB, net_adm, names, ["127.0.0.1"]))
              end,
    {ok, Text} = file:read_file(ConfB),
    ok = mesh:in_mesh(B, ["revoked = ", Fingerprint, "\n"]),
    {ok, _} = mesh:call(NodeB, tacit, reload, []),
    Refused(),
    mesh:logged(NodeB, ["name=@127.0.0.1", "the door's key is revoked"]),
    ok = file:write_file(ConfB, Text),
    {ok, _} = mesh:call(NodeB, tacit, reload, []),
    ?assertMatch({0, _}, names(B, "127.0.0.1")),
    ?assertEqual({ok, []}, mesh:call(NodeB, net_adm, names, ["127.0.0.1"])),
    {ok, #{lasts := true}} = mesh:call(NodeB, tacit, revoke, [Fingerprint]),
    {ok, <<Fingerprint:43/binary, "\n">>} = file:read_file(filename:join(DirB, "revoked")),
    Refused(),
    mesh:stop(NodeB),
    0 = door:stop(Door).

%% Of a host that has this key.
fingerprint_of(Key) ->
    #{dir := Dir, conf := Conf} = mesh:host("127.0.0.9"),
    {ok, Bytes} = file:read_file(Key),
    ok = file:write_file(filename:join(Dir, "identity.key"), Bytes),
    {0, Check} = mesh:tacit(["check", "--conf", Conf]),
    {match, [Fingerprint]} = re:run(Check, "^fingerprint +(.*)$",
                                    [multiline, {capture, all_but_first, binary}]),
    Fingerprint.

own_door() ->
    #{port := Port} = A = mesh:host("127.0.0.1"),
    B = mesh:host("127.0.0.2", #{mesh => A}),
    identify(A),
    know_door(B, A),
    know_peer(A, B, "directory = yes\n"),
    Asker = foreign:identity(),
    mesh:append(A, foreign:peer_section("f@127.0.0.9", Asker, "directory = yes")),
    NodeA = mesh:start("a", A),
    NodeB = #{name := NameB} = mesh:start("b", B),
    ?assertEqual({ok, [{"a", Port}]}, mesh:call(NodeB, net_adm, names, ["127.0.0.1"])),
    ?assertEqual({0, "a@127.0.0.1"}, names(B, "127.0.0.1")),
    %% nothing of the question is left, and links are as ever
    ?assertEqual([], mesh:call(NodeB, tacit_drv, links, [])),
    ?assertEqual([], mesh:call(NodeA, tacit_drv, links, [])),
    ?assertEqual(pong, mesh:call(NodeA, net_adm, ping, [NameB])),
    long_question(A, {{127, 0, 0, 1}, Port}, Asker),
    ?assertEqual({0, "a@127.0.0.1"}, names(B, "127.0.0.1")),
    mesh:stop_pair({NodeA, NodeB}).

%% One who may ask, but says more than a question is.
long_question(Host, Address, Asker) ->
    {ok, Channel} = foreign:connect(Address, #{mesh_key => foreign:mesh_key(Host),
                                               identity => Asker, name => "@asker",
                                               wanted => ""}),
    {error, _} = foreign:recv_record(foreign:send_record(data, <<50000:32, 1:400000>>, Channel)),
    foreign:stop(Channel).

no_identity() ->
    A = mesh:host("127.0.0.1"),
    B = mesh:host("127.0.0.2", #{mesh => A}),
    {0, _} = mesh:tacit(["keygen", filename:join(maps:get(dir, A), "door.key")]),
    know_door(B, A),
    know_peer(A, B, "directory = yes\n"),
    NodeA = mesh:start("a", A),
    {1, Text} = names(B, "127.0.0.1"),
    ?assertMatch({match, _}, re:run(Text, "no answer: .*a door without door-identity")),
    mesh:stop(NodeA).

other_key() ->
    {A, B} = hosts(),
    Key = filename:join(maps:get(dir, A), "door.key"),
    ok = file:delete(Key),
    {0, _} = mesh:tacit(["keygen", Key]),
    Door = door:start(A),
    {1, Text} = names(B, "127.0.0.1"),
    ?assertMatch({match, _}, re:run(Text, "shows another key than its door-key")),
    NodeB = mesh:start("b", B),
    ?assertEqual({error, address}, mesh:call(NodeB, net_adm, names, ["127.0.0.1"])),
    mesh:logged(NodeB, ["name=@127.0.0.1", "shows another key than its door-key"]),
    mesh:stop(NodeB),
    0 = door:stop(Door).

show() ->
    A = #{conf := Conf} = door:host("127.0.0.1"),
    Show = fun(Args) ->
                   {Status, Text} = mesh:tacit(["show", "--conf", Conf | Args]),
                   {Status, lists:flatten(Text)}
           end,
    {1, NoDoor} = Show([]),
    ?assertMatch({match, _}, re:run(NoDoor, "door.sock: .* is secure-epmd running")),
    Door = #{socket := Path} = door:start(A),
    Node = #{os_pid := Pid} = mesh:start("a", A),
    {0, Pretty} = Show([]),
    [?assertMatch({P, {match, _}}, {P, re:run(Pretty, P, [multiline])})
     || P <- ["^door +" ++ Path ++ "$", "^node +a@127.0.0.1  process " ++ Pid, "^strangers +0$",
              "^refused_name_taken +0$", "^uptime +[0-9]+$", "^listen +127.0.0.1:"]],
    {0, Json} = Show(["--json"]),
    ?assertMatch({match, _},
                 re:run(Json, "^\\{\"door\":\"" ++ Path ++ "\",\"listen\":\\[\"127[^]]*\\],"
                        "\"absent\":\\[\\],\"troubles\":\\[\\],\"counters\":\\{\"uptime\":[0-9]+,.*\\},\"nodes\":\\[\\{\"name\":"
                        "\"a@127.0.0.1\",\"pid\":" ++ Pid ++ ",\"uid\":[0-9]+,\"release\":"
                        "\"[0-9.]+\",\"creation\":[0-9]+,\"since\":[0-9]+,\"passed\":0\\}\\]\\}$")),
    {0, Dump} = Show(["dump"]),
    ?assertEqual([N || ["node" | N] <- door:show(Door)],
                 [N || Line <- string:lexemes(Dump, "\n"),
                       ["node" | N] <- [string:split(Line, "\t", all)]]),
    ?assertMatch({2, _}, Show(["--json", "dump"])),
    mesh:stop(Node),
    0 = door:stop(Door),
    Alone = mesh:host("127.0.0.3"),
    {1, None} = mesh:tacit(["show", "--conf", maps:get(conf, Alone)]),
    ?assertMatch({match, _}, re:run(None, "has no door")).
