%% The supervisor of what runs beside the carrier. net_sup, under which it stands, allows no
%% restart: so this one is temporary there, no fault of ours ends a node, and tacit_watch has
%% it started again.
-module(tacit_sup).
-behaviour(supervisor).

-export([childspec/0, start_link/0, configured/0, init/1]).

-spec childspec() -> supervisor:child_spec().
childspec() ->
    #{id => ?MODULE, start => {?MODULE, start_link, []}, restart => temporary,
      type => supervisor}.

-spec start_link() -> {ok, pid()} | ignore | {error, term()}.
start_link() ->
    supervisor:start_link({local, ?MODULE}, ?MODULE, []).

%% A configuration is in force: from net_kernel, which must not wait. tacit_gossip hears of it
%% from tacit_reload.
-spec configured() -> ok.
configured() ->
    lists:foreach(fun(Server) -> gen_server:cast(Server, started) end,
                  [tacit_control, tacit_reload, tacit_socket]).

%% Each is restarted by itself: what is in force the driver knows, so that none needs another's
%% state, and who asks one that is gone hears so. An end of what listens to peers or to the
%% operator is no reason to stop holding links against the rules. Where they end faster than
%% this allows, all begin again, by tacit_watch.
%%
%% In the order of who asks whom: each is there before those that ask it, and as long as they.
%% All log; the rules are held before others can come in force (tacit_reload); that can be done
%% before peers bring them (tacit_gossip), and all of it before the operator asks (tacit_socket).
-spec init([]) -> {ok, {supervisor:sup_flags(), [supervisor:child_spec()]}}.
init([]) ->
    ok = tacit_watch:ensure(),
    {ok, {#{strategy => one_for_one, intensity => 5, period => 60},
          [#{id => Module, start => {Module, start_link, []}, shutdown => 1000} ||
              Module <- [tacit_logger, tacit_control, tacit_reload, tacit_gossip,
                         tacit_socket]]}}.
