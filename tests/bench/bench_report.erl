%% The table that people read, and the same figures for programs.
-module(bench_report).

-export([print/1, to_json/1, value/4, ratio/4, size/1, short/1, module/1]).

-export_type([report/0, results/0]).

-type results() :: #{keys := [bench_measurement:key()],
                     figures := #{bench_measurement:key() =>
                                      #{bench_carrier:carrier() => [number()]}}}.
-type report() :: #{machine := [{binary(), binary()}], scale := quick | full,
                    results := [{atom(), results()}]}.

%% The median over the rounds.
-spec value(report(), atom(), bench_measurement:key(), bench_carrier:carrier()) ->
          float() | none.
value(#{results := Results}, Measurement, Key, Carrier) ->
    case proplists:get_value(Measurement, Results) of
        #{figures := #{Key := #{Carrier := Rounds}}} -> bench_stats:median(Rounds);
        _ -> none
    end.

%% Tacit's figure, divided by the other's, where both are more than nothing.
-spec ratio(report(), atom(), bench_measurement:key(), bench_carrier:carrier()) ->
          float() | none.
ratio(Report, Measurement, Key, Other) ->
    case {value(Report, Measurement, Key, tacit), value(Report, Measurement, Key, Other)} of
        {Own, Its} when is_float(Own), is_float(Its), Own > 0, Its > 0 ->
            Own / Its;
        _ -> none
    end.

-spec module(atom()) -> module().
module(Measurement) -> list_to_existing_atom("bench_" ++ atom_to_list(Measurement)).

-spec size(pos_integer()) -> string().
size(Bytes) when Bytes >= 16#100000 -> integer_to_list(Bytes div 16#100000) ++ " MiB";
size(Bytes) when Bytes >= 1024 -> integer_to_list(Bytes div 1024) ++ " KiB";
size(Bytes) -> integer_to_list(Bytes) ++ " B".

%% ---- for people ----------------------------------------------------------------------------

-spec print(report()) -> ok.
print(#{machine := Machine, scale := Scale, results := Results} = Report) ->
    out("~nTacit beside OTP's own carriers, ~s run~n~n", [Scale]),
    [out("  ~-10s ~ts~n", [What, Is]) || {What, Is} <- Machine],
    [section(Report, M, R) || {M, R} <- Results],
    targets(bench_targets:of_report(Report)).

section(Report, Measurement, #{keys := Keys, figures := Figures}) ->
    Module = module(Measurement),
    Rounds = lists:max([length(R) || #{} = Row <- maps:values(Figures), R <- maps:values(Row)]),
    out("~n~ts~n~ts~n", [Module:title(), paragraph(Module:about() ++ medians(Rounds))]),
    out("  ~-38s ~-8s ~10s ~10s ~10s  ~7s ~7s~n",
        ["", "", "inet_tcp", "inet_tls", "tacit", "x tcp", "x tls"]),
    [line(Report, Measurement, Key, Module:label(Key)) || Key <- Keys].

medians(1) -> " One round.";
medians(N) -> io_lib:format(" Medians of ~b rounds.", [N]).

line(Report, Measurement, Key, {Label, Unit, _Better}) ->
    Values = [short(value(Report, Measurement, Key, C)) || C <- bench_carrier:all()],
    Ratios = [short(ratio(Report, Measurement, Key, C)) || C <- [inet_tcp, inet_tls]],
    out("  ~-38ts ~-8s ~10s ~10s ~10s  ~7s ~7s~n", [Label, Unit | Values ++ Ratios]).

%% Three digits that count.
-spec short(number() | none) -> string().
short(none) -> "-";
short(V) when abs(V) >= 100 -> integer_to_list(round(V));
short(V) when abs(V) >= 10 -> float_to_list(float(V), [{decimals, 1}]);
short(V) when abs(V) >= 0.1 -> float_to_list(float(V), [{decimals, 2}]);
short(V) -> float_to_list(float(V), [{decimals, 3}]).

targets([]) ->
    ok;
targets(Targets) ->
    out("~nTargets~n  ~-66s ~10s ~12s~n", ["", "measured", "target"]),
    [out("  ~-66ts ~10s ~12ts  ~s~n", [Text, short(V), bench_targets:bound(Bound), Verdict])
     || #{text := Text, measured := V, bound := Bound, verdict := Verdict} <- Targets],
    ok.

paragraph(Text) ->
    Lines = lists:foldl(fun(Word, [Line | Lines]) ->
                                case string:length(Line) + string:length(Word) < 96 of
                                    true -> [Line ++ " " ++ Word | Lines];
                                    false -> ["  " ++ Word, Line | Lines]
                                end
                        end, [" "], string:lexemes(lists:flatten(Text), " ")),
    lists:join("\n", lists:reverse(Lines)).

out(Format, Args) -> io:format(Format, Args).

%% ---- for programs --------------------------------------------------------------------------

-spec to_json(report()) -> bench_json:json().
to_json(#{machine := Machine, scale := Scale, results := Results} = Report) ->
    {[{<<"machine">>, {Machine}},
      {<<"scale">>, atom_to_binary(Scale)},
      {<<"measurements">>, {[{atom_to_binary(M), measurement(Report, M, R)}
                             || {M, R} <- Results]}},
      {<<"targets">>, [target(T) || T <- bench_targets:of_report(Report)]}]}.

measurement(Report, Measurement, #{keys := Keys, figures := Figures}) ->
    Module = module(Measurement),
    {[{<<"title">>, bytes(Module:title())},
      {<<"about">>, bytes(Module:about())},
      {<<"figures">>, [figure(Report, Measurement, K, Module:label(K), maps:get(K, Figures))
                       || K <- Keys]}]}.

figure(Report, Measurement, Key, {Label, Unit, Better}, Row) ->
    Medians = [{atom_to_binary(C), value(Report, Measurement, Key, C)}
               || C <- bench_carrier:all(), is_map_key(C, Row)],
    Ratios = [{atom_to_binary(C), R} || C <- [inet_tcp, inet_tls],
                                        R <- [ratio(Report, Measurement, Key, C)], R =/= none],
    {[{<<"name">>, bytes(Label)}, {<<"unit">>, bytes(Unit)},
      {<<"better">>, atom_to_binary(Better)},
      {<<"median">>, {Medians}},
      {<<"rounds">>, {[{atom_to_binary(C), maps:get(C, Row)}
                       || C <- bench_carrier:all(), is_map_key(C, Row)]}},
      {<<"tacit_divided_by">>, {Ratios}}]}.

target(#{text := Text, measured := Measured, bound := {Direction, Bound}, verdict := Verdict}) ->
    {[{<<"target">>, bytes(Text)}, {<<"measured">>, Measured},
      {atom_to_binary(Direction), Bound}, {<<"verdict">>, bytes(Verdict)}]}.

bytes(Text) -> unicode:characters_to_binary(Text).
