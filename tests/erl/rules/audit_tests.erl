%% A line in the log for every link that was accepted, refused or cut: who it was by name,
%% fingerprint and address, and which line of tacit.conf decided.
-module(audit_tests).

-include_lib("eunit/include/eunit.hrl").

-define(A, 'a@127.0.0.1').
-define(B, 'b@127.0.0.2').

audit_test_() ->
    [{Title, {timeout, 120, Test}} || {Title, Test} <- tests()].

tests() ->
    [{"a link that is accepted: both sides say who, and which line allows it", fun accepted/0},
     {"a link that is refused: both sides say who; the line that decided, where there is one",
      fun refused/0},
     {"a key that a line does not have is refused, and the line is named", fun other_key/0},
     {"a link that is cut: who, and the line that forbids it", fun cut/0}].

%% The line "tacit: link WHAT ..." of the node's log, as its fields, once it is there.
fields(Node, What, Direction) ->
    Start = "tacit: link " ++ What ++ " direction=" ++ Direction,
    Lines = fun() -> [L || L <- string:lexemes(mesh:log(Node), "\n"),
                           string:prefix(L, Start) =/= nomatch]
            end,
    mesh:wait_until(fun() -> Lines() =/= [] end),
    Words = string:lexemes(hd(Lines()), " "),
    maps:from_list([{Key, string:trim(Value, trailing, ":")} ||
                       Word <- Words, [Key, Value] <- [string:split(Word, "=")]]).

fingerprint(Node) ->
    {ok, #{fingerprint := Fingerprint}} = mesh:call(Node, tacit, info, []),
    binary_to_list(Fingerprint).

%% Where the node's [peer GLOB] stands.
line_of(#{host := #{conf := Conf}}, Glob) ->
    {ok, Text} = file:read_file(Conf),
    [Before, _] = string:split(Text, ["[peer ", Glob, "]"]),
    lists:flatten(io_lib:format("~s:~b", [Conf, length(string:split(Before, "\n", all))])).

accepted() ->
    {A, B} = mesh:pair(),
    ?assertEqual(pong, mesh:call(A, net_adm, ping, [?B])),
    Out = fields(A, "accepted", "out"),
    In = fields(B, "accepted", "in"),
    {Line, LineB} = {line_of(A, "*@127.0.0.2"), line_of(B, "*@127.0.0.1")},
    {Fingerprint, FingerprintB} = {fingerprint(B), fingerprint(A)},
    ?assertMatch(#{"name" := "b@127.0.0.2", "fingerprint" := Fingerprint,
                   "address" := "127.0.0." ++ _, "line" := Line}, Out),
    ?assertMatch(#{"name" := "a@127.0.0.1", "fingerprint" := FingerprintB,
                   "address" := "127.0.0." ++ _, "line" := LineB}, In),
    {ok, #{line := Told}} = mesh:call(A, tacit, info, [?B]),
    ?assertEqual(list_to_binary(Line), Told),
    mesh:stop_pair({A, B}).

refused() ->
    HostA = mesh:host("127.0.0.1"),
    HostB = mesh:host("127.0.0.2", #{mesh => HostA}),
    mesh:trust(HostB, HostA),
    {A, B} = {mesh:start("a", HostA), mesh:start("b", HostB)},
    ?assertEqual(pang, mesh:call(B, net_adm, ping, [?A])),
    Fingerprint = fingerprint(B),
    ?assertMatch(#{"name" := "b@127.0.0.2", "fingerprint" := Fingerprint, "reason" := "refused",
                   "address" := "127.0.0." ++ _, "line" := "-"}, fields(A, "refused", "in")),
    ?assertMatch(#{"name" := "a@127.0.0.1", "reason" := "refused"}, fields(B, "refused", "out")),
    mesh:stop_pair({A, B}).

%% Neither side has the other's right key: the one that dials sees it first, and says which line.
other_key() ->
    HostA = mesh:host("127.0.0.1"),
    HostB = mesh:host("127.0.0.2", #{mesh => HostA}),
    Wrong = foreign:key_text(foreign:identity()),
    mesh:trust(HostA, HostB#{public_key => Wrong}),
    mesh:trust(HostB, HostA),
    {A, B} = {mesh:start("a", HostA), mesh:start("b", HostB)},
    ?assertEqual(pang, mesh:call(B, net_adm, ping, [?A])),
    {Line, Fingerprint} = {line_of(A, "*@127.0.0.2"), fingerprint(B)},
    ?assertMatch(#{"name" := "b@127.0.0.2", "fingerprint" := Fingerprint, "line" := Line},
                 fields(A, "refused", "in")),
    ?assertEqual(pang, mesh:call(A, net_adm, ping, [?B])),
    ?assertMatch(#{"name" := "b@127.0.0.2", "fingerprint" := Fingerprint, "line" := Line},
                 fields(A, "refused", "out")),
    mesh:stop_pair({A, B}).

cut() ->
    {A, B} = mesh:pair(),
    ?assertEqual(pong, mesh:call(B, net_adm, ping, [?A])),
    mesh:append(maps:get(host, A), "direction = out\n"),
    ?assertEqual({ok, #{dropped => [<<"b@127.0.0.2">>]}}, mesh:call(A, tacit, reload, [])),
    {Line, Fingerprint} = {line_of(A, "*@127.0.0.2"), fingerprint(B)},
    ?assertMatch(#{"name" := "b@127.0.0.2", "fingerprint" := Fingerprint, "line" := Line,
                   "address" := "127.0.0." ++ _}, fields(A, "dropped", "in")),
    ?assertEqual(pong, mesh:call(A, net_adm, ping, [?B])),
    ?assertMatch(#{"line" := Line}, fields(A, "accepted", "out")),
    mesh:stop_pair({A, B}).
