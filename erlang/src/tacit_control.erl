%% What keeps the rules in force while a node runs: it holds all links against them, also as
%% time passes, and revokes keys. It never waits, for a file or for another node: what may
%% take its time is tacit_reload's, or a process's of its own.
%%
%% What is revoked the driver knows, which outlives a crash.
-module(tacit_control).
-behaviour(gen_server).

-export([start_link/0, started/0, door_keys/0, reload/0, revoke/1, unrevoke/1, loaded/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, code_change/3]).

%% How often the links are held against the clock, ms.
-define(REVIEW_EVERY, 5000).
-define(SIGNAL_RETRY, 200).
%% What a peer may take to answer, ms.
-define(ANSWER, 30000).
%% More than any reload takes, ms: it has read of what was written longer ago.
-define(REMEMBER, 300000).
%% So many messages may wait for tacit_reload.
-define(WAITING, 100).

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

%% A configuration is in force: from net_kernel, which must not wait.
-spec started() -> ok.
started() ->
    lists:foreach(fun(Server) -> gen_server:cast(Server, started) end,
                  [?MODULE, tacit_reload, tacit_socket]).

%% The host's door opens other mesh keys than before: from the acceptor, which must not wait.
-spec door_keys() -> ok.
door_keys() ->
    gen_server:cast(?MODULE, door_keys).

-spec reload() -> {ok, #{dropped := [binary()]}} | {error, string()}.
reload() ->
    tacit_reload:reload().

-spec revoke(node() | binary()) ->
          {ok, #{fingerprints := [binary()], dropped := [binary()], lasts := boolean()}} |
          {error, string()}.
revoke(Who) ->
    call({revoke, Who}).

-spec unrevoke(node() | binary()) ->
          {ok, #{fingerprints := [binary()], lasts := boolean()}} | {error, string()}.
unrevoke(Who) ->
    call({unrevoke, Who}).

%% A configuration has come in force whose files were read from Since on (monotonic time, ms):
%% the names of those whose links it does not allow.
-spec loaded(integer()) -> {ok, [binary()]} | {error, string()}.
loaded(Since) ->
    call({loaded, Since}).

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
            self() ! watch_signal,
            {Read, InForce} = tacit_drv:revoked(),
            Unwritten = [#change{add = Add, remove = []} || Add <- [InForce -- Read], Add =/= []],
            _ = review(),
            State#state{conf = tacit_boot:configuration(), changes = Unwritten};
        false ->
            State
    end;
start(State) ->
    State.

-spec handle_call(term(), gen_server:from(), state()) ->
          {reply, term(), state()} | {noreply, state()}.
handle_call(_Request, _From, #state{conf = undefined} = State) ->
    {reply, {error, "Tacit does not run on this node"}, State};
handle_call({loaded, Since}, _From, State) ->
    {Read, _} = tacit_drv:revoked(),
    Revoked = lists:usort(lists:foldr(fun apply_change/2, Read, since(Since, State))),
    tacit_drv:revoked(Revoked),
    tell_mesh_keys(),
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
handle_call(mesh_keys, _From, State) ->
    {reply, own_mesh_keys(), State};
handle_call(_Request, _From, State) ->
    {reply, {error, "unknown request"}, State}.

-spec handle_cast(term(), state()) -> {noreply, state()}.
handle_cast(started, State) ->
    {noreply, start(State)};
handle_cast(door_keys, State) ->
    tell_mesh_keys(),
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
handle_info({tacit_mesh_keys, Node}, State) ->
    _ = ask_mesh_keys(Node),
    {noreply, State};
handle_info(watch_signal, State) ->
    _ = tacit_signal:watch() orelse erlang:send_after(?SIGNAL_RETRY, self(), watch_signal),
    {noreply, State};
handle_info(Message, State) ->
    pass_on(Message),
    {noreply, State}.

%% Peers know one name only. What is too much comes again.
pass_on(Message) when element(1, Message) =:= tacit_policies;
                      element(1, Message) =:= tacit_policy ->
    Reload = whereis(tacit_reload),
    case is_pid(Reload) andalso process_info(Reload, message_queue_len) of
        {_, Waiting} when Waiting < ?WAITING -> Reload ! Message, ok;
        _ -> ok
    end;
pass_on(_Other) ->
    ok.

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

%% What could not be written may be by now. Whoever asked for it has heard, and so has the log.
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
    tacit_logger:error("tacit: ~ts: what is revoked is not written: were this node started anew, "
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

%% --- mesh keys ---------------------------------------------------------------------------------

%% A handshake shows which mesh keys a side can open; links that are up hear of a change from
%% here, so that `tacit mesh-key use' knows when each peer has the new one.
tell_mesh_keys() ->
    lists:foreach(fun(Node) ->
                          erlang:send({?MODULE, Node}, {tacit_mesh_keys, node()},
                                      [noconnect, nosuspend])
                  end, nodes(connected)).

own_mesh_keys() ->
    {ok, #{shown_mesh_keys := Marks}} = tacit_drv:info(host),
    Marks.

%% Anybody may say that a peer's keys have changed: which they are is for that peer alone to
%% say. Only it is asked, over its own link, and only it can answer.
ask_mesh_keys(Node) ->
    Connected = lists:member(Node, nodes(connected)),
    try
        Connected andalso spawn(fun() -> fetch_mesh_keys(Node) end)
    catch
        error:system_limit -> false % its next handshake shows them
    end.

fetch_mesh_keys(Node) ->
    try gen_server:call({?MODULE, Node}, mesh_keys, ?ANSWER) of
        Marks -> take_mesh_keys(Node, Marks)
    catch
        exit:_ -> ok % it is gone, or of another version
    end.

take_mesh_keys(Node, Marks) when length(Marks) =< 4 ->
    Name = atom_to_binary(Node),
    Good = lists:all(fun(Mark) -> is_binary(Mark) andalso byte_size(Mark) =:= 32 end, Marks),
    _ = [tacit_drv:peer_mesh_keys(Port, Marks) ||
            Good, {Port, #{name := N}} <- tacit_drv:links(), N =:= Name],
    ok;
take_mesh_keys(_, _) ->
    ok.
