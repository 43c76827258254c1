%% tests/bench/run: the same work over inet_tcp, inet_tls and tacit within one run.
-module(bench).

-export([main/0]).

%% In this order, which is the table's.
-define(MEASUREMENTS, [roundtrip, stream, cipher, connect, trips, memory, load, rekey, mesh,
                       pi, rules]).

-spec main() -> no_return().
main() ->
    {Pid, Ref} = spawn_monitor(fun() -> exit({status, status(init:get_plain_arguments())}) end),
    receive
        {'DOWN', Ref, process, Pid, {status, Status}} -> halt(Status);
        {'DOWN', Ref, process, Pid, Reason} -> say("tests/bench/run: ~p~n", [Reason]), halt(1)
    end.

status([Build | Args]) ->
    try
        run(Build, options(Args, #{scale => full, only => [], out => none}))
    catch
        throw:usage ->
            say("usage: tests/bench/run [--quick] [--only NAME]... [--out DIR]~nNAME: ~s~n",
                [lists:join(" ", names())]),
            2;
        throw:Why ->
            say("tests/bench/run: ~ts~n", [Why]),
            1;
        Class:Reason:Stack ->
            say("tests/bench/run: ~p ~p~n~p~n", [Class, Reason, Stack]),
            1
    end.

names() -> [atom_to_list(M) || M <- ?MEASUREMENTS].

options(["--quick" | Rest], Options) -> options(Rest, Options#{scale := quick});
options(["--only", Name | Rest], #{only := Only} = Options) ->
    lists:member(Name, names()) orelse throw(usage),
    options(Rest, Options#{only := [list_to_atom(Name) | Only]});
options(["--out", Dir | Rest], Options) -> options(Rest, Options#{out := Dir});
options([], Options) -> Options;
options(_, _) -> throw(usage).

run(Build, #{scale := Scale, only := Only, out := Out}) ->
    Dir = case Out of none -> filename:join(Build, "bench"); _ -> Out end,
    ok = filelib:ensure_path(Dir),
    Wanted = [M || M <- ?MEASUREMENTS, Only =:= [] orelse lists:member(M, Only)],
    Machine = bench_machine:facts(Build),
    Results = bench_carrier:with_context(
                fun(Context) -> [{M, attempt(M, Scale, Context)} || M <- Wanted] end),
    Report = #{machine => Machine, scale => Scale,
               results => [{M, R} || {M, R} <- Results, R =/= failed]},
    bench_report:print(Report),
    bench_json:write(filename:join(Dir, "results.json"), bench_report:to_json(Report)),
    Plots = bench_plot:draw(Dir, Report),
    say("~n~ts~n", [lists:join("\n", ["written: " ++ filename:join(Dir, F)
                                      || F <- ["results.json" | Plots]])]),
    case [atom_to_list(M) || {M, failed} <- Results] of
        [] -> 0;
        Failed -> throw("failed: " ++ lists:join(" ", Failed))
    end.

%% One that fails does not take the others' figures with it.
attempt(Name, Scale, Context) ->
    try
        measure(Name, Scale, Context)
    catch
        Class:Reason:Stack ->
            progress("~s: ~p ~p~n~p~n", [Name, Class, Reason, Stack]),
            failed
    end.

%% #{Key => #{Carrier => [figure of each round]}}
measure(Name, Scale, Context) ->
    Module = list_to_atom("bench_" ++ atom_to_list(Name)),
    #{rounds := Rounds} = Plan = Module:plan(Scale),
    progress("~s: ", [Name]),
    Start = erlang:monotonic_time(second),
    States = [{C, Module:start(C, Context, Plan)}
              || C <- maps:get(carriers, Plan, bench_carrier:all())],
    Figures = try
                  [{Key, C, V} || Round <- lists:seq(1, Rounds),
                                  {C, State} <- turn(Round, States),
                                  {Key, V} <- told(Module:round(State, Plan))]
              after
                  [Module:stop(State) || {_, State} <- States]
              end,
    progress(" ~b s~n", [erlang:monotonic_time(second) - Start]),
    Keys = in_order([Key || {Key, _, _} <- Figures]),
    Table = maps:groups_from_list(fun({Key, _, _}) -> Key end, Figures),
    #{keys => Keys,
      figures => maps:map(fun(_, Rows) ->
                                  maps:groups_from_list(fun({_, C, _}) -> C end,
                                                        fun({_, _, V}) -> V end, Rows)
                          end, Table)}.

told(Figures) ->
    progress(".", []),
    Figures.

%% Nobody is always first.
turn(Round, States) ->
    {Last, First} = lists:split(Round rem length(States), States),
    First ++ Last.

in_order(Keys) ->
    lists:reverse(lists:foldl(fun(K, Seen) ->
                                      case lists:member(K, Seen) of
                                          true -> Seen;
                                          false -> [K | Seen]
                                      end
                              end, [], Keys)).

say(Format, Args) -> io:format(Format, Args).

%% How it goes is not part of the table.
progress(Format, Args) -> io:format(standard_error, Format, Args).
