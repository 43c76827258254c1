%% Of many figures, few.
-module(bench_stats).

-export([median/1, percentiles/2, micros/1]).

-spec median([number(), ...]) -> number().
median(Values) ->
    Sorted = lists:sort(Values),
    Size = length(Sorted),
    (lists:nth((Size + 1) div 2, Sorted) + lists:nth(Size div 2 + 1, Sorted)) / 2.

%% The smallest value that P in a hundred do not exceed, for each P.
-spec percentiles([number(), ...], [number()]) -> [number()].
percentiles(Values, Ps) ->
    Sorted = list_to_tuple(lists:sort(Values)),
    Size = tuple_size(Sorted),
    [element(max(1, min(Size, ceil(Size * P / 100))), Sorted) || P <- Ps].

%% Of erlang:monotonic_time/0's unit.
-spec micros(integer()) -> float().
micros(Native) ->
    Native * 1.0e6 / erlang:convert_time_unit(1, second, native).
