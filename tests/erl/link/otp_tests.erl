%% What OTP's own suites of distribution ask of a carrier, as far as no other suite here does:
%% tests/interop/CHECKLIST.md lists them case by case.
-module(otp_tests).

-include_lib("eunit/include/eunit.hrl").

-export([flood/2]). % called on a node

-define(NAME, "f@127.0.0.9").
-define(COOKIE, "tacittest").
-define(LARGE, 10000000).

otp_test_() ->
    [{setup, fun pair/0, fun mesh:stop_pair/1,
      fun({A, B}) -> [{Title, {timeout, 120, fun() -> Test(A, B) end}} ||
                         {Title, Test} <- of_a_pair()] end} |
     [{Title, {timeout, 120, Test}} || {Title, Test} <- alone()]].

of_a_pair() ->
    [{"monitor_nodes tells of both sides' links, with type and reason: disconnect, "
      "connection_closed", fun nodedown_reasons/2},
     {"monitor_node/2 fires once for each time it was asked for", fun each_monitor/2},
     {"connect_node is true for oneself, false for who cannot be there", fun connect_node/2},
     {"a cookie for one node alone is used both ways; a wrong one is pang", fun cookies/2},
     {"processes that send, link, monitor and exit to a node that hangs go on once it is given up",
      fun busy/2},
     {"exits with a reason of 10 MB reach links, monitors and exit/2, and small messages pass",
      fun large_reasons/2},
     {"a message of 50,000 binaries, of parts and of bits comes whole", fun many_parts/2},
     {"to link to, monitor and exit a process that is gone, of this node or the one before it",
      fun gone/2}].

alone() ->
    [{"dist_auto_connect never: messages dial nobody; once: not again after a link's end",
      fun auto_connect/0},
     {"net_ticker_spawn_options and net_tickintensity are those of the kernel's configuration",
      fun spawn_options/0},
     {"the first message to a node not yet connected may hold exports and bits",
      fun first_message/0},
     {"malformed distribution messages of an authenticated peer end its link, and nothing else",
      fun malformed/0}].

args(AutoConnect) ->
    ["-kernel", "dist_auto_connect", AutoConnect, "prevent_overlapping_partitions", "false"].

pair() -> mesh:pair(#{args => args("never")}).

connect(#{name := NameA} = A, #{name := NameB} = B) ->
    ?assert(mesh:call(A, net_kernel, connect_node, [NameB])),
    mesh:wait_until(fun() -> lists:member(NameA, mesh:call(B, erlang, nodes, [])) end).

%% --- who watches nodes ---------------------------------------------------------------------

nodedown_reasons(A, #{name := NameB} = B) ->
    NameA = maps:get(name, A),
    mesh:part(A, B),
    [Here, There] = [mesh:on(N, fun watch_nodes/0) || N <- [A, B]],
    connect(A, B),
    mesh:part(A, B),
    ?assertEqual([{nodeup, NameB, visible}, {nodedown, NameB, visible, disconnect}],
                 seen(A, Here, 2)),
    ?assertEqual([{nodeup, NameA, visible}, {nodedown, NameA, visible, connection_closed}],
                 seen(B, There, 2)).

watch_nodes() ->
    Self = self(),
    Watcher = spawn(fun() ->
                            ok = net_kernel:monitor_nodes(true, [{node_type, all}, nodedown_reason]),
                            Self ! watching,
                            keep([])
                    end),
    receive watching -> Watcher end.

keep(Seen) ->
    receive
        {tell, To} -> To ! {seen, lists:reverse(Seen)}, keep(Seen);
        {nodeup, Node, Info} -> keep([{nodeup, Node, type(Info)} | Seen]);
        {nodedown, Node, Info} ->
            Reason = proplists:get_value(nodedown_reason, Info),
            keep([{nodedown, Node, type(Info), Reason} | Seen])
    end.

type(Info) -> proplists:get_value(node_type, Info).

seen(Node, Watcher, Count) ->
    Ask = fun() -> Watcher ! {tell, self()}, receive {seen, Seen} -> Seen end end,
    mesh:wait_until(fun() -> length(mesh:on(Node, Ask)) >= Count end),
    mesh:on(Node, Ask).

each_monitor(A, #{name := NameB} = B) ->
    connect(A, B),
    Watcher = mesh:on(A, fun() -> spawn(fun() ->
                                                [erlang:monitor_node(NameB, true) || _ <- [1, 2, 3]],
                                                erlang:monitor_node(NameB, false),
                                                [receive {nodedown, NameB} -> ok end || _ <- [1, 2]],
                                                receive {tell, To} -> To ! {messages, left()} end
                                        end) end),
    mesh:wait_until(fun() -> mesh:call(A, erlang, process_info, [Watcher, status])
                                 =:= {status, waiting} end),
    mesh:part(A, B),
    ?assertEqual([], mesh:on(A, fun() -> Watcher ! {tell, self()},
                                         receive {messages, Left} -> Left end end)).

left() ->
    {messages, Left} = process_info(self(), messages),
    Left.

connect_node(A, #{name := NameB} = B) ->
    connect(A, B),
    ?assertEqual([true, true, false, false],
                 [mesh:call(A, net_kernel, connect_node, [N])
                  || N <- [maps:get(name, A), NameB, 'no@no.where.invalid', 'nobody@127.0.0.2']]).

cookies(A, #{name := NameB} = B) ->
    NameA = maps:get(name, A),
    mesh:part(A, B),
    mesh:call(A, erlang, set_cookie, [NameB, for_b_alone]),
    ?assertEqual(false, mesh:call(A, net_kernel, connect_node, [NameB])),
    mesh:call(B, erlang, set_cookie, [NameA, for_b_alone]),
    connect(A, B),
    mesh:part(A, B),
    connect(B, A),
    mesh:part(A, B),
    [mesh:call(N, erlang, set_cookie, [Other, list_to_atom(?COOKIE)])
     || {N, Other} <- [{A, NameB}, {B, NameA}]].

%% --- a node that hangs ---------------------------------------------------------------------

busy(A, #{name := NameB} = B) ->
    connect(A, B),
    Idle = fun() -> receive after infinity -> ok end end,
    [Sink | Targets] = mesh:on(A, fun() -> [spawn(NameB, Idle) || _ <- lists:seq(1, 5)] end),
    mesh:freeze(B),
    try
        Senders = mesh:on(A, fun() -> [spawn(?MODULE, flood, [Sink, 1000]) || _ <- [1, 2, 3]] end),
        mesh:wait_until(fun() -> [{status, suspended}] =:=
                                     lists:usort([status(A, Pid) || Pid <- Senders]) end),
        Others = mesh:on(A, fun() -> others(NameB, Targets) end),
        timer:sleep(500), % they may be suspended by now, each in its own way; nothing says so
        mesh:call(A, erlang, disconnect_node, [NameB]),
        mesh:wait_until(fun() -> lists:all(fun(Pid) -> status(A, Pid) =:= undefined end,
                                           Senders ++ Others) end, 60000),
        ?assertEqual([], mesh:call(A, erlang, nodes, []))
    after
        mesh:thaw(B)
    end,
    mesh:wait_until(fun() -> mesh:call(B, erlang, nodes, []) =:= [] end, 60000).

status(A, Pid) -> mesh:call(A, erlang, process_info, [Pid, status]).

flood(Sink, Count) ->
    [Sink ! binary:copy(<<"x">>, 100000) || _ <- lists:seq(1, Count)].

%% What each waits for is the end of the link.
others(Node, [One, Two, Three, Four]) ->
    [spawn(fun() -> link(One), receive after infinity -> ok end end),
     spawn(fun() -> exit(Two, ended), true end),
     spawn(fun() -> Ref = monitor(process, Three),
                    receive {'DOWN', Ref, process, Three, noconnection} -> ok end end),
     spawn(fun() -> group_leader(self(), Four) end),
     spawn(fun() -> {badrpc, nodedown} = rpc:call(Node, erlang, node, []) end)].

%% --- large and odd messages ----------------------------------------------------------------

large_reasons(A, #{name := NameB} = B) ->
    connect(A, B),
    ?assertEqual([?LARGE, ?LARGE, ?LARGE], mesh:on(A, fun() -> ends(NameB) end, 100000)).

ends(Node) ->
    process_flag(trap_exit, true),
    Self = self(),
    Die = fun() -> receive die -> exit(binary:copy(<<"r">>, ?LARGE)) end end,
    Linked = spawn_link(Node, Die),
    {Monitored, Ref} = spawn_monitor(Node, Die),
    Victim = spawn(Node, fun() ->
                                 process_flag(trap_exit, true),
                                 Self ! ready,
                                 receive {'EXIT', Self, Why} -> Self ! {sized, byte_size(Why)} end
                         end),
    receive ready -> ok end,
    [Pid ! die || Pid <- [Linked, Monitored]],
    exit(Victim, binary:copy(<<"r">>, ?LARGE)),
    Node = erpc:call(Node, erlang, node, []),
    [receive {'EXIT', Linked, Reason} -> byte_size(Reason) end,
     receive {'DOWN', Ref, process, Monitored, Reason} -> byte_size(Reason) end,
     receive {sized, Size} -> Size end].

%% Binaries over 64 bytes are parts of the message of their own when it goes to the driver.
many_parts(A, #{name := NameB} = B) ->
    connect(A, B),
    ?assert(mesh:on(A, fun() -> parts_come_back(NameB) end, 100000)).

parts_come_back(Node) ->
    Blob = rand:bytes(100000),
    Parts = [case N rem 3 of
                 0 -> <<Part:(64 * 8 + 5)/bits, _/bits>> = binary:part(Blob, N, 70), Part;
                 _ -> binary:part(Blob, N, 65 + N rem 200)
             end || N <- lists:seq(1, 50000)],
    Self = self(),
    Mirror = spawn_link(Node, fun() -> receive All -> Self ! {self(), All} end end),
    Mirror ! Parts,
    receive {Mirror, Back} -> Back =:= Parts end.

gone(A, #{name := NameB} = B) ->
    connect(A, B),
    Dead = mesh:on(A, fun() -> P = spawn(NameB, fun() -> ok end), R = monitor(process, P),
                               receive {'DOWN', R, process, P, _} -> P end end),
    %% As if of an incarnation of the node that is no more: another creation in the pid.
    Encoded = term_to_binary(Dead),
    Size = byte_size(Encoded) - 4,
    <<All:Size/binary, Creation:32>> = Encoded,
    Before = binary_to_term(<<All/binary, (Creation bxor 1):32>>),
    [?assertEqual([noproc, noproc], mesh:on(A, fun() -> touch(Pid) end)) || Pid <- [Dead, Before]],
    ?assertEqual(NameB, mesh:call(A, rpc, call, [NameB, erlang, node, []])).

touch(Pid) ->
    process_flag(trap_exit, true),
    exit(Pid, nobody_hears),
    Pid ! nobody_hears,
    link(Pid),
    Ref = monitor(process, Pid),
    [receive {'EXIT', Pid, Why} -> Why end, receive {'DOWN', Ref, process, Pid, Why} -> Why end].

%% --- the kernel's configuration ------------------------------------------------------------

auto_connect() ->
    [begin
         {A, #{name := NameB} = B} = Nodes = mesh:pair(#{args => args(Value)}),
         Call = fun() -> mesh:call(A, rpc, call, [NameB, erlang, node, []]) end,
         ?assertEqual({Value, First}, {Value, Call()}),
         connect(A, B),
         ?assertEqual(NameB, Call()),
         mesh:part(A, B),
         ?assertEqual({Value, {badrpc, nodedown}}, {Value, Call()}),
         connect(A, B),
         mesh:stop_pair(Nodes)
     end || {Value, First} <- [{"never", {badrpc, nodedown}}, {"once", 'b@127.0.0.2'}]].

spawn_options() ->
    Args = ["-kernel", "net_ticker_spawn_options", "[{fullsweep_after,7}]",
            "-kernel", "net_tickintensity", "10"],
    {A, #{name := NameB} = B} = Nodes = mesh:pair(#{args => Args}),
    connect(A, B),
    ?assertEqual(true, mesh:on(A, fun() -> supervisor_sweeps(NameB, 7) end)),
    mesh:stop_pair(Nodes).

%% The process that supervises the link, as net_kernel knows it.
supervisor_sweeps(Node, After) ->
    {ok, Info} = net_kernel:node_info(Node),
    {garbage_collection, Options} =
        process_info(proplists:get_value(owner, Info), garbage_collection),
    proplists:get_value(fullsweep_after, Options) =:= After.

first_message() ->
    {A, #{name := NameB} = B} = Nodes = mesh:pair(),
    Term = {fun lists:map/2, <<5:3>>, [<<N:7>> || N <- lists:seq(1, 100)], fun erlang:node/0},
    Sink = mesh:on(B, fun() ->
                              Pid = spawn(fun() -> receive after infinity -> ok end end),
                              register(otp_sink, Pid),
                              Pid
                      end),
    mesh:call(A, erlang, send, [{otp_sink, NameB}, Term]),
    mesh:wait_until(fun() -> mesh:call(B, erlang, process_info, [Sink, messages])
                                 =:= {messages, [Term]} end),
    mesh:stop_pair(Nodes).

%% --- a peer that sends nonsense ------------------------------------------------------------

malformed() ->
    Identity = foreign:identity(),
    Host = mesh:host("127.0.0.1"),
    mesh:append(Host, foreign:peer_section("*@127.0.0.9", Identity, "")),
    Node = mesh:start("a", Host),
    Options = #{mesh_key => foreign:mesh_key(Host), identity => Identity, name => ?NAME,
                wanted => "a@127.0.0.1"},
    Address = {{127, 0, 0, 1}, maps:get(port, Host)},
    [begin
         {ok, Channel} = foreign:connect(Address, Options),
         {ok, Up} = foreign:dial_node(?NAME, ?COOKIE, Channel),
         mesh:wait_until(fun() -> hidden(Node) =:= [list_to_atom(?NAME)] end),
         Nonsense = foreign:send_message(Message, Up),
         mesh:wait_until(fun() -> {What, hidden(Node)} =:= {What, []} end),
         foreign:stop(Nonsense)
     end || {What, Message} <- nonsense()],
    ?assertMatch({ok, #{links := []}}, mesh:call(Node, tacit, info, [])),
    mesh:stop(Node).

hidden(Node) -> mesh:call(Node, erlang, nodes, [hidden]).

nonsense() ->
    [{"no term", [112, 131, 255]},
     {"a control message that is no tuple", [112, term_to_binary(atom)]},
     {"an operation that is none", [112, term_to_binary({9999, a, b})]},
     {"a link with two atoms", [112, term_to_binary({1, a, b})]},
     {"an exit with too few elements", [112, term_to_binary({3})]},
     {"a message that is cut short", [112, binary:part(term_to_binary({6, self(), '', x}), 0, 9)]},
     {"a list that says it has 4 billion elements", [112, 131, 108, 255, 255, 255, 255]}].
