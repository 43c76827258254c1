%% The supervisor of what runs beside the carrier. net_sup, under which it stands, allows no
%% restart: so this one is temporary there, no fault of ours ends a node, and tacit_watch has
%% it started again.
-module(tacit_sup).
-behaviour(supervisor).

-export([childspec/0, start_link/0, init/1]).

-spec childspec() -> supervisor:child_spec().
childspec() ->
    #{id => ?MODULE, start => {?MODULE, start_link, []}, restart => temporary,
      type => supervisor}.

-spec start_link() -> {ok, pid()} | ignore | {error, term()}.
start_link() ->
    supervisor:start_link({local, ?MODULE}, ?MODULE, []).

-spec init([]) -> {ok, {supervisor:sup_flags(), [supervisor:child_spec()]}}.
init([]) ->
    ok = tacit_watch:ensure(),
    {ok, {#{strategy => one_for_one, intensity => 5, period => 60},
          [#{id => Module, start => {Module, start_link, []}, shutdown => 1000} ||
              Module <- [tacit_logger, tacit_control, tacit_reload, tacit_socket]]}}.
