%% What somebody on the wire sees of two nodes: nothing but sizes and times.
-module(wire_tests).

-include_lib("eunit/include/eunit.hrl").

-define(COOKIE, "CookieThatNobodyMaySee").
-define(MARKER, "MarkedMessageForTheOtherNode").
-define(B, 'bertha@127.0.0.2').
%% Texts are long enough not to come about by chance in millions of random bytes.
-define(SHORTEST, 5).
-define(HANDSHAKE, [{there, 386}, {back, 1122}, {there, 1090}]).

wire_test_() ->
    {setup, fun start/0, fun stop/1,
     fun(World) -> [{Title, {timeout, 60, fun() -> Test(World) end}} ||
                       {Title, Test} <- tests()] end}.

tests() ->
    [{"the wire shows the marker where it is sent in plain, so that this test can fail",
      fun plain_is_seen/1},
     {"the wire shows no name, no host, no cookie and no message", fun nothing_is_seen/1},
     {"the wire shows no public key of either side", fun keys_are_hidden/1},
     {"the wire shows nothing of what Erlang's own protocols look like", fun no_protocol/1},
     {"the same message, sent twice, never looks the same", fun never_the_same/1},
     {"two sessions have no handshake message in common, nor any part of one",
      fun sessions_differ/1},
     {"handshake messages have the same lengths whatever the names", fun same_lengths/1},
     {"bytes look random: none is much more frequent than another", fun evenly_spread/1}].

%% Two sessions of the same two nodes, and one of a node with another name.
start() ->
    HostA = mesh:host("127.0.0.1"),
    HostB = mesh:host("127.0.0.2", #{mesh => HostA}),
    Relay = relay:start({127, 0, 0, 2}),
    relay:forward_to(Relay, {{127, 0, 0, 2}, maps:get(port, HostB)}),
    mesh:trust(HostA, HostB#{port => relay:port(Relay)}),
    mesh:trust(HostB, HostA#{port => mesh:free_port("127.0.0.1")}),
    %% Nothing dials but the test: what global still has to say would make a session more.
    Args = #{cookie => ?COOKIE, args => ["-kernel", "dist_auto_connect", "never"]},
    A = mesh:start("anna", HostA, Args),
    B = mesh:start("bertha", HostB, Args),
    [session(A, B) || _ <- [1, 2]],
    mesh:stop(A),
    Long = mesh:start("anna_" ++ lists:duplicate(200, $x), HostA, Args),
    session(Long, B),
    #{nodes => {Long, B}, relay => Relay, frames => relay:frames(Relay),
      keys => [base64:decode(maps:get(public_key, Host)) || Host <- [HostA, HostB]]}.

stop(#{nodes := Nodes, relay := Relay}) ->
    mesh:stop_pair(Nodes),
    relay:stop(Relay).

%% A whole one: calls and messages with the marker both ways, the end.
session(A, B) ->
    ?assert(mesh:call(A, net_kernel, connect_node, [?B])),
    Marker = list_to_binary(?MARKER),
    ?assertEqual(Marker, mesh:call(A, rpc, call, [?B, binary, copy, [Marker]])),
    Long = binary:copy(Marker, 10000),
    ?assertEqual(Long, mesh:call(A, rpc, call, [?B, binary, copy, [Long]])),
    ?assertEqual({?MARKER, ?MARKER},
                 mesh:call(A, erpc, call, [?B, erlang, list_to_tuple, [[?MARKER, ?MARKER]]])),
    mesh:part(A, B).

%% All bytes of a session in a direction, one behind the other.
bytes(N, Direction, #{frames := Frames}) ->
    iolist_to_binary([F || {M, D, F} <- Frames, M =:= N, D =:= Direction]).

all_bytes(World) ->
    [bytes(N, Direction, World) || N <- [1, 2, 3], Direction <- [there, back]].

unseen(Texts, World) ->
    ?assert(lists:all(fun(Text) -> byte_size(Text) >= ?SHORTEST end, Texts)),
    [?assertEqual({Text, nomatch}, {Text, binary:match(Bytes, Text)}) ||
        Text <- Texts, Bytes <- all_bytes(World)].

%% A relay that carries plain text: what it keeps does hold what was sent.
plain_is_seen(_World) ->
    {Listener, Port} = foreign:listen({127, 0, 0, 9}),
    Relay = relay:start({127, 0, 0, 9}),
    relay:forward_to(Relay, {{127, 0, 0, 9}, Port}),
    {ok, Socket} = gen_tcp:connect({127, 0, 0, 9}, relay:port(Relay), [binary]),
    {ok, Accepted} = gen_tcp:accept(Listener),
    ok = gen_tcp:send(Socket, foreign:frame(<<"before", ?MARKER, "behind">>)),
    {ok, _} = gen_tcp:recv(Accepted, 0),
    [{1, there, Frame}] = relay:frames(Relay),
    ?assertMatch({_, _}, binary:match(Frame, <<?MARKER>>)),
    [gen_tcp:close(S) || S <- [Socket, Accepted, Listener]],
    relay:stop(Relay).

nothing_is_seen(#{frames := Frames} = World) ->
    Sent = lists:sum([byte_size(F) || {_, _, F} <- Frames]),
    ?assert(Sent > 6 * 10000 * length(?MARKER)), % it did go this way
    unseen([<<"anna@127">>, <<"bertha">>, <<"xxxxxxxx">>, <<"127.0.0.">>, <<?COOKIE>>,
            <<?MARKER>>, <<"MarkedMe">>, <<"OtherNode">>], World).

%% As bytes, and as text.
keys_are_hidden(#{keys := Keys} = World) ->
    unseen(Keys ++ [base64:encode(Key) || Key <- Keys], World).

%% Names of processes and modules, and what external terms begin with.
no_protocol(World) ->
    unseen([<<"net_kernel">>, <<"$gen_call">>, <<"global_name_server">>, <<"is_auth">>,
            <<"Tacit 1">>, <<131, 104, 4, 97, 6>>, <<0:64>>], World).

%% Any eight bytes of a record's body, anywhere else in the session.
never_the_same(#{frames := Frames}) ->
    Bodies = [Body || {1, _, <<_:16, Body/binary>>} <- Frames, byte_size(Body) > 100],
    Windows = [binary:part(Body, At, 8) || Body <- Bodies,
                                           At <- lists:seq(0, byte_size(Body) - 8, 16)],
    ?assert(length(Windows) > 10000),
    ?assertEqual(length(Windows), length(lists:usort(Windows))).

handshake(N, #{frames := Frames}) ->
    lists:sublist([{Direction, F} || {M, Direction, F} <- Frames, M =:= N], 3).

sessions_differ(World) ->
    Parts = [lists:usort([binary:part(F, At, 8) || {_, F} <- handshake(N, World),
                                                   At <- lists:seq(2, byte_size(F) - 8)])
             || N <- [1, 2]],
    ?assert(lists:all(fun(P) -> length(P) > 2500 end, Parts)),
    ?assertEqual([], ordsets:intersection(Parts)).

same_lengths(World) ->
    [?assertEqual(?HANDSHAKE, [{D, byte_size(F)} || {D, F} <- handshake(N, World)]) ||
        N <- [1, 2, 3]].

%% Each of 256 values would come in one of 256 bytes; of over a million, none is far off.
evenly_spread(#{frames := Frames}) ->
    Bytes = << <<Body/binary>> || {_, _, <<_:16, Body/binary>>} <- Frames >>,
    Counts = lists:foldl(fun(B, Acc) -> maps:update_with(B, fun(C) -> C + 1 end, 1, Acc) end,
                         #{}, binary_to_list(Bytes)),
    Expected = byte_size(Bytes) / 256,
    ?assert(Expected > 5000),
    ?assertEqual([], [B || B <- lists:seq(0, 255),
                           abs(maps:get(B, Counts, 0) - Expected) > Expected / 5]).
