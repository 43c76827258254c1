%% What changes while a node runs: reloads, one at a time, and the rules' own changes as
%% time passes. tacit_socket asks it for the command `tacit'; tacit_signal on SIGHUP.
-module(tacit_control).
-behaviour(gen_server).

-export([start_link/0, started/0, reload/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

%% How often the links are held against the rules and the clock, ms.
-define(REVIEW_EVERY, 5000).
-define(SIGNAL_RETRY, 200).

-record(state, {conf :: file:filename() | undefined}).
-type state() :: #state{}.

-spec start_link() -> {ok, pid()} | ignore | {error, term()}.
start_link() ->
    gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% A configuration is in force: from net_kernel, which must not wait.
-spec started() -> ok.
started() ->
    gen_server:cast(?MODULE, started).

-spec reload() -> {ok, #{cut := [binary()]}} | {error, string()}.
reload() ->
    call(reload).

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
handle_call(reload, _From, #state{conf = Conf} = State) ->
    case tacit_drv:reload(Conf) of
        ok -> {reply, {ok, #{cut => review() ++ tacit_boot:cut_plain()}}, State};
        {error, _} = Error -> {reply, Error, State}
    end;
handle_call(_Request, _From, State) ->
    {reply, {error, "unknown request"}, State}.

-spec handle_cast(started, state()) -> {noreply, state()}.
handle_cast(started, #state{conf = undefined} = State) ->
    Conf = tacit_boot:configuration(),
    _ = tacit_socket:start_link(Conf),
    self() ! watch_signal,
    _ = erlang:send_after(?REVIEW_EVERY, self(), review),
    {noreply, State#state{conf = Conf}};
handle_cast(started, State) ->
    {noreply, State}.

-spec handle_info(term(), state()) -> {noreply, state()} | {stop, term(), state()}.
handle_info(review, State) ->
    _ = review(),
    _ = erlang:send_after(?REVIEW_EVERY, self(), review),
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
terminate(_Reason, #state{conf = Conf}) -> tacit_socket:remove(Conf).

%% Ends the links that the rules do not allow now: their peers' names.
review() ->
    Cut = tacit_drv:review(),
    lists:foreach(fun tacit_boot:log_cut/1, Cut),
    [Name || #{name := Name} <- Cut].
