%% The application, where a release starts it. The carrier runs under the kernel, whether or
%% not this is started; here a node is stopped whose flags name Tacit but whose distribution
%% is another, so that OTP called nothing of Tacit's.
-module(tacit_app).
-behaviour(application).
-behaviour(supervisor).

-export([start/2, stop/1, init/1]).

-spec start(term(), term()) -> {ok, pid()} | {error, term()}.
start(_Type, _Arguments) ->
    case is_alive() andalso tacit_flags:meant() andalso tacit_flags:check() of
        {error, Text} -> tacit_boot:refuse(Text, in_boot());
        _ -> supervisor:start_link(?MODULE, [])
    end.

in_boot() ->
    case init:get_status() of
        {starting, _} -> true;
        _ -> false
    end.

-spec stop(term()) -> ok.
stop(_State) ->
    ok.

-spec init([]) -> {ok, {supervisor:sup_flags(), []}}.
init([]) ->
    {ok, {#{}, []}}.
