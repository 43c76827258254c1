%% Links at their limits: ticks amid bulk, and an end that the peer does not help with.
-module(ends_tests).

-include_lib("eunit/include/eunit.hrl").

-define(NAME, "f@127.0.0.9").
-define(NODE, 'f@127.0.0.9').

ends_test_() ->
    [{"ticks amid large messages and a full socket do no harm",
      {timeout, 120, fun ticks_amid_bulk/0}},
     {"a peer that sends and does not read cannot keep a link that is closed",
      {timeout, 120, fun closing_is_bounded/0}}].

%% The receiver stands still, so that records are queued; ticks come between any two messages.
ticks_amid_bulk() ->
    {A, B} = Pair = mesh:pair(),
    pong = mesh:call(A, net_adm, ping, ['b@127.0.0.2']),
    Sink = mesh:on(B, fun() -> spawn(fun() -> count(0) end) end),
    Sent = [begin
                mesh:freeze(B),
                N = mesh:on(A, fun() -> send(Sink, Every, 0) end),
                mesh:thaw(B),
                N
            end || Every <- [1, 4, 7, 7]],
    Took = mesh:on(A, fun() ->
                              Sink ! {self(), how_many},
                              receive {Sink, Count} -> Count after 60000 -> lost end
                      end, 100000),
    ?assertEqual(lists:sum(Sent), Took),
    mesh:stop_pair(Pair).

%% Until the link takes no more, with a tick behind so many messages: how many it took.
send(Sink, Every, N) ->
    case tacit_drv:links() of
        [{Port, _}] ->
            Bytes = binary:copy(<<"0123456789abcdef">>, 625),
            case send(Sink, Port, Every, Bytes, N) of
                N -> N;
                More -> timer:sleep(20), send(Sink, Every, More)
            end;
        [] ->
            N
    end.

send(Sink, Port, Every, Bytes, N) ->
    _ = N rem Every =:= 0 andalso tacit_drv:tick(Port),
    case erlang:send(Sink, Bytes, [nosuspend, noconnect]) of
        ok -> send(Sink, Port, Every, Bytes, N + 1);
        _ -> N
    end.

count(N) ->
    receive
        {From, how_many} -> From ! {self(), N};
        _ -> count(N + 1)
    end.

%% Most of what it should read stays in the node's own queue; it says that it is there.
closing_is_bounded() ->
    Host = mesh:host("127.0.0.1"),
    Identity = foreign:identity(),
    mesh:append(Host, foreign:peer_section("*@127.0.0.9", Identity, "")),
    Node = mesh:start("a", Host),
    {ok, Channel} = foreign:connect({{127, 0, 0, 1}, maps:get(port, Host)},
                                    #{mesh_key => foreign:mesh_key(Host), name => ?NAME,
                                      identity => Identity, wanted => "a@127.0.0.1"}),
    {ok, Up} = foreign:dial_node(?NAME, "tacittest", Channel),
    mesh:wait_until(fun() -> mesh:call(Node, erlang, nodes, [hidden]) =:= [?NODE] end),
    mesh:on(Node, fun fill/0),
    true = mesh:call(Node, erlang, disconnect_node, [?NODE]),
    ?assertEqual(ended, go_on(Up, 300)),
    mesh:stop(Node).

%% Until the node's own queue stands still.
fill() ->
    case fill(binary:copy(<<0>>, 1 bsl 20)) of
        0 -> ok;
        _ -> timer:sleep(200), fill()
    end.

fill(Bytes) ->
    case erlang:send({nobody, ?NODE}, Bytes, [nosuspend]) of
        ok -> 1 + fill(Bytes);
        nosuspend -> 0
    end.

%% A tick every 100 ms, so many times, while the node holds the socket.
go_on(_, 0) ->
    goes_on;
go_on(#{socket := Socket} = Channel, Times) ->
    timer:sleep(100),
    {Record, Next} = foreign:seal(data, <<0:32>>, Channel),
    case gen_tcp:send(Socket, Record) of
        ok -> go_on(Next, Times - 1);
        {error, _} -> ended
    end.
