%% What keeps the rules in force while a node runs: it holds all links against them, also as
%% time passes, and revokes keys. It never waits, for a file or for another node: what may
%% take its time is tacit_reload's, or a process's of its own; what other nodes say comes to
%% tacit_gossip.
%%
%% What is revoked the driver knows, which outlives a crash.
-module(tacit_control).
-behaviour(gen_server).

-export([start_link/0, configured/0, loaded/1, revoke/1, unrevoke/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, code_change/3]).

%% How often the links are held against the clock, ms.
-define(REVIEW_EVERY, 5000).
%% More than any reload takes, ms: it has read of what was written longer ago.
-define(REMEMBER, 300000).

%% What tacit:revoke/1 and unrevoke/1 did: when it was written, unwritten while it is not.
-record(change, {number = erlang:unique_integer([monotonic]) :: integer(),
                 at = unwritten :: integer() | unwritten,
                 add :: [binary()], remove :: [binary()]}).
-type said() :: {gen_server:from(), map()}.

-record(state, {conf :: binary() | undefined,
                changes = [] :: [#change{}],     % the last one first
                asked = [] :: [said()],          % who waits for the next writing,
                writer :: {reference(), [said()], LastChange :: integer()} | undefined}).
-type state() :: #state{}.

-spec start_link() -> {ok, pid()} | ignore | {error, term()}.
start_link() ->
    gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% The first configuration is in force: what was read with it is what is revoked. From
%% net_kernel.
-spec configured() -> ok.
configured() ->
    {Read, _} = tacit_drv:revoked(),
    put_in_force(Read, Read).

%% A configuration has come in force whose files were read from Since on (monotonic time, ms):
%% the names of those whose links it does not allow.
-spec loaded(integer()) -> {ok, [binary()]} | {error, string()}.
loaded(Since) ->
    call({loaded, Since}).

-spec revoke(node() | binary()) ->
          {ok, #{fingerprints := [binary()], dropped := [binary()], lasts := boolean()}} |
          {error, string()}.
revoke(Who) ->
    call({revoke, Who}).

-spec unrevoke(node() | binary()) ->
          {ok, #{fingerprints := [binary()], lasts := boolean()}} | {error, string()}.
unrevoke(Who) ->
    call({unrevoke, Who}).

call(Request) ->
    try
        gen_server:call(?MODULE, Request, infinity)
    catch
        exit:_ -> {error, "Tacit does not run on this node"}
    end.

-spec init([]) -> {ok, state()}.
init([]) ->
    _ = erlang:send_after(?REVIEW_EVERY, self(), review),
    {ok, start(#state{})}.

%% After a crash nobody tells again that there is a configuration.
start(#state{conf = undefined} = State) ->
    case tacit_drv:running() of
        true ->
            {Read, InForce} = catch_up(),
            Unwritten = [#change{add = Add, remove = []} || Add <- [InForce -- Read], Add =/= []],
            State#state{conf = tacit_boot:configuration(), changes = Unwritten};
        false ->
            State
    end;
start(State) ->
    State.

%% A configuration may have come in force without loaded/1: who was to call it, or this
%% process, was lost. What is new in it is revoked, and nothing given back that was since.
catch_up() ->
    {Read, InForce} = tacit_drv:revoked(),
    New = Read -- persistent_term:get({?MODULE, read}, []),
    Revoked = lists:usort(InForce ++ New),
    put_in_force(Read, Revoked),
    _ = review(),
    {Read, Revoked}.

%% With what was read when they were made of it last: it outlives a crash, too.
put_in_force(Read, Revoked) ->
    tacit_drv:revoked(Revoked),
    persistent_term:put({?MODULE, read}, Read).

-spec handle_call(term(), gen_server:from(), state()) ->
          {reply, term(), state()} | {noreply, state()}.
handle_call(_Request, _From, #state{conf = undefined} = State) ->
    {reply, {error, "Tacit does not run on this node"}, State};
handle_call({loaded, Since}, _From, State) ->
    {Read, _} = tacit_drv:revoked(),
    put_in_force(Read, lists:usort(lists:foldr(fun apply_change/2, Read, since(Since, State)))),
    {reply, {ok, review()}, State};
handle_call({revoke, Who}, From, State) ->
    case fingerprints(Who) of
        [] ->
            {reply, {error, "no link and no [peer] line has a key for it: name a fingerprint"},
             State};
        Fingerprints ->
            Next = change(#change{add = Fingerprints, remove = []}, State),
            Said = #{fingerprints => Fingerprints, dropped => review()},
            {noreply, write([{From, Said}], Next)}
    end;
handle_call({unrevoke, Who}, From, State) ->
    {_, Revoked} = tacit_drv:revoked(),
    case [F || F <- fingerprints(Who), lists:member(F, Revoked)] of
        [] ->
            {reply, {error, "tacit:revoke/1 has revoked no key of its"}, State};
        Fingerprints ->
            Next = change(#change{add = [], remove = Fingerprints}, State),
            {noreply, write([{From, #{fingerprints => Fingerprints}}], Next)}
    end;
handle_call(_Request, _From, State) ->
    {reply, {error, "unknown request"}, State}.

-spec handle_cast(term(), state()) -> {noreply, state()}.
handle_cast(started, #state{conf = undefined} = State) ->
    {noreply, start(State)};
handle_cast(started, State) -> % tacit_reload starts
    _ = catch_up(),
    {noreply, State};
handle_cast(_Other, State) ->
    {noreply, State}.

-spec handle_info(term(), state()) -> {noreply, state()}.
handle_info(review, State) ->
    _ = erlang:send_after(?REVIEW_EVERY, self(), review),
    ok = tacit_watch:ensure(),
    tacit_log:clock(tacit_drv:clock_step()),
    _ = log_cut(tacit_drv:review_due()),
    {noreply, write_again(start(State))};
handle_info({'DOWN', Monitor, process, _, Result}, #state{writer = {Monitor, _, _}} = State) ->
    {noreply, written(Result, State)};
handle_info(_Other, State) ->
    {noreply, State}.

-spec code_change(term(), state(), term()) -> {ok, state()}.
code_change(_OldVersion, State, _Extra) ->
    {ok, State}.

%% Ends the links that the rules do not allow now: their peers' names.
review() ->
    log_cut(tacit_drv:review()).

log_cut(Cut) ->
    lists:foreach(fun({Who, Text}) -> tacit_log:dropped(Who, Text) end, Cut),
    [Name || {#{name := Name}, _} <- Cut].

%% --- what is revoked ---------------------------------------------------------------------------

%% In force first: that the file cannot be written must not keep anyone connected.
change(Change, #state{changes = Changes} = State) ->
    {_, Revoked} = tacit_drv:revoked(),
    tacit_drv:revoked(lists:usort(apply_change(Change, Revoked))),
    Old = now_ms() - ?REMEMBER,
    State#state{changes = [Change | [C || #change{at = At} = C <- Changes, At > Old]]}.

apply_change(#change{add = Add, remove = Remove}, Revoked) ->
    (Revoked ++ Add) -- Remove.

%% What a file that was read then may not have had: a word is more than any number.
since(Time, #state{changes = Changes}) ->
    [Change || #change{at = At} = Change <- Changes, At >= Time].

%% One process writes at a time, all that is not written yet.
write(Asked, #state{asked = Before, writer = undefined} = State) ->
    #state{conf = Conf, changes = Changes} = State,
    Unwritten = [C || #change{at = unwritten} = C <- Changes],
    {Add, Remove} = lists:foldr(fun(#change{add = A, remove = R}, {Add, Remove}) ->
                                        {lists:usort(Add ++ A) -- R,
                                         lists:usort((Remove -- A) ++ R)}
                                end, {[], []}, Unwritten),
    Monitor = writer([Conf, Add, Remove]),
    Last = erlang:unique_integer([monotonic]),
    State#state{asked = [], writer = {Monitor, Before ++ Asked, Last}};
write(Asked, #state{asked = Before} = State) ->
    State#state{asked = Before ++ Asked}.

%% What could not be written may be by now. Who asked for it has heard, and so has the log.
write_again(#state{writer = undefined, changes = Changes} = State) ->
    case [C || #change{at = unwritten} = C <- Changes] of
        [] -> State;
        _ -> write([], State)
    end;
write_again(State) ->
    State.

%% Where no process can be made, it ends as one that could not write.
writer(Args) ->
    try spawn_monitor(tacit_revoked, write_and_exit, Args) of
        {_, Monitor} -> Monitor
    catch
        error:system_limit ->
            Ended = make_ref(),
            Result = {written, {error, "no process is left (erl's +P)"}},
            self() ! {'DOWN', Ended, process, self(), Result},
            Ended
    end.

written(Result, #state{writer = {_, Asked, Last}, changes = Changes} = State) ->
    Lasts = Result =:= {written, ok},
    tell_written(Result, Asked),
    lists:foreach(fun({From, Said}) -> gen_server:reply(From, {ok, Said#{lasts => Lasts}}) end,
                  Asked),
    Next = State#state{writer = undefined,
                       changes = [date(Change, Lasts, Last) || Change <- Changes]},
    case Next of
        #state{asked = []} -> Next;
        _ -> write([], Next)
    end.

%% Once when it fails, and once when it is written after all: not each time between.
tell_written({written, ok}, []) ->
    tacit_logger:notice("tacit: what was revoked is written", []);
tell_written({written, ok}, _Asked) ->
    ok;
tell_written(_Result, []) ->
    ok;
tell_written(Result, _Asked) ->
    tacit_logger:error("tacit: ~ts: what is revoked is not written: were this node started again, "
                       "it would not be; it is tried again", [why(Result)]).

date(#change{at = unwritten, number = Number} = Change, true, Last) when Number < Last ->
    Change#change{at = now_ms()};
date(Change, _Lasts, _Last) ->
    Change.

why({written, {error, Text}}) -> Text;
why(Crash) -> io_lib:format("~0p", [Crash]).

now_ms() ->
    erlang:monotonic_time(millisecond).

%% The keys of a node: those of its links, and that of the line for it.
fingerprints(Node) when is_atom(Node) ->
    Name = atom_to_binary(Node),
    Linked = [F || {_, #{name := N, fingerprint := F}} <- tacit_drv:links(), N =:= Name,
                   F =/= <<>>],
    Configured = case tacit_drv:key_of(binary_to_list(Name)) of
                     {ok, Fingerprint} -> [Fingerprint];
                     none -> []
                 end,
    lists:usort(Linked ++ Configured);
fingerprints(Fingerprint) when is_binary(Fingerprint) ->
    [Fingerprint || tacit_revoked:is_fingerprint(Fingerprint)];
fingerprints(_) ->
    [].
