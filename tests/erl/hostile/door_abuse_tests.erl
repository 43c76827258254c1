%% What any user of the host may try with secure-epmd's local sockets, and not get.
-module(door_abuse_tests).

-include_lib("eunit/include/eunit.hrl").

-define(FEW, 64). % descriptors of a poor daemon

abuse_test_() ->
    [{Title, {timeout, 120, Test}} ||
        {Title, Test} <-
            [{"a name of the legacy protocol's forges no line of the log", fun forged_line/0},
             {"legacy registrations leave descriptors to all others", fun registrations/0},
             {"nodes' registrations leave descriptors to strangers", fun enough_nodes/0},
             {"a node that is put out and does not read keeps the door from nothing",
              fun put_out/0}]].

alive(Name) ->
    Body = [$x, <<4711:16, $M, 0, 6:16, 5:16, (length(Name)):16>>, Name, <<0:16>>],
    [<<(iolist_size(Body)):16>>, Body].

register_at(#{epmd := Port}, Name) ->
    {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, false}]),
    ok = gen_tcp:send(Socket, alive(Name)),
    {ok, <<"v", Result, _:32>>} = gen_tcp:recv(Socket, 0, 30000),
    {Result, Socket}.

%% No plain-nodes names it: those are names.
forged_line() ->
    Door = door:start(door:host("127.0.0.1")),
    {1, Socket} = register_at(Door, "x\nevent=registered name=root@127.0.0.1 uid=0"),
    ok = gen_tcp:close(Socket),
    mesh:wait_until(fun() -> [] =/= door:events(Door, "epmd_refused") end),
    ?assertEqual([], door:events(Door, "registered")),
    ?assertMatch([_], door:events(Door, "epmd_refused")),
    0 = door:stop(Door).

poor_door() ->
    Few = integer_to_list(?FEW),
    door:start(door:host("127.0.0.1"),
               #{exec => ["sh", "-c", "ulimit -n " ++ Few ++ "; exec \"$@\"", "sh"]}).

registrations() ->
    Door = poor_door(),
    Took = [register_at(Door, "n" ++ integer_to_list(N)) || N <- lists:seq(1, 2 * ?FEW)],
    ?assertEqual(?FEW div 4, length([ok || {0, _} <- Took])),
    {ok, Node, _} = door:register(Door, "a@127.0.0.1"),
    ok = socket:close(Node),
    [gen_tcp:close(Socket) || {_, Socket} <- Took],
    mesh:wait_until(fun() -> door:counter(Door, "epmd_nodes") =:= 0 end),
    {0, Again} = register_at(Door, "again"),
    ok = gen_tcp:close(Again),
    0 = door:stop(Door).

enough_nodes() ->
    Door = poor_door(),
    Name = fun(N) -> "n" ++ integer_to_list(N) ++ "@127.0.0.1" end,
    Took = [begin {ok, Node, _} = door:register(Door, Name(N)), Node end
            || N <- lists:seq(1, ?FEW div 2)],
    ?assertMatch({refused, 5, "the door has 32 nodes" ++ _}, door:register(Door, Name(0))),
    {Ip, Port} = door:address(Door),
    {ok, Stranger} = gen_tcp:connect(Ip, Port, []),
    mesh:wait_until(fun() -> door:counter(Door, "pending") =:= 1 end),
    0 = door:counter(Door, "starved"),
    ok = gen_tcp:close(Stranger),
    [ok = socket:close(Node) || Node <- Took],
    0 = door:stop(Door).

%% The door has something to say to it, and no room to say it.
put_out() ->
    Host = door:host("127.0.0.1"),
    Door = door:start(Host),
    {ok, Slow, _} = door:register(Door, "slow@127.0.0.1"),
    {Ip, Port} = door:address(Door),
    Options = #{mesh_key => foreign:mesh_key(Host), identity => foreign:identity(),
                name => "f@127.0.0.9", wanted => "slow@127.0.0.1"},
    Clients = [begin
                   {ok, Client} = gen_tcp:connect(Ip, Port, [binary, {active, false}]),
                   {First, _} = foreign:first(Options),
                   ok = gen_tcp:send(Client, First),
                   Client
               end || _ <- lists:seq(1, 500)],
    mesh:wait_until(fun() -> door:counter(Door, "slow_node") > 0 end),
    ok = socket:send(Slow, <<"a word">>),
    mesh:wait_until(fun() -> door:counter(Door, "nodes") =:= 0 end),
    ?assertEqual(0, door:stop(Door)),
    [gen_tcp:close(Client) || Client <- Clients],
    ok = socket:close(Slow).
