%% What changes while a node runs: reloads, one at a time, and the rules' own changes as
%% time passes. tacit_socket asks it for the command `tacit'; tacit_signal on SIGHUP.
-module(tacit_control).
-behaviour(gen_server).

-export([start_link/0, started/0, door_keys/0, reload/0, revoke/1, unrevoke/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

%% How often the links are held against the rules and the clock, ms.
-define(REVIEW_EVERY, 5000).
-define(SIGNAL_RETRY, 200).
%% What a peer may take to answer, ms.
-define(ANSWER, 30000).

-record(state, {conf :: binary() | undefined,
                revoked = [] :: [binary()], % fingerprints
                unwritten = [] :: [binary()], % of them, those that their file lacks
                policies = tacit_policy:new() :: tacit_policy:policies()}).
-type state() :: #state{}.

-spec start_link() -> {ok, pid()} | ignore | {error, term()}.
start_link() ->
    gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% A configuration is in force: from net_kernel, which must not wait.
-spec started() -> ok.
started() ->
    gen_server:cast(?MODULE, started).

%% The host's door opens other mesh keys than before: from the acceptor, which must not wait.
-spec door_keys() -> ok.
door_keys() ->
    gen_server:cast(?MODULE, door_keys).

-spec reload() -> {ok, #{cut := [binary()]}} | {error, string()}.
reload() ->
    call(reload).

-spec revoke(node() | binary()) ->
          {ok, #{fingerprints := [binary()], cut := [binary()], lasts := boolean()}} |
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
    process_flag(trap_exit, true), % for terminate/2
    %% After a crash nobody tells again that there is a configuration.
    case tacit_drv:running() of
        true -> started();
        false -> ok
    end,
    {ok, #state{}}.

-spec handle_call(term(), gen_server:from(), state()) -> {reply, term(), state()}.
handle_call(_Request, _From, #state{conf = undefined} = State) ->
    {reply, {error, "Tacit does not run on this node"}, State};
handle_call(reload, _From, State) ->
    case reload(<<>>, State) of
        {ok, Cut, Next} -> {reply, {ok, #{cut => Cut}}, Next};
        {error, _} = Error -> {reply, Error, State}
    end;
handle_call({revoke, Who}, _From, State) ->
    case fingerprints(Who) of
        [] ->
            {reply, {error, "no link and no [peer] line has a key for it: name a fingerprint"},
             State};
        Fingerprints ->
            {Lasts, Next} = set_revoked(Fingerprints, [], State),
            Said = #{fingerprints => Fingerprints, cut => review(), lasts => Lasts},
            {reply, {ok, Said}, Next}
    end;
handle_call({unrevoke, Who}, _From, #state{revoked = Revoked} = State) ->
    case [F || F <- fingerprints(Who), lists:member(F, Revoked)] of
        [] ->
            {reply, {error, "tacit:revoke/1 has revoked no key of its"}, State};
        Fingerprints ->
            {Lasts, Next} = set_revoked([], Fingerprints, State),
            {reply, {ok, #{fingerprints => Fingerprints, lasts => Lasts}}, Next}
    end;
handle_call(mesh_keys, _From, State) ->
    {reply, own_mesh_keys(), State};
handle_call(_Request, _From, State) ->
    {reply, {error, "unknown request"}, State}.

-spec handle_cast(started | door_keys, state()) -> {noreply, state()}.
handle_cast(started, #state{conf = undefined} = State) ->
    Conf = tacit_boot:configuration(),
    _ = tacit_socket:start_link(Conf),
    self() ! watch_signal,
    _ = erlang:send_after(?REVIEW_EVERY, self(), review),
    {_, Revoked} = tacit_drv:revoked(), % tacit_boot has put them in force
    ok = net_kernel:monitor_nodes(true, [{node_type, all}]),
    Policies = tacit_policy:loaded(State#state.policies),
    {noreply, State#state{conf = Conf, revoked = Revoked, policies = Policies}};
handle_cast(started, State) ->
    {noreply, State};
handle_cast(door_keys, State) ->
    tell_mesh_keys(),
    {noreply, State}.

-spec handle_info(term(), state()) -> {noreply, state()} | {stop, term(), state()}.
handle_info(review, State) ->
    _ = review(),
    _ = erlang:send_after(?REVIEW_EVERY, self(), review),
    {noreply, look(State)};
handle_info({nodeup, Node, _}, #state{policies = Policies} = State) ->
    {noreply, State#state{policies = tacit_policy:up(Node, Policies)}};
handle_info({tacit_policies, Node, Have}, #state{policies = Policies} = State) ->
    {noreply, State#state{policies = tacit_policy:compare(Node, Have, Policies)}};
handle_info({tacit_policy, Node, Text}, #state{conf = Conf} = State) when Conf =/= undefined ->
    {noreply, take_policy(Node, Text, State)};
handle_info(tell_policies, #state{policies = Policies} = State) ->
    {noreply, State#state{policies = tacit_policy:tell(Policies)}};
handle_info({tacit_mesh_keys, Node}, State) ->
    _ = ask_mesh_keys(Node),
    {noreply, State};
handle_info(watch_signal, State) ->
    _ = tacit_signal:watch() orelse erlang:send_after(?SIGNAL_RETRY, self(), watch_signal),
    {noreply, State};
handle_info({'EXIT', _, normal}, State) ->
    {noreply, State}; % a port of tacit_drv's
handle_info({'EXIT', _, Reason}, State) ->
    {stop, Reason, State};
handle_info(_Other, State) ->
    {noreply, State}.

-spec terminate(term(), state()) -> ok.
terminate(_Reason, #state{conf = undefined}) -> ok;
terminate(_Reason, #state{}) -> tacit_socket:remove().

%% With a policy that a peer sent, or <<>>.
reload(Policy, #state{conf = Conf, unwritten = Unwritten, policies = Policies} = State) ->
    case tacit_drv:reload(Conf, Policy) of
        ok ->
            {Read, _} = tacit_drv:revoked(),
            Revoked = lists:usort(Read ++ Unwritten),
            tacit_drv:revoked(Revoked),
            Cut = review() ++ tacit_boot:cut_plain(),
            tell_mesh_keys(),
            Next = tacit_policy:loaded(Policies),
            {ok, Cut, State#state{revoked = Revoked, policies = Next}};
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
    case tacit_policy:accept(Node, Text, Policies) of
        {ok, Next} -> reload_policy(Node, Text, State#state{policies = Next});
        {known, Next} -> State#state{policies = Next}
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
    tacit_logger:notice("tacit: policy from ~ts: reloaded, ~b links cut", [From, Cut]);
log_policy(revokes, From, Cut) ->
    tacit_logger:warning("tacit: policy from ~ts: not taken but for what it revokes, ~b links "
                         "cut", [From, Cut]).

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
    Connected andalso
        spawn(fun() ->
                      try gen_server:call({?MODULE, Node}, mesh_keys, ?ANSWER) of
                          Marks -> take_mesh_keys(Node, Marks)
                      catch
                          exit:_ -> ok % it is gone, or of another version
                      end
              end).

take_mesh_keys(Node, Marks) when length(Marks) =< 4 ->
    Name = atom_to_binary(Node),
    Good = lists:all(fun(Mark) -> is_binary(Mark) andalso byte_size(Mark) =:= 32 end, Marks),
    _ = [tacit_drv:peer_mesh_keys(Port, Marks) ||
            Good, {Port, #{name := N}} <- tacit_drv:links(), N =:= Name],
    ok;
take_mesh_keys(_, _) ->
    ok.

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

%% In force first: that the file cannot be written must not keep anyone connected.
set_revoked(Add, Remove, #state{conf = Conf, revoked = Before, unwritten = Lacks} = State) ->
    Revoked = lists:usort(Before ++ Add) -- Remove,
    tacit_drv:revoked(Revoked),
    Unwritten = lists:usort(Lacks ++ Add) -- Remove,
    Next = State#state{revoked = Revoked, unwritten = []},
    case tacit_revoked:write(Conf, Unwritten, Remove) of
        ok ->
            {true, Next};
        {error, Text} ->
            tacit_logger:error("tacit: ~ts: what is revoked is so until this node starts anew",
                               [Text]),
            {false, Next#state{unwritten = Unwritten}}
    end.

%% Ends the links that the rules do not allow now: their peers' names.
review() ->
    Cut = tacit_drv:review(),
    lists:foreach(fun({Who, Text}) -> tacit_log:cut(Who, Text) end, Cut),
    [Name || {#{name := Name}, _} <- Cut].
