%% One measurement: what it starts for each carrier, and what one round of it gives. The
%% carriers take turns within each round, so that whatever else the machine does meets all.
-module(bench_measurement).

-export_type([key/0, figures/0, plan/0, direction/0]).

%% A figure's place among those of its measurement; label/1 has it in words.
-type key() :: [atom() | integer()].
-type figures() :: [{key(), number()}].
-type direction() :: more | less. % is better
%% rounds, and whatever else the measurement asks for.
-type plan() :: #{rounds := pos_integer(), carriers => [bench_carrier:carrier()],
                  atom() => term()}.

-callback title() -> string().
%% How it is done, in a sentence or two.
-callback about() -> string().
-callback plan(quick | full) -> plan().
-callback start(bench_carrier:carrier(), bench_carrier:context(), plan()) -> State :: term().
-callback round(State :: term(), plan()) -> figures().
-callback stop(State :: term()) -> term().
-callback label(key()) -> {string(), Unit :: string(), direction()}.
