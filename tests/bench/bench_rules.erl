%% What many rules cost, from 10 to 10,000 of them: starting, reloading, deciding.
-module(bench_rules).
-behaviour(bench_measurement).

-export([title/0, about/0, plan/1, start/3, round/2, stop/1, label/1]).

-define(GROUPS, 100).

title() -> "Rules".

about() ->
    "tacit.conf has so many [peer] sections, and 100 [group] sections. Start: until a node of a "
        "freshly started emulator answers; reload: tacit:reload() on it. A decision, by a [peer] "
        "or by a certificate: in a C program on the policy's own code, the slowest of three "
        "kinds of names.".

plan(quick) -> #{rounds => 1, carriers => [tacit], peers => [10, 1000]};
plan(full) -> #{rounds => 5, carriers => [tacit], peers => [10, 100, 1000, 10000]}.

start(tacit, _Context, #{peers := Counts}) -> [{N, host(N)} || N <- Counts].

stop(_Hosts) -> ok.

round(Hosts, _Plan) ->
    Decisions = decisions(),
    lists:append([node(N, Host) ++ maps:get(N, Decisions) || {N, Host} <- Hosts]).

label([N, What]) ->
    {Text, Unit} = case What of
                       start -> {"start of a node", "ms"};
                       reload -> {"reload", "ms"};
                       decision -> {"a decision", "us"};
                       certificate -> {"a decision by certificate", "us"}
                   end,
    {lists:flatten(io_lib:format("~b peers: ~s", [N, Text])), Unit, less}.

%% ---- a node with so many rules ------------------------------------------------------------

host(N) ->
    #{conf := Conf} = Host = mesh:host("127.0.0.1"),
    {ok, Text} = file:read_file(Conf),
    ok = file:write_file(Conf, [Text, "[authority all]\npublic-key = ", key(),
                                "\nnames = *@*\n",
                                [io_lib:format("[group g~b]~n", [I])
                                 || I <- lists:seq(1, ?GROUPS)],
                                [io_lib:format("[peer app@db~b.example.net]~npublic-key = ~s~n",
                                               [I, key()]) || I <- lists:seq(1, N)]]),
    Host.

key() ->
    {Public, _} = crypto:generate_key(ecdh, x25519),
    base64:encode(Public).

node(N, Host) ->
    {Start, Node} = timed(fun() -> mesh:start("a", Host) end),
    {Reload, {ok, _}} = timed(fun() -> mesh:call(Node, tacit, reload, []) end),
    mesh:stop(Node),
    [{[N, start], Start}, {[N, reload], Reload}].

timed(Fun) ->
    Start = erlang:monotonic_time(),
    Result = Fun(),
    {bench_stats:micros(erlang:monotonic_time() - Start) / 1000, Result}.

%% ---- the decision alone: policy_bench.c ---------------------------------------------------

%% #{Peers => figures}
decisions() ->
    Program = filename:join([os:getenv("TACIT_BUILD"), "tests", "bench", "bench-policy"]),
    [_Head | Lines] = string:lexemes(os:cmd(Program), "\n"),
    Rows = [row(Line) || Line <- Lines],
    maps:from_list([{N, [{[N, decision], lists:max([D || {M, D, _} <- Rows, M =:= N])},
                         {[N, certificate], lists:max([C || {M, _, C} <- Rows, M =:= N])}]}
                    || {N, _, _} <- Rows]).

row(Line) ->
    [_Kind, N, _Load, Decision, Certificate] = string:lexemes(Line, "\t"),
    {list_to_integer(N), list_to_float(Decision), list_to_float(Certificate)}.
