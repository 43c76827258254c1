%% secure-epmd under a flood: it stays up and small, its log does not grow, and a friend's
%% link gets through to its node all the while. All of it bounded, and on loopback.
-module(door_flood_tests).

-include_lib("eunit/include/eunit.hrl").

-define(HELD, 2000).        % connections of a flood at once
-define(MEMORY, 64 * 1024). % KiB that the daemon may take at the most
-define(REPLAYS, 10000).
-define(LINES, 120).        % of its log, for all floods at once; and 2 a second more
-define(FEW, 64).           % descriptors of a poor daemon

flood_test_() ->
    {setup, fun start/0, fun(#{door := Door}) -> 0 = door:stop(Door) end,
     fun(World) ->
             [{Title, {timeout, 300, fun() -> Test(World) end}}
              || {Title, Test} <-
                     [{"10,000 connections that send garbage keep no friend out",
                       fun(W) -> flood(W, 10000, binary:copy(<<"garbage!">>, 64)) end},
                      {"a recorded first message is replayed 10,000 times: the node gets it once, "
                       "nobody hears a byte, and no friend is kept out",
                       fun replayed/1},
                      {"50,000 connects and closes keep no friend out",
                       fun connects_and_closes/1},
                      {"a flood of the Unix socket and of legacy epmd keeps no node out",
                       fun local_flood/1},
                      {"after all floods it is as small as it was, and so is its log",
                       fun small/1}]]
     end}.

start() ->
    Host = door:host("127.0.0.1"),
    Door = door:start(Host),
    {ok, Node, _} = door:register(Door, "a@127.0.0.1"),
    #{door => Door, node => Node, started => erlang:monotonic_time(second),
      options => #{mesh_key => foreign:mesh_key(Host), identity => foreign:identity(),
                   name => "f@127.0.0.9", wanted => "a@127.0.0.1"}}.

%% A friend from another address than the flood: his link arrives at the node.
friend(#{door := Door, node := Node, options := Options}) ->
    {Ip, Port} = door:address(Door),
    {First, _} = foreign:first(Options),
    {ok, Client} = gen_tcp:connect(Ip, Port, [binary, {active, false}, {ip, {127, 0, 0, 9}}],
                                   60000),
    ok = gen_tcp:send(Client, First),
    #{first := First, socket := Passed} = door:passed(Node),
    ok = socket:send(Passed, <<"hello">>),
    {ok, <<"hello">>} = gen_tcp:recv(Client, 5, 30000),
    ok = gen_tcp:close(Client),
    _ = socket:close(Passed).

%% Total connections, ?HELD at once: one that is closed is followed by the next.
flood(#{door := Door} = World, Total, Bytes) ->
    Address = door:address(Door),
    Self = self(),
    Pid = spawn_link(fun() ->
                             Held = [come(Address, Bytes) || _ <- lists:seq(1, ?HELD)],
                             Self ! {self(), held},
                             follow(Address, Bytes, Total - ?HELD),
                             Self ! {self(), done},
                             receive go -> [gen_tcp:close(S) || S <- Held] end
                     end),
    receive {Pid, held} -> ok end,
    friend(World),
    friends_until(World, Pid),
    friend(World),
    unlink(Pid),
    Pid ! go.

friends_until(World, Pid) ->
    receive {Pid, done} -> ok
    after 100 -> friend(World), friends_until(World, Pid)
    end.

%% A daemon that is flooded may hang up at any moment.
come({Ip, Port}, Bytes) ->
    case gen_tcp:connect(Ip, Port, [binary, {active, true}, {ip, {127, 0, 1, 1}}], 60000) of
        {ok, Socket} -> _ = gen_tcp:send(Socket, Bytes), Socket;
        {error, _} -> none
    end.

follow(_, _, 0) -> ok;
follow(Address, Bytes, Left) ->
    receive {tcp_closed, _} -> come(Address, Bytes)
    after 20 -> come(Address, Bytes)
    end,
    follow(Address, Bytes, Left - 1).

replayed(#{door := Door, node := Node, options := Options} = World) ->
    Address = {Ip, Port} = door:address(Door),
    {Bytes, _} = foreign:first(Options),
    {ok, Recorded} = gen_tcp:connect(Ip, Port, []),
    ok = gen_tcp:send(Recorded, Bytes),
    #{first := Bytes, socket := Passed} = door:passed(Node),
    _ = socket:close(Passed),
    ok = gen_tcp:close(Recorded),
    Self = self(),
    Pids = [spawn_link(fun() ->
                               [0 = foreign:say(Address, {127, 0, 1, I}, Bytes)
                                || _ <- lists:seq(1, ?REPLAYS div 4)],
                               Self ! {self(), done}
                       end) || I <- lists:seq(1, 4)],
    [friends_until(World, Pid) || Pid <- Pids],
    ?assertEqual(?REPLAYS, door:counter(Door, "replays")).

connects_and_closes(#{door := Door} = World) ->
    {Ip, Port} = door:address(Door),
    Self = self(),
    Each = fun() ->
                   [case gen_tcp:connect(Ip, Port, [{ip, {127, 0, 1, 2}}, {linger, {true, 0}}],
                                         60000) of
                        {ok, Socket} -> gen_tcp:close(Socket);
                        {error, _} -> ok
                    end || _ <- lists:seq(1, 12500)],
                   Self ! {self(), done}
           end,
    Pids = [spawn_link(Each) || _ <- lists:seq(1, 4)],
    friend(World),
    [friends_until(World, Pid) || Pid <- Pids],
    friend(World).

local_flood(#{door := #{epmd := Epmd} = Door} = World) ->
    Silent = [door:open(Door) || _ <- lists:seq(1, 600)],
    {ok, Node, _} = door:register(Door, "b@127.0.0.1"),
    Legacy = [gen_tcp:connect({127, 0, 0, 1}, Epmd, [{active, false}], 60000)
              || _ <- lists:seq(1, 1500)],
    {ok, Client} = gen_tcp:connect({127, 0, 0, 1}, Epmd, [binary, {active, false}]),
    ok = gen_tcp:send(Client, <<1:16, $n>>),
    {ok, <<Epmd:32>>} = gen_tcp:recv(Client, 4, 60000),
    friend(World),
    [socket:close(S) || S <- [Node | Silent]],
    [gen_tcp:close(S) || {ok, S} <- [{ok, Client} | Legacy]].

small(#{door := #{os_pid := OsPid} = Door, started := Started}) ->
    {ok, Status} = file:read_file("/proc/" ++ OsPid ++ "/status"),
    {match, [Peak]} = re:run(Status, "VmHWM:\\s+([0-9]+) kB", [{capture, all_but_first, list}]),
    Sanitized = os:getenv("TACIT_NODE_PRELOAD", "") =/= "", % tests/asan: has memory of its own
    ?assert(list_to_integer(Peak) < ?MEMORY orelse Sanitized),
    mesh:wait_until(fun() -> door:counter(Door, "pending") =:= 0 end),
    {ok, Fds} = file:list_dir("/proc/" ++ OsPid ++ "/fd"),
    ?assert(length(Fds) < 40),
    ?assert(door:counter(Door, "accepted") > 60000),
    ?assertEqual(0, door:counter(Door, "exchanges")), % X25519
    Lines = door:log(Door),
    Bound = ?LINES + 2 * (erlang:monotonic_time(second) - Started),
    ?assertEqual({true, Lines}, {length(Lines) < Bound, Lines}).

%% --- descriptors ---------------------------------------------------------------------------

few_descriptors_test_() ->
    {"when descriptors run out it stays up: strangers go, registered nodes never",
     {timeout, 120, fun descriptors_run_out/0}}.

descriptors_run_out() ->
    Host = door:host("127.0.0.1"),
    Door = door:start(Host, #{exec => ["prlimit", "--nofile=" ++ integer_to_list(?FEW)]}),
    Nodes = [element(2, door:register(Door, "n" ++ integer_to_list(I) ++ "@127.0.0.1"))
             || I <- lists:seq(1, 10)],
    {ok, Node, _} = door:register(Door, "a@127.0.0.1"),
    World = #{door => Door, node => Node,
              options => #{mesh_key => foreign:mesh_key(Host), identity => foreign:identity(),
                           name => "f@127.0.0.9", wanted => "a@127.0.0.1"}},
    Crowd = [come(door:address(Door), <<>>) || _ <- lists:seq(1, 4 * ?FEW)],
    friend(World),
    friend(World),
    ?assert(door:counter(Door, "starved") > 0),
    ?assertEqual(11, door:counter(Door, "nodes")),
    {ok, Late, _} = door:register(Door, "late@127.0.0.1"),
    [gen_tcp:close(S) || S <- Crowd, S =/= none],
    %% Legacy connections that ask nothing hold no node up, either.
    #{epmd := Epmd} = Door,
    Idle = [gen_tcp:connect({127, 0, 0, 1}, Epmd, [], 60000) || _ <- lists:seq(1, 2 * ?FEW)],
    {ok, Later, _} = door:register(Door, "later@127.0.0.1"),
    friend(World),
    ?assertEqual(13, door:counter(Door, "nodes")),
    [gen_tcp:close(S) || {ok, S} <- Idle],
    [ok = socket:close(S) || S <- [Later, Late, Node | Nodes]],
    0 = door:stop(Door).
