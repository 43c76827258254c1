%% Strangers in their thousands: the node stays up, keeps within its limits, and lets its
%% friends in all the while.
-module(flood_tests).

-include_lib("eunit/include/eunit.hrl").

%% Nothing dials but the test: OTP's rex, which greets a node that came up, would dial again
%% one that parts at once.
-define(QUIET, ["-kernel", "dist_auto_connect", "never"]).
-define(FLOOD, 2000).       % connections held at once
-define(FLOOD_MAX, 20000).  % and made in all
-define(REPLAYS, 10000).
-define(PENDING_MAX, 1024). % of src/gate/pending.h
-define(HANDSHAKE, 10000).  % ms that one may take
-define(FEW, 128).          % descriptors of a poor node

flood_test_() ->
    [{"a recorded first message is replayed 10,000 times: not a byte, no X25519, no friend kept out",
      {timeout, 180, fun replayed/0}},
     {"a handshake that has begun is finished, however many strangers come",
      {timeout, 120, fun half_way_survives/0}},
     {"a source that sends a crowd loses its own first, not the one who came before",
      {timeout, 120, fun heaviest_goes/0}},
     {"a node whose descriptors have run out stays up, and lets its friend in",
      {timeout, 180, fun descriptors_run_out/0}}].

%% --- a crowd -------------------------------------------------------------------------------

%% Holds Count connections from Source. One that is closed comes again; ?FLOOD_MAX in all.
crowd(Source, Count, #{host := #{ip := Ip, port := Port}}) ->
    {ok, Address} = inet:parse_address(Ip),
    Self = self(),
    Pid = spawn_link(fun() ->
                             Connect = fun() -> come(Source, Address, Port) end,
                             [Connect() || _ <- lists:seq(1, Count)],
                             Self ! {self(), here},
                             hold(Connect, ?FLOOD_MAX - Count)
                     end),
    receive {Pid, here} -> Pid end.

%% A node whose queue is full may take its time, or hang up at once.
come(Source, Address, Port) ->
    case gen_tcp:connect(Address, Port, [{ip, Source}, {active, true}], 5000) of
        {ok, Socket} -> gen_tcp:send(Socket, <<384:16, "half a first message">>);
        {error, _} -> ok
    end.

hold(Connect, Left) ->
    receive
        {tcp, _, Bytes} -> exit({heard, Bytes});
        {tcp_closed, _} when Left > 0 -> Connect(), hold(Connect, Left - 1);
        {go, From} -> From ! {self(), gone} % and the sockets with it
    end.

go(Crowd) ->
    unlink(Crowd),
    Crowd ! {go, self()},
    receive {Crowd, gone} -> ok end.

info(Node) ->
    {ok, Info} = mesh:call(Node, tacit, info, []),
    Info.

descriptors(#{os_pid := Pid}) ->
    case file:list_dir("/proc/" ++ Pid ++ "/fd") of
        {ok, Fds} -> length(Fds);
        {error, enoent} -> unknown
    end.

%% A link, and its end on both sides.
link_and_part(A, B) ->
    ?assert(mesh:call(B, net_kernel, connect_node, [maps:get(name, A)])),
    mesh:part(B, A).

%% --- what holds ----------------------------------------------------------------------------

replayed() ->
    {A, B} = Pair = mesh:pair(#{b_conf => "source = 127.0.0.2\n", args => ?QUIET}),
    link_and_part(A, B),
    #{host := #{port := Port} = Host} = A,
    {Bytes, _} = foreign:first(#{mesh_key => foreign:mesh_key(Host),
                                 identity => foreign:identity(), name => "f@127.0.0.9",
                                 wanted => "a@127.0.0.1"}),
    #{exchanges := Before} = info(A),
    {ok, Recorded} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, false}]),
    ok = gen_tcp:send(Recorded, Bytes),
    {ok, _} = gen_tcp:recv(Recorded, 1, 30000), % the first time it is answered
    ok = gen_tcp:close(Recorded),
    Self = self(),
    Pids = [spawn_link(fun() ->
                               [0 = foreign:say({{127, 0, 0, 1}, Port}, Source, Bytes)
                                || _ <- lists:seq(1, ?REPLAYS div 4)],
                               Self ! {replayed, self()}
                       end) || Source <- [{127, 0, 1, I} || I <- lists:seq(1, 4)]],
    link_and_part(A, B),
    [receive {replayed, Pid} -> ok end || Pid <- Pids],
    link_and_part(A, B),
    ?assertMatch(#{replays := ?REPLAYS, unauthenticated_bytes := 0}, info(A)),
    ?assertEqual(Before + 3, maps:get(exchanges, info(A))), % the recorded one, two friends
    mesh:stop_pair(Pair).

%% The oldest connection of all, and of the very source that the crowd comes from: but it has
%% shown a first message, and those have not. A handshake that takes longer than it may, as the
%% crowd came slowly, is another matter.
half_way_survives() ->
    Host = mesh:host("127.0.0.1"),
    Identity = foreign:identity(),
    mesh:append(Host, foreign:peer_section("f@127.0.0.9", Identity, "")),
    A = mesh:start("a", Host),
    Options = #{mesh_key => foreign:mesh_key(Host), identity => Identity, name => "f@127.0.0.9",
                wanted => "a@127.0.0.1", source => {127, 0, 1, 1}},
    ?assert(patiently(fun() -> half_way(A, Options) end, finished, 5)),
    mesh:stop(A).

half_way(A, Options) ->
    {Start, #{evicted := Before}} = {erlang:monotonic_time(millisecond), info(A)},
    Friend = half_way_friend(A, Options),
    Crowd = crowd({127, 0, 1, 1}, ?PENDING_MAX + 50, A),
    Evicted = maps:get(evicted, info(A)) > Before,
    Friend ! go_on,
    Result = receive {Friend, R} -> R end,
    go(Crowd),
    Slow = not Evicted orelse erlang:monotonic_time(millisecond) - Start > ?HANDSHAKE,
    mesh:wait_until(fun() -> maps:get(pending, info(A)) =:= 0 end),
    case Result of
        {ok, _} when Evicted -> finished;
        _ when Slow -> too_slow;
        _ -> Result
    end.

%% Waits before its last message; then it has a link, or none.
half_way_friend(#{host := #{port := Port}}, Options) ->
    Self = self(),
    Wait = fun() -> Self ! {half_way, self()}, receive go_on -> ok end end,
    Friend = spawn_link(fun() ->
                                {ok, Channel} = foreign:connect({{127, 0, 0, 1}, Port},
                                                                Options#{half_way => Wait}),
                                Result = try foreign:dial_node("f@127.0.0.9", "tacittest", Channel)
                                         catch error:Why -> Why
                                         end,
                                Self ! {self(), Result},
                                foreign:stop(Channel)
                        end),
    receive {half_way, Friend} -> Friend end.

%% Whether Fun gives Good, at one of so many tries; skipped where it is too slow at all of them.
patiently(Fun, Good, Tries) ->
    case Fun() of
        Good -> true;
        _ when Tries > 1 -> patiently(Fun, Good, Tries - 1);
        too_slow -> throw({skip, "connections come too slowly here to fill the table"});
        _ -> false
    end.

%% Under pressure everybody has a second: where the crowd takes longer to come, another try.
heaviest_goes() ->
    A = mesh:start("a", mesh:host("127.0.0.1")),
    ?assert(patiently(fun() -> heaviest_goes(A) end, kept, 5)),
    mesh:stop(A).

heaviest_goes(#{host := #{port := Port}} = A) ->
    #{evicted := Before} = info(A),
    {ok, Lone} = gen_tcp:connect({127, 0, 0, 1}, Port, [{ip, {127, 0, 1, 2}}, {active, true}]),
    mesh:wait_until(fun() -> maps:get(pending, info(A)) =:= 1 end),
    Crowd = crowd({127, 0, 1, 1}, ?PENDING_MAX + 50, A),
    Result = try mesh:wait_until(fun() -> maps:get(evicted, info(A)) > Before end, 5000) of
                 ok -> receive {tcp_closed, Lone} -> lost after 0 -> kept end
             catch
                 error:waited_in_vain -> too_slow
             end,
    go(Crowd),
    gen_tcp:close(Lone),
    mesh:wait_until(fun() -> maps:get(pending, info(A)) =:= 0 end),
    Result.

%% The shell's limit holds for the emulator that it becomes.
descriptors_run_out() ->
    Limit = "ulimit -n " ++ integer_to_list(?FEW) ++ "; exec erl \"$@\"",
    HostA = mesh:host("127.0.0.1"),
    HostB = mesh:host("127.0.0.2", #{mesh => HostA, conf => "source = 127.0.0.2\n"}),
    ok = mesh:trust(HostA, HostB),
    ok = mesh:trust(HostB, HostA),
    A = mesh:start("a", HostA, #{exec => {"/bin/sh", ["-c", Limit, "sh"]},
                                 args => ?QUIET}),
    B = mesh:start("b", HostB, #{args => ?QUIET}),
    link_and_part(A, B),
    Descriptors = descriptors(A),
    _ = info(A), % a module cannot be loaded where descriptors have run out
    Crowd = crowd({127, 0, 1, 1}, 300, A),
    mesh:wait_until(fun() -> maps:get(evicted, info(A)) > 0 end), % a sign that it ran out
    [link_and_part(A, B) || _ <- lists:seq(1, 3)],
    go(Crowd),
    mesh:wait_until(fun() -> maps:get(pending, info(A)) =:= 0 end),
    mesh:wait_until(fun() -> descriptors(A) =< Descriptors end),
    link_and_part(A, B),
    mesh:stop_pair({A, B}).
