%% Writes to the log for all others: a handler may take seconds, or never come back, and
%% nothing that logs is to stand in the way of a link.
%%
%% At most ?WAITING lines wait for it. Those beyond are counted, and the count is logged as
%% soon as the others are done, and now and then while they are not.
-module(tacit_logger).
-behaviour(gen_server).

-export([start_link/0]).
-export([notice/2, warning/2, error/2, say/3]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).
-export([write/1]). % for spawn

-define(WAITING, 200). % with them logger drops none: burst_limit_max_count
-define(TELL_EVERY, 10000). % ms, of lines left out while there is no end of them
%% Shared with those who log: how many lines wait, and how many were left out.
-define(COUNTS, {?MODULE, counts}).
-define(COUNT_WAITING, 1).
-define(COUNT_LEFT_OUT, 2).

-record(state, {told :: integer()}). % when lines left out were logged last
-type state() :: #state{}.

-spec start_link() -> {ok, pid()} | ignore | {error, term()}.
start_link() ->
    gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% As logger's own, but the caller never waits.
-spec notice(io:format(), [term()]) -> ok.
notice(Format, Args) -> say(notice, Format, Args).

-spec warning(io:format(), [term()]) -> ok.
warning(Format, Args) -> say(warning, Format, Args).

-spec error(io:format(), [term()]) -> ok.
error(Format, Args) -> say(error, Format, Args).

-spec say(logger:level(), io:format(), [term()]) -> ok.
say(Level, Format, Args) ->
    Meta = #{time => logger:timestamp(), pid => self()},
    _ = logger:allow(Level, ?MODULE) andalso queue({Level, Format, Args, Meta}, counts()),
    ok.

queue(Line, Counts) ->
    case counters:get(Counts, ?COUNT_WAITING) < ?WAITING of
        true ->
            counters:add(Counts, ?COUNT_WAITING, 1),
            hand_over(whereis(?MODULE), Line, Counts);
        false ->
            counters:add(Counts, ?COUNT_LEFT_OUT, 1)
    end.

%% Where Tacit does not run, or this process is lost, one is made for the line.
hand_over(undefined, Line, Counts) ->
    try
        spawn(?MODULE, write, [Line])
    catch
        error:system_limit ->
            counters:sub(Counts, ?COUNT_WAITING, 1),
            counters:add(Counts, ?COUNT_LEFT_OUT, 1)
    end;
hand_over(Pid, Line, _Counts) ->
    gen_server:cast(Pid, Line).

counts() ->
    case persistent_term:get(?COUNTS, none) of
        none ->
            Counts = counters:new(2, [atomics]),
            persistent_term:put(?COUNTS, Counts),
            Counts;
        Counts ->
            Counts
    end.

-spec write({logger:level(), io:format(), [term()], logger:metadata()}) -> ok.
write({Level, Format, Args, Meta}) ->
    logger:log(Level, Format, Args, Meta),
    counters:sub(counts(), ?COUNT_WAITING, 1).

-spec init([]) -> {ok, state()}.
init([]) ->
    process_flag(trap_exit, true), % what waits is written when Tacit stops
    counters:put(counts(), ?COUNT_WAITING, 0), % what an earlier one had is lost
    {ok, #state{told = now_ms()}}.

-spec handle_call(term(), gen_server:from(), state()) -> {reply, ok, state()}.
handle_call(_Request, _From, State) ->
    {reply, ok, State}.

-spec handle_cast(tuple(), state()) -> {noreply, state(), 0}.
handle_cast(Line, #state{told = Told} = State) ->
    write(Line),
    case now_ms() - Told > ?TELL_EVERY of
        true -> {noreply, tell_left_out(State), 0};
        false -> {noreply, State, 0}
    end.

-spec handle_info(term(), state()) -> {noreply, state()}.
handle_info(timeout, State) -> % no line waits
    {noreply, tell_left_out(State)};
handle_info(_Other, State) ->
    {noreply, State}.

-spec terminate(term(), state()) -> ok.
terminate(_Reason, State) ->
    _ = tell_left_out(State),
    ok.

tell_left_out(State) ->
    Counts = counts(),
    case counters:get(Counts, ?COUNT_LEFT_OUT) of
        0 ->
            State;
        Count ->
            counters:sub(Counts, ?COUNT_LEFT_OUT, Count),
            logger:warning("tacit: ~b lines left out: they came faster than the log takes "
                           "them", [Count]),
            State#state{told = now_ms()}
    end.

now_ms() ->
    erlang:monotonic_time(millisecond).
