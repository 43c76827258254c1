%% Holders of the mesh key who send first messages by the thousand: X25519 is computed for so
%% many and no more. The rest meet silence and are counted, and others get in all the while.
-module(limits_tests).

-include_lib("eunit/include/eunit.hrl").

-define(ANSWER, 1122). % bytes of message 2, behind its length
-define(SENDERS, 8).   % at once

%% How often at once, and then a second: of src/gate/admission.c, and of src/door/directory.c.
-define(SOURCE, {2000, 200}).
-define(ALL, {4000, 1000}).
-define(DIRECTORY, {50, 50}).

limits_test_() ->
    [{Title, {timeout, 300, Test}} ||
        {Title, Test} <-
            [{"5,000 first messages from one source: a node answers as many as it may, and others "
              "get in", fun one_source/0},
             {"7,000 first messages from many sources: a node answers as many as it may, and who "
              "came before gets in", fun many_sources/0},
             {"16,000 first messages from many sources to a node behind a door: who came before gets "
              "in each time; a newcomer does not, nor one who was refused since",
              fun behind_door/0},
             {"400 questions to a door: it answers as many as it may, and who asked before hears",
              fun directory/0}]].

%% --- a node --------------------------------------------------------------------------------

one_source() ->
    on_node(5000, [{127, 0, 1, 1}], ?SOURCE, fun newcomer/1).

many_sources() ->
    on_node(7000, [{127, 0, 1, I} || I <- lists:seq(1, ?SENDERS)], ?ALL, fun(_) -> ok end).

on_node(Count, Sources, Limit, Others) ->
    Quiet = ["-kernel", "dist_auto_connect", "never"],
    {A, B} = Pair = mesh:pair(#{b_conf => "source = 127.0.0.2\n", args => Quiet}),
    link_and_part(A, B), % from now on A knows where B comes from
    #{host := #{port := Port} = Host} = A,
    World = #{address => {{127, 0, 0, 1}, Port}, sources => Sources, limit => Limit,
              options => #{mesh_key => foreign:mesh_key(Host), identity => foreign:identity(),
                           name => "f@127.0.0.9", wanted => "a@127.0.0.1"},
              counters => fun() -> {ok, Info} = mesh:call(A, tacit, info, []), Info end,
              meanwhile => fun(W) -> Others(W), link_and_part(A, B) end},
    flood(World, Count),
    ?assertMatch({ok, #{unauthenticated_bytes := 0}}, mesh:call(A, tacit, info, [])),
    mesh:stop_pair(Pair).

link_and_part(A, #{name := Name} = B) ->
    mesh:wait_until(fun() -> mesh:call(A, net_kernel, connect_node, [Name]) end),
    mesh:part(A, B).

%% Somebody from elsewhere is answered.
newcomer(#{address := Address, options := Options}) ->
    {ok, Channel} = foreign:connect(Address, Options#{source => {127, 0, 2, 1}}),
    foreign:stop(Channel).

%% --- a node behind a door ------------------------------------------------------------------

-define(FRIEND, {127, 0, 3, 1}).
-define(REFUSED, {127, 0, 3, 2}).
-define(NEWCOMER, {127, 0, 3, 3}).

behind_door() ->
    Host = door:host("127.0.0.1"),
    Identity = foreign:identity(),
    ok = mesh:append(Host, foreign:peer_section("f@127.0.0.9", Identity, "")),
    Door = door:start(Host),
    Node = mesh:start("a", Host),
    Options = #{mesh_key => foreign:mesh_key(Host), identity => foreign:identity(),
                name => "f@127.0.0.9", wanted => "a@127.0.0.1"},
    World = #{address => door:address(Door), options => Options, door => Door,
              sources => [{127, 0, 1, I} || I <- lists:seq(1, 16)]},
    [true = gets_in(World, Source, Identity) || Source <- [?FRIEND, ?REFUSED]],
    true = gets_in(World, ?REFUSED, foreign:identity()), % as far as message 2
    mesh:wait_until(fun() -> door:counter(Door, "known") =:= 1 end),
    Senders = senders(World#{hear => false}, 16000),
    [Pid ! go || Pid <- Senders],
    Tried = try_until(World, Identity, Senders, []),
    Limited = door:counter(Door, "limited"),
    Answers = fun(Source) -> [Got || {S, Got} <- Tried, S =:= Source] end,
    ?assertEqual([true], lists:usort(Answers(?FRIEND))),
    io:format(user, "~b limited; of ~b times a newcomer got in ~b~n",
              [Limited, length(Answers(?NEWCOMER)), length([x || true <- Answers(?NEWCOMER)])]),
    mesh:stop(Node),
    0 = door:stop(Door),
    Limited > 4000 orelse throw({skip, "here they come too slowly to meet the limit"}),
    [?assert(lists:member(false, Answers(Source))) || Source <- [?NEWCOMER, ?REFUSED]].

%% Whether it is answered: it opens what it hears.
gets_in(#{address := Address, options := Options}, Source, Identity) ->
    case foreign:connect(Address, Options#{source => Source, identity := Identity}) of
        {ok, Channel} -> foreign:stop(Channel), true;
        {error, closed} -> false
    end.

try_until(#{options := #{identity := Stranger}} = World, Identity, Senders, Tried) ->
    Now = [{Source, gets_in(World, Source, Who)}
           || {Source, Who} <- [{?FRIEND, Identity}, {?REFUSED, Stranger}, {?NEWCOMER, Stranger}]],
    Left = [Pid || Pid <- Senders, receive {Pid, _Heard} -> false after 0 -> true end],
    case Left of
        [] -> Tried ++ Now;
        _ -> try_until(World, Identity, Left, Now ++ Tried)
    end.

%% --- a door --------------------------------------------------------------------------------

directory() ->
    #{dir := Dir} = Host = door:host("127.0.0.1"),
    Asker = mesh:host("127.0.0.2", #{mesh => Host}),
    {0, _} = mesh:tacit(["keygen", filename:join(Dir, "door.key")]),
    {0, Key} = mesh:tacit(["pubkey", filename:join(Dir, "door.key")]),
    in_host(Host, "door-identity = door.key\n"),
    in_host(Asker, "source = 127.0.0.2\n"),
    ok = mesh:trust(Asker, Host),
    mesh:append(Asker, ["door-key = ", Key, "\n"]),
    ok = mesh:trust(Host, Asker),
    mesh:append(Host, "directory = yes\n"),
    Door = door:start(Host),
    Ask = fun(_) ->
                  ?assertMatch({0, _}, mesh:tacit(["names", "--conf", maps:get(conf, Asker),
                                                   "127.0.0.1"]))
          end,
    Ask(before),
    World = #{address => door:address(Door), sources => [{127, 0, 1, 1}], limit => ?DIRECTORY,
              options => #{mesh_key => foreign:mesh_key(Host), identity => foreign:identity(),
                           name => "f@127.0.0.9", wanted => ""},
              counters => fun() ->
                                  maps:from_list([{C, door:counter(Door, atom_to_list(C))}
                                                  || C <- [exchanges, limited, strangers]])
                          end,
              meanwhile => Ask},
    flood(World, 400),
    0 = door:stop(Door).

in_host(#{conf := Conf}, Line) ->
    {ok, Text} = file:read_file(Conf),
    ok = file:write_file(Conf, string:replace(Text, "[host]\n", ["[host]\n", Line])).

%% --- the flood -----------------------------------------------------------------------------

%% Count first messages, each new and good, from Sources in turn.
flood(#{counters := Counters, meanwhile := Meanwhile} = World, Count) ->
    Senders = senders(World, Count),
    {Before, Start} = {Counters(), erlang:monotonic_time(millisecond)},
    [Pid ! go || Pid <- Senders],
    Meanwhile(World),
    Heard = lists:append([receive {Pid, Heard} -> Heard end || Pid <- Senders]),
    Meanwhile(World),
    {After, Took} = {Counters(), erlang:monotonic_time(millisecond) - Start},
    Grown = fun(C) -> maps:get(C, After) - maps:get(C, Before) end,
    Answered = length([H || H <- Heard, H > 0]),
    ?assertEqual([], lists:usort(Heard) -- [0, ?ANSWER]),
    %% Strangers: those for whom the host had no time, or whose second it has forgotten.
    ?assertEqual(Count - Answered, Grown(limited) + Grown(strangers)),
    within(World, Grown(exchanges), Took),
    io:format(user, "~b first messages in ~b ms: ~b answered, ~b limited~n",
              [Count, Took, Answered, Grown(limited)]),
    Grown(limited) > 0 orelse throw({skip, "here they come too slowly to meet the limit"}).

%% They begin when they are told.
senders(World, Count) ->
    Sources = sources(World),
    Senders = [sender(World, Source, Count div length(Sources)) || Source <- Sources],
    [receive {Pid, ready} -> ok end || Pid <- Senders],
    Senders.

sources(#{sources := Sources}) ->
    [lists:nth(1 + I rem length(Sources), Sources) ||
        I <- lists:seq(1, max(?SENDERS, length(Sources)))].

%% Has its messages ready before it begins.
sender(#{address := Address, options := Options} = World, Source, Count) ->
    Say = case World of
              #{hear := false} -> fun shout/3;
              _ -> fun foreign:say/3
          end,
    Self = self(),
    spawn_link(fun() ->
                       Messages = [element(1, foreign:first(Options)) ||
                                      _ <- lists:seq(1, Count)],
                       Self ! {self(), ready},
                       receive go -> ok end,
                       Self ! {self(), [Say(Address, Source, M) || M <- Messages]}
               end).

%% Says it, and does not wait for an answer.
shout({Ip, Port}, Source, Bytes) ->
    {ok, Socket} = gen_tcp:connect(Ip, Port, [binary, {active, false}, {ip, Source}], 60000),
    _ = gen_tcp:send(Socket, Bytes),
    gen_tcp:close(Socket).

%% What the limit's words allow in that time, and some for those who came meanwhile.
within(#{limit := {Burst, ASecond}}, Exchanges, Took) ->
    Most = Burst + ASecond * Took div 1000 + 10,
    ?assertMatch({true, _, _}, {Exchanges =< Most, Exchanges, Most}).
