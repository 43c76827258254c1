%% What `tacit call' and `tacit eval' ask of a node, by rpc: texts come in and go out, so
%% that Erlang itself reads and prints every term there is.
-module(tacit_call).

-export([call/3, eval/1, load/1]).

-type answer() :: {ok, binary()} | {exception, binary()}.

%% Module:Function(Args...); Args is an expression whose value is a list.
-spec call(binary(), binary(), binary()) -> answer().
call(Module, Function, Args) ->
    answer(fun() -> apply(atom(Module), atom(Function), value(Args)) end).

%% The value of expressions, as in the shell.
-spec eval(binary()) -> answer().
eval(Text) ->
    answer(fun() -> value(Text) end).

%% Compiles a module's source and loads it: its name.
-spec load(binary()) -> answer().
load(Source) ->
    answer(fun() ->
                   {ok, Module, Code} = compile(Source),
                   {module, Module} = code:load_binary(Module, "tacit call -m", Code),
                   Module
           end).

answer(Fun) ->
    try Fun() of
        Value -> {ok, text("~tp", [Value])}
    catch
        throw:{?MODULE, Fault} -> {exception, text("~ts", [Fault])};
        Class:Reason:Stack ->
            Trim = fun(Module, _, _) -> lists:member(Module, [?MODULE, erl_eval, rpc, erpc]) end,
            {exception, text("~ts", [erl_error:format_exception(
                                       Class, Reason, Stack, #{stack_trim_fun => Trim})])}
    end.

text(Format, Args) ->
    unicode:characters_to_binary(io_lib:format(Format, Args)).

atom(Text) ->
    binary_to_atom(Text, utf8).

value(Text) ->
    {value, Value, _} = erl_eval:exprs(expressions(characters(Text)), erl_eval:new_bindings()),
    Value.

%% The dot at the end may be left out.
expressions(Text) ->
    case erl_scan:string(Text) of
        {ok, Tokens, End} -> parse(Tokens, End);
        {error, {_, Module, Fault}, _} -> fault(Module:format_error(Fault))
    end.

parse([], _End) ->
    fault("expected an expression");
parse(Tokens, End) ->
    Dotted = case lists:last(Tokens) of
                 {dot, _} -> Tokens;
                 _ -> Tokens ++ [{dot, End}]
             end,
    case erl_parse:parse_exprs(Dotted) of
        {ok, Expressions} -> Expressions;
        {error, {_, Module, Fault}} -> fault(Module:format_error(Fault))
    end.

characters(Text) ->
    case unicode:characters_to_list(Text) of
        Characters when is_list(Characters) -> Characters;
        _ -> fault("expected text in UTF-8")
    end.

-spec fault(iodata()) -> no_return().
fault(Text) ->
    throw({?MODULE, ["** ", Text]}).

%% Includes and macros want a file; the compiler may not be there at all.
compile(Source) ->
    Compiler = compile,
    File = filename:join(temporary(), "tacit-" ++ unique() ++ ".erl"),
    {ok, Fd} = file:open(File, [write, exclusive, raw]),
    try
        ok = file:write(Fd, Source),
        ok = file:close(Fd),
        case Compiler:file(File, [binary, return_errors]) of
            {ok, _, _} = Compiled -> Compiled;
            {error, Errors, _} -> fault(lists:join($\n, [line(Error) || {_, Of} <- Errors,
                                                                        Error <- Of]))
        end
    after
        file:delete(File)
    end.

line({none, Module, Fault}) ->
    Module:format_error(Fault);
line({Place, Module, Fault}) ->
    Line = case Place of {L, _} -> L; L -> L end,
    [integer_to_list(Line), ": ", Module:format_error(Fault)].

temporary() ->
    case os:getenv("TMPDIR") of
        false -> "/tmp";
        Dir -> Dir
    end.

unique() ->
    lists:concat([os:getpid(), "-", erlang:system_time(), "-",
                  erlang:unique_integer([positive])]).
