%% Runs one EUnit module for tests/run: `erl -noinput -run run_suite main MODULE DIR'.
%%
%% A listener of EUnit's: it counts what EUnit really ran, also what was cancelled, which
%% eunit:test/2 does not tell. To DIR/results goes one line a promise,
%% "pass|fail|skip<TAB>erl/suite<TAB>promise"; to DIR/logs/SUITE.failed why it failed. What
%% EUnit itself and the tests print goes to standard output. Once the module came to its end,
%% whatever the outcome, a line "done<TAB>suite" follows.
%%
%% A test that cannot be run on this machine says so by throw({skip, Why}). Where everything is
%% slower (tests/asan), the environment's TACIT_PATIENCE says by how much time limits grow.
-module(run_suite).
-behaviour(eunit_listener).

-export([main/1]).
-export([start/1, init/1, handle_begin/3, handle_end/3, handle_cancel/3, terminate/2]).

%% A suite that hangs although every test has a time limit ends after this, ms.
-define(SUITE_TIMEOUT, 900000).
%% The limit of a test that names none, s: EUnit's own, 5, is little on a machine at work.
-define(TEST_TIMEOUT, 60).

-record(state, {suite :: string(), dir :: string(), main :: pid(),
                seen = 0 :: non_neg_integer()}).

-spec main([string()]) -> no_return().
main([Module, Dir]) ->
    spawn(fun() ->
                  receive after ?SUITE_TIMEOUT * mesh:patience() -> ok end,
                  io:format("the suite hangs~n"),
                  halt(2)
          end),
    Suite = "erl/" ++ lists:flatten(string:replace(Module, "_tests", "", trailing)),
    St = #state{suite = Suite, dir = Dir, main = self()},
    Result = eunit:test(tests(list_to_atom(Module)),
                        [verbose, {print_depth, 100}, {report, {?MODULE, [{st, St}]}}]),
    receive listened -> ok after 10000 -> halt(2) end, % EUnit waits for its own listener only
    check_told(Result, St),
    append(filename:join(Dir, "results"), ["done\t", Suite, "\n"]),
    halt(0).

%% What EUnit would run of the module, each test within its limit.
tests(Module) ->
    Named = fun(End) -> [Name || {Name, 0} <- Module:module_info(exports),
                                 lists:suffix(End, atom_to_list(Name))]
            end,
    {"module '" ++ atom_to_list(Module) ++ "'",
     [patient(fun Module:Name/0) || Name <- Named("_test")] ++
         [{generator, fun() -> patient(Module:Name()) end} || Name <- Named("_test_")]}.

%% EUnit's own words for tests, as far as the suites use them.
patient({timeout, Seconds, Test}) ->
    {timeout, Seconds * mesh:patience(), limited(Test)};
patient({setup, Setup, Cleanup, Tests}) ->
    {setup, Setup, Cleanup, fun(State) -> patient(given(Tests, State)) end};
patient({setup, Setup, Tests}) ->
    {setup, Setup, fun(State) -> patient(given(Tests, State)) end};
patient({Kind, Tests}) when Kind =:= inorder; Kind =:= inparallel ->
    {Kind, patient(Tests)};
patient({[Char | _] = Title, Test}) when is_integer(Char) ->
    {Title, patient(Test)};
patient(Tests) when is_list(Tests) ->
    [patient(Test) || Test <- Tests];
patient(Test) when is_function(Test, 0) ->
    {timeout, ?TEST_TIMEOUT * mesh:patience(), Test}.

%% What stands within a limit: a test, or several.
limited(Test) when is_function(Test, 0) -> Test;
limited(Tests) -> patient(Tests).

given(Tests, State) when is_function(Tests, 1) -> Tests(State);
given(Tests, _State) -> Tests.

%% What EUnit calls an error must have been told, as a failure or as skipped.
check_told(ok, _St) ->
    ok;
check_told(Result, #state{suite = Suite, dir = Dir} = St) ->
    {ok, Results} = file:read_file(filename:join(Dir, "results")),
    case re:run(Results, ["^(fail|skip)\t", Suite, "\t"], [multiline]) of
        nomatch -> told(fail, "it runs to its end", io_lib:format("~p~n", [Result]), St);
        _ -> ok
    end.

%% --- the listener ------------------------------------------------------------------------

-spec start(list()) -> pid().
start(Options) -> eunit_listener:start(?MODULE, Options).

-spec init(list()) -> #state{}.
init(Options) -> proplists:get_value(st, Options).

-spec handle_begin(group | test, list(), #state{}) -> #state{}.
handle_begin(_Kind, _Data, St) -> St.

-spec handle_end(group | test, list(), #state{}) -> #state{}.
handle_end(group, _Data, St) ->
    St;
handle_end(test, Data, St) ->
    case proplists:get_value(status, Data) of
        ok -> told(pass, title(Data), "", St);
        {skipped, _} -> told(skip, title(Data), "", St);
        {error, {throw, {skip, Why}, _}} -> told(skip, [title(Data), " (", Why, ")"], "", St);
        {error, Exception} -> told(fail, title(Data), why(Exception, Data), St)
    end.

%% A test that is cancelled did not hold its promise. A group that is cancelled because of
%% one of its own, or with what is around it, is told there.
-spec handle_cancel(group | test, list(), #state{}) -> #state{}.
handle_cancel(Kind, Data, St) ->
    case {Kind, proplists:get_value(reason, Data)} of
        {group, {blame, _}} -> St;
        {group, undefined} -> St;
        {_, {abort, Reason}} ->
            told(fail, title(Data), eunit_lib:format_error(Reason, 100), St);
        {_, Reason} ->
            told(fail, title(Data), io_lib:format("cancelled: ~p~nEUnit runs nothing more of "
                                                  "the group that it is in.~n", [Reason]), St)
    end.

%% A suite without a test promises nothing, and that is a mistake.
-spec terminate(term(), #state{}) -> ok.
terminate(_Result, #state{main = Main} = St) ->
    St#state.seen > 0 orelse told(fail, "it has a test", "nothing was run\n", St),
    Main ! listened,
    ok.

told(Verdict, Title, Why, #state{suite = Suite, dir = Dir, seen = Seen} = St) ->
    Line = io_lib:format("~s\t~s\t~ts~n", [Verdict, Suite, one_line(Title)]),
    append(filename:join(Dir, "results"), Line),
    case Verdict of
        fail -> append(filename:join([Dir, "logs", Suite ++ ".failed"]),
                       ["-- ", one_line(Title), "\n", Why, "\n"]);
        _ -> ok
    end,
    St#state{seen = Seen + 1}.

append(File, Text) ->
    ok = file:write_file(File, unicode:characters_to_binary(Text), [append]).

one_line(Text) ->
    string:trim(re:replace(Text, "\\s+", " ", [global, unicode, {return, list}])).

%% What the test promises: its description, else its function and line.
title(Data) ->
    case {proplists:get_value(desc, Data), proplists:get_value(source, Data)} of
        {Empty, {_, F, _}} when Empty =:= undefined; Empty =:= ""; Empty =:= <<>> ->
            io_lib:format("~ts, line ~b", [F, proplists:get_value(line, Data, 0)]);
        {undefined, undefined} -> "a group";
        {Title, _} -> Title
    end.

why(Exception, Data) ->
    Output = case proplists:get_value(output, Data) of
                 Empty when Empty =:= undefined; Empty =:= <<>>; Empty =:= [] -> "";
                 Printed -> ["output:\n", Printed, "\n"]
             end,
    [eunit_lib:format_exception(Exception, 100), Output].
