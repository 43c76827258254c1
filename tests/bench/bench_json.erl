%% JSON, as far as results need it (OTP 25 has none of its own). A list is an array unless it
%% is text, {[...]} an object in that order.
-module(bench_json).

-export([write/2]).

-export_type([json/0]).

-type json() :: number() | boolean() | null | binary() | [json()] | {[{binary(), json()}]}.

-spec write(file:filename(), json()) -> ok.
write(File, Json) ->
    ok = file:write_file(File, [encode(Json, "\n"), "\n"]).

encode({Members}, Indent) ->
    nested(["{", "}"], [fun(In) -> [text(K), ": ", encode(V, In)] end || {K, V} <- Members],
           Indent);
encode(List, Indent) when is_list(List) ->
    case lists:all(fun is_number/1, List) of
        true -> ["[", lists:join(", ", [encode(N, Indent) || N <- List]), "]"];
        false -> nested(["[", "]"], [fun(In) -> encode(V, In) end || V <- List], Indent)
    end;
encode(Text, _) when is_binary(Text) -> text(Text);
encode(Number, _) when is_integer(Number) -> integer_to_list(Number);
encode(Number, _) when is_float(Number) -> float_to_list(Number, [{decimals, 4}, compact]);
encode(Atom, _) when is_boolean(Atom); Atom =:= null -> atom_to_list(Atom).

nested([Open, Close], [], _Indent) -> [Open, Close];
nested([Open, Close], Parts, Indent) ->
    In = Indent ++ "  ",
    [Open, In, lists:join(["," | In], [Part(In) || Part <- Parts]), Indent, Close].

text(Text) ->
    [$", [escape(C) || C <- unicode:characters_to_list(Text)], $"].

escape($") -> "\\\"";
escape($\\) -> "\\\\";
escape(C) when C < 32 -> io_lib:format("\\u~4.16.0b", [C]);
escape(C) -> unicode:characters_to_binary([C]).
