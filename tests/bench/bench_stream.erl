%% Messages a second and bytes a second, and what they cost in processor time.
-module(bench_stream).
-behaviour(bench_measurement).

-export([title/0, about/0, plan/1, start/3, round/2, stop/1, label/1]).
-export([run/5, sender/3, sink/2]).        % called on the nodes
-export([start_bulk/2, stop_bulk/1]).

-define(MOST, 16#10000000). % bytes of one message of each pair: what all wait for at the end
-define(LARGE, 16384). % from here on bytes count rather than messages

title() -> "Throughput".

about() ->
    "Each sender sends binaries of one size to a process of its own on the other node, for a "
        "fixed time; the clock stops when all were received. CPU is that of both nodes. 32 pairs "
        "do not send 16 MiB each.".

plan(quick) ->
    #{rounds => 3, ms => 200, sizes => [16, 1024, 65536, 16#100000],
      shapes => [{1, one_way}, {32, one_way}]};
plan(full) ->
    #{rounds => 5, ms => 500, sizes => [16, 256, 1024, 16384, 65536, 16#100000, 16#1000000],
      shapes => [{1, one_way}, {32, one_way}, {1, both_ways}, {32, both_ways}]}.

start(Carrier, Context, _Plan) -> bench_carrier:linked_pair(Carrier, Context).

stop(Pair) -> mesh:stop_pair(Pair).

round({A, #{name := B}}, #{ms := Ms, sizes := Sizes, shapes := Shapes}) ->
    [Figure || {Pairs, Way} <- Shapes, Size <- Sizes, Pairs * Size =< ?MOST,
               Figure <- figures([Pairs, Way, Size],
                                 mesh:call(A, ?MODULE, run, [B, Size, Pairs, Way, Ms], 300000))].

figures([_, _, Size] = Key, #{count := Count, seconds := Seconds, cpu := Cpu}) ->
    [{Key ++ [rate], Count / Seconds / 1000} |
     case Size >= ?LARGE of
         true -> [{Key ++ [bytes], Count * Size / Seconds / 1.0e6},
                  {Key ++ [cpu_gb], Cpu / (Count * Size / 1.0e9)}];
         false -> [{Key ++ [cpu_million], Cpu / (Count / 1.0e6)}]
     end].

label([Pairs, Way, Size, What]) ->
    Case = io_lib:format("~s, ~s, ~s", [bench_report:size(Size), pairs(Pairs),
                                        string:replace(atom_to_list(Way), "_", " ")]),
    {lists:flatten(Case) ++ suffix(What), unit(What), better(What)}.

pairs(1) -> "1 pair";
pairs(N) -> integer_to_list(N) ++ " pairs".

suffix(What) when What =:= rate; What =:= bytes -> "";
suffix(_) -> ", CPU".

unit(rate) -> "k msg/s";
unit(bytes) -> "MB/s";
unit(cpu_gb) -> "s/GB";
unit(cpu_million) -> "s/M msg".

better(What) when What =:= rate; What =:= bytes -> more;
better(_) -> less.

%% ---- on the nodes ------------------------------------------------------------------------

%% Called on one node, sends to (and for both_ways from) Node. The sinks keep their mailboxes
%% off their heaps: else a garbage collection looks at each message that waits, and the
%% fastest carrier shows the slowest receiver.
-spec run(node(), pos_integer(), pos_integer(), one_way | both_ways, pos_integer()) ->
          #{count := pos_integer(), seconds := float(), cpu := float()}.
run(Node, Size, Pairs, Way, Ms) ->
    Ways = case Way of
               one_way -> [{node(), Node}];
               both_ways -> [{node(), Node}, {Node, node()}]
           end,
    Senders = [begin
                   Sink = spawn_opt(To, ?MODULE, sink, [self(), 0],
                                    [link, {message_queue_data, off_heap}]),
                   spawn_link(From, ?MODULE, sender, [Sink, Size, Ms])
               end || {From, To} <- Ways, _ <- lists:seq(1, Pairs)],
    Cpu = cpu(Node),
    Start = erlang:monotonic_time(),
    [S ! go || S <- Senders],
    Count = lists:sum([receive {received, N} -> N end || _ <- Senders]),
    Micros = bench_stats:micros(erlang:monotonic_time() - Start),
    #{count => Count, seconds => Micros / 1.0e6, cpu => (cpu(Node) - Cpu) / 1000}.

cpu(Node) ->
    bench_carrier:cpu_ms() + erpc:call(Node, bench_carrier, cpu_ms, []).

-spec sender(pid(), pos_integer(), pos_integer()) -> ok.
sender(Sink, Size, Ms) ->
    Message = {m, binary:copy(<<7>>, Size)},
    %% One look at the clock for a few messages only where they are small.
    Batch = max(1, min(32, 65536 div Size)),
    receive go -> ok end,
    Until = erlang:monotonic_time() + erlang:convert_time_unit(Ms, millisecond, native),
    send_until(Sink, Message, Batch, Until).

send_until(Sink, Message, Batch, Until) ->
    send(Sink, Message, Batch),
    case erlang:monotonic_time() < Until of
        true -> send_until(Sink, Message, Batch, Until);
        false -> Sink ! stop, ok
    end.

send(_Sink, _Message, 0) -> ok;
send(Sink, Message, N) -> Sink ! Message, send(Sink, Message, N - 1).

-spec sink(pid(), non_neg_integer()) -> {received, non_neg_integer()}.
sink(Coordinator, N) ->
    receive
        {m, _} -> sink(Coordinator, N + 1);
        stop -> Coordinator ! {received, N}
    end.

%% Another process of this node keeps the link to Node busy, until it is stopped.
-spec start_bulk(node(), pos_integer()) -> pid().
start_bulk(Node, Size) ->
    Self = self(),
    Message = {m, binary:copy(<<7>>, Size)},
    spawn_link(fun() -> bulk(spawn_link(Node, ?MODULE, sink, [Self, 0]), Message) end).

bulk(Sink, Message) ->
    receive
        stop -> Sink ! stop
    after 0 ->
            Sink ! Message,
            bulk(Sink, Message)
    end.

%% Waits until all of it was received.
-spec stop_bulk(pid()) -> non_neg_integer().
stop_bulk(Bulk) ->
    Bulk ! stop,
    receive {received, N} -> N end.
