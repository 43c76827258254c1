%% A wire of a known length, on loopback: what goes in comes out Delay later, each way. A
%% connection's own handshake, that loopback does at once, is made up for: the first bytes of
%% who connects are held for one round trip more, as if it had waited for it.
-module(bench_delay).

-export([start/1, stop/1, port/1, lead_to/2, delay/2]).

-export_type([proxy/0]).

-type proxy() :: #{pid := pid(), port := inet:port_number()}.

%% Alter may change what comes back, a chunk at a time.
-spec start(fun((binary()) -> binary())) -> proxy().
start(Alter) ->
    Self = self(),
    Pid = spawn_link(fun() ->
                             {ok, Listener} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}},
                                                                 {backlog, 64} | options()]),
                             {ok, Port} = inet:port(Listener),
                             Proxy = self(),
                             spawn_link(fun() -> accept(Proxy, Listener, Alter) end),
                             Self ! {self(), Port},
                             loop(#{to => none, delay => 0})
                     end),
    receive {Pid, Port} -> #{pid => Pid, port => Port} end.

options() -> [binary, {active, false}, {nodelay, true}].

-spec stop(proxy()) -> ok.
stop(#{pid := Pid}) ->
    unlink(Pid),
    Ref = monitor(process, Pid),
    exit(Pid, shutdown),
    receive {'DOWN', Ref, process, Pid, _} -> ok end.

-spec port(proxy()) -> inet:port_number().
port(#{port := Port}) -> Port.

%% Where on loopback connections lead that are made from now on.
-spec lead_to(proxy(), inet:port_number()) -> ok.
lead_to(Proxy, Port) -> set(Proxy, to, Port).

%% Of all connections made from now on, each way.
-spec delay(proxy(), Ms :: non_neg_integer()) -> ok.
delay(Proxy, Ms) -> set(Proxy, delay, Ms).

set(#{pid := Pid}, What, Value) ->
    Ref = make_ref(),
    Pid ! {set, What, Value, self(), Ref},
    receive {Ref, ok} -> ok end.

loop(State) ->
    receive
        {set, What, Value, From, Ref} ->
            From ! {Ref, ok},
            loop(State#{What := Value});
        {state, From} ->
            From ! {self(), State},
            loop(State)
    end.

accept(Proxy, Listener, Alter) ->
    {ok, Socket} = gen_tcp:accept(Listener),
    Proxy ! {state, self()},
    #{to := To, delay := Ms} = receive {Proxy, State} -> State end,
    {ok, Other} = gen_tcp:connect({127, 0, 0, 1}, To, options()),
    Delay = erlang:convert_time_unit(Ms, millisecond, native),
    carry(Socket, Other, 2 * Delay, Delay, fun(Bytes) -> Bytes end),
    carry(Other, Socket, 0, Delay, Alter),
    accept(Proxy, Listener, Alter).

%% One direction: one process reads and says when, another waits and writes.
carry(From, To, Extra, Delay, Alter) ->
    Writer = spawn(fun() -> write(To) end),
    Reader = spawn(fun() -> receive go -> read(From, Writer, Extra, Delay, Alter) end end),
    ok = gen_tcp:controlling_process(From, Reader),
    Reader ! go,
    ok.

read(From, Writer, Extra, Delay, Alter) ->
    case gen_tcp:recv(From, 0) of
        {ok, Bytes} ->
            Writer ! {erlang:monotonic_time() + Extra + Delay, Alter(Bytes)},
            read(From, Writer, 0, Delay, Alter);
        {error, _} ->
            Writer ! {erlang:monotonic_time() + Delay, closed}
    end.

write(To) ->
    receive
        {Due, closed} ->
            wait_for(Due),
            gen_tcp:shutdown(To, write);
        {Due, Bytes} ->
            wait_for(Due),
            _ = gen_tcp:send(To, Bytes),
            write(To)
    end.

%% Timers are late by up to a millisecond: the last one is not left to them.
wait_for(Due) ->
    Left = erlang:convert_time_unit(Due - erlang:monotonic_time(), native, millisecond) - 1,
    if Left > 0 -> timer:sleep(Left); true -> ok end,
    yield_until(Due).

yield_until(Due) ->
    case erlang:monotonic_time() < Due of
        true -> erlang:yield(), yield_until(Due);
        false -> ok
    end.
