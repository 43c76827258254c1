%% Who holds the mesh key is let into the handshake, and no further: real nodes that are not
%% whom they should be. Each is refused at once, both sides say why as far as each can know,
%% and the one that refuses makes no atom of the other's name.
-module(identity_tests).

-include_lib("eunit/include/eunit.hrl").

-define(A, 'a@127.0.0.1').
-define(B, 'b@127.0.0.2').
%% net_kernel's setup time, s, is long here, so that what ends sooner did not end by it. The
%% responder's own deadline is 10 s.
-define(SETUP_TIME, "60").
-define(SOON, 9000).

identity_test_() ->
    [{Title, {timeout, 120, Test}} || {Title, Test} <- tests()].

tests() ->
    [{"an identity that no line knows is refused, and learns no more than that",
      fun unknown_identity/0},
     {"a node does not show who it is to an identity that its own lines do not allow",
      fun wrong_responder/0},
     {"an identity cannot take another's name", fun anothers_name/0},
     {"an identity cannot take a name that its line does not allow", fun name_not_allowed/0},
     {"where there is a node of another name than the one that was dialled, it says nothing",
      fun another_answers/0},
     {"another mesh key is met with silence, and the caller is told what that may mean",
      fun another_mesh/0},
     {"nodes without a suite in common say so on both sides", fun no_common_suite/0},
     {"a pair key on one side only keeps the two apart, no matter who dials", fun pair_key_once/0},
     {"two different pair keys keep the two apart", fun pair_keys_differ/0},
     {"the same pair key on both sides lets them link", fun pair_keys_same/0},
     {"a pair key binds the one pair only", fun pair_key_is_for_one/0}].

%% --- help ------------------------------------------------------------------------------------

hosts() ->
    A = mesh:host("127.0.0.1"),
    {A, mesh:host("127.0.0.2", #{mesh => A})}.

start(Name, Host) -> start(Name, Host, #{}).

start(Name, Host, Options) ->
    mesh:start(Name, Host, Options#{args => ["-kernel", "net_setuptime", ?SETUP_TIME]}).

refused(Dialler, Name) ->
    ?assertEqual(pang, mesh:call(Dialler, net_adm, ping, [Name], ?SOON)).

%% What the node tells its user about the other.
told(Node, Name, Reason, Text) ->
    {ok, Info} = mesh:call(Node, tacit, info, [Name]),
    ?assertMatch(#{state := down, reason := Reason}, Info),
    ?assertEqual({found, Text, Info}, {found(maps:get(text, Info), Text), Text, Info}).

found(Text, Part) ->
    case string:find(Text, Part) of
        nomatch -> Text;
        _ -> found
    end.

said_nothing(Node) ->
    ?assertEqual(nomatch, string:find(mesh:log(Node), "tacit:")).

%% The node has never made an atom of the name. Asked before we name it ourselves, and
%% without a fun of this module, which has such names.
no_atom(Node, Name) ->
    ?assertError(badarg, mesh:call(Node, erlang, binary_to_existing_atom, [Name])).

fingerprint(Node) -> binary_to_list(maps:get(fingerprint, info(Node))).

info(Node) ->
    {ok, Info} = mesh:call(Node, tacit, info, []),
    Info.

%% --- identities and names --------------------------------------------------------------------

unknown_identity() ->
    {HostA, HostB} = hosts(),
    mesh:trust(HostB, HostA),
    {A, B} = {start("a", HostA), start("b", HostB)},
    refused(B, ?A),
    no_atom(A, <<"b@127.0.0.2">>),
    mesh:logged(A, ["direction=in", "reason=refused", "name=b@127.0.0.2", "address=127.0.0.1:",
               "fingerprint=" ++ fingerprint(B), "no [peer] line allows it"]),
    mesh:logged(B, ["direction=out", "reason=refused", "name=a@127.0.0.1",
               "fingerprint=" ++ fingerprint(A), "no [peer] line allows it"]),
    told(A, ?B, refused, "no [peer] line allows it"),
    told(B, ?A, refused, "the peer closed: refused: no [peer] line allows it"),
    ?assertMatch(#{refused := 1, links := []}, info(A)),
    mesh:stop_pair({A, B}).

%% A's line for b has another key than the b that answers there.
wrong_responder() ->
    {HostA, HostB} = hosts(),
    mesh:trust(HostA, HostB#{public_key => foreign:key_text(foreign:identity())}),
    mesh:trust(HostB, HostA),
    {A, B} = {start("a", HostA), start("b", HostB)},
    refused(A, ?B),
    no_atom(B, <<"a@127.0.0.1">>),
    told(A, ?B, refused, "no [peer] line of ours allows the key that it showed"),
    mesh:logged(A, ["direction=out", "reason=refused", "name=b@127.0.0.2", "of ours"]),
    ?assertMatch(#{exchanges := 1, handshakes := 0, links := []}, info(B)),
    said_nothing(B),
    ?assertEqual({error, unknown}, mesh:call(B, tacit, info, [?A])),
    mesh:stop_pair({A, B}).

anothers_name() ->
    {HostA, HostB} = hosts(),
    mesh:trust(HostA, HostB, "b@127.0.0.2"),
    mesh:append(HostA, foreign:peer_section("c@127.0.0.3", foreign:identity(), "")),
    mesh:trust(HostB, HostA),
    bad_name("c@127.0.0.3", HostA, HostB).

name_not_allowed() ->
    {HostA, HostB} = hosts(),
    mesh:trust(HostA, HostB, "app@127.0.0.2"),
    mesh:trust(HostB, HostA),
    bad_name("b@127.0.0.2", HostA, HostB).

bad_name(Name, HostA, HostB) ->
    {A, B} = {start("a", HostA), start("x", HostB, #{node => Name})},
    refused(B, ?A),
    no_atom(A, list_to_binary(Name)),
    Text = "the key is not good for the name " ++ Name,
    mesh:logged(A, ["direction=in", "reason=name", "name=" ++ Name, Text,
               "fingerprint=" ++ fingerprint(B)]),
    mesh:logged(B, ["direction=out", "reason=name", "name=a@127.0.0.1", Text]),
    told(A, list_to_atom(Name), name, Text),
    told(B, ?A, name, Text),
    mesh:stop_pair({A, B}).

%% A dials x where b is. Somebody without any key may have recorded what A says on its way to x.
another_answers() ->
    {HostA, HostB} = hosts(),
    mesh:trust(HostA, HostB),
    mesh:trust(HostB, HostA),
    {A, B} = {mesh:start("a", HostA), start("b", HostB)},
    ?assertEqual(pang, mesh:call(A, net_adm, ping, ['x@127.0.0.2'])),
    no_atom(B, <<"a@127.0.0.1">>),
    told(A, 'x@127.0.0.2', handshake_timeout, "another node"),
    mesh:logged(A, ["direction=out", "reason=handshake_timeout", "name=x@127.0.0.2", "another node"]),
    mesh:logged(B, ["direction=in", "reason=name", "it wants x@127.0.0.2, which this node is not"]),
    ?assertMatch(#{handshakes := 0, exchanges := 0, unauthenticated_bytes := 0, links := []}, info(B)),
    ?assertEqual(pong, mesh:call(A, net_adm, ping, [?B])),
    mesh:stop_pair({A, B}).

%% Silence is all that a stranger gets: this case, too, ends by a deadline, a little before
%% net_kernel's own setup time (which is its usual one here), so that there is a reason.
another_mesh() ->
    HostA = mesh:host("127.0.0.1"),
    HostB = mesh:host("127.0.0.2"),
    mesh:trust(HostA, HostB),
    mesh:trust(HostB, HostA),
    {A, B} = {start("a", HostA), mesh:start("b", HostB)},
    ?assertEqual(pang, mesh:call(B, net_adm, ping, [?A])),
    no_atom(A, <<"b@127.0.0.2">>),
    told(B, ?A, handshake_timeout, "another mesh key"),
    mesh:logged(B, ["direction=out", "reason=handshake_timeout", "name=a@127.0.0.1", "another mesh key"]),
    said_nothing(A),
    mesh:wait_until(fun() -> maps:get(strangers, info(A)) =:= 1 end),
    ?assertMatch(#{exchanges := 0}, info(A)),
    mesh:stop_pair({A, B}).

%% --- suites ----------------------------------------------------------------------------------

no_common_suite() ->
    {HostA, HostB} = hosts(),
    mesh:trust(HostA, HostB),
    mesh:trust(HostB, HostA),
    suites(HostA, "chacha20-poly1305"),
    suites(HostB, "aes-256-gcm"),
    {A, B} = {start("a", HostA), start("b", HostB)},
    refused(B, ?A),
    no_atom(A, <<"b@127.0.0.2">>),
    told(B, ?A, suite, "suite"),
    mesh:logged(B, ["direction=out", "reason=suite", "name=a@127.0.0.1"]),
    mesh:logged(A, ["direction=in", "reason=suite", "address=127.0.0.1:"]),
    ?assertMatch(#{links := [], handshakes := 0}, info(A)),
    mesh:stop_pair({A, B}).

suites(#{conf := Conf}, Suites) ->
    {ok, Text} = file:read_file(Conf),
    ok = file:write_file(Conf, string:replace(Text, "key-file = mesh.key",
                                              "key-file = mesh.key\nsuites = " ++ Suites)).

%% --- pair keys -------------------------------------------------------------------------------

%% Each trusts the other, with such a pair key as it has.
pair(KeyA, KeyB) ->
    {HostA, HostB} = hosts(),
    mesh:trust(HostA, HostB),
    pair_key(HostA, KeyA),
    mesh:trust(HostB, HostA),
    pair_key(HostB, KeyB),
    {start("a", HostA), start("b", HostB)}.

pair_key(_Host, none) -> ok;
pair_key(Host, File) -> mesh:append(Host, ["pair-key = ", File, "\n"]).

new_key() ->
    File = filename:join(mesh:dir(), "pair.key"),
    {0, _} = mesh:tacit(["psk", File]),
    File.

kept_apart(A, B) ->
    [begin
         refused(From, Name),
         told(From, Name, unconfirmed, "another pair key"),
         mesh:logged(From, ["direction=out", "reason=unconfirmed", "name=" ++ atom_to_list(Name)]),
         mesh:logged(To, ["direction=in", "reason=auth", "message 3 does not open"]),
         ?assertMatch(#{handshakes := N} when N =< 1, info(To)), % its own dial's, at most
         ?assertEqual([], mesh:call(To, erlang, nodes, []))
     end || {From, To, Name} <- [{A, B, ?B}, {B, A, ?A}]],
    mesh:stop_pair({A, B}).

pair_key_once() ->
    {A, B} = pair(new_key(), none),
    kept_apart(A, B).

pair_keys_differ() ->
    {A, B} = pair(new_key(), new_key()),
    kept_apart(A, B).

pair_keys_same() ->
    Key = new_key(),
    {A, B} = pair(Key, Key),
    ?assertEqual(pong, mesh:call(A, net_adm, ping, [?B])),
    mesh:stop_pair({A, B}).

%% A second host without a pair key links beside one that has it.
pair_key_is_for_one() ->
    Key = new_key(),
    {HostA, HostB} = hosts(),
    HostC = mesh:host("127.0.0.3", #{mesh => HostA}),
    mesh:trust(HostA, HostC),
    mesh:trust(HostA, HostB),
    pair_key(HostA, Key),
    [mesh:trust(Host, HostA) || Host <- [HostB, HostC]],
    pair_key(HostB, Key),
    Nodes = [start(Name, Host) || {Name, Host} <- [{"a", HostA}, {"b", HostB}, {"c", HostC}]],
    [?assertEqual(pong, mesh:call(hd(Nodes), net_adm, ping, [Name])) || Name <- [?B, 'c@127.0.0.3']],
    lists:foreach(fun mesh:stop/1, Nodes).
