%% How many times the wire is crossed there and back until a link is up.
-module(bench_trips).
-behaviour(bench_measurement).

-export([title/0, about/0, plan/1, start/3, round/2, stop/1, label/1]).

-define(DELAY, 25). % ms, each way
-define(PORT_PLEASE2_RESP, 119).

title() -> "Round trips to connect".

about() ->
    "The dialling node reaches epmd and its peer through a proxy that holds all bytes back for "
        "25 ms each way, and 50 ms more for a connection's own handshake: connect_node's time "
        "less its time without the delay, divided by 50 ms; the fastest of 4 each.".

plan(quick) -> #{rounds => 1};
plan(full) -> #{rounds => 3}.

start(Carrier, Context, _Plan) ->
    Door = bench_delay:start(fun(Bytes) -> Bytes end),
    {Pair, Proxies} = pair(Carrier, Context, Door),
    %% What the first dial loads and makes is not counted.
    _ = seconds(Pair),
    #{pair => Pair, proxies => Proxies}.

pair(tacit, Context, Door) ->
    Endpoints = #{"b" => {"127.0.0.1", bench_delay:port(Door)}},
    {_, #{host := #{port := Port}}} = Pair =
        bench_carrier:pair(tacit, Context, #{endpoints => Endpoints}),
    ok = bench_delay:lead_to(Door, Port),
    {Pair, [Door]};
pair(Carrier, Context, Door) ->
    #{Carrier := Env} = Context,
    {_, Real} = lists:keyfind("ERL_EPMD_PORT", 1, Env),
    Epmd = bench_delay:start(fun(Bytes) -> through_door(Bytes, Door) end),
    ok = bench_delay:lead_to(Epmd, list_to_integer(Real)),
    Proxied = lists:keyreplace("ERL_EPMD_PORT", 1, Env,
                               {"ERL_EPMD_PORT", integer_to_list(bench_delay:port(Epmd))}),
    B = bench_carrier:one("b", Carrier, Context),
    A = bench_carrier:one("a", Carrier, Context#{Carrier := Proxied}),
    {{A, B}, [Epmd, Door]}.

%% epmd's answer names the proxy's port in place of the node's.
through_door(<<?PORT_PLEASE2_RESP, 0, Port:16, Rest/binary>>, Door) ->
    ok = bench_delay:lead_to(Door, Port),
    <<?PORT_PLEASE2_RESP, 0, (bench_delay:port(Door)):16, Rest/binary>>;
through_door(Bytes, _Door) ->
    Bytes.

stop(#{pair := Pair, proxies := Proxies}) ->
    mesh:stop_pair(Pair),
    lists:foreach(fun bench_delay:stop/1, Proxies).

round(#{pair := Pair, proxies := Proxies}, _Plan) ->
    [bench_delay:delay(P, 0) || P <- Proxies],
    Without = fastest(Pair),
    [bench_delay:delay(P, ?DELAY) || P <- Proxies],
    With = fastest(Pair),
    Trips = (With - Without) / (2 * ?DELAY / 1000),
    [{[count], erlang:round(Trips)}, {[exact], Trips}].

%% What a busy machine adds is not the wire's.
fastest(Pair) -> lists:min([seconds(Pair) || _ <- lists:seq(1, 4)]).

seconds({A, #{name := Name} = B}) ->
    {Start, Up, _} = bench_connect:dial(A, Name),
    mesh:wait_until(fun() -> mesh:call(B, erlang, nodes, [connected]) =:= [] end),
    (Up - Start) / 1.0e9.

label([count]) -> {"round trips", "", less};
label([exact]) -> {"before rounding", "", less}.
