%% What libsodium's ciphers cost by themselves: cipher.c.
-module(bench_cipher).
-behaviour(bench_measurement).

-export([title/0, about/0, plan/1, start/3, round/2, stop/1, label/1]).

title() -> "The cipher alone".

about() ->
    "A C program seals and opens 65,000-byte bodies with libsodium, without network or Erlang: "
        "processor seconds a GB. The first suite is the one that links here use.".

plan(quick) -> #{rounds => 3, carriers => [tacit], megabytes => 200};
plan(full) -> #{rounds => 7, carriers => [tacit], megabytes => 500}.

start(tacit, _Context, _Plan) ->
    filename:join([os:getenv("TACIT_BUILD"), "tests", "bench", "bench-cipher"]).

stop(_Program) -> ok.

round(Program, #{megabytes := Megabytes}) ->
    Lines = string:lexemes(os:cmd(Program ++ " " ++ integer_to_list(Megabytes)), "\n"),
    [{_, Seal, Open} | _] = Suites = [suite(L) || L <- Lines],
    [{[best, both], Seal + Open} |
     [{[Suite, What], V} || {Suite, S, O} <- Suites, {What, V} <- [{seal, S}, {open, O}]]].

suite(Line) ->
    [Suite, Seal, Open] = string:lexemes(Line, " "),
    {list_to_atom(Suite), list_to_float(Seal), list_to_float(Open)}.

label([best, both]) -> {"best suite, seal and open", "s/GB", less};
label([Suite, What]) -> {atom_to_list(Suite) ++ ", " ++ atom_to_list(What), "s/GB", less}.
