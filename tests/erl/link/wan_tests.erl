%% Bad networks: nodes that meet over build/tests/wan. A fault is drawn from a seed; one that
%% breaks a promise is named, and TACIT_WAN_SEEDS=N tries it alone, TACIT_WAN_SEEDS=N-M those
%% in between. TACIT_WAN_MB: how many megabytes cross the line of 10 Mbit/s.
-module(wan_tests).

-include_lib("eunit/include/eunit.hrl").

-export([receive_all/1, send_all/3]). % called on the nodes

-define(MS, 150).         % between any two nodes, each way
-define(LOAD, 10000).     % ms of it
-define(TICKTIME, "12").  % s: nobody hears nothing for longer and stays linked
-define(RATE, 1250000).   % bytes a second: 10 Mbit/s
-define(MB, 20).          % what crosses the line at that rate
-define(FAULTS, 15000).   % ms of faults, where no seeds are named
-define(LINES, 4).        % pairs at once that meet them
-define(END, 60000).      % ms by which each has come to one

wan_test_() ->
    {inparallel,
     [{"the wan does what it is told to do: the same for a seed each time, exact to the byte",
       {timeout, 120, fun bad_to_the_byte/0}},
      {setup, fun five/0, fun stop/1,
       fun(World) ->
               {inorder,
                [{"five nodes with 150 ms between any two stay linked under load, and not one "
                  "message is lost", {timeout, 180, fun() -> far_apart(World) end}},
                 {"every fault of a link ends in nodedown on both sides or in full delivery: no "
                  "hang, no wrong message, none missing; and the nodes link again",
                  {timeout, 600, fun() -> faults(World) end}}]}
       end},
      {setup, fun two/0, fun stop/1,
       fun(World) ->
               {"ticks arrive while bulk fills a line of 10 Mbit/s, and small messages pass",
                {timeout, 600, fun() -> ticks(World) end}}
       end}]}.

five() -> world(["127.0.0." ++ integer_to_list(N) || N <- lists:seq(1, 5)]).

two() -> world(["127.0.0.6", "127.0.0.7"]).

%% Nodes of one mesh, one an address; each reaches each by a route of their own.
world([First | Others] = Ips) ->
    Wan = wan:start(),
    Host = mesh:host(First),
    Hosts = [Host | [mesh:host(Ip, #{mesh => Host}) || Ip <- Others]],
    Routes = maps:from_list([{{From, Ip}, wan:route(Wan, Ip, Port)} ||
                                From <- Ips, #{ip := Ip, port := Port} <- Hosts, From =/= Ip]),
    [ok = mesh:trust(From, To#{port => wan:port(maps:get({Ip, maps:get(ip, To)}, Routes))}) ||
        #{ip := Ip} = From <- Hosts, To <- Hosts, From =/= To],
    Args = ["-connect_all", "false", "-kernel", "dist_auto_connect", "never",
            "net_setuptime", "8", "net_ticktime", ?TICKTIME],
    Nodes = [mesh:start("n", H, #{args => Args}) || H <- Hosts],
    [ok = mesh:call(Node, traffic, listen, []) || Node <- Nodes],
    #{wan => Wan, nodes => Nodes, routes => Routes}.

stop(#{wan := Wan, nodes := Nodes}) ->
    together([fun() -> mesh:stop(Node) end || Node <- Nodes]),
    wan:stop(Wan).

route(#{host := #{ip := From}}, #{host := #{ip := To}}, #{routes := Routes}) ->
    maps:get({From, To}, Routes).

set(#{routes := Routes}, Conditions) ->
    [ok = wan:set(Route, Conditions) || Route <- maps:values(Routes)].

names(Nodes) -> [Name || #{name := Name} <- Nodes].

linked(A, #{name := Name}) -> lists:member(Name, mesh:call(A, erlang, nodes, [connected])).

%% --- the wan itself ------------------------------------------------------------------------

%% What goes in and what comes out, of one connection under these conditions.
through(Wan, Bytes, Conditions) ->
    {Listener, Port} = foreign:listen({127, 0, 0, 9}),
    Route = wan:route(Wan, "127.0.0.9", Port),
    ok = wan:set(Route, Conditions),
    {ok, In} = gen_tcp:connect({127, 0, 0, 9}, wan:port(Route), [binary, {active, false}]),
    {ok, Out} = gen_tcp:accept(Listener),
    ok = gen_tcp:close(Listener),
    ok = gen_tcp:send(In, Bytes),
    {In, Out, Route}.

all(Socket, Read) ->
    case gen_tcp:recv(Socket, 0, ?END) of
        {ok, Bytes} -> all(Socket, [Read, Bytes]);
        {error, closed} -> iolist_to_binary(Read)
    end.

bad_to_the_byte() ->
    Wan = wan:start(),
    Bytes = crypto:strong_rand_bytes(10000),
    {In1, Out1, _} = through(Wan, Bytes, #{fault => cut, 'after' => 4321, delay => 5,
                                           jitter => 5, segment => 7, rate => 1000000}),
    ?assertEqual(binary:part(Bytes, 0, 4321), all(Out1, [])),
    ?assertEqual({error, closed}, gen_tcp:recv(In1, 0, ?END)),
    {In2, Out2, _} = through(Wan, Bytes, #{fault => flip, 'after' => 99, segment => 1}),
    ok = gen_tcp:shutdown(In2, write),
    <<Before:99/binary, Byte, After/binary>> = Bytes,
    <<Before:99/binary, Flipped, After/binary>> = all(Out2, []),
    ?assert(lists:member(Byte bxor Flipped, [1 bsl N || N <- lists:seq(0, 7)])),
    {In3, Out3, Route3} = through(Wan, Bytes, #{fault => half, 'after' => 0}),
    ?assertMatch({error, _}, gen_tcp:recv(Out3, 0, ?END)),
    ok = gen_tcp:send(In3, Bytes),
    ?assertEqual({error, timeout}, gen_tcp:recv(In3, 0, 100)),
    ?assertMatch(#{accepted := 1, closed := 0, faults := 1}, wan:stats(Route3)),
    {In4, Out4, Route4} = through(Wan, Bytes, #{fault => stall, 'after' => 100}),
    {ok, Part} = gen_tcp:recv(Out4, 100, ?END),
    ?assertEqual({error, timeout}, gen_tcp:recv(Out4, 0, 100)),
    ok = wan:set(Route4, #{}),
    ok = gen_tcp:shutdown(In4, write),
    ?assertEqual(Bytes, <<Part/binary, (all(Out4, []))/binary>>),
    ?assertEqual(wan:plan(7, 100), wan:plan(7, 100)),
    ?assertNotEqual(wan:plan(7, 100), wan:plan(8, 100)),
    [gen_tcp:close(S) || S <- [In1, Out1, In2, Out2, In3, Out3, In4, Out4]],
    wan:stop(Wan).

%% --- far apart -----------------------------------------------------------------------------

%% Runs them all at once: their results.
together(Funs) ->
    Self = self(),
    Pids = [spawn_link(fun() -> Self ! {self(), Fun()} end) || Fun <- Funs],
    [receive {Pid, Result} -> Result end || Pid <- Pids].

each_pair(Fun, Nodes) ->
    together([fun() -> Fun(A, B) end || #{name := NameA} = A <- Nodes,
                                        #{name := NameB} = B <- Nodes, NameA < NameB]).

far_apart(#{nodes := Nodes} = World) ->
    set(World, #{delay => ?MS, jitter => 10}),
    each_pair(fun(A, #{name := B}) ->
                      mesh:wait_until(fun() -> mesh:call(A, net_kernel, connect_node, [B]) end, ?END)
              end, Nodes),
    Made = connections(World),
    Plan = #{sizes => [0, 100, 1000, 30000], window => 100, pause => 5},
    Talkers = [{A, mesh:call(A, traffic, start_talking, [B, Plan])} ||
                  A <- Nodes, B <- names(Nodes), B =/= maps:get(name, A)],
    timer:sleep(?LOAD),
    Said = together([fun() -> mesh:call(A, traffic, stop_talking, [T], 2 * ?END) end
                     || {A, T} <- Talkers]),
    ?assertEqual([], [Outcome || {How, _} = Outcome <- Said, How =/= delivered]),
    ?assertEqual([[], [], [], [], []], [mesh:call(N, traffic, faults, []) || N <- Nodes]),
    %% Over one link each: none of them had to be made again.
    Heard = [maps:values(mesh:call(N, traffic, heard, [])) || N <- Nodes],
    ?assertEqual(lists:sum([N || {_, N} <- Said]), lists:sum(lists:append(Heard))),
    ?assertEqual([4, 4, 4, 4, 4], [length(H) || H <- Heard]),
    ?assertEqual(Made, connections(World)),
    each_pair(fun mesh:part/2, Nodes).

connections(#{routes := Routes}) ->
    lists:sum([maps:get(accepted, wan:stats(Route)) || Route <- maps:values(Routes)]).

%% --- a thin line ---------------------------------------------------------------------------

receive_all(Count) -> receive_all(Count, []).

receive_all(0, Sums) ->
    receive {report, To} -> To ! {report, lists:reverse(Sums)} end;
receive_all(Left, Sums) ->
    receive {bulk, Bytes} -> receive_all(Left - 1, [erlang:md5(Bytes) | Sums]) end.

%% The sums of what was sent, and of what the other side says it received.
send_all(Other, Count, Size) ->
    Self = self(),
    Sink = spawn_link(Other, ?MODULE, receive_all, [Count]),
    Sums = [begin
                Bytes = bytes(N, Size),
                Sink ! {bulk, Bytes},
                erlang:md5(Bytes)
            end || N <- lists:seq(1, Count)],
    Sink ! {report, Self},
    receive {report, Received} -> {Sums, Received} end.

bytes(Seed, Size) ->
    {Bytes, _} = rand:bytes_s(1 bsl 16, rand:seed_s(exsss, Seed)),
    binary:copy(Bytes, Size bsr 16).

%% Nothing but ticks comes back while one side sends; the other way round, too, small
%% messages are heard amid the bulk.
ticks(#{nodes := [A, #{name := NameB} = B]} = World) ->
    set(World, #{rate => ?RATE, delay => 10}),
    mesh:wait_until(fun() -> mesh:call(A, net_kernel, connect_node, [NameB]) end, ?END),
    Made = connections(World),
    Count = list_to_integer(os:getenv("TACIT_WAN_MB", integer_to_list(?MB))),
    Before = received(A),
    Self = self(),
    Bulk = spawn_link(fun() ->
                              Self ! {self(), mesh:call(A, ?MODULE, send_all,
                                                        [NameB, Count, 1 bsl 20], 400000)}
                      end),
    %% What the spawn said comes first; then nothing does but ticks.
    mesh:wait_until(fun() -> received(A) > Before end),
    First = received(A),
    mesh:wait_until(fun() -> received(A) >= First + 2 end, 2 * ?END),
    ?assertEqual(none, receive {Bulk, _} -> too_early after 0 -> none end),
    ?assertEqual({delivered, 5}, mesh:call(A, traffic, burst, [NameB, #{count => 5}], 400000)),
    {Sent, Received} = receive {Bulk, Sums} -> Sums end,
    ?assertEqual(Sent, Received),
    ?assertEqual(Count, length(Sent)),
    ?assertEqual(Made, connections(World)),
    ?assertEqual([], mesh:call(B, traffic, faults, [])),
    mesh:part(A, B).

received(A) ->
    [{_, #{received_messages := Received}}] = mesh:call(A, tacit_drv, links, []),
    Received.

%% --- faults --------------------------------------------------------------------------------

%% Each pair takes the next seed when it is done with one. Ticks find out what TCP does not.
faults(#{nodes := Nodes} = World) ->
    set(World, #{}),
    [mesh:call(N, net_kernel, set_net_ticktime, [4, 0]) || N <- Nodes],
    {First, Last} = seeds(),
    Next = atomics:new(1, []),
    atomics:put(Next, 1, First - 1),
    Until = erlang:monotonic_time(millisecond) + ?FAULTS,
    Pairs = lists:sublist(lists:zip(Nodes, tl(Nodes) ++ [hd(Nodes)]), ?LINES),
    Outcomes = lists:append(together([fun() -> try_seeds(Pair, Next, Last, Until, World) end
                                      || Pair <- Pairs])),
    Count = fun(Outcome) -> length([O || O <- Outcomes, O =:= Outcome]) end,
    io:format(user, "~b seeds from ~b on: ~b no link, ~b nodedown, ~b full delivery~n",
              [length(Outcomes), First, Count(no_link), Count(down), Count(delivered)]),
    ?assertEqual([], [Seed || {broken, Seed} <- Outcomes]),
    Met = [maps:get(faults, wan:stats(Route)) || Route <- maps:values(maps:get(routes, World))],
    ?assert(Last =/= none orelse lists:sum(Met) > 0).

%% Named ones are all tried, whatever the time.
seeds() ->
    case string:lexemes(os:getenv("TACIT_WAN_SEEDS", ""), "-") of
        [] -> {1, none};
        [N] -> {list_to_integer(N), list_to_integer(N)};
        [N, M] -> {list_to_integer(N), list_to_integer(M)}
    end.

try_seeds(Pair, Next, Last, Until, World) ->
    Seed = atomics:add_get(Next, 1, 1),
    Over = case Last of
               none -> erlang:monotonic_time(millisecond) > Until;
               _ -> Seed > Last
           end,
    case Over orelse try_seed(Pair, Seed, World) of
        true -> [];
        {broken, _} = Broken -> [Broken];
        Outcome -> [Outcome | try_seeds(Pair, Next, Last, Until, World)]
    end.

%% Whatever goes wrong, the seed is named.
try_seed({A, B} = Pair, Seed, World) ->
    Route = route(A, B, World),
    {Pid, Ref} = spawn_monitor(fun() -> exit({outcome, met(Pair, Seed, Route)}) end),
    receive
        {'DOWN', Ref, process, Pid, {outcome, Outcome}} ->
            _ = wan:events(Route),
            Outcome;
        {'DOWN', Ref, process, Pid, Reason} ->
            io:format(user, "TACIT_WAN_SEEDS=~b breaks it: ~s~n~p~n~p~n",
                      [Seed, wan:plan(Seed, 1), wan:events(Route), Reason]),
            {broken, Seed}
    end.

met({A, B} = Pair, Seed, Route) ->
    ok = wan:seed(Route, Seed),
    Outcome = meet(Pair),
    ok = wan:set(Route, #{}),
    ok = link_and_part(Pair),
    ?assertEqual([[], []], [mesh:call(N, traffic, faults, []) || N <- [A, B]]),
    Outcome.

link_and_part({A, #{name := NameB} = B}) ->
    mesh:wait_until(fun() -> mesh:call(A, net_kernel, connect_node, [NameB]) end, ?END),
    mesh:part(A, B).

meet({A, #{name := NameB} = B} = Pair) ->
    case mesh:call(A, net_kernel, connect_node, [NameB], ?END) of
        true ->
            mesh:wait_until(fun() -> linked(B, A) orelse not linked(A, B) end, ?END),
            Outcomes = bursts(Pair),
            ?assertEqual([], [O || {hang, _} = O <- Outcomes]),
            case [How || {How, _} <- Outcomes] of
                [delivered, delivered] -> mesh:part(A, B), delivered;
                _ -> both_down(Pair), down
            end;
        false ->
            both_down(Pair),
            no_link
    end.

%% Nobody cuts it: they find out.
both_down({A, B}) ->
    mesh:wait_until(fun() -> not (linked(A, B) orelse linked(B, A)) end, ?END).

bursts({A, B}) ->
    Plan = #{count => 60, sizes => [0, 50, 500, 10000], window => 20},
    together([fun() -> mesh:call(N, traffic, burst, [Other, Plan], 2 * ?END) end
              || {N, #{name := Other}} <- [{A, B}, {B, A}]]).
