%% secure-epmd, the daemon, in real sockets: who may register, what is passed on, what a
%% stranger sees, and what it tells.
-module(door_tests).

-include_lib("eunit/include/eunit.hrl").

-define(NAME_TAKEN, 1).
-define(BAD_NAME, 3).
-define(BAD_VERSION, 4).
-define(BAD_FRAME, 6).

one_door_test_() ->
    {setup, fun start/0, fun(#{door := Door}) -> 0 = door:stop(Door) end,
     fun(World) -> [{Title, {timeout, 120, fun() -> Test(World) end}} || {Title, Test} <- tests()]
     end}.

tests() ->
    [{"a name is its node's for as long as that lives, and free at once when it ends",
      fun name_is_taken/1},
     {"a node keeps its creation; one that has none is given one", fun creation/1},
     {"what is no name, or another version, is refused with the reason", fun bad_names/1},
     {"who knows version 2 or 3 is told the mesh keys that the door opens", fun keys/1},
     {"a connection goes to the node that its first message names, with all that was read",
      fun is_passed/1},
     {"a first message that comes in pieces is passed as a whole", fun pieces/1},
     {"a first message for a name that is not here is closed at once, and told in the log",
      fun unknown_name/1},
     {"a replayed first message, garbage, half a message and, without door-identity, a question "
      "to the door itself meet silence", fun silence/1},
     {"a node that takes nothing holds up nobody but itself", fun slow_node/1},
     {"whatever comes in on the Unix socket, the door stays up and says what is wrong",
      fun bad_frames/1},
     {"a registered node that says a word is out", fun talkative/1},
     {"tacit show's facts: nodes, what is listened on, counters", fun shown/1},
     {"Prometheus reads the same counters; nothing else is served", fun metrics/1},
     {"the log holds no line of who did nothing", fun quiet_log/1}].

start() ->
    Host = door:host("127.0.0.1"),
    Metrics = mesh:free_port("127.0.0.1"),
    Address = "127.0.0.1:" ++ integer_to_list(Metrics),
    Door = door:start(Host, #{args => ["--metrics", Address]}),
    #{door => Door, metrics => Metrics,
      options => #{mesh_key => foreign:mesh_key(Host), identity => foreign:identity(),
                   name => "f@127.0.0.9"}}.

first(#{options := Options}, Wanted) ->
    {Bytes, _} = foreign:first(Options#{wanted => Wanted}),
    Bytes.

dial(#{door := Door}) ->
    {Ip, Port} = door:address(Door),
    {ok, Socket} = gen_tcp:connect(Ip, Port, [binary, {active, false}]),
    Socket.

dial(World, Bytes) ->
    Socket = dial(World),
    ok = gen_tcp:send(Socket, Bytes),
    Socket.

count(#{door := Door}, Counter) -> door:counter(Door, Counter).

%% --- names ---------------------------------------------------------------------------------

name_is_taken(#{door := Door}) ->
    {ok, Socket, _} = door:register(Door, "taken@127.0.0.1"),
    {refused, ?NAME_TAKEN, Text} = door:register(Door, "taken@127.0.0.1"),
    ?assertEqual("taken@127.0.0.1 is taken by process " ++ os:getpid() ++ " of user " ++
                     string:trim(os:cmd("id -u")), Text),
    ok = socket:close(Socket),
    mesh:wait_until(fun() -> [] =/= door:events(Door, "unregistered") end),
    {ok, Again, _} = door:register(Door, "taken@127.0.0.1"),
    ok = socket:close(Again).

creation(#{door := Door}) ->
    {ok, S1, 7} = door:register(Door, "old@127.0.0.1", 7),
    {ok, S2, Given} = door:register(Door, "new@127.0.0.1", 0),
    ?assert(Given > 3),
    [ok = socket:close(S) || S <- [S1, S2]].

bad_names(#{door := Door}) ->
    [?assertMatch({refused, ?BAD_NAME, "got '" ++ _}, door:register(Door, Name))
     || Name <- ["app", "a@b*", "a@b@c", "*@b", "@", "a/b@c", lists:duplicate(254, $x) ++ "@"]],
    Socket = door:open(Door),
    door:send(Socket, door:frame(1, [4, 9, 0, 0, 0, 0, 3, "a@b", 0, 0, 0])),
    ?assertMatch({3, <<?BAD_VERSION, _, "got version 4 to 9, expected 1 to 3">>}, door:recv(Socket)),
    closed = door:recv(Socket),
    ok = socket:close(Socket).

%% What the door opens is told to those who know the frame, at once; others hear nothing of it.
keys(#{door := Door}) ->
    Marks = [binary:decode_hex(list_to_binary(M)) || ["mesh-key", M] <- door:show(Door)],
    [begin
         Socket = door:open(Door),
         door:send(Socket, door:frame(1, [1, Highest, 0, 0, 0, 9, 9, "k@example", 0, 0, 0])),
         {2, <<Agreed, 9:32, _/binary>>} = door:recv(Socket),
         ?assertEqual(Version, Agreed),
         Version >= 2 andalso ?assertEqual({9, iolist_to_binary(Marks)}, door:recv(Socket)),
         ok = socket:close(Socket),
         mesh:wait_until(fun() -> [] =:= [N || ["node", "k@example" = N | _] <- door:show(Door)] end)
     end || {Highest, Version} <- [{1, 1}, {2, 2}, {3, 3}, {9, 3}]],
    {ok, Old, _} = door:register(Door, "k@example"),
    {ok, _} = door:command(Door, 6),
    door:send(Old, <<"x">>),
    {3, <<?BAD_FRAME, _/binary>>} = door:recv(Old), % and nothing before
    ok = socket:close(Old).

%% --- passing -------------------------------------------------------------------------------

is_passed(#{door := Door} = World) ->
    {ok, A, _} = door:register(Door, "a@127.0.0.1"),
    {ok, B, _} = door:register(Door, "b@127.0.0.1"),
    FirstB = first(World, "b@127.0.0.1"),
    FirstA = first(World, "a@127.0.0.1"),
    ClientB = dial(World, FirstB),
    ClientA = dial(World, FirstA),
    #{socket := PassedB, first := GotB, ip := Ip, port := Port} = Pass = door:passed(B),
    #{socket := PassedA, first := GotA} = door:passed(A),
    ?assertEqual({FirstA, FirstB}, {GotA, GotB}),
    ?assertEqual({ok, {Ip, Port}}, inet:sockname(ClientB)),
    ?assert(maps:get(accepted, Pass) > 0),
    %% From here on the door is out of it: both talk to each other.
    ok = socket:send(PassedB, <<"from b">>),
    {ok, <<"from b">>} = gen_tcp:recv(ClientB, 6, 30000),
    ok = gen_tcp:send(ClientA, <<"to a">>),
    {ok, <<"to a">>} = socket:recv(PassedA, 4, 30000),
    %% The door has kept no copy of it: the end arrives.
    ok = socket:shutdown(PassedA, write),
    {error, closed} = gen_tcp:recv(ClientA, 0, 30000),
    [ok = socket:close(S) || S <- [A, B, PassedA, PassedB]].

pieces(#{door := Door} = World) ->
    {ok, Node, _} = door:register(Door, "pieces@127.0.0.1"),
    First = first(World, "pieces@127.0.0.1"),
    Client = dial(World),
    ok = inet:setopts(Client, [{nodelay, true}]),
    [ok = gen_tcp:send(Client, <<Byte>>) || <<Byte>> <= First],
    %% What came before it was passed is the node's: the door reads to its end and no further.
    ok = gen_tcp:send(Client, <<"message 3">>),
    #{socket := Passed, first := First} = door:passed(Node),
    {ok, <<"message 3">>} = socket:recv(Passed, 9, 30000),
    [ok = socket:close(S) || S <- [Node, Passed]].

unknown_name(#{door := Door} = World) ->
    Client = dial(World, first(World, "nobody@127.0.0.1")),
    {error, closed} = gen_tcp:recv(Client, 0, 30000),
    mesh:wait_until(fun() -> [] =/= door:events(Door, "unknown_name") end),
    [Line] = door:events(Door, "unknown_name"),
    ?assertMatch("event=unknown_name name=nobody@127.0.0.1 peer=127.0.0.1:" ++ _, Line).

%% Nothing comes back, and none is closed before one that says nothing at all.
silence(#{door := Door} = World) ->
    {ok, Node, _} = door:register(Door, "quiet@127.0.0.1"),
    First = first(World, "quiet@127.0.0.1"),
    Friend = dial(World, First),
    #{first := First, socket := Passed} = door:passed(Node),
    Silent = dial(World),
    {Short, _} = foreign:first((maps:get(options, World))#{wanted => "quiet@127.0.0.1",
                                                           time => 1000000}),
    {Other, _} = foreign:first((maps:get(options, World))#{wanted => "quiet@127.0.0.1",
                                                           mesh_key => <<1:256>>}),
    Others = [dial(World, Bytes) || Bytes <- [First, Short, Other, first(World, ""),
                                              binary:part(First, 0, 200),
                                              <<"GET / HTTP/1.1\r\n\r\n">>,
                                              <<0, 6, $z, "quiet">>, <<384:16, 0:(8 * 384)>>]],
    [?assertEqual({error, closed}, gen_tcp:recv(S, 0, 60000)) || S <- [Silent | Others]],
    ?assert(count(World, "replays") >= 1),
    ?assert(count(World, "clock") >= 1),
    ?assert(count(World, "garbage") >= 4),
    ?assertMatch([_ | _], door:events(Door, "clock")),
    ok = gen_tcp:close(Friend),
    [ok = socket:close(S) || S <- [Node, Passed]].

slow_node(#{door := Door} = World) ->
    {ok, Slow, _} = door:register(Door, "slow@127.0.0.1"),
    {ok, Quick, _} = door:register(Door, "quick@127.0.0.1"),
    Before = count(World, "slow_node"),
    Clients = [dial(World, first(World, "slow@127.0.0.1")) || _ <- lists:seq(1, 500)],
    mesh:wait_until(fun() -> count(World, "slow_node") > Before end),
    First = first(World, "quick@127.0.0.1"),
    Client = dial(World, First),
    #{first := First, socket := Passed} = door:passed(Quick),
    [gen_tcp:close(S) || S <- [Client | Clients]],
    [ok = socket:close(S) || S <- [Slow, Quick, Passed]],
    mesh:wait_until(fun() -> count(World, "nodes") =:= 0 end).

%% --- bad input -----------------------------------------------------------------------------

bad_frames(#{door := Door} = World) ->
    Good = door:registered("good@127.0.0.1", 1),
    Refused = [<<1:16, 0>>, <<1:16, 9>>, <<0:16>>, <<1023:16>>, <<16#ffff:16>>,
               door:frame(2, ""), door:frame(4, ""), door:frame(7, "x"), door:frame(8, ""),
               door:frame(5, "x"), door:frame(1, ""), door:frame(1, binary:copy(<<0>>, 1000)),
               door:frame(1, [1, 1, 0, 0, 0, 0, 3, "a\n@", 0, 0, 0]),
               door:frame(1, [binary:part(Good, 3, byte_size(Good) - 3), 0])],
    lists:foreach(fun(Bytes) ->
                          Socket = door:open(Door),
                          door:send(Socket, Bytes),
                          ?assertMatch({3, <<?BAD_FRAME, _/binary>>}, door:recv(Socket)),
                          closed = door:recv(Socket),
                          ok = socket:close(Socket)
                  end, Refused),
    %% Half a frame, and gone.
    lists:foreach(fun(Size) ->
                          Socket = door:open(Door),
                          door:send(Socket, binary:part(Good, 0, Size)),
                          ok = socket:close(Socket)
                  end, lists:seq(0, byte_size(Good) - 1)),
    ?assertEqual(0, count(World, "nodes")),
    {ok, Socket, 1} = door:register(Door, "good@127.0.0.1", 1),
    ok = socket:close(Socket).

talkative(#{door := Door}) ->
    {ok, Socket, _} = door:register(Door, "talk@127.0.0.1"),
    door:send(Socket, <<1:16, 5>>),
    {3, <<?BAD_FRAME, _/binary>>} = door:recv(Socket),
    closed = door:recv(Socket),
    ok = socket:close(Socket),
    {ok, Again, _} = door:register(Door, "talk@127.0.0.1"),
    ok = socket:close(Again).

%% --- what it tells -------------------------------------------------------------------------

shown(#{door := #{host := #{port := Port}} = Door} = World) ->
    mesh:wait_until(fun() -> count(World, "nodes") =:= 0 end),
    {ok, Socket, _} = door:register(Door, "shown@127.0.0.1", 77),
    First = first(World, "shown@127.0.0.1"),
    Client = dial(World, First),
    #{socket := Passed} = door:passed(Socket),
    Facts = door:show(Door),
    Listen = "127.0.0.1:" ++ integer_to_list(Port),
    ?assertMatch([["listen", Listen]], [F || ["listen" | _] = F <- Facts]),
    [["node", "shown@127.0.0.1", Pid, Uid, "0.0.0", "77", Since, "1"]] =
        [F || ["node" | _] = F <- Facts],
    ?assertEqual({os:getpid(), string:trim(os:cmd("id -u"))}, {Pid, Uid}),
    ?assert(abs(list_to_integer(Since) - os:system_time(second)) < 600),
    ok = gen_tcp:close(Client),
    [ok = socket:close(S) || S <- [Socket, Passed]].

http(Port, Request) ->
    {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, Port, [list, {active, false}]),
    ok = gen_tcp:send(Socket, Request),
    Answer = all(Socket, []),
    ok = gen_tcp:close(Socket),
    Answer.

all(Socket, Text) ->
    case gen_tcp:recv(Socket, 0, 30000) of
        {ok, More} -> all(Socket, Text ++ More);
        {error, closed} -> Text
    end.

metrics(#{metrics := Port}) ->
    "HTTP/1.1 200 OK\r\n" ++ _ = Page = http(Port, "GET /metrics HTTP/1.1\r\n\r\n"),
    {match, _} = re:run(Page, "\nsecure_epmd_passed_total [1-9][0-9]*\n"),
    {match, _} = re:run(Page, "\nsecure_epmd_refused_total{reason=\"name_taken\"} [1-9]"),
    {match, _} = re:run(Page, "\n# TYPE secure_epmd_nodes gauge\n"),
    [?assertMatch("HTTP/1.1 404" ++ _, http(Port, Request))
     || Request <- ["GET / HTTP/1.0\r\n\r\n", "POST /metrics HTTP/1.1\r\n\r\n",
                    "GET /metricsx HTTP/1.1\r\n\r\n"]],
    ?assertMatch("HTTP/1.1 400" ++ _, http(Port, lists:duplicate(4096, $x))),
    ?assertMatch("HTTP/1.1 400" ++ _, http(Port, "GET \0\r\n\r\n")).

quiet_log(#{door := Door} = World) ->
    mesh:wait_until(fun() -> count(World, "nodes") =:= 0 end),
    Before = length(door:log(Door)),
    Sockets = [dial(World) || _ <- lists:seq(1, 50)],
    [ok = gen_tcp:close(S) || S <- Sockets],
    mesh:wait_until(fun() -> count(World, "pending") =:= 0 end),
    %% One line a minute at most is about strangers.
    ?assert(length(door:log(Door)) - Before =< 1).
