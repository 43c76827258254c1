%% What src/guard says of a term, against what this emulator makes of it: a term that is let
%% pass can be decoded, and takes no more atoms, heap, identifiers and funs than were counted.
-module(guard_terms_tests).

-include_lib("eunit/include/eunit.hrl").

-define(TERMS, 20000).
-define(MUTATIONS, 20).

-record(counts, {atoms, words, pids, ports, references, funs, externals}).

guard_terms_test_() ->
    [{"every term that a node encodes passes, and nothing of it counts too low",
      {timeout, 300, fun() -> guarded(fun(G) -> [encoded(N, G) || N <- lists:seq(1, ?TERMS)] end) end}},
     {"a term with a few bytes changed is refused, or it can be decoded and nothing of it counts "
      "too low", {timeout, 300, fun() -> guarded(fun mutated/1) end}}].

guarded(Test) ->
    _ = rand:seed(exsss, {1, 2, 3}),
    Program = filename:join([os:getenv("TACIT_BUILD", "build"), "tests", "unit", "guard-counts"]),
    Guard = open_port({spawn_executable, Program}, [{packet, 4}, binary]),
    try Test(Guard) after port_close(Guard) end.

encoded(N, Guard) ->
    Term = term(N rem 7),
    ?assertMatch(#counts{}, not_less(Term, body(Term), Guard)).

%% Two things are the emulator's to find, and have no part in it: a key that a map has twice,
%% and an identifier of this very node that it can never have made.
mutated(Guard) ->
    Passed = [ok || N <- lists:seq(1, ?TERMS div 4),
                    Body <- [body(term(foreign, N rem 5))],
                    _ <- lists:seq(1, ?MUTATIONS),
                    mutation(mutate(Body, 1 + rand:uniform(3)), Guard)],
    ?assert(length(Passed) > ?TERMS div 10).

mutation(Body, Guard) ->
    Decoded = try {term, binary_to_term(<<131, Body/binary>>, [used])}
              catch error:badarg -> none
              end,
    case {count(Body, Guard), Decoded} of
        {{refused, _}, _} -> false;
        {#counts{}, none} -> error({passed, Body});
        {#counts{}, {term, {Term, Used}}} ->
            ?assertEqual(1 + byte_size(Body), Used),
            not_less(Term, Body, Guard),
            true
    end.

%% --- terms -----------------------------------------------------------------------------

term(Depth) -> term(any, Depth).

term(What, 0) -> leaf(What);
term(What, Depth) ->
    Sub = fun() -> term(What, Depth - rand:uniform(Depth)) end,
    Some = fun() -> [Sub() || _ <- lists:seq(1, rand:uniform(4))] end,
    case rand:uniform(7) of
        1 -> Some();
        2 -> list_to_tuple(Some());
        3 -> [Sub() | Sub()];
        4 when What =:= any -> maps:from_list([{Sub(), Sub()} || _ <- Some()]);
        5 when What =:= any ->
            maps:from_list([{{K, rand:uniform(9)}, leaf(What)} || K <- lists:seq(1, 40)]);
        6 -> {Sub(), fun_of(What, Sub())};
        _ -> {leaf(What), Some()}
    end.

%% A fun says who made it: a pid of this node's.
fun_of(any, Term) -> fun(X) -> {X, Term} end;
fun_of(foreign, Term) -> Term.

leaf(What) ->
    case rand:uniform(20) of
        1 -> atom(rand:uniform(2000));
        2 -> list_to_atom(lists:duplicate(rand:uniform(255), 16#20ac));
        3 -> rand:uniform(256) - 1;
        4 -> -rand:uniform(1 bsl 40);
        5 -> 1 bsl rand:uniform(3000);
        6 -> rand:uniform() * 1.0e100;
        7 -> rand:bytes(rand:uniform(200));
        8 -> <<(rand:bytes(rand:uniform(90)))/binary, 5:(rand:uniform(7))>>;
        9 -> "text of a string";
        10 -> external(pid);
        11 -> external(port);
        12 -> external(reference);
        13 when What =:= any -> self();
        14 when What =:= any -> make_ref();
        15 -> fun lists:map/2;
        16 -> [];
        17 -> {};
        18 when What =:= any -> #{};
        19 -> <<>>;
        _ -> list_to_atom([rand:uniform(300), rand:uniform(1000)])
    end.

atom(N) -> list_to_atom("guard_" ++ integer_to_list(N)).

%% Identifiers of other nodes.
external(Kind) ->
    Node = body(atom(rand:uniform(9))),
    Creation = rand:uniform(4),
    Bytes = case Kind of
                pid -> [88, Node, <<(rand:uniform(9999)):32, 0:32, Creation:32>>];
                port -> [120, Node, <<(rand:uniform(9999)):64, Creation:32>>];
                reference ->
                    Words = rand:uniform(5),
                    [90, <<Words:16>>, Node, <<Creation:32, 17:32>>, rand:bytes(4 * (Words - 1))]
            end,
    binary_to_term(iolist_to_binary([131 | Bytes])).

body(Term) ->
    <<131, Body/binary>> = term_to_binary(Term),
    Body.

mutate(Body, 0) -> Body;
mutate(Body, Times) ->
    At = rand:uniform(byte_size(Body)) - 1,
    <<Before:At/binary, Byte, After/binary>> = Body,
    mutate(case rand:uniform(8) of
               1 -> <<Before/binary, After/binary, Byte>>;
               2 -> <<Before/binary, Byte, Byte, After/binary>>;
               3 -> <<Before/binary, (Byte bxor 1), After/binary>>;
               4 -> <<Before/binary, (rand:uniform(55) + 66), After/binary>>;
               _ -> <<Before/binary, (rand:uniform(256) - 1), After/binary>>
           end, Times - 1).

%% --- counts ----------------------------------------------------------------------------

count(Body, Guard) ->
    true = port_command(Guard, Body),
    receive
        {Guard, {data, <<0, A:64, W:64, Pids:64, Ports:64, Refs:64, Funs:64, Ext:64>>}} ->
            #counts{atoms = A, words = W, pids = Pids, ports = Ports, references = Refs,
                    funs = Funs, externals = Ext};
        {Guard, {data, <<Reason, _/binary>>}} -> {refused, Reason}
    after 30000 -> error(no_answer)
    end.

not_less(Term, Body, Guard) ->
    Counted = #counts{} = count(Body, Guard),
    #{atoms := Atoms} = Seen = seen(Term, #{atoms => #{}, pid => 0, port => 0, reference => 0,
                                           local => 0, external => 0}),
    Pairs = [{atoms, maps:size(Atoms), Counted#counts.atoms},
             {words, erts_debug:flat_size(Term), Counted#counts.words},
             {pids, maps:get(pid, Seen), Counted#counts.pids},
             {ports, maps:get(port, Seen), Counted#counts.ports},
             {references, maps:get(reference, Seen), Counted#counts.references},
             {funs, maps:get(local, Seen), Counted#counts.funs},
             {externals, maps:get(external, Seen), Counted#counts.externals}],
    ?assertEqual([], [{What, There, Said, Term} || {What, There, Said} <- Pairs, There > Said]),
    Counted.

seen(Term, Seen) when is_atom(Term) -> atom_seen(Term, Seen);
seen([Head | Tail], Seen) -> seen(Tail, seen(Head, Seen));
seen(Term, Seen) when is_tuple(Term) -> seen(tuple_to_list(Term), Seen);
seen(Term, Seen) when is_map(Term) -> seen(maps:to_list(Term), Seen);
seen(Term, Seen) when is_pid(Term) -> atom_seen(node(Term), more(pid, Seen));
seen(Term, Seen) when is_port(Term) -> atom_seen(node(Term), more(port, Seen));
seen(Term, Seen) when is_reference(Term) -> atom_seen(node(Term), more(reference, Seen));
seen(Term, Seen) when is_function(Term) ->
    {module, M} = erlang:fun_info(Term, module),
    case erlang:fun_info(Term, type) of
        {type, external} ->
            {name, F} = erlang:fun_info(Term, name),
            atom_seen(M, atom_seen(F, more(external, Seen)));
        {type, local} ->
            {env, Env} = erlang:fun_info(Term, env),
            {pid, Pid} = erlang:fun_info(Term, pid),
            seen(Pid, seen(Env, atom_seen(M, more(local, Seen))))
    end;
seen(_, Seen) -> Seen.

more(What, Seen) -> maps:update_with(What, fun(N) -> N + 1 end, Seen).

atom_seen(Atom, #{atoms := Atoms} = Seen) -> Seen#{atoms := Atoms#{Atom => true}}.
