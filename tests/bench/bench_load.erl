%% What a bulk transfer leaves of the schedulers for everything else on the two nodes.
-module(bench_load).
-behaviour(bench_measurement).

-export([title/0, about/0, plan/1, start/3, round/2, stop/1, label/1]).
-export([bulk/3, watch/1]). % called on the nodes

title() -> "Schedulers during bulk".

about() ->
    "While 64 KiB binaries go one way without a pause: how much of their time the schedulers "
        "were busy, and how long a process that was sent a message on the same node waited until "
        "it ran (run-queue delay).".

plan(quick) -> #{rounds => 3, ms => 500};
plan(full) -> #{rounds => 5, ms => 2000}.

start(Carrier, Context, _Plan) -> bench_carrier:linked_pair(Carrier, Context).

stop(Pair) -> mesh:stop_pair(Pair).

round({A, #{name := NameB} = B}, #{ms := Ms}) ->
    [Sent, Sender, Receiver] =
        bench_carrier:together([fun() -> mesh:call(A, ?MODULE, bulk, [NameB, 65536, Ms]) end,
                                fun() -> mesh:call(A, ?MODULE, watch, [Ms]) end,
                                fun() -> mesh:call(B, ?MODULE, watch, [Ms]) end]),
    [{[bytes], Sent} | figures(sender, Sender) ++ figures(receiver, Receiver)].

figures(Side, #{busy := Busy, delays := Delays}) ->
    [P50, P99, Most] = bench_stats:percentiles(Delays, [50, 99, 100]),
    [{[Side, busy], Busy}, {[Side, delay, p50], P50}, {[Side, delay, p99], P99},
     {[Side, delay, most], Most}].

label([bytes]) -> {"meanwhile sent", "MB/s", more};
label([Side, busy]) -> {atom_to_list(Side) ++ "'s schedulers, busy", "%", less};
label([Side, delay, P]) ->
    {atom_to_list(Side) ++ "'s run-queue delay, " ++ atom_to_list(P), "us", less}.

%% ---- on the nodes ------------------------------------------------------------------------

%% MB/s, for somewhat longer than watch/1 looks.
-spec bulk(node(), pos_integer(), pos_integer()) -> float().
bulk(Node, Size, Ms) ->
    #{count := Count, seconds := Seconds} = bench_stream:run(Node, Size, 1, one_way, Ms + 400),
    Count * Size / Seconds / 1.0e6.

-spec watch(pos_integer()) -> #{busy := float(), delays := [float()]}.
watch(Ms) ->
    timer:sleep(200),
    _ = erlang:system_flag(scheduler_wall_time, true),
    Before = wall_times(),
    Delays = delays(erlang:monotonic_time(millisecond) + Ms, waiter(), []),
    After = wall_times(),
    _ = erlang:system_flag(scheduler_wall_time, false),
    {Active, Total} = lists:foldl(fun({{Id, A0, T0}, {Id, A1, T1}}, {A, T}) ->
                                          {A + A1 - A0, T + T1 - T0}
                                  end, {0, 0}, lists:zip(Before, After)),
    #{busy => 100 * Active / Total, delays => Delays}.

%% Of those that run Erlang processes.
wall_times() ->
    Normal = erlang:system_info(schedulers),
    lists:sort([S || {Id, _, _} = S <- erlang:statistics(scheduler_wall_time), Id =< Normal]).

waiter() ->
    Self = self(),
    spawn_link(fun() -> wait(Self) end).

wait(For) ->
    receive
        {sent, When} ->
            For ! {waited, bench_stats:micros(erlang:monotonic_time() - When)},
            wait(For);
        stop ->
            ok
    end.

delays(Until, Waiter, Delays) ->
    timer:sleep(1),
    Waiter ! {sent, erlang:monotonic_time()},
    Delay = receive {waited, D} -> D end,
    case erlang:monotonic_time(millisecond) < Until of
        true -> delays(Until, Waiter, [Delay | Delays]);
        false -> Waiter ! stop, [Delay | Delays]
    end.
