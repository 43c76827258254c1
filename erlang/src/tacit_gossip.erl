%% What nodes tell each other on links that are up: which signed policies they have, so that
%% one that comes to any node of a mesh comes to all, and which mesh keys they open. PROTOCOL.md
%% of src/channel, "Messages between nodes".
%%
%% It hears of other nodes
%%
%%   {nodeup, Node, _}                   what this node has is told there, soon
%%   {tacit_policies, Node, Have}        what Node has: it gets what it has not, and is asked
%%                                       for what this node has not
%%   {tacit_policy, Node, Text}          a policy, for tacit_reload to try
%%   {tacit_mesh_keys, Node}             Node opens other mesh keys than before: it is asked
%%   the call mesh_keys                  by a node that has heard the same of this one
%%
%% and of this one, by casts, that a configuration has come in force (`loaded', from
%% tacit_reload), and that the door opens other mesh keys (`door_keys', from the acceptor).
%%
%% Nothing here decides who may connect, and nothing waits: not for a link that is busy, nor for
%% tacit_reload. What is in force the driver knows. So all that is lost with this process, or
%% with a tacit_reload that has a policy at hand, is what was under way: it is told again.
-module(tacit_gossip).
-behaviour(gen_server).

-export([start_link/0, loaded/0, door_keys/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, code_change/3]).
-export([ask_mesh_keys/1, take_mesh_keys/2]). % for spawn, and to wait in no module's code

-define(MAX, 16#400000). % bytes of a policy; TACIT_POLICY_MAX
-define(SETTLE, 1000).   % so long nodes that come up are gathered, ms
-define(PATIENCE, 10000). % and so long one that was asked has for its answer
%% ms: what was sent, or logged, within this time is not sent once more.
-define(PERIOD, 5000).
%% What a peer may take to say which mesh keys it opens, ms.
-define(ANSWER, 30000).
%% So many policies may wait for tacit_reload.
-define(WAITING, 100).

-type have() :: {Key :: binary(), Serial :: non_neg_integer(), Hash :: binary()}.
-record(state, {up = [] :: [node()],                 % that are to be told
                sent = [] :: [{node(), have()}],     % lately
                said = [] :: [binary()],             % lately, to the log
                linked = [] :: [binary()],           % names of nodes, as of lately
                asked = [] :: [{binary(), non_neg_integer(), integer()}],
                tried = gen_server:reqids_new() :: gen_server:request_id_collection()}).
-type state() :: #state{}.

-spec start_link() -> {ok, pid()} | ignore | {error, term()}.
start_link() ->
    gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% A configuration has come in force.
-spec loaded() -> ok.
loaded() ->
    gen_server:cast(?MODULE, loaded).

%% The host's door opens other mesh keys than before: from the acceptor, which must not wait.
-spec door_keys() -> ok.
door_keys() ->
    gen_server:cast(?MODULE, door_keys).

-spec init([]) -> {ok, state()}.
init([]) ->
    ok = net_kernel:monitor_nodes(true, [{node_type, all}]),
    _ = erlang:send_after(?PERIOD, self(), period),
    _ = nodes(connected) =:= [] orelse catch_up(),
    {ok, #state{}}.

%% After a crash: what this node has is told, and what others have said meanwhile is asked for.
%% (C nodes, which are hidden, know no such questions.)
catch_up() ->
    loaded(),
    missed(),
    lists:foreach(fun spawn_ask/1, nodes()).

-spec handle_call(term(), gen_server:from(), state()) -> {reply, term(), state()}.
handle_call(mesh_keys, _From, State) ->
    {reply, own(shown_mesh_keys), State};
handle_call(_Request, _From, State) ->
    {reply, {error, "unknown request"}, State}.

-spec handle_cast(term(), state()) -> {noreply, state()}.
handle_cast(loaded, State) ->
    tell_mesh_keys(),
    {noreply, tell_all((lately_over(State))#state{asked = []})};
handle_cast(door_keys, State) ->
    tell_mesh_keys(),
    {noreply, State};
handle_cast(_Other, State) ->
    {noreply, State}.

-spec handle_info(term(), state()) -> {noreply, state()}.
handle_info({nodeup, Node, _}, State) ->
    {noreply, up(Node, State)};
handle_info({tacit_policies, Node, Have}, State) ->
    {noreply, compare(Node, Have, State)};
handle_info({tacit_policy, Node, Text}, State) ->
    {noreply, take(Node, Text, State)};
handle_info({tacit_mesh_keys, Node}, State) ->
    _ = lists:member(Node, nodes(connected)) andalso spawn_ask(Node),
    {noreply, State};
handle_info(tell, #state{up = Up} = State) ->
    {noreply, tell(Up, State)};
handle_info(tell_all, State) ->
    {noreply, tell_all(State)};
handle_info(period, State) ->
    _ = erlang:send_after(?PERIOD, self(), period),
    {noreply, again(lately_over(State))};
handle_info(Message, State) ->
    {noreply, tried(Message, State)}.

-spec code_change(term(), state(), term()) -> {ok, state()}.
code_change(_OldVersion, State, _Extra) ->
    {ok, State}.

%% --- policies ----------------------------------------------------------------------------------
%% Nodes tell those that they have a link with which policies they have, by authority and serial
%% number: when the link comes up, and when one came in force. Who has an older one asks for the
%% newer. The authority's signature is what counts, not who brings a policy: the driver looks at
%% nothing in it before that holds.

%% A node has come up. Many may: they are told at once.
up(Node, #state{up = Up} = State) ->
    _ = Up =:= [] andalso erlang:send_after(?SETTLE, self(), tell),
    State#state{up = [Node | Up]}.

tell_all(State) ->
    tell(nodes(connected), State).

%% Tells these nodes what this one has.
tell(Nodes, State) ->
    Have = have(),
    Links = case Have of [] -> []; _ -> links() end,
    [send(Node, {tacit_policies, node(), Have}) ||
        Node <- Nodes, lists:member(atom_to_binary(Node), Links)],
    State#state{up = [], linked = Links}.

%% What a peer has: it gets what it has not, and is asked for what we have not.
compare(Node, Have, State) when is_atom(Node), is_list(Have), length(Have) =< 64 ->
    {Linked, Next} = linked(Node, State),
    case Linked of
        true -> lists:foldl(fun(Own, S) -> compare_one(Node, Own, Have, S) end, Next, have());
        false -> Next
    end;
compare(_Node, _Have, State) ->
    State.

compare_one(Node, {Key, Serial, Hash} = Own, Have, State) ->
    case lists:keyfind(Key, 1, Have) of
        {_, Theirs, _} when is_integer(Theirs), Theirs < Serial -> give(Node, Own, State);
        {_, Theirs, _} when is_integer(Theirs), Theirs > Serial -> ask(Node, Key, Theirs, State);
        {_, Serial, Other} when Other =/= Hash, Serial > 0 -> alarm(Node, Serial, State);
        _ -> State
    end.

give(Node, {Key, _, _} = Own, #state{sent = Sent} = State) ->
    case lists:member({Node, Own}, Sent) of
        true ->
            State;
        false ->
            [send(Node, {tacit_policy, node(), Text}) ||
                #{key := K, text := Text} <- tacit_drv:policies(), K =:= Key],
            State#state{sent = [{Node, Own} | Sent]}
    end.

%% One at a time: all whom it has reached tell us of a new one.
ask(Node, Key, Serial, #state{asked = Asked} = State) ->
    Now = now_ms(),
    case lists:keyfind(Key, 1, Asked) of
        {_, At, Until} when At >= Serial, Now < Until ->
            State;
        _ ->
            send(Node, {tacit_policies, node(), have()}),
            State#state{asked = lists:keystore(Key, 1, Asked, {Key, Serial, Now + ?PATIENCE})}
    end.

%% Who was asked has not answered: all are told again what we have.
again(#state{asked = Asked} = State) ->
    Now = now_ms(),
    case [A || {_, _, Until} = A <- Asked, Until =< Now] of
        [] -> State;
        Late -> tell_all(State#state{asked = Asked -- Late})
    end.

%% A policy may have come and was lost. Who has sent it sends it again to who says what he has,
%% but not within ?PERIOD.
missed() ->
    _ = erlang:send_after(?PATIENCE, self(), tell_all),
    ok.

alarm(Node, Serial, #state{said = Said} = State) ->
    Text = iolist_to_binary(io_lib:format("~ts has other rules under serial ~b than this node",
                                          [Node, Serial])),
    lists:member(Text, Said) orelse tacit_logger:error("tacit: policy: ~ts", [Text]),
    State#state{said = [Text | Said -- [Text]]}.

%% A text that a peer sent. What is too much comes again.
take(Node, Text, State) when is_atom(Node), is_binary(Text), byte_size(Text) =< ?MAX ->
    {Linked, #state{tried = Tried} = Next} = linked(Node, State),
    case gen_server:reqids_size(Tried) of
        Waiting when Linked, Waiting < ?WAITING ->
            Request = {policy, Node, Text},
            Next#state{tried = gen_server:send_request(tacit_reload, Request, none, Tried)};
        _ ->
            Next
    end;
take(_Node, _Text, State) ->
    State.

%% What tacit_reload says of it. Nobody is asked again while one is left that may be the answer.
tried(Message, #state{tried = Tried} = State) ->
    case gen_server:check_response(Message, Tried, true) of
        {{reply, tried}, _, Left} ->
            Asked = case gen_server:reqids_size(Left) of
                        0 -> [];
                        _ -> State#state.asked
                    end,
            State#state{tried = Left, asked = Asked};
        {_, _, Left} -> % it ended, or has no configuration yet
            missed(),
            State#state{tried = Left};
        _ ->
            State
    end.

lately_over(State) ->
    State#state{sent = [], said = [], linked = []}.

%% Whether there is a link of Tacit's with the node: nothing goes out in plain text.
linked(Node, #state{linked = Links} = State) ->
    Name = atom_to_binary(Node),
    case lists:member(Name, Links) of
        true -> {true, State};
        false -> Now = links(),
                 {lists:member(Name, Now), State#state{linked = Now}}
    end.

links() ->
    [Name || {_, #{name := Name, state := up}} <- tacit_drv:links()].

have() ->
    [{Key, Serial, Hash} || #{key := Key, serial := Serial, hash := Hash} <- own(policies)].

%% None before there is a configuration.
own(Key) ->
    case tacit_drv:info(host) of
        {ok, #{Key := Own}} -> Own;
        {error, closed} -> []
    end.

%% --- mesh keys ---------------------------------------------------------------------------------
%% A handshake shows which mesh keys a side can open; links that are up hear of a change from
%% here, so that `tacit mesh-key use' knows when each peer has the new one.

tell_mesh_keys() ->
    lists:foreach(fun(Node) -> send(Node, {tacit_mesh_keys, node()}) end, nodes(connected)).

%% Anybody may say that a peer's keys have changed: which they are is for that peer alone to
%% say. Only it is asked, over its own link, and only it can answer.
spawn_ask(Node) ->
    spawned(?MODULE, ask_mesh_keys, [Node]).

%% It may be long in answering: without a function of this module on the stack, which would
%% keep old code from being purged.
-spec ask_mesh_keys(node()) -> no_return().
ask_mesh_keys(Node) ->
    Request = gen_server:send_request({?MODULE, Node}, mesh_keys),
    _ = erlang:send_after(?ANSWER, self(), late),
    erlang:hibernate(?MODULE, take_mesh_keys, [Node, Request]).

-spec take_mesh_keys(node(), gen_server:request_id()) -> ok.
take_mesh_keys(Node, Request) ->
    case gen_server:check_response(receive Message -> Message end, Request) of
        {reply, Marks} when length(Marks) =< 4 -> put_mesh_keys(Node, Marks);
        _ -> ok % it is gone, late, or of another version: its next handshake shows them
    end.

put_mesh_keys(Node, Marks) ->
    Name = atom_to_binary(Node),
    Good = lists:all(fun(Mark) -> is_binary(Mark) andalso byte_size(Mark) =:= 32 end, Marks),
    _ = [tacit_drv:peer_mesh_keys(Port, Marks) ||
            Good, {Port, #{name := N}} <- tacit_drv:links(), N =:= Name],
    ok.

%% --- processes of their own --------------------------------------------------------------------

%% A link that is busy holds nobody up.
send(Node, Message) ->
    spawned(erlang, send, [{?MODULE, Node}, Message, [noconnect]]).

%% Where no process can be made, they hear of it when they ask, or from others.
spawned(Module, Function, Arguments) ->
    try
        _ = spawn(Module, Function, Arguments),
        ok
    catch
        error:system_limit -> ok
    end.

now_ms() ->
    erlang:monotonic_time(millisecond).
