%% tacit doctor and tacit ping, between two real nodes: each stage that fails says so.
-module(doctor_tests).

-include_lib("eunit/include/eunit.hrl").

-define(OTHER_HOST, "127.0.0.9"). % nobody listens there

%% One pair of nodes for all; what differs is the configuration that the command reads.
doctor_test_() ->
    {setup, fun start/0, fun stop/1,
     fun(Pair) ->
             [{Title, {timeout, 120, fun() -> Test(Pair) end}} || {Title, Test} <- tests()]
     end}.

tests() ->
    [{"where all is well each stage is ok, and no link is left behind", fun well/1},
     {"a link that is up stays up, and the doctor says that it is there", fun linked/1},
     {"name: what is no node's name", fun no_name/1},
     {"address: a host that is unknown", fun unknown_host/1},
     {"tcp: a port that is closed", fun closed_port/1},
     {"mesh key: another one here meets silence", fun other_mesh_key/1},
     {"node: a name that nobody has there", fun unknown_name/1},
     {"identity: another key than our line has; the one that it showed is named",
      fun other_identity/1},
     {"rule here: no [peer] line", fun no_peer_here/1},
     {"rule here: a [peer] line for the other direction, a key that tacit:revoke/1 revoked",
      fun denied_here/1},
     {"rule there: no [peer] line for our key, one for another name, another pair-key",
      fun denied_there/1},
     {"rule there: a [peer] line for visible nodes is fine for a visible one", fun wants_visible/1},
     {"cookie: another one there", fun other_cookie/1},
     {"without a node here rule, flags and cookie there are not checked; --as checks the rule",
      fun no_node_here/1},
     {"tacit ping: one line with the time that connecting takes, or why it fails",
      fun ping/1}].

%% The port is the usual one, so that a host without a [peer] line finds it, too; of the
%% addresses of loopback some are nobody else's.
start() ->
    Ip = lists:flatten(io_lib:format("127.~b.~b.~b", [1 + rand:uniform(250) || _ <- "abc"])),
    A = mesh:host("127.0.0.1"),
    B = mesh:host(Ip, #{mesh => A, port => 4370}),
    ok = mesh:trust(A, B),
    ok = mesh:trust(B, A),
    {mesh:start("a", A), mesh:start("b", B)}.

stop(Pair) ->
    mesh:stop_pair(Pair).

%% --- the command ---------------------------------------------------------------------------

doctor(Pair, Conf, Node) ->
    run("doctor", Pair, Conf, [], Node).

%% Status and text; Conf is a file beside that of the first node.
run(Command, {#{host := #{dir := Dir}} = A, B}, Conf, More, Node) ->
    mesh:wait_until(fun() -> settled(B, maps:get(name, A)) end),
    {Status, Text} = mesh:tacit([Command, "--conf", filename:join(Dir, Conf) | More] ++ [Node]),
    {Status, lists:flatten(Text)}.

%% net_kernel has no handshake with a node of that name under way: it would end another's.
settled(B, Name) ->
    case mesh:call(B, ets, lookup, [sys_dist, Name]) of
        [] -> true;
        [Connection] -> element(4, Connection) =:= up
    end.

name(#{name := Name}) -> atom_to_list(Name).

%% A configuration beside that of the first node, with its keys where nothing else is said.
conf({#{host := #{dir := Dir}}, _}, Name, Options) ->
    Text = ["[mesh]\nkey-file = ", maps:get(mesh, Options, "mesh.key"),
            "\n[host]\nidentity = ", maps:get(identity, Options, "identity.key"), "\n",
            maps:get(peers, Options, "")],
    ok = file:write_file(filename:join(Dir, Name), Text),
    Name.

key({#{host := #{dir := Dir}}, _}, Command, Name) ->
    {0, Public} = mesh:tacit([Command, filename:join(Dir, Name)]),
    lists:flatten(Public).

peer(Glob, Key, More) ->
    ["[peer ", Glob, "]\npublic-key = ", Key, "\n", More, "\n"].

%% The line for the second node.
peer({_, #{host := #{ip := Ip, public_key := Key}}}, More) ->
    peer("*@" ++ Ip, Key, More).

%% All stages before Stage are ok, it failed and says Pattern, and nothing follows.
fails(Stage, Pattern, {Status, Text}) ->
    Lines = string:lexemes(Text, "\n"),
    {Before, [Last]} = lists:split(length(Lines) - 1, Lines),
    ?assertEqual({Stage, 1, Text}, {stage(Last), Status, Text}),
    ?assertEqual([], [L || L <- Before, re:run(L, "^[a-z ]+ +ok  ") =:= nomatch]),
    ?assertMatch({match, _}, re:run(Last, [" +FAILED  .*", Pattern])).

stage(Line) -> string:trim(string:slice(Line, 0, 12)).

%% --- all is well ---------------------------------------------------------------------------

well({A, B} = Pair) ->
    {0, Text} = doctor(Pair, "tacit.conf", name(B)),
    Lines = string:lexemes(Text, "\n"),
    ?assertEqual(["name", "address", "tcp", "mesh key", "node", "identity", "rule here",
                  "rule there", "flags", "cookie"], [stage(L) || L <- Lines]),
    ?assertEqual([], [L || L <- Lines, re:run(L, "^[a-z ]+ +ok  ") =:= nomatch]),
    ?assertMatch({match, _}, re:run(Text, "rule there +ok +a@127.0.0.1 may come")),
    mesh:wait_until(fun() -> mesh:call(B, erlang, nodes, [connected]) =:= [] end),
    ?assertEqual([], mesh:call(A, erlang, nodes, [connected])).

linked({A, B = #{name := NameB}} = Pair) ->
    ?assertEqual(pong, mesh:call(A, net_adm, ping, [NameB])),
    Here = connection(A, NameB),
    {0, Text} = doctor(Pair, "tacit.conf", name(B)),
    ?assertMatch({match, _}, re:run(Text, "flags +ok +b@.* has a link with a@127.0.0.1")),
    ?assertMatch({0, _}, run("ping", Pair, "tacit.conf", [], name(B))),
    ?assertEqual(maps:get(name, A), mesh:call(B, rpc, call, [maps:get(name, A), erlang, node, []])),
    ?assertEqual(Here, connection(A, NameB)),
    mesh:part(A, B).

%% The TCP connection that the link with a node is on, by its own end.
connection(Node, Name) ->
    {ok, #{local_address := Here}} = mesh:call(Node, tacit, info, [Name]),
    Here.

%% --- name, address, TCP --------------------------------------------------------------------

no_name(Pair) ->
    fails("name", "'B@' is no node's name", doctor(Pair, "tacit.conf", "B@")),
    ?assertMatch({2, _}, mesh:tacit(["doctor"])).

unknown_host({_, B} = Pair) ->
    Conf = conf(Pair, "host.conf", #{peers => peer(Pair, "endpoint = " ++ long_host() ++ ":4370")}),
    fails("address", long_host() ++ ": .*give the .* endpoint", doctor(Pair, Conf, name(B))).

%% A label of more than 63 bytes: no name server has to be asked.
long_host() ->
    lists:duplicate(64, $x) ++ ".example.net".

closed_port(Pair) ->
    Port = integer_to_list(mesh:free_port(?OTHER_HOST)),
    Key = key(Pair, "keygen", "other.key"),
    Conf = conf(Pair, "closed.conf",
                #{peers => peer("*@" ++ ?OTHER_HOST, Key,
                                ["endpoint = ", ?OTHER_HOST, ":", Port])}),
    fails("tcp", [?OTHER_HOST, ":", Port, ": Connection refused"],
          doctor(Pair, Conf, "b@" ++ ?OTHER_HOST)).

%% --- the handshake -------------------------------------------------------------------------

other_mesh_key({#{host := #{dir := Dir}}, B} = Pair) ->
    {0, _} = mesh:tacit(["psk", filename:join(Dir, "other-mesh.key")]),
    Conf = conf(Pair, "mesh.conf", #{mesh => "other-mesh.key", peers => peer(Pair, "")}),
    fails("mesh key", "silence: another mesh key there", doctor(Pair, Conf, name(B))).

unknown_name({_, #{host := #{ip := Ip}}} = Pair) ->
    fails("mesh key", ["silence: .* no nosuch@", Ip, " there \\(start it"],
          doctor(Pair, "tacit.conf", "nosuch@" ++ Ip)).

other_identity({_, #{host := #{ip := Ip, public_key := Real}} = B} = Pair) ->
    Conf = conf(Pair, "identity.conf",
                #{peers => peer("*@" ++ Ip, key(Pair, "keygen", "another.key"), "")}),
    fails("identity", ["\\[peer \\*@", Ip, "\\].*it shows the key \\Q", Real, "\\E"],
          doctor(Pair, Conf, name(B))).

%% --- rules ---------------------------------------------------------------------------------

no_peer_here({_, #{host := #{public_key := Key}} = B} = Pair) ->
    fails("rule here", ["no \\[peer\\] line allows it.*add-peer 'b@.*' \\Q", Key, "\\E"],
          doctor(Pair, conf(Pair, "none.conf", #{}), name(B))).

denied_here({#{host := #{dir := Dir}}, B} = Pair) ->
    Conf = conf(Pair, "in.conf", #{peers => peer(Pair, "direction = in")}),
    fails("rule here", "in.conf:[0-9]+ .* is for the other direction",
          doctor(Pair, Conf, name(B))),
    Revoked = filename:join(Dir, "revoked"),
    ok = file:write_file(Revoked, [fingerprint(B), "\n"]),
    fails("rule here", "the key is revoked", doctor(Pair, "tacit.conf", name(B))),
    ok = file:delete(Revoked).

fingerprint(Node) ->
    {ok, #{fingerprint := Fingerprint}} = mesh:call(Node, tacit, info, []),
    Fingerprint.

denied_there({#{host := #{dir := Dir}}, B} = Pair) ->
    Public = key(Pair, "keygen", "stranger.key"),
    Stranger = conf(Pair, "stranger.conf", #{identity => "stranger.key",
                                             peers => peer(Pair, "")}),
    fails("rule there", ["refused: no \\[peer\\] line allows it: .* let a@127.0.0.1 in, with "
                         "the key \\Q", Public, "\\E"], doctor(Pair, Stranger, name(B))),
    fails("rule there", "name: the key is not good for the name a@127.0.0.8",
          run("doctor", Pair, "tacit.conf", ["--as", "a@127.0.0.8"], name(B))),
    {0, _} = mesh:tacit(["psk", filename:join(Dir, "pair.key")]),
    PairKey = conf(Pair, "pair.conf", #{peers => peer(Pair, "pair-key = pair.key")}),
    fails("rule there", "without a word: .*pair-keys", doctor(Pair, PairKey, name(B))).

wants_visible({_, #{host := #{conf := Conf} = HostB} = B} = Pair) ->
    {ok, Before} = file:read_file(Conf),
    mesh:append(HostB, "visibility = visible\n"),
    {ok, _} = mesh:call(B, tacit, reload, []),
    {Status, Text} = doctor(Pair, "tacit.conf", name(B)),
    ok = file:write_file(Conf, Before),
    {ok, _} = mesh:call(B, tacit, reload, []),
    ?assertEqual({0, Text}, {Status, Text}),
    ?assertMatch({match, _}, re:run(Text, "rule there +ok +it lets visible nodes in, which a "
                                    "trial is not: .*$")).

other_cookie({A, #{name := NameB} = B} = Pair) ->
    true = mesh:call(A, erlang, set_cookie, [NameB, another]),
    fails("cookie", "b@.* has another cookie for a@127.0.0.1",
          doctor(Pair, "tacit.conf", name(B))),
    true = mesh:call(A, erlang, set_cookie, [NameB, tacittest]),
    ?assertMatch({0, _}, doctor(Pair, "tacit.conf", name(B))).

%% --- without a node, and ping --------------------------------------------------------------

no_node_here({_, B} = Pair) ->
    #{dir := Dir} = Empty = mesh:host("127.0.0.4", #{mesh => maps:get(host, B)}),
    mesh:append(Empty, peer(Pair, "")),
    Doctor = fun(Args) ->
                     {Status, Text} = mesh:tacit(["doctor", "--conf",
                                                  filename:join(Dir, "tacit.conf")] ++ Args),
                     {Status, lists:flatten(Text)}
             end,
    {0, Text} = Doctor([name(B)]),
    ?assertMatch({match, _}, re:run(Text, "rule here +ok  .*\nrule there +not checked: .*--as")),
    ok = mesh:trust(maps:get(host, B), Empty),
    {ok, _} = mesh:call(B, tacit, reload, []),
    {0, As} = Doctor(["--as", "c@127.0.0.4", name(B)]),
    ?assertMatch({match, _}, re:run(As, "rule there +ok +c@127.0.0.4 may come\n"
                                    "flags +not checked: c@127.0.0.4 does not run")).

ping({_, #{host := #{ip := Ip}} = B} = Pair) ->
    {0, Text} = run("ping", Pair, "tacit.conf", [], name(B)),
    ?assertMatch({match, _},
                 re:run(Text, "^b@" ++ Ip ++ " at " ++ Ip ++ ":4370: [0-9.]+ ms: TCP [0-9.]+, "
                        "handshake [0-9.]+, answer to a@127.0.0.1 [0-9.]+$")),
    {1, Why} = run("ping", Pair, "tacit.conf", [], "nosuch@" ++ Ip),
    ?assertMatch({match, _}, re:run(Why, "^tacit: nosuch@.*: mesh key: silence: .* no nosuch@")).
