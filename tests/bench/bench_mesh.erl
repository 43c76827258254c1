%% How long a full mesh takes to form, and how that grows with its nodes.
-module(bench_mesh).
-behaviour(bench_measurement).

-export([title/0, about/0, plan/1, start/3, round/2, stop/1, label/1]).
-export([watch/1, watched/1]). % called on the nodes

title() -> "Full mesh".

about() ->
    "N running nodes, not connected. All but the first connect to that one at once, and global "
        "does the rest: until every node sees all others. Each node is an emulator with one "
        "scheduler; all are on this machine.".

plan(quick) -> #{rounds => 1, nodes => [4, 8]};
plan(full) -> #{rounds => 2, nodes => [5, 10, 20, 40]}.

start(Carrier, Context, _Plan) -> {Carrier, Context}.

stop(_State) -> ok.

round({Carrier, Context}, #{nodes := Sizes}) ->
    lists:append([formed(Carrier, Context, N) || N <- Sizes]).

label([N, mesh]) -> {integer_to_list(N) ++ " nodes, full mesh", "s", less};
label([N, link]) -> {integer_to_list(N) ++ " nodes, each of its links", "ms", less}.

formed(Carrier, Context, N) ->
    Names = [{"n" ++ integer_to_list(I), "127.0.0.1"} || I <- lists:seq(1, N)],
    Light = ["+S", "1:1", "+SDcpu", "1:1", "+SDio", "1", "+A", "1"],
    Nodes = bench_carrier:nodes(Carrier, Context, Names, #{args => Light}),
    try
        Seconds = seconds(Nodes, N),
        [{[N, mesh], Seconds}, {[N, link], Seconds * 1000 / (N * (N - 1) / 2)}]
    after
        bench_carrier:together([fun() -> mesh:stop(Node) end || Node <- Nodes])
    end.

seconds([#{name := First} | Others] = Nodes, N) ->
    Watches = [{Node, mesh:call(Node, erlang, spawn, [?MODULE, watch, [N - 1]])}
               || Node <- Nodes],
    Start = os:perf_counter(nanosecond),
    bench_carrier:together([fun() -> true = mesh:call(Node, net_kernel, connect_node, [First]) end
                            || Node <- Others]),
    Ends = bench_carrier:together([fun() -> mesh:call(Node, ?MODULE, watched, [W], 120000) end
                                   || {Node, W} <- Watches]),
    (lists:max(Ends) - Start) / 1.0e9.

%% ---- on the nodes ------------------------------------------------------------------------

%% Notes when Others nodes are connected.
-spec watch(pos_integer()) -> {complete, integer()}.
watch(Others) ->
    ok = net_kernel:monitor_nodes(true),
    wait_for(Others),
    When = os:perf_counter(nanosecond),
    receive {ask, From} -> From ! {complete, When} end.

wait_for(Others) ->
    case length(nodes()) >= Others of
        true -> ok;
        false -> receive {nodeup, _} -> wait_for(Others) end
    end.

-spec watched(pid()) -> integer().
watched(Watch) ->
    Watch ! {ask, self()},
    receive {complete, When} -> When end.
