%% Sees to it that what runs beside the carrier runs: net_sup, under which tacit_sup stands,
%% starts nothing again. While tacit_control does not run no rule changes, and no link ends
%% when its time has come: then the log says so, each minute.
%%
%% It stands under nobody, so that nobody's end is its own, and ends when distribution does.
%% Who is there for something else, and sees that it is gone, has it started again:
%% tacit_control, the acceptor, the links.
-module(tacit_watch).

-export([ensure/0, keep/0]).
-export([start/0, look/1]). % for spawn, and to wait in no module's code

-define(RETRY, 1000).       % ms
-define(TELL_EVERY, 60000).

-record(state, {monitors = [] :: [reference()],
                gone :: integer() | undefined,   % since when tacit_control is, ms
                told :: integer() | undefined}). % when the log had it last

%% Where no process can be made, the next one who comes by does it.
-spec ensure() -> ok.
ensure() ->
    _ = whereis(?MODULE) =:= undefined andalso
        try spawn(?MODULE, start, []) catch error:system_limit -> none end,
    ok.

%% For the acceptor, which is there as long as the node listens: it hears when this is gone.
%% Where the node does not listen, its links' processes call ensure/0 now and then.
-spec keep() -> reference().
keep() ->
    ok = ensure(),
    monitor(process, ?MODULE).

-spec start() -> no_return().
start() ->
    try register(?MODULE, self()) catch error:badarg -> exit(normal) end,
    look(#state{}).

-spec look(#state{}) -> no_return().
look(#state{monitors = Monitors} = State) ->
    lists:foreach(fun demonitor/1, Monitors),
    flush(),
    whereis(net_sup) =/= undefined orelse exit(normal),
    Sup = revive(whereis(tacit_sup)),
    wait(told(whereis(tacit_control), State#state{monitors = []}), Sup).

%% Until something happens, without a function of this module on the stack: it would keep old
%% code from being purged.
wait(#state{gone = undefined} = State, {ok, Sup}) ->
    Monitors = [monitor(process, Process) || Process <- [Sup, tacit_control]],
    erlang:hibernate(?MODULE, look, [State#state{monitors = Monitors}]);
wait(State, _) ->
    _ = erlang:send_after(?RETRY, self(), look),
    erlang:hibernate(?MODULE, look, [State]).

flush() ->
    receive _ -> flush() after 0 -> ok end.

revive(undefined) ->
    try supervisor:start_child(net_sup, tacit_sup:childspec()) of
        {ok, Sup} -> {ok, Sup};
        {error, {already_started, Sup}} when is_pid(Sup) -> {ok, Sup};
        _ -> gone
    catch
        exit:_ -> gone
    end;
revive(Sup) ->
    {ok, Sup}.

told(undefined, #state{gone = undefined} = State) ->
    State#state{gone = now_ms()}; % most often it is back at once
told(undefined, #state{gone = Since, told = Told} = State) ->
    Now = now_ms(),
    case Told =:= undefined orelse Now - Told >= ?TELL_EVERY of
        true ->
            tacit_logger:error("tacit: tacit_control has not run for ~b s: until it does, "
                               "nothing is reloaded or revoked, and no link ends when its time "
                               "has come", [(Now - Since) div 1000]),
            State#state{told = Now};
        false ->
            State
    end;
told(_Pid, #state{told = undefined} = State) ->
    State#state{gone = undefined};
told(_Pid, State) ->
    tacit_logger:notice("tacit: tacit_control runs again", []),
    State#state{gone = undefined, told = undefined}.

now_ms() ->
    erlang:monotonic_time(millisecond).
