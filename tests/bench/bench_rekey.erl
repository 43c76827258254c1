%% What fresh keys cost: two pairs of nodes do the same at full speed in both directions, in
%% turn; one pair agrees fresh keys each 10,000 records, the other by the defaults. Every
%% message is checked for its place.
-module(bench_rekey).
-behaviour(bench_measurement).

-export([title/0, about/0, plan/1, start/3, round/2, stop/1, label/1]).
-export([run/3, sender/4, sink/2]). % called on the nodes

-define(RECORDS, 10000).
-define(AHEAD, 64).

title() -> "Fresh keys".

about() ->
    "16 KiB binaries both ways at once, in numbered order, each of which is checked. Two pairs "
        "take turns within a round: one that gets fresh keys each 10,000 records and one with "
        "the defaults. The ratio is that of a round.".

plan(quick) -> #{rounds => 3, carriers => [tacit], ms => 500};
plan(full) -> #{rounds => 60, carriers => [tacit], ms => 5000}.

start(tacit, Context, _Plan) ->
    {A, B} = Often = bench_carrier:linked_pair(tacit, Context),
    [begin
         ok = mesh:in_mesh(Host, io_lib:format("rekey-records = ~b~n", [?RECORDS])),
         {ok, _} = mesh:call(Node, tacit, reload, [])
     end || #{host := Host} = Node <- [A, B]],
    {Often, bench_carrier:linked_pair(tacit, Context)}.

stop({Often, Seldom}) ->
    mesh:stop_pair(Often),
    mesh:stop_pair(Seldom).

%% None is always the first.
round({Often, Seldom}, #{ms := Ms}) ->
    Before = rekeys(Often),
    {With, Without} =
        case rand:uniform(2) of
            1 -> W = rate(Often, Ms), {W, rate(Seldom, Ms)};
            2 -> S = rate(Seldom, Ms), {rate(Often, Ms), S}
        end,
    [{[with], With}, {[without], Without}, {[ratio], With / Without},
     {[rekeys], rekeys(Often) - Before}].

rekeys({A, _}) ->
    [{_, #{rekeys := Rekeys}}] = mesh:call(A, tacit_drv, links, []),
    Rekeys.

label([with]) -> {"fresh keys each 10,000 records", "MB/s", more};
label([without]) -> {"fresh keys each 64 GiB", "MB/s", more};
label([ratio]) -> {"with, divided by without", "", more};
label([rekeys]) -> {"exchanges meanwhile", "", more}.

%% MB/s, of both directions.
rate({A, #{name := B}}, Ms) ->
    {Bytes, Seconds} = mesh:call(A, ?MODULE, run, [B, 16384, Ms], 300000),
    Bytes / Seconds / 1.0e6.

%% ---- on the nodes ------------------------------------------------------------------------

-spec run(node(), pos_integer(), pos_integer()) -> {pos_integer(), float()}.
run(Node, Size, Ms) ->
    Start = erlang:monotonic_time(),
    [begin
         Sink = spawn_link(To, ?MODULE, sink, [self(), 1]),
         spawn_link(From, ?MODULE, sender, [Sink, self(), Size, Ms])
     end || {From, To} <- [{node(), Node}, {Node, node()}]],
    Sent = [receive {sent, N} -> N end || _ <- [1, 2]],
    Received = [receive {received, N} -> N end || _ <- [1, 2]],
    true = lists:sort(Sent) =:= lists:sort(Received),
    {Size * lists:sum(Sent), bench_stats:micros(erlang:monotonic_time() - Start) / 1.0e6}.

%% Never further ahead than ?AHEAD messages.
-spec sender(pid(), pid(), pos_integer(), pos_integer()) -> {sent, non_neg_integer()}.
sender(Sink, Coordinator, Size, Ms) ->
    Sink ! {from, self()},
    Until = erlang:monotonic_time() + erlang:convert_time_unit(Ms, millisecond, native),
    Coordinator ! {sent, send(Sink, binary:copy(<<7>>, Size), Until, 1, ?AHEAD)}.

send(Sink, Bytes, Until, N, 0) ->
    receive {heard, More} -> send(Sink, Bytes, Until, N, More) end;
send(Sink, Bytes, Until, N, Credit) ->
    case erlang:monotonic_time() < Until of
        true -> Sink ! {N, Bytes}, send(Sink, Bytes, Until, N + 1, Credit - 1);
        false -> Sink ! stop, N - 1
    end.

%% The next message must be the next: else it ends, and all with it.
-spec sink(pid(), pos_integer()) -> {received, non_neg_integer()}.
sink(Coordinator, Next) ->
    receive {from, Sender} -> sink(Coordinator, Sender, Next) end.

sink(Coordinator, Sender, Next) ->
    receive
        {N, _} when is_integer(N) ->
            Next = N,
            N rem (?AHEAD div 4) =:= 0 andalso (Sender ! {heard, ?AHEAD div 4}),
            sink(Coordinator, Sender, Next + 1);
        stop ->
            Coordinator ! {received, Next - 1}
    end.
