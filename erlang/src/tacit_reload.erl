%% Brings another configuration in force, one at a time: for tacit:reload/0 and SIGHUP, and for
%% policies that a peer sends or somebody puts in place. It may have to wait for files;
%% meanwhile tacit_control goes on with the rules that there are.
-module(tacit_reload).
-behaviour(gen_server).

-export([start_link/0, reload/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, code_change/3]).

%% How often the files of policies are looked at, ms.
-define(LOOK_EVERY, 5000).
-define(BOOT_RETRY, 100).
-define(SIGNAL_RETRY, 200).

-record(state, {conf :: binary() | undefined,
                follows = false :: boolean(), % another one, that was lost: there are links
                policies = tacit_policy:new() :: tacit_policy:policies()}).
-type state() :: #state{}.

-spec start_link() -> {ok, pid()} | ignore | {error, term()}.
start_link() ->
    gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

-spec reload() -> {ok, #{dropped := [binary()]}} | {error, string()}.
reload() ->
    try
        gen_server:call(?MODULE, reload, infinity)
    catch
        exit:_ -> {error, "Tacit does not run on this node"}
    end.

-spec init([]) -> {ok, state()}.
init([]) ->
    _ = erlang:send_after(?LOOK_EVERY, self(), look),
    gen_server:cast(self(), started), % after a crash nobody tells again
    {ok, #state{follows = nodes(connected) =/= []}}.

-spec handle_call(term(), gen_server:from(), state()) -> {reply, term(), state()}.
handle_call(reload, _From, State) ->
    case reload(<<>>, start(State)) of
        {ok, Cut, Next} -> {reply, {ok, #{dropped => Cut}}, Next};
        {error, _} = Error -> {reply, Error, State}
    end;
handle_call({policy, Node, Text}, _From, State) -> % from tacit_gossip
    case start(State) of
        #state{conf = undefined} = Next -> {reply, not_started, Next};
        Next -> {reply, tried, take_policy(Node, Text, Next)}
    end;
handle_call(_Request, _From, State) ->
    {reply, {error, "unknown request"}, State}.

-spec handle_cast(term(), state()) -> {noreply, state()}.
handle_cast(started, State) ->
    {noreply, start(State)};
handle_cast(_Other, State) ->
    {noreply, State}.

-spec handle_info(term(), state()) -> {noreply, state()}.
handle_info(look, State) ->
    _ = erlang:send_after(?LOOK_EVERY, self(), look),
    {noreply, look(start(State))};
handle_info(start, State) ->
    {noreply, start(State)};
handle_info(watch_signal, State) ->
    watch_signal(),
    {noreply, State};
handle_info(_Other, State) ->
    {noreply, State}.

-spec code_change(term(), state(), term()) -> {ok, state()}.
code_change(_OldVersion, State, _Extra) ->
    {ok, State}.

%% A node that boots has no file server yet when its distribution starts.
start(#state{conf = undefined, follows = Follows, policies = Policies} = State) ->
    case {tacit_drv:running(), whereis(file_server_2)} of
        {false, _} ->
            State;
        {true, undefined} ->
            _ = erlang:send_after(?BOOT_RETRY, self(), start),
            State;
        {true, _} ->
            watch_signal(),
            catch_up(Follows),
            State#state{conf = tacit_boot:configuration(),
                        policies = tacit_policy:started(Policies)}
    end;
start(State) ->
    State.

%% After a crash: a configuration may just have come in force, and nobody been told. Where there
%% were no links each handshake since has told it: a C node, which knows no gossip, hears none.
catch_up(Follows) ->
    ok = gen_server:cast(tacit_control, started),
    _ = nodes(connected) =:= [] orelse tacit_boot:cut_plain(),
    _ = Follows andalso tacit_gossip:loaded(),
    ok.

watch_signal() ->
    _ = tacit_signal:watch() orelse erlang:send_after(?SIGNAL_RETRY, self(), watch_signal),
    ok.

%% With a policy that a peer sent, or <<>>.
reload(_Policy, #state{conf = undefined}) ->
    {error, "Tacit does not run on this node"};
reload(Policy, #state{conf = Conf, policies = Policies} = State) ->
    Since = erlang:monotonic_time(millisecond),
    case tacit_drv:reload(Conf, Policy) of
        ok ->
            Held = tacit_control:loaded(Since),
            Plain = tacit_boot:cut_plain(),
            ok = tacit_gossip:loaded(),
            case Held of
                {ok, Cut} ->
                    {ok, Cut ++ Plain, State#state{policies = tacit_policy:loaded(Policies)}};
                {error, _} ->
                    {error, "it is in force, but tacit_control does not run: links are held "
                            "against it when it does"}
            end;
        {error, _} = Error ->
            Error
    end.

%% Whether a policy was put in place, by somebody or by another node of this host: it comes
%% in force as by a reload.
look(#state{conf = undefined} = State) ->
    State;
look(#state{policies = Policies} = State) ->
    case tacit_policy:look(Policies) of
        {same, Next} -> State#state{policies = Next};
        {changed, Next} -> reload_policy("a file", <<>>, State#state{policies = Next})
    end.

take_policy(Node, Text, #state{policies = Policies} = State) ->
    case tacit_policy:is_new(Text, Policies) of
        true -> reload_policy(Node, Text, State);
        false -> State
    end.

reload_policy(From, Text, State) ->
    case reload(Text, State) of
        {ok, Cut, Next} ->
            {Taken, Policies} = case Text of
                                    <<>> -> {taken, Next#state.policies};
                                    _ -> tacit_policy:tried(Text, Next#state.policies)
                                end,
            log_policy(Taken, From, length(Cut)),
            Next#state{policies = Policies};
        {error, Why} ->
            tacit_logger:error("tacit: policy from ~ts: nothing was changed: ~ts",
                               [From, Why]),
            tacit_policy:keep(),
            State
    end.

log_policy(taken, From, Cut) ->
    tacit_logger:notice("tacit: policy from ~ts: reloaded, ~b links dropped", [From, Cut]);
log_policy(revokes, From, Cut) ->
    tacit_logger:warning("tacit: policy from ~ts: not taken but for what it revokes, ~b links "
                         "dropped", [From, Cut]).
