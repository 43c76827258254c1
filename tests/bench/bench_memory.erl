%% What links cost in memory: at rest, while all are busy, and when they are at rest again.
-module(bench_memory).
-behaviour(bench_measurement).

-export([title/0, about/0, plan/1, start/3, round/2, stop/1, label/1]).
-export([holdings/0, keep_busy/2, send_to/2]). % called on the node

title() -> "Memory a link".

about() ->
    "One real node; its peers are processes that speak the carrier's protocol and are hidden "
        "nodes to it. Per link: what erlang:memory(total), the resident set and the drivers' "
        "allocator (driver_alloc) hold more than before the first link. Busy: a process a link "
        "sends 1 KiB binaries without a pause, the most that was seen. After: seconds later. Few links "
        "fit into what the emulator had in hand already: then the resident set says little.".

plan(quick) -> #{rounds => 1, links => [10, 100], busy_ms => 500, rest_ms => 1000};
plan(full) -> #{rounds => 2, links => [10, 100, 1000], busy_ms => 2000, rest_ms => 3000}.

start(Carrier, Context, _Plan) -> {Carrier, Context}.

stop(_State) -> ok.

%% One node for links at rest, another for busy ones: what was taken once is not always given
%% back.
round(State, #{links := Links} = Plan) ->
    [Figure || Pass <- [fun idle/3, fun busy/3],
               Figure <- with_node(State, fun(Node, Dial) -> pass(Node, Dial, Links, Pass, Plan) end)].

with_node({Carrier, Context}, Fun) ->
    {Node, Dial} = bench_peers:node(Carrier, Context),
    try
        bench_peers:stop(bench_peers:dial(Dial, [0])), % warm
        wait_links(Node, 0),
        Fun(Node, Dial)
    after
        mesh:stop(Node)
    end.

%% More and more links; Measure gives what is held at each number of them.
pass(Node, Dial, Links, Measure, #{rest_ms := RestMs} = Plan) ->
    timer:sleep(RestMs),
    Base = holdings(Node),
    {Figures, {_, Peers}} =
        lists:mapfoldl(
          fun(N, {Before, Up}) ->
                  More = bench_peers:dial(Dial, lists:seq(Before + 1, N)),
                  wait_links(Node, N),
                  timer:sleep(RestMs),
                  {[{[N, What, Kind], (maps:get(Kind, Held) - maps:get(Kind, Base)) / N / 1024}
                    || {What, Held} <- Measure(Node, N, Plan), Kind <- [erlang, resident, driver]],
                   {N, More ++ Up}}
          end, {0, []}, Links),
    bench_peers:stop(Peers),
    lists:append(Figures).

idle(Node, _N, _Plan) ->
    [{idle, holdings(Node)}].

busy(Node, N, #{busy_ms := BusyMs, rest_ms := RestMs}) ->
    Busy = mesh:call(Node, ?MODULE, keep_busy, [BusyMs, N], 300000),
    timer:sleep(RestMs),
    [{busy, Busy}, {'after', holdings(Node)}].

holdings(Node) -> mesh:call(Node, ?MODULE, holdings, []).

wait_links(Node, N) ->
    mesh:wait_until(fun() -> length(mesh:call(Node, erlang, nodes, [hidden])) =:= N end, 120000).

label([N, What, Kind]) ->
    {io_lib:format("~b links, ~s: ~s", [N, What, kind(Kind)]), "KiB", less}.

kind(erlang) -> "Erlang memory";
kind(resident) -> "resident set";
kind(driver) -> "drivers' state".

%% ---- on the node -------------------------------------------------------------------------

-spec holdings() -> #{erlang | resident | driver => non_neg_integer()}.
holdings() ->
    #{erlang => erlang:memory(total), resident => holdings:resident(),
      driver => holdings:driver()}.

%% The most that was held while every link was kept busy.
-spec keep_busy(pos_integer(), pos_integer()) -> map().
keep_busy(Ms, Links) ->
    _ = process_flag(priority, high), % or the senders leave it no turn
    Message = {m, binary:copy(<<7>>, 1024)},
    Nodes = nodes(hidden),
    Links = length(Nodes),
    Senders = [spawn_link(?MODULE, send_to, [Node, Message]) || Node <- Nodes],
    Most = sample(erlang:monotonic_time(millisecond) + Ms, holdings()),
    [begin unlink(S), exit(S, kill) end || S <- Senders],
    Most.

sample(Until, Most) ->
    timer:sleep(100),
    New = maps:map(fun(Kind, Held) -> max(Held, maps:get(Kind, Most)) end, holdings()),
    case erlang:monotonic_time(millisecond) < Until of
        true -> sample(Until, New);
        false -> New
    end.

-spec send_to(node(), term()) -> no_return().
send_to(Node, Message) ->
    {bench_sink, Node} ! Message,
    send_to(Node, Message).
