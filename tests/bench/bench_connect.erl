%% How long it takes to have a link, and to be rid of it.
-module(bench_connect).
-behaviour(bench_measurement).

-export([title/0, about/0, plan/1, start/3, round/2, stop/1, label/1]).
-export([dial/2]).
-export([connect/1, watch/2, watched/2]). % called on the nodes

title() -> "Connect and disconnect".

about() ->
    "net_kernel:connect_node until it is true, then erlang:disconnect_node until both nodes have "
        "their nodedown. inet_tcp and inet_tls ask their epmd each time.".

plan(quick) -> #{rounds => 3, times => 25};
plan(full) -> #{rounds => 7, times => 100}.

start(Carrier, Context, _Plan) -> bench_carrier:pair(Carrier, Context).

stop(Pair) -> mesh:stop_pair(Pair).

round({A, #{name := NameB} = B}, #{times := Times}) ->
    #{name := NameA} = A,
    Watch = mesh:call(B, erlang, spawn, [?MODULE, watch, [NameA, []]]),
    Took = [begin
                {Start, Up, DownA} = dial(A, NameB),
                DownB = mesh:call(B, ?MODULE, watched, [Watch, N]),
                {Up - Start, max(DownA, DownB) - Up, max(DownA, DownB) - Start}
            end || N <- lists:seq(1, Times)],
    true = mesh:call(B, erlang, exit, [Watch, kill]),
    figures(connect, [C || {C, _, _} <- Took]) ++ figures(disconnect, [D || {_, D, _} <- Took])
        ++ figures(both, [Both || {_, _, Both} <- Took]).

figures(What, Nanos) ->
    [{[What, P], V / 1.0e6} || {P, V} <- lists:zip([p50, p99],
                                                   bench_stats:percentiles(Nanos, [50, 99]))].

label([What, P]) ->
    Text = case What of both -> "connect and disconnect"; _ -> atom_to_list(What) end,
    {Text ++ ", " ++ atom_to_list(P), "ms", less}.

%% A dial that fails is told, and tried again: times of links are what is asked for.
-spec dial(mesh:node_ref(), node()) -> {integer(), integer(), integer()}.
dial(From, To) ->
    dial(From, To, 3).

dial(From, To, Tries) ->
    case mesh:call(From, ?MODULE, connect, [To]) of
        {failed, Why} when Tries > 1 ->
            io:format(standard_error, "(a dial failed: ~p)", [Why]),
            timer:sleep(1000),
            dial(From, To, Tries - 1);
        {_, _, _} = Times ->
            Times
    end.

%% ---- on the nodes: times by a clock that all processes of the machine share -------------

now_ns() -> os:perf_counter(nanosecond).

%% When it began, when the link was up, when it was down again.
-spec connect(node()) -> {integer(), integer(), integer()} | {failed, term()}.
connect(Node) ->
    ok = net_kernel:monitor_nodes(true, [{node_type, all}]),
    Start = now_ns(),
    Connected = net_kernel:connect_node(Node),
    Up = now_ns(),
    Times = case Connected of
                true -> {Start, Up, parted(Node)};
                false -> {failed, {(Up - Start) div 1000000, tacit:info(Node)}}
            end,
    ok = net_kernel:monitor_nodes(false, [{node_type, all}]),
    Times.

parted(Node) ->
    true = erlang:disconnect_node(Node),
    receive {nodedown, Node, _} -> now_ns() end.

%% Notes when Node goes down; tells watched/2 of the Nth time.
-spec watch(node(), [integer()]) -> no_return().
watch(Node, []) ->
    ok = net_kernel:monitor_nodes(true, [{node_type, all}]),
    watch(Node, [0]);
watch(Node, Downs) ->
    receive
        {nodedown, Node, _} -> watch(Node, [now_ns() | Downs]);
        {nodeup, Node, _} -> watch(Node, Downs);
        {ask, From, N} when length(Downs) > N -> From ! {down, hd(Downs)}, watch(Node, Downs)
    end.

-spec watched(pid(), pos_integer()) -> integer().
watched(Watch, N) ->
    Watch ! {ask, self(), N},
    receive {down, When} -> When end.
