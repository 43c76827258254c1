%% How long a small message takes there and back: alone, among many, behind a bulk transfer.
-module(bench_roundtrip).
-behaviour(bench_measurement).

-export([title/0, about/0, plan/1, start/3, round/2, stop/1, label/1]).
-export([trips/3, echo/0, during_bulk/3]). % called on the nodes

-define(STARVED, 1000).

title() -> "Round trip".

about() ->
    "A process sends {self(), x} to one on the other node and waits for x. During bulk: "
        "another process of the same node sends 64 KiB (or 1 MiB) binaries without a pause over "
        "the same link.".

plan(quick) -> #{rounds => 3, ms => 250, bulk_ms => 500};
plan(full) -> #{rounds => 5, ms => 1000, bulk_ms => 2000}.

start(Carrier, Context, _Plan) -> bench_carrier:linked_pair(Carrier, Context).

stop(Pair) -> mesh:stop_pair(Pair).

round({A, #{name := B}}, #{ms := Ms, bulk_ms := BulkMs}) ->
    Cases = [{[alone], trips, [B, 1, Ms]},
             {[hundred], trips, [B, 100, Ms]},
             {[bulk, 16#10000], during_bulk, [B, 16#10000, BulkMs]},
             {[bulk, 16#100000], during_bulk, [B, 16#100000, BulkMs]}],
    lists:append([figures(Key, mesh:call(A, ?MODULE, F, Args)) || {Key, F, Args} <- Cases]).

figures(Key, Micros) ->
    [{Key ++ [P], V} || {P, V} <- lists:zip([p50, p99, p999],
                                            bench_stats:percentiles(Micros, [50, 99, 99.9]))].

label(Key) ->
    P = case lists:last(Key) of p50 -> "p50"; p99 -> "p99"; p999 -> "p99.9" end,
    Case = case Key of
               [alone, _] -> "1 process";
               [hundred, _] -> "100 processes";
               [bulk, Size, _] -> "1 process, during " ++ bench_report:size(Size) ++ " bulk"
           end,
    {Case ++ ", " ++ P, "us", less}.

%% ---- on the nodes ------------------------------------------------------------------------

%% Every round trip of Processes processes within Ms, in microseconds.
-spec trips(node(), pos_integer(), pos_integer()) -> [float()].
trips(Node, Processes, Ms) ->
    Pingers = [pinger(Node) || _ <- lists:seq(1, Processes)],
    [P ! {go, Ms} || P <- Pingers],
    lists:append([receive {P, Took} -> Took end || P <- Pingers]).

%% Waits for {go, Ms}; who it talks to is there before.
pinger(Node) ->
    Self = self(),
    Echo = spawn_link(Node, ?MODULE, echo, []),
    spawn_link(fun() ->
                       receive {go, Ms} -> ok end,
                       Until = erlang:monotonic_time() +
                           erlang:convert_time_unit(Ms, millisecond, native),
                       Self ! {self(), ping(Echo, Until, [])},
                       Echo ! stop
               end).

ping(Echo, Until, Took) ->
    Start = erlang:monotonic_time(),
    Echo ! {self(), x},
    receive x -> ok end,
    End = erlang:monotonic_time(),
    Taken = [bench_stats:micros(End - Start) | Took],
    case End < Until of
        true -> ping(Echo, Until, Taken);
        false -> Taken
    end.

-spec echo() -> stop.
echo() ->
    receive
        {From, X} -> From ! X, echo();
        stop -> stop
    end.

%% A carrier may let the bulk sender's messages pass for as long as it sends: then that stops
%% ?STARVED ms late, and the round trip that waited counts with all that time.
-spec during_bulk(node(), pos_integer(), pos_integer()) -> [float()].
during_bulk(Node, Size, Ms) ->
    Pinger = pinger(Node),
    Bulk = bench_stream:start_bulk(Node, Size),
    timer:sleep(100),
    Pinger ! {go, Ms},
    Early = receive {Pinger, Took} -> [Took] after Ms + ?STARVED -> [] end,
    bench_stream:stop_bulk(Bulk),
    case Early of
        [All] -> All;
        [] -> receive {Pinger, All} -> All end
    end.
