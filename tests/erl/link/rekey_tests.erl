%% Fresh keys inside live links: between real nodes under traffic, and with the second
%% implementation of the channel (foreign.erl), in both roles.
-module(rekey_tests).

-include_lib("eunit/include/eunit.hrl").

-export([exchange/3]). % called on the nodes

-define(NAME, "f@127.0.0.9").
-define(NODE, 'f@127.0.0.9').
-define(COOKIE, "tacittest").
-define(PROTOCOL, 6).
-define(KEYS_WORN, 5).
-define(MESSAGES, 6000). % each way
-define(LARGE, 200000).
-define(DEADLINE, 60000).

rekey_test_() ->
    [{setup, fun pair/0, fun stop_pair/1,
      fun(World) -> [{Title, {timeout, 180, fun() -> Test(World) end}} ||
                        {Title, Test} <- pair_tests()] end},
     {setup, fun foreign/0, fun stop_foreign/1,
      fun(World) -> [{Title, {timeout, 90, fun() -> Test(World) end}} ||
                        {Title, Test} <- foreign_tests()] end}].

pair_tests() ->
    [{"a link under full traffic both ways gets fresh keys again and again; not one message "
      "is lost, and large ones cross meanwhile", fun under_traffic/1},
     {"a link that came before a reload gets fresh keys under the identity it was made with",
      fun new_identity/1},
     {"a link in use gets fresh keys by time; one that carries only ticks keeps its keys",
      fun by_time/1}].

foreign_tests() ->
    [{"a foreign peer that dialled offers fresh keys, and both go on with them",
      fun(W) -> offers(W, fun dialled/1) end},
     {"a foreign peer that was dialled offers fresh keys, and both go on with them",
      fun(W) -> offers(W, fun answered/1) end},
     {"a node offers fresh keys to a foreign peer that dialled it",
      fun(W) -> is_offered(W, fun dialled/1) end},
     {"a node offers fresh keys to a foreign peer that it dialled",
      fun(W) -> is_offered(W, fun answered/1) end},
     {"a rekey record that is malformed, out of turn, or of another generation, transcript, "
      "pair key or identity ends the link with: protocol", fun bad/1},
     {"a rekey record that comes twice ends the link", fun twice/1},
     {"a peer that offers fresh keys over and over is ended and hears why: by a node and by a C node",
      fun too_often/1},
     {"an offer of fresh keys that is not answered while the link is in use ends it: a node's and "
      "a C node's", fun unanswered/1}].

%% ---- two real nodes ----------------------------------------------------------------------

pair() ->
    A = mesh:host("127.0.0.1"),
    B = mesh:host("127.0.0.2", #{mesh => A}),
    mesh:trust(A, B),
    mesh:trust(B, A),
    [mesh:in_mesh(Host, "rekey-bytes = 1M\nrekey-records = 1000\n") || Host <- [A, B]],
    #{a => mesh:start("a", A), b => mesh:start("b", B)}.

stop_pair(#{a := A, b := B}) -> mesh:stop_pair({A, B}).

rekeys(Node) ->
    [{_, #{rekeys := Rekeys}}] = mesh:call(Node, tacit_drv, links, []),
    Rekeys.

port(Node) ->
    [{Port, _}] = mesh:call(Node, tacit_drv, links, []),
    Port.

under_traffic(#{a := A, b := B} = World) ->
    ?assertEqual(pong, mesh:call(A, net_adm, ping, [maps:get(name, B)])),
    Ports = [port(A), port(B)],
    traffic(World, 1),
    %% Some 70 MB each way: how many depends on what is under way during an exchange.
    mesh:wait_until(fun() -> rekeys(A) =:= rekeys(B) end, ?DEADLINE),
    ?assert(rekeys(A) >= 5),
    ?assertEqual(Ports, [port(A), port(B)]).

%% Both send to each other at once, and check what they get.
traffic(#{a := A, b := B}, First) ->
    Self = self(),
    Workers = [spawn_link(fun() ->
                                  Self ! {self(), mesh:call(N, ?MODULE, exchange,
                                                            [O, First, First + ?MESSAGES], 120000)}
                          end) || {N, #{name := O}} <- [{A, B}, {B, A}]],
    ?assertEqual([ok, ok], [receive {W, Result} -> Result end || W <- Workers]).

exchange(Other, First, Last) ->
    register(rekey_sink, self()),
    wait_for({rekey_sink, Other}),
    Blob = binary:copy(<<"0123456789abcdefghijklmnopqrstuvwxyz-">>, ?LARGE div 30),
    Self = self(),
    spawn_link(fun() ->
                       [{rekey_sink, Other} ! {N, piece(Blob, N)} || N <- lists:seq(First, Last)],
                       Self ! sent
               end),
    [receive {N, Bytes} -> {N, Bytes} = {N, piece(Blob, N)} end || N <- lists:seq(First, Last)],
    receive sent -> ok end,
    {rekey_sink, Other} ! all_there,
    receive all_there -> ok end,
    unregister(rekey_sink),
    ok.

wait_for({Name, Node} = Where) ->
    case rpc:call(Node, erlang, whereis, [Name]) of
        undefined -> timer:sleep(20), wait_for(Where);
        Pid when is_pid(Pid) -> ok
    end.

%% One in ten is larger than a record.
piece(Blob, N) ->
    Size = case N rem 10 of
               0 -> 65536 + erlang:phash2(N, ?LARGE - 65536);
               _ -> erlang:phash2(N, 300)
           end,
    binary:part(Blob, erlang:phash2({at, N}, byte_size(Blob) - Size), Size).

new_identity(#{a := #{host := #{dir := Dir}} = A, b := B} = World) ->
    ?assertEqual(pong, mesh:call(A, net_adm, ping, [maps:get(name, B)])),
    Ports = [port(A), port(B)],
    File = filename:join(Dir, "identity.key"),
    {ok, Old} = file:read_file(File),
    {_, Private} = foreign:identity(),
    ok = file:write_file(File, [base64:encode(Private), "\n"]),
    Key = fun() -> {ok, #{public_key := K}} = mesh:call(A, tacit, info, []), K end,
    Before = {Key(), rekeys(A)},
    {ok, _} = mesh:call(A, tacit, reload, []),
    ?assertNotEqual(element(1, Before), Key()),
    traffic(World, 1),
    mesh:wait_until(fun() -> rekeys(A) =:= rekeys(B) end, ?DEADLINE),
    ?assert(rekeys(A) >= element(2, Before) + 5),
    ?assertEqual(Ports, [port(A), port(B)]),
    ok = file:write_file(File, Old),
    {ok, _} = mesh:call(A, tacit, reload, []).

%% The limits of a reload are those of links that are there, too.
by_time(#{a := #{host := HostA} = A, b := #{host := HostB, name := NameB} = B}) ->
    ?assertEqual(pong, mesh:call(A, net_adm, ping, [NameB])),
    [mesh:in_mesh(Host, "rekey-seconds = 1\n") || Host <- [HostA, HostB]],
    [{ok, _} = mesh:call(N, tacit, reload, []) || N <- [A, B]],
    Before = rekeys(A),
    mesh:wait_until(fun() -> _ = mesh:call(A, rpc, call, [NameB, erlang, node, []]),
                             rekeys(A) > Before andalso rekeys(B) > Before
                    end, ?DEADLINE),
    settles({A, B}, rekeys(A), 3, 40).

%% Ticks every second; at some time the keys have stopped to change.
settles(_, _, 0, _) -> ok;
settles({A, B} = Nodes, Rekeys, Quiet, Rounds) when Rounds > 0 ->
    [tacit_tick(N) || N <- [A, B]],
    timer:sleep(1300),
    case rekeys(A) of
        Rekeys -> settles(Nodes, Rekeys, Quiet - 1, Rounds - 1);
        More -> settles(Nodes, More, 3, Rounds - 1)
    end.

tacit_tick(Node) -> mesh:call(Node, tacit_drv, tick, [port(Node)]).

%% ---- with a foreign peer -----------------------------------------------------------------

foreign() ->
    {Listener, Port} = foreign:listen({127, 0, 0, 9}),
    Identity = foreign:identity(),
    Host = mesh:host("127.0.0.1"),
    Endpoint = io_lib:format("endpoint = 127.0.0.9:~b", [Port]),
    mesh:append(Host, foreign:peer_section("*@127.0.0.9", Identity, Endpoint)),
    #{node => mesh:start("a", Host), listener => Listener, host => Host,
      address => {{127, 0, 0, 1}, maps:get(port, Host)},
      options => #{mesh_key => foreign:mesh_key(Host), identity => Identity, name => ?NAME,
                   wanted => "a@127.0.0.1"}}.

stop_foreign(#{node := Node, listener := Listener}) ->
    mesh:stop(Node),
    gen_tcp:close(Listener).

%% Links that are up, with the foreign peer as a hidden node.
dialled(#{address := Address, options := Options} = World) ->
    {ok, Channel} = foreign:connect(Address, Options),
    {ok, Up} = foreign:dial_node(?NAME, ?COOKIE, Channel),
    wait_for_link(World, [?NODE]),
    Up.

answered(#{node := Node, listener := Listener, options := Options} = World) ->
    Self = self(),
    Dialling = spawn_link(fun() -> Self ! {self(), mesh:call(Node, net_kernel, connect_node,
                                                             [?NODE])} end),
    {ok, Channel} = foreign:accept(Listener, Options),
    {ok, Up} = foreign:accept_node(?NAME, ?COOKIE, Channel),
    receive {Dialling, Connected} -> ?assert(Connected) end,
    wait_for_link(World, [?NODE]),
    Up.

wait_for_link(#{node := Node}, Nodes) ->
    mesh:wait_until(fun() -> mesh:call(Node, erlang, nodes, [hidden]) =:= Nodes end, ?DEADLINE).

hang_up(World, Channel) ->
    foreign:stop(foreign:send_record(close, [1], Channel)),
    wait_for_link(World, []).

%% A process on the node that keeps what it is sent; whether that is all of it.
listening(Node) ->
    mesh:on(Node, fun() ->
                          [unregister(rekey_collector) || whereis(rekey_collector) =/= undefined],
                          Pid = spawn(fun() -> receive never -> ok end end),
                          register(rekey_collector, Pid),
                          Pid
                  end).

heard(Node, Pid, Messages) ->
    mesh:wait_until(fun() -> mesh:call(Node, erlang, process_info, [Pid, messages]) =:=
                                 {messages, Messages} end, ?DEADLINE).

say(Term, Channel) -> foreign:send_to(?NAME, rekey_collector, Term, Channel).

%% What the node says, up to this.
hear(Node, Bytes, Channel) ->
    mesh:call(Node, erlang, send, [{somebody, ?NODE}, Bytes]),
    hear_up_to(Bytes, Channel).

hear_up_to(Bytes, Channel) ->
    {ok, Message, Channel2} = foreign:recv_message(Channel),
    case binary:match(Message, Bytes) of
        nomatch -> hear_up_to(Bytes, Channel2);
        _ -> Channel2
    end.

%% Both speak before, in the middle and after, three times.
offers(#{node := Node} = World, Link) ->
    Pid = listening(Node),
    Up = lists:foldl(
           fun(N, C0) ->
                   C1 = foreign:offer_keys(say({before, N}, C0)),
                   mesh:call(Node, erlang, send, [{somebody, ?NODE}, <<"in the middle">>]),
                   C1a = say({offered, N}, C1),
                   heard(Node, Pid, said(N - 1, [before, offered, switched]) ++
                             [{before, N}, {offered, N}]), % and so the offer before it
                   C2 = hear(Node, <<"fresh">>, C1a),
                   ?assertEqual(N, foreign:generation(C2)),
                   C3 = say({switched, N}, C2),
                   heard(Node, Pid, said(N, [before, offered, switched])),
                   ?assertMatch({ok, #{rekeys := N}}, mesh:call(Node, tacit, info, [?NODE])),
                   C3
           end, Link(World), [1, 2, 3]),
    mesh:call(Node, erlang, exit, [Pid, kill]),
    hang_up(World, Up).

said(Rounds, Words) -> [{Word, N} || N <- lists:seq(1, Rounds), Word <- Words].

%% The node's limit is 1000 records: it offers, and the peer's own offer crosses it.
is_offered(#{node := Node, host := Host} = World, Link) ->
    {ok, Text} = file:read_file(maps:get(conf, Host)),
    [begin
         mesh:in_mesh(Host, "rekey-records = 1000\n"),
         {ok, _} = mesh:call(Node, tacit, reload, [])
     end || binary:match(Text, <<"rekey-records">>) =:= nomatch],
    Pid = listening(Node),
    Up = lists:foldl(fun(N, C) -> hear(Node, <<"message ", (integer_to_binary(N))/binary, $.>>, C) end,
                     Link(World), lists:seq(1, 1100)),
    ?assertEqual(1, foreign:generation(Up)),
    %% Offers that cross: what the node does not read yet, it cannot know.
    Crossed = lists:foldl(
                fun(_, C0) ->
                        mesh:on(Node, fun() -> [erlang:send({somebody, ?NODE}, N) ||
                                                   N <- lists:seq(1, 1100)] end),
                        C1 = case C0 of
                                 #{rekey := none} -> foreign:offer_keys(C0);
                                 _ -> C0
                             end,
                        hear(Node, <<"round">>, say(hello, C1))
                end, Up, lists:seq(1, 10)),
    heard(Node, Pid, lists:duplicate(10, hello)),
    mesh:wait_until(fun() -> {ok, #{rekeys := R}} = mesh:call(Node, tacit, info, [?NODE]),
                             R >= 2 end, ?DEADLINE),
    mesh:call(Node, erlang, exit, [Pid, kill]),
    hang_up(World, Crossed).

bad(World) ->
    [begin
         Up = dialled(World),
         Up2 = Deed(Up),
         wait_for_link(World, []),
         ?assertEqual({Name, last_expected(Name)}, {Name, last_word(Up2)}),
         foreign:stop(Up2)
     end || {Name, Deed} <- bad_ones()].

bad_ones() ->
    Key = crypto:strong_rand_bytes(32),
    [{Name, fun(C) -> foreign:send_record(rekey, Data, C) end} ||
        {Name, Data} <- [{nothing, <<>>}, {short, <<1, 1:32>>}, {subtype, <<4, 1:32>>},
                         {switch, <<3, 1:32>>}, {switch_of_now, <<3, 0:32>>},
                         {accept, [<<2, 1:32>>, rand(48)]}, {random, [<<1, 1:32>>, rand(48)]},
                         {low_order, <<1, 1:32, 0:384>>}, {long, [<<1, 1:32>>, rand(49)]}]] ++
        [{Name, fun(C) -> foreign:offer_keys(C, Lies) end} ||
            {Name, Lies} <- [{generation_0, #{generation => 0}}, {generation_2, #{generation => 2}},
                             {transcript, #{prologue => rand(64)}},
                             {identity, #{identity => foreign:identity()}}]] ++
        %% The pair key comes with message 2: it is the offerer that cannot go on.
        [{pair_key, fun(C) ->
                            #{rekey := {offered, _}} = C2 = foreign:offer_keys(C, #{pair_key => Key}),
                            foreign:send_record(rekey, <<3, 2:32>>, C2)
                    end},
         {two_offers, fun(C) ->
                              C2 = foreign:offer_keys(C),
                              foreign:offer_keys(C2#{rekey => none})
                      end}].

rand(Size) -> crypto:strong_rand_bytes(Size).

last_word(Channel) ->
    try foreign:recv_message(Channel) of
        {ok, _, Channel2} -> last_word(Channel2);
        {close, {Reason, _}} -> {close, Reason}
    catch
        error:_ -> not_understood
    end.

%% Whose pair key is another cannot even read the answer to its offer.
last_expected(pair_key) -> not_understood;
last_expected(two_offers) -> not_understood;
last_expected(_) -> {close, ?PROTOCOL}.

twice(#{node := Node} = World) ->
    Up = #{socket := Socket, generation := 0} = dialled(World),
    {Record, _} = foreign:seal(rekey, <<3, 1:32>>, Up),
    ok = gen_tcp:send(Socket, [Record, Record]),
    wait_for_link(World, []),
    ?assertMatch({ok, #{state := down}}, mesh:call(Node, tacit, info, [?NODE])),
    foreign:stop(Up).

%% A link that a C node has dialled.
from_cnode(#{host := Host, listener := Listener}, Options) ->
    C = cnode:start("c", Host),
    Self = self(),
    Dialling = spawn_link(fun() -> Self ! {self(), cnode:connect(C, ?NODE, 60000)} end),
    {ok, Channel} = foreign:accept(Listener, Options),
    {ok, Up} = foreign:accept_node(?NAME, ?COOKIE, Channel),
    {C, receive {Dialling, Fd} -> Fd end, Up}.

%% Ten at once are taken, and one a second.
too_often(#{node := Node, options := Options} = World) ->
    Forever = Options#{rekeys => forever},
    {Agreed, {?PROTOCOL, Text}} = offer_on(dialled(World#{options := Forever})),
    ?assert(Agreed >= 10),
    ?assertEqual("it offers fresh keys too often", Text),
    wait_for_link(World, []),
    ?assertMatch({ok, #{state := down, reason := protocol}}, mesh:call(Node, tacit, info, [?NODE])),
    {C, Fd, Up} = from_cnode(World, Forever),
    Self = self(),
    Reading = spawn_link(fun() -> Self ! {self(), cnode:call(C, ["receive", Fd, 60000])} end),
    {AgreedC, {?PROTOCOL, Text}} = offer_on(Up),
    ?assert(AgreedC >= 10),
    receive {Reading, Line} -> ?assertMatch({match, _}, re:run(Line, "^failed .*too often")) end,
    cnode:stop(C).

%% Until the peer ends it: how often keys were agreed, and what it said.
offer_on(Channel) ->
    last_heard(foreign:offer_keys(Channel)).

last_heard(Channel) ->
    case foreign:recv_record(Channel) of
        {data, _, Next} -> last_heard(Next);
        {close, Why, Next} -> {foreign:generation(Next), Why}
    end.

unanswered(#{node := Node, host := Host, options := Options} = World) ->
    mesh:in_mesh(Host, "rekey-seconds = 1\n"),
    {ok, _} = mesh:call(Node, tacit, reload, []),
    Deaf = World#{options := Options#{rekeys => unheard}},
    {C, Fd, UpC} = from_cnode(World, Options#{rekeys => unheard}),
    Self = self(),
    Says = spawn_link(fun() -> Self ! {self(), say_until_it_fails(C, Fd)} end),
    Hears = spawn_link(fun() -> Self ! {self(), hear_close(UpC)} end),
    mesh:on(Node, fun() -> spawn(fun say_forever/0) end),
    ?assertMatch({?KEYS_WORN, "an exchange of fresh keys did not" ++ _}, hear_close(dialled(Deaf))),
    wait_for_link(World, []),
    {ok, #{reason := key_limit}} = mesh:call(Node, tacit, info, [?NODE]),
    mesh:on(Node, fun() -> exit(whereis(rekey_says), kill) end),
    receive
        {Hears, Why} -> ?assertMatch({?KEYS_WORN, "an exchange of fresh keys did not" ++ _}, Why)
    end,
    receive {Says, Line} -> ?assertMatch({match, _}, re:run(Line, "^failed .*fresh keys")) end,
    cnode:stop(C).

say_forever() ->
    catch register(rekey_says, self()),
    erlang:send({somebody, ?NODE}, hello, [noconnect]),
    timer:sleep(200),
    say_forever().

say_until_it_fails(C, Fd) ->
    timer:sleep(200),
    case cnode:call(C, [send, Fd, somebody, "[hello]"]) of
        "sent" -> say_until_it_fails(C, Fd);
        Line -> Line
    end.

%% What ends it, after a record of fresh keys that was passed over.
hear_close(Channel) ->
    case foreign:recv_record(Channel) of
        {data, _, Next} -> hear_close(Next);
        {close, Why, #{passed_over := 1}} -> Why
    end.
