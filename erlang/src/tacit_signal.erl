%% SIGHUP reloads the configuration, as it does with other servers: on nodes that have no
%% shell. Where there is one the signal says that its terminal is gone, and ends the node as
%% ever.
-module(tacit_signal).
-behaviour(gen_event).

-export([watch/0]).
-export([init/1, handle_event/2, handle_call/2]).

%% Whether the signal is taken care of: the signal server starts later than we do.
-spec watch() -> boolean().
watch() ->
    Flags = [noshell, noinput, user], % the last: something else stands in its place
    Shell = lists:all(fun(Flag) -> init:get_argument(Flag) =:= error end, Flags),
    Shell orelse (whereis(erl_signal_server) =/= undefined andalso add()).

add() ->
    ok = os:set_signal(sighup, handle),
    Handlers = gen_event:which_handlers(erl_signal_server),
    lists:member(?MODULE, Handlers) orelse
        ok =:= gen_event:add_handler(erl_signal_server, ?MODULE, []).

-spec init([]) -> {ok, []}.
init([]) ->
    {ok, []}.

-spec handle_event(term(), []) -> {ok, []}.
handle_event(sighup, State) ->
    try
        _ = spawn(fun log_reload/0), % other signals do not wait for it
        {ok, State}
    catch
        error:system_limit ->
            say_unchanged("no process is left (erl's +P)"),
            {ok, State}
    end;
handle_event(_Signal, State) ->
    {ok, State}.

log_reload() ->
    case tacit_reload:reload() of
        {ok, #{dropped := Cut}} ->
            tacit_logger:notice("tacit: SIGHUP: reloaded, ~b links dropped", [length(Cut)]);
        {error, Text} ->
            say_unchanged(Text)
    end.

say_unchanged(Text) ->
    tacit_logger:error("tacit: SIGHUP: nothing was changed: ~ts", [Text]).

-spec handle_call(term(), []) -> {ok, ok, []}.
handle_call(_Request, State) ->
    {ok, ok, State}.
