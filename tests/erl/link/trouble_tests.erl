%% What goes wrong between two nodes: both dial at once, a peer is killed, stands still or
%% ends with traffic under way, nobody answers.
-module(trouble_tests).

-include_lib("eunit/include/eunit.hrl").

-export([witness/1, dial_at/2, talker/1]). % called on the nodes

-define(DIALS, 200).
-define(PATIENCE, 60000). % ms; never a promise, only an end to waiting

%% A pair a test: most of these end a node.
trouble_test_() ->
    [{setup, fun() -> mesh:pair(#{args => Args}) end,
      fun({A, B}) -> [mesh:thaw(N) || N <- [A, B], mesh:runs(N)], mesh:stop_pair({A, B}) end,
      fun({A, B}) -> {Title, {timeout, 240, fun() -> Test(A, B) end}} end}
     || {Title, Args, Test} <- tests()].

tests() ->
    %% Nothing dials but the test: what global still has to say may dial a node that parted.
    Quiet = ["-kernel", "dist_auto_connect", "never"],
    Ticking = Quiet ++ ["net_ticktime", "4"],
    [{"both nodes dial each other at the same instant, 200 times over: one link, both get "
      "pong, nobody is lost", Quiet, fun both_dial/2},
     {"kill -9 of a peer: nodedown, and links and monitors fire", Quiet, fun killed/2},
     {"a peer that stops answering: nodedown by net_ticktime, and links and monitors fire",
      Ticking, fun silent/2},
     {"erlang:disconnect_node: both see nodedown, links and monitors fire", Quiet,
      fun disconnected/2},
     {"a node that was killed and started again on its name is reachable at once", [],
      fun restarted/2},
     {"a link that was cut comes up again without waiting", Quiet, fun reconnected/2},
     {"halt() and init:stop() with traffic under way end the node", [], fun ended/2},
     {"halt() and init:stop() end the node although its peer does not read", [],
      fun ended_unread/2}].

%% --- both at once --------------------------------------------------------------------------

both_dial(A, B) ->
    [ok = mesh:on(N, fun() -> P = spawn(?MODULE, witness, [0]), register(witness, P), ok end)
     || N <- [A, B]],
    [both_dial(A, B, N) || N <- lists:seq(1, ?DIALS)],
    %% The same instant it was, at least once: more handshakes than links were needed.
    {ok, #{handshakes := Handshakes}} = mesh:call(A, tacit, info, []),
    ?assert(Handshakes > ?DIALS),
    %% A node that was up stayed up until it was disconnected: one nodeup, one nodedown each.
    [mesh:wait_until(fun() -> events(N) =:= {?DIALS, ?DIALS} end, ?PATIENCE) || N <- [A, B]].

both_dial(#{name := NameA} = A, #{name := NameB} = B, Round) ->
    At = erlang:system_time(microsecond) + 30000,
    Dials = [{A, NameB}, {B, NameA}],
    Self = self(),
    Pids = [spawn_link(fun() -> Self ! {self(), mesh:call(N, ?MODULE, dial_at, [At, Other])} end)
            || {N, Other} <- Dials],
    ?assertEqual([pong, pong], [receive {Pid, Result} -> Result end || Pid <- Pids]),
    ?assertEqual([[NameB], [NameA]], [mesh:call(N, erlang, nodes, []) || N <- [A, B]]),
    [mesh:wait_until(fun() -> length(mesh:call(N, tacit_drv, links, [])) =:= 1 end)
     || N <- [A, B]],
    ?assertEqual(NameB, mesh:call(A, rpc, call, [NameB, erlang, node, []])),
    {Cutter, Cut} = lists:nth(1 + Round rem 2, [{A, B}, {B, A}]),
    mesh:part(Cutter, Cut).

%% All nodes have the same clock here; sleeping would not be exact enough.
dial_at(At, Node) ->
    case erlang:system_time(microsecond) < At of
        true -> dial_at(At, Node);
        false -> net_kernel:connect_node(Node) andalso net_adm:ping(Node)
    end.

%% Counts nodeup and nodedown.
witness(_) ->
    net_kernel:monitor_nodes(true),
    witness(0, 0).

witness(Up, Down) ->
    receive
        {nodeup, _} -> witness(Up + 1, Down);
        {nodedown, _} -> witness(Up, Down + 1);
        {tell, To} -> To ! {seen, Up, Down}, witness(Up, Down)
    end.

events(Node) ->
    mesh:on(Node, fun() -> witness ! {tell, self()}, receive {seen, U, D} -> {U, D} end end).

%% --- a peer that goes ----------------------------------------------------------------------

killed(A, B) ->
    assert_fires(A, B, fun() -> mesh:kill(B) end).

silent(A, B) ->
    assert_fires(A, B, fun() -> mesh:freeze(B) end),
    mesh:thaw(B), % it finds out, too, and they find together again
    mesh:wait_until(fun() -> mesh:call(B, erlang, nodes, []) =:= [] end, ?PATIENCE),
    ?assert(mesh:call(A, net_kernel, connect_node, [maps:get(name, B)])).

disconnected(A, #{name := NameB} = B) ->
    assert_fires(A, B, fun() -> true = mesh:call(A, erlang, disconnect_node, [NameB]) end),
    mesh:part(A, B),
    assert_fires(B, A, fun() -> true = mesh:call(A, erlang, disconnect_node, [NameB]) end).

%% On A a process is linked to one on B, monitors it, and monitors the node. Cut happens:
%% it hears of all three.
assert_fires(A, #{name := NameB}, Cut) ->
    Self = self(),
    Listener =
        spawn_link(fun() -> Self ! {self(), mesh:on(A, fun() -> listen_to(NameB) end,
                                                    2 * ?PATIENCE)} end),
    mesh:wait_until(fun() -> is_pid(mesh:call(A, erlang, whereis, [listener])) end),
    Cut(),
    ?assertEqual([down, exit, nodedown], receive {Listener, Heard} -> Heard end),
    ?assertEqual([], mesh:call(A, erlang, nodes, [])).

listen_to(Node) ->
    process_flag(trap_exit, true),
    true = net_kernel:connect_node(Node),
    Peer = spawn_link(Node, timer, sleep, [infinity]),
    Ref = monitor(process, Peer),
    monitor_node(Node, true),
    Node = rpc:call(Node, erlang, node, []), % all of these have arrived
    register(listener, self()),
    lists:sort([receive
                    {'EXIT', Peer, noconnection} -> exit;
                    {'DOWN', Ref, process, Peer, noconnection} -> down;
                    {nodedown, Node} -> nodedown
                after ?PATIENCE ->
                    silence
                end || _ <- [1, 2, 3]]).

restarted(A, #{name := NameB} = B) ->
    ?assertEqual(pong, mesh:call(A, net_adm, ping, [NameB])),
    Second = start_again(B),
    ?assertEqual(pong, mesh:call(A, net_adm, ping, [NameB])), % the old one dials the new
    ?assertEqual(maps:get(os_pid, Second), mesh:call(A, rpc, call, [NameB, os, getpid, []])),
    Third = start_again(Second),
    ?assertEqual(pong, mesh:call(Third, net_adm, ping, [maps:get(name, A)])), % and back
    ?assertEqual(maps:get(os_pid, Third), mesh:call(A, rpc, call, [NameB, os, getpid, []])),
    mesh:stop(Third).

start_again(#{name := Name, host := Host} = Old) ->
    mesh:kill(Old),
    mesh:stop(Old),
    mesh:start("again", Host, #{node => atom_to_list(Name)}).

%% As soon as both know of the end: where one still takes the old link for up, OTP now and
%% then drops the new one with it, over whatever carrier.
reconnected(#{name := NameA} = A, #{name := NameB} = B) ->
    [begin
         ?assert(mesh:call(From, net_kernel, connect_node, [Name])),
         ?assertEqual(pong, mesh:call(From, net_adm, ping, [Name])),
         mesh:part(A, B)
     end || _ <- lists:seq(1, 50), {From, Name} <- [{A, NameB}, {B, NameA}]].

%% --- a node that ends ----------------------------------------------------------------------

ended(A, B) ->
    assert_ends(A, B, halt, fun() -> ok end),
    AgainA = mesh:start("a", maps:get(host, A)),
    assert_ends(AgainA, B, stop, fun() -> ok end).

ended_unread(A, B) ->
    Stall = fun() -> mesh:freeze(B) end,
    assert_ends(A, B, halt, Stall),
    mesh:thaw(B),
    AgainA = mesh:start("a", maps:get(host, A)),
    assert_ends(AgainA, B, stop, Stall).

%% Both nodes send to each other as fast as they can; then A ends.
assert_ends(#{name := NameA} = A, #{name := NameB} = B, How, Prepare) ->
    Sinks = [mesh:on(N, fun() -> spawn(fun Sink() -> receive _ -> Sink() end end) end)
             || N <- [A, B]],
    ?assertEqual(pong, mesh:call(A, net_adm, ping, [NameB])),
    [Port] = [P || {P, _} <- mesh:call(A, tacit_drv, links, [])],
    [mesh:call(N, erlang, spawn, [?MODULE, talker, [Sink]])
     || {N, Sink} <- lists:zip([B, A], Sinks)],
    mesh:wait_until(fun() -> sent(A, Port) > 10000000 end),
    Prepare(),
    case How of
        halt -> try mesh:call(A, erlang, halt, [0]) catch exit:_ -> ok end; % no answer
        stop -> mesh:call(A, init, stop, [])
    end,
    mesh:wait_until(fun() -> not mesh:runs(A) end, ?PATIENCE),
    mesh:stop(A),
    mesh:thaw(B),
    mesh:wait_until(fun() -> not lists:member(NameA, mesh:call(B, erlang, nodes, [])) end).

sent(A, Port) ->
    {ok, #{sent_bytes := Bytes}} = mesh:call(A, tacit_drv, info, [Port]),
    Bytes.

%% Does not dial a node that is gone.
talker(To) ->
    case erlang:send(To, binary:copy(<<"x">>, 10000), [noconnect]) of
        ok -> talker(To);
        noconnect -> ok
    end.

%% --- nobody answers ------------------------------------------------------------------------

-define(DEAD, "127.0.0.3").   % nobody listens there
-define(MUTE, "127.0.0.4").   % somebody does, and says nothing
-define(FULL, "127.0.0.5").   % no room for another connection

unanswered_test_() ->
    {setup, fun mesh_with_the_dead/0, fun end_of_the_dead/1,
     fun(#{a := A, b := B}) ->
             [{Title, {timeout, 120, fun() -> Test(A, B) end}} || {Title, Test} <-
              [{"where nobody listens the caller gets pang, and info/1 says refused",
                fun(N, _) -> assert_down(N, 'x@127.0.0.3', econnrefused) end},
               {"where the host does not answer the caller gets pang within the setup time, "
                "and info/1 says so", fun(N, _) -> assert_down(N, 'x@127.0.0.5', etimedout) end},
               {"where a listener says nothing the caller gets pang within the setup time, "
                "and info/1 says handshake_timeout", fun(N, _) -> assert_down(N, 'x@127.0.0.4', handshake_timeout) end},
               {"a process that waits for a dead address does not block other connections",
                fun others_go_on/2}]]
     end}.

mesh_with_the_dead() ->
    HostA = mesh:host("127.0.0.1"),
    Others = [mesh:host(Ip, #{mesh => HostA})
              || Ip <- ["127.0.0.2", ?DEAD, ?MUTE, ?FULL]],
    [ok = mesh:trust(HostA, Other) || Other <- Others],
    [HostB, _Dead, Mute, Full] = Others,
    ok = mesh:trust(HostB, HostA),
    {FullListener, Queue} = fill(listen(Full, 0), Full, []),
    #{a => mesh:start("a", HostA, #{args => ["-kernel", "net_setuptime", "3"]}),
      b => mesh:start("b", HostB), sockets => [listen(Mute, 100), FullListener | Queue]}.

end_of_the_dead(#{a := A, b := B, sockets := Sockets}) ->
    [ok = gen_tcp:close(Socket) || Socket <- Sockets],
    mesh:stop_pair({A, B}).

listen(#{ip := Ip, port := Port}, Backlog) ->
    {ok, Address} = inet:parse_address(Ip),
    {ok, Listener} = gen_tcp:listen(Port, [{ip, Address}, {backlog, Backlog}]),
    Listener.

%% Connects until the system takes no more: it then leaves the next ones without an answer.
fill(Listener, #{ip := Ip, port := Port} = Host, Queue) ->
    case gen_tcp:connect(Ip, Port, [], 500) of
        {ok, Socket} -> fill(Listener, Host, [Socket | Queue]);
        {error, timeout} -> {Listener, Queue}
    end.

assert_down(A, Node, Reason) ->
    ?assertEqual(pang, mesh:call(A, net_adm, ping, [Node])),
    ?assertMatch({ok, #{state := down, direction := out, reason := Reason, text := [_ | _]}},
                 mesh:call(A, tacit, info, [Node])).

%% They wait longer than any machine takes for the other connection; that they get their answer
%% in the end is seen above.
others_go_on(A, #{name := NameB}) ->
    ok = mesh:call(A, application, set_env, [kernel, net_setuptime, 100]),
    Order = mesh:on(A, fun() ->
                               Self = self(),
                               [spawn_link(fun() -> Self ! {N, net_kernel:connect_node(N)} end)
                                || N <- ['x@127.0.0.4', 'y@127.0.0.4', 'x@127.0.0.5']],
                               receive after 200 -> ok end, % all of them are waiting now
                               Self ! {NameB, net_kernel:connect_node(NameB)},
                               Self ! {call, rpc:call(NameB, erlang, node, [])},
                               [receive Event -> Event end || _ <- [1, 2]]
                       end),
    ?assertEqual([{NameB, true}, {call, NameB}], Order).
