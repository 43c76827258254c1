%% A node whose tables are full: of ports, which strangers can fill, and of processes. It
%% goes on, and works again once there is room. What callers of Tacit's functions are left
%% with: nothing.
-module(full_tests).

-include_lib("eunit/include/eunit.hrl").

-define(B, 'b@127.0.0.2').

full_test_() ->
    [{Title, {timeout, 120, Test}} || {Title, Test} <- tests()].

tests() ->
    [{"while no port is left the node dials in vain, answers what it is asked, and lives on",
      fun no_port/0},
     {"while no port is left a peer that dials hears so, and both sides log it", fun told/0},
     {"a plain connection that takes the last port is no node's end",
      fun() -> stock:with_epmd(["127.0.0.1", "127.0.0.3"], fun last_port/1) end},
     {"nor are idle connections to the plain carrier, as many as there are ports",
      fun() -> stock:with_epmd(["127.0.0.1"], fun idle/1) end},
     {"while no process is left net_kernel lives on, and dials again when there is room",
      fun no_process/0},
     {"tacit:info and net_adm:names leave no message to a caller that traps exits",
      fun nothing_left/0}].

%% Takes all that is left but Spare, and gives it back.
hold_ports(Spare) ->
    Ports = take(fun() -> open_port({spawn_driver, "udp_inet"}, [binary]) end, []),
    {Close, Hold} = lists:split(Spare, Ports),
    lists:foreach(fun port_close/1, Close),
    Hold.

take(Take, Taken) ->
    try Take() of
        One -> take(Take, [One | Taken])
    catch
        error:system_limit -> Taken
    end.

no_port() ->
    {A, B} = mesh:pair(#{args => ["+Q", "1024"]}),
    NetKernel = mesh:call(A, erlang, whereis, [net_kernel]),
    Seen = mesh:on(A, fun() ->
                              Ports = hold_ports(0),
                              Seen = {net_kernel:connect_node(?B), element(1, tacit:info())},
                              lists:foreach(fun port_close/1, Ports),
                              Seen
                      end),
    ?assertEqual({false, ok}, Seen),
    mesh:logged(A, ["link refused", "reason=system_limit", "name=b@127.0.0.2"]),
    ?assertEqual(NetKernel, mesh:call(A, erlang, whereis, [net_kernel])),
    ?assertEqual(pong, mesh:call(A, net_adm, ping, [?B])),
    mesh:stop_pair({A, B}).

told() ->
    {A, B} = mesh:pair(#{args => ["+Q", "1024"]}),
    {ok, #{refused := Before}} = mesh:call(A, tacit, info, []),
    Holder = mesh:call(A, erlang, spawn, [fun() -> hold_until_told(0) end]),
    mesh:call(A, erlang, send, [Holder, {hold, self()}]),
    mesh:wait_until(fun() -> is_full(A) end),
    ?assertEqual(pang, mesh:call(B, net_adm, ping, ['a@127.0.0.1'])),
    ?assertMatch({ok, #{state := down, reason := busy}}, mesh:call(B, tacit, info, ['a@127.0.0.1'])),
    ?assertMatch({ok, #{refused := N}} when N > Before, mesh:call(A, tacit, info, [])),
    mesh:logged(A, ["link refused", "direction=in", "reason=busy", "name=b@127.0.0.2"]),
    mesh:logged(B, ["link refused", "direction=out", "reason=busy", "no port left"]),
    mesh:call(A, erlang, send, [Holder, free]),
    mesh:wait_until(fun() -> mesh:call(B, net_adm, ping, ['a@127.0.0.1']) =:= pong end),
    mesh:stop_pair({A, B}).

is_full(A) ->
    mesh:on(A, fun() -> erlang:system_info(port_count) =:= erlang:system_info(port_limit) end).

last_port(Env) ->
    A = start_plain(mesh:host("127.0.0.1"), Env),
    Old = stock:node("old", "127.0.0.3", Env),
    NetKernel = mesh:call(A, erlang, whereis, [net_kernel]),
    Self = mesh:call(A, erlang, spawn, [fun() -> hold_until_told(1) end]),
    mesh:call(A, erlang, send, [Self, {hold, self()}]),
    mesh:wait_until(fun() -> mesh:call(A, erlang, process_info, [Self, message_queue_len]) =:=
                                 {message_queue_len, 0}
                    end),
    _ = mesh:call(Old, net_kernel, connect_node, ['a@127.0.0.1']),
    ?assertEqual(NetKernel, mesh:call(A, erlang, whereis, [net_kernel])),
    mesh:call(A, erlang, send, [Self, free]),
    mesh:wait_until(fun() -> mesh:call(Old, net_kernel, connect_node, ['a@127.0.0.1']) end),
    lists:foreach(fun mesh:stop/1, [A, Old]).

start_plain(Host, Env) ->
    mesh:append(Host, "\n[plain]\nnode = *@127.0.0.3\n"),
    mesh:start("a", Host, #{proto => "-proto_dist inet_tcp tacit", env => Env,
                            flags => "-epmd_module tacit_epmd -start_epmd false",
                            exec => many_descriptors(),
                            args => ["+Q", "1024" | stock:interface("127.0.0.1")]}).

%% Who says nothing: each is a port of the node's for seconds.
idle(Env) ->
    HostA = mesh:host("127.0.0.1"),
    HostB = mesh:host("127.0.0.2", #{mesh => HostA}),
    [mesh:trust(X, Y) || {X, Y} <- [{HostA, HostB}, {HostB, HostA}]],
    {A, B} = {start_plain(HostA, Env), mesh:start("b", HostB, #{exec => many_descriptors()})},
    NetKernel = mesh:call(A, erlang, whereis, [net_kernel]),
    {port, Port, _} = mesh:call(A, erl_epmd, port_please, ["a", {127, 0, 0, 1}]),
    Strangers = mesh:call(B, erlang, spawn, [fun() -> idle(Port, 1100) end]),
    mesh:wait_until(fun() -> is_full(A) end),
    ?assertEqual({false, ok}, mesh:on(A, fun() -> {net_kernel:connect_node(?B),
                                                  element(1, tacit:info())} end)),
    mesh:call(B, erlang, exit, [Strangers, kill]),
    mesh:wait_until(fun() -> mesh:call(B, net_adm, ping, ['a@127.0.0.1']) =:= pong end),
    ?assertEqual(NetKernel, mesh:call(A, erlang, whereis, [net_kernel])),
    mesh:stop_pair({A, B}).

idle(_Port, 0) ->
    timer:sleep(infinity);
idle(Port, N) ->
    _ = gen_tcp:connect({127, 0, 0, 1}, Port, []),
    idle(Port, N - 1).

many_descriptors() ->
    {"/bin/sh", ["-c", "ulimit -n 4096; exec erl \"$@\"", "sh"]}.

hold_until_told(Spare) ->
    receive {hold, _} -> ok end,
    Ports = hold_ports(Spare),
    receive free -> lists:foreach(fun port_close/1, Ports) end.

no_process() ->
    {A, B} = mesh:pair(#{args => ["+P", "1024"]}),
    NetKernel = mesh:call(A, erlang, whereis, [net_kernel]),
    Connected = mesh:on(A, fun() ->
                                   Pids = take(fun() -> spawn(timer, sleep, [infinity]) end, []),
                                   Connected = connect(?B),
                                   [exit(Pid, kill) || Pid <- Pids],
                                   Connected
                           end),
    case Connected of
        {ended, Where} ->
            mesh:stop_pair({A, B}),
            ?assertEqual([], [M || {M, _, _, _} <- Where,
                                   lists:prefix("tacit", atom_to_list(M))]),
            throw({skip, "this release's own net_kernel ends where no process is left"});
        false ->
            ok
    end,
    ?assertEqual(NetKernel, mesh:call(A, erlang, whereis, [net_kernel])),
    mesh:wait_until(fun() -> mesh:call(A, net_adm, ping, [?B]) =:= pong end),
    mesh:stop_pair({A, B}).

%% Later releases' net_kernel makes a process for each, before it comes to any carrier.
connect(Node) ->
    try
        net_kernel:connect_node(Node)
    catch
        exit:{{system_limit, Where}, _} -> {ended, Where}
    end.

nothing_left() ->
    {A, B} = mesh:pair(),
    pong = mesh:call(A, net_adm, ping, [?B]),
    Left = mesh:on(A, fun() ->
                              process_flag(trap_exit, true),
                              {ok, _} = tacit:info(),
                              {ok, _} = tacit:info(?B),
                              {error, unknown} = tacit:info('x@127.0.0.9'),
                              {ok, _} = net_adm:names("127.0.0.1"),
                              [M || M <- element(2, process_info(self(), messages)),
                                    element(1, M) =:= 'EXIT']
                      end),
    ?assertEqual([], Left),
    mesh:stop_pair({A, B}).
