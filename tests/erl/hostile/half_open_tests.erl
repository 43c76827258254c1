%% Tens of thousands of connections that say half a first message and wait, in a network
%% namespace of their own: whom the host knows gets in all the while, whether a node listens
%% itself or the door does.
-module(half_open_tests).

-include_lib("eunit/include/eunit.hrl").

-export([gather/4, count/1]).

-define(CROWD, 20000).
-define(SOURCES, 200).
-define(EMULATORS, 2). % of the crowd
-define(WORKERS, 50).  % of each
-define(DESCRIPTORS, "12000").
-define(DEADLINE, 30000).   % ms, for a friend, on any machine
-define(PENDING_MAX, 1024). % of src/gate/pending.h

half_open_test_() ->
    [{"20,000 half-open connections from one source, then from 200: " ++ Title,
      {timeout, 600, fun() -> in_space(Test) end}} ||
        {Title, Test} <- [{"friends of a node get in all the while", fun node_alone/1},
                          {"friends of nodes behind a door do, too", fun behind_door/1}]].

in_space(Test) ->
    Ns = "tacit-crowd-" ++ os:getpid(),
    os:cmd("ulimit -n " ?DESCRIPTORS " && ip netns add " ++ Ns ++ " && echo made") =:= "made\n"
        orelse throw({skip, "no network namespaces here, or too few descriptors"}),
    try
        "" = os:cmd("ip -n " ++ Ns ++ " link set lo up"),
        "" = os:cmd("ip netns exec " ++ Ns ++ " sh -c "
                    "'echo 1024 65535 > /proc/sys/net/ipv4/ip_local_port_range'"),
        Test(Ns)
    after
        os:cmd("ip netns del " ++ Ns)
    end.

%% A node in that namespace, from which nothing dials but the test.
start(Name, Host, Ns) ->
    mesh:start(Name, Host, #{exec => {os:find_executable("ip"), ["netns", "exec", Ns, "erl"]},
                             args => ["-kernel", "dist_auto_connect", "never"]}).

node_alone(Ns) ->
    {HostA, HostB} = hosts(fun mesh:host/1),
    {A, B} = Pair = {start("a", HostA, Ns), start("b", HostB, Ns)},
    Counter = fun(Name) -> {ok, Info} = mesh:call(A, tacit, info, []), maps:get(Name, Info) end,
    Failed = crowds(Ns, A, B, Counter),
    for_friends_only(A, Failed),
    mesh:stop_pair(Pair).

%% Bytes were sent, and X25519 computed, for nobody else: also for dials that failed.
for_friends_only(Node, Failed) ->
    {ok, Info} = mesh:call(Node, tacit, info, []),
    #{unauthenticated_bytes := Told, exchanges := Exchanges, handshakes := Handshakes} = Info,
    ?assertEqual(0, Told),
    ?assert(Exchanges >= Handshakes andalso Exchanges =< Handshakes + Failed).

behind_door(Ns) ->
    {HostA, HostB} = hosts(fun(Ip) -> door:host(Ip, #{conf => "legacy-epmd = no\n"}) end),
    Door = door:start(HostA, #{exec => ["ip", "netns", "exec", Ns]}),
    {A, B} = Pair = {start("a", HostA, Ns), start("b", HostB, Ns)},
    Failed = crowds(Ns, A, B, fun(Name) -> door:counter(Door, atom_to_list(Name)) end),
    ?assertEqual(0, door:counter(Door, "exchanges")),
    for_friends_only(A, Failed),
    mesh:stop_pair(Pair),
    0 = door:stop(Door).

hosts(Make) ->
    HostA = Make("127.0.0.1"),
    HostB = mesh:host("127.0.0.2", #{mesh => HostA, conf => "source = 127.0.0.2\n"}),
    ok = mesh:trust(HostA, HostB),
    ok = mesh:trust(HostB, HostA),
    {HostA, HostB}.

%% --- friends -------------------------------------------------------------------------------

%% How many dials of friends failed.
crowds(Ns, A, B, Counter) ->
    {_, Failed} = link_and_part(A, B),
    Many = [{127, 0, 1 + I div 100, 1 + I rem 100} || I <- lists:seq(0, ?SOURCES - 1)],
    Failed + lists:sum([crowd(Ns, Sources, A, B, Counter)
                        || Sources <- [[{127, 0, 1, 1}], Many]]).

crowd(Ns, Sources, #{host := #{port := Port} = Host} = A, B, Counter) ->
    {Accepted, Evicted} = {Counter(accepted), Counter(evicted)},
    Crowds = [crowd_node(Ns, Host) || _ <- lists:seq(1, ?EMULATORS)],
    [ok = mesh:call(C, ?MODULE, gather, [Sources, {127, 0, 0, 1}, Port, ?CROWD div ?EMULATORS])
     || C <- Crowds],
    Waited = friends_until(fun() -> came(Crowds) =:= ?CROWD end, A, B),
    {Times, Failed} = lists:unzip([link_and_part(A, B) | Waited]),
    ?assert(lists:max(Times) < ?DEADLINE),
    ?assertEqual(0, lists:sum([heard(C) || C <- Crowds])),
    mesh:wait_until(fun() -> Counter(accepted) - Accepted >= ?CROWD end),
    ?assert(Counter(pending) =< ?PENDING_MAX),
    ?assert(Counter(evicted) > Evicted),
    io:format(user, "~b connections from ~b source(s): ~b friends got in meanwhile, the "
              "slowest within ~b ms~n",
              [?CROWD, length(Sources), length(Times), lists:max(Times)]),
    lists:foreach(fun mesh:stop/1, Crowds),
    mesh:wait_until(fun() -> Counter(pending) =:= 0 end),
    lists:sum(Failed).

friends_until(Done, A, B) ->
    Friend = link_and_part(A, B),
    case Done() of
        true -> [Friend];
        false -> [Friend | friends_until(Done, A, B)]
    end.

%% A link, and its end on both sides: how long until it was up, ms, and how many dials failed
%% before. One that meets the old link's end does, now and then.
link_and_part(#{name := Name} = A, B) ->
    Dial = fun Dial(Failed) ->
                   case net_kernel:connect_node(Name) of
                       true -> Failed;
                       false -> timer:sleep(50), Dial(Failed + 1)
                   end
           end,
    {Time, Failed} = mesh:on(B, fun() -> timer:tc(Dial, [0]) end),
    mesh:part(B, A),
    {Time div 1000, Failed}.

%% --- the crowd, in an emulator of its own --------------------------------------------------

crowd_node(Ns, Host) ->
    Exec = "ulimit -n " ?DESCRIPTORS "; exec ip netns exec " ++ Ns ++ " erl \"$@\"",
    mesh:start("crowd", Host, #{node => none, exec => {"/bin/sh", ["-c", Exec, "sh"]}}).

%% How many connections were made, and how many bytes came back.
came(Crowds) ->
    lists:sum([mesh:call(C, ?MODULE, count, [1]) || C <- Crowds]).

heard(Crowd) ->
    mesh:call(Crowd, ?MODULE, count, [2]).

%% Count connections to Ip and Port, from Sources in turn, as fast as they can be made. They
%% stay until the emulator ends.
-spec gather([inet:ip_address()], inet:ip_address(), inet:port_number(), pos_integer()) -> ok.
gather(Sources, Ip, Port, Count) ->
    persistent_term:put(?MODULE, counters:new(2, [])),
    All = list_to_tuple(Sources),
    lists:foreach(fun(I) -> spawn(fun() -> come(I, Count, All, Ip, Port) end) end,
                  lists:seq(1, ?WORKERS)).

come(I, Count, Sources, Ip, Port) when I =< Count ->
    Source = element(1 + I rem tuple_size(Sources), Sources),
    case gen_tcp:connect(Ip, Port, [binary, {ip, Source}, {active, true}], 60000) of
        {ok, Socket} ->
            _ = gen_tcp:send(Socket, <<384:16, "half a first message">>),
            counters:add(persistent_term:get(?MODULE), 1, 1),
            come(I + ?WORKERS, Count, Sources, Ip, Port);
        {error, _} ->
            come(I, Count, Sources, Ip, Port)
    end;
come(_, _, _, _, _) ->
    listen().

listen() ->
    receive
        {tcp, _, Bytes} -> counters:add(persistent_term:get(?MODULE), 2, byte_size(Bytes));
        _ -> ok
    end,
    listen().

-spec count(pos_integer()) -> non_neg_integer().
count(Which) ->
    counters:get(persistent_term:get(?MODULE), Which).
