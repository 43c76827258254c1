%% What two nodes may do over a link: everything that distribution does.
-module(link_tests).

-include_lib("eunit/include/eunit.hrl").

-export([make_fun/0]). % called on the other node

-define(PROCESSES, 10000).
-define(LARGE, 100000000).

pair_test_() ->
    {setup, fun mesh:pair/0, fun mesh:stop_pair/1,
     fun({A, B}) -> [{Title, {timeout, 120, fun() -> Test(A, B) end}} ||
                        {Title, Test} <- tests()] end}.

tests() ->
    [{"net_adm:ping answers pong", fun ping/2},
     {"tacit:info/1 shows the peer, its key, the suite and the traffic", fun info_is_whole/2},
     {"rpc and erpc give results, errors and exits of the other node", fun rpc/2},
     {"spawn, link and monitor reach over the link, with their reasons, both ways",
      fun(A, B) -> signals(A, B), signals(B, A) end},
     {"a process that is linked or monitored tells the other node why it ended",
      fun(A, B) -> signals_back(A, B), signals_back(B, A) end},
     {"global registers, finds and forgets names on both nodes", fun global_names/2},
     {"pg groups have the members of both nodes", fun pg_groups/2},
     {"what a remote process prints comes out at its group leader here",
      fun group_leader_here/2},
     {"local and external funs run on the other node, and come back from it", fun funs/2},
     {"100 MB go there and back unchanged", fun large_binary/2},
     {"10,000 processes talk at once, and each gets its own answers", fun many_processes/2},
     {"a link that is cut brings nodedown, noconnection for links and monitors, and comes "
      "up again", fun cut_and_again/2}].

ping(A, B) ->
    ?assertEqual(pong, mesh:call(A, net_adm, ping, [maps:get(name, B)])).

info_is_whole(A, #{name := Name}) ->
    {ok, Info} = mesh:call(A, tacit, info, [Name]),
    ?assertMatch(#{node := Name, state := up, direction := out}, Info),
    [?assert(maps:get(Key, Info) > 0) || Key <- [received_bytes, sent_bytes,
                                                 received_messages, sent_messages]],
    ?assertEqual(43, byte_size(maps:get(fingerprint, Info))).

rpc(A, #{name := B}) ->
    ?assertEqual(B, mesh:call(A, rpc, call, [B, erlang, node, []])),
    ?assertMatch({badrpc, {'EXIT', {badarith, _}}},
                 mesh:call(A, rpc, call, [B, erlang, 'div', [1, 0]])),
    ?assertEqual({[lists:sort([maps:get(name, A), B])], []},
                 mesh:on(A, fun() ->
                                    {Nodes, Bad} = rpc:multicall(erlang, node, []),
                                    {[lists:sort(Nodes)], Bad}
                            end)),
    ?assertEqual([B, {throw, ball}, {exit, {exception, gone}}],
                 mesh:on(A, fun() -> [erpc:call(B, erlang, node, []),
                                      try erpc:call(B, fun() -> throw(ball) end)
                                      catch C1:R1 -> {C1, R1} end,
                                      try erpc:call(B, fun() -> exit(gone) end)
                                      catch C2:R2 -> {C2, R2} end] end)).

%% On A: processes of B that end, and are ended.
signals(A, #{name := B}) ->
    ok = mesh:on(A, fun() -> signals_here(B) end).

signals_here(Node) ->
    process_flag(trap_exit, true),
    Linked = spawn_link(Node, fun() -> exit({reason, node()}) end),
    receive {'EXIT', Linked, {reason, Node}} -> ok end,
    {Monitored, Ref} = spawn_monitor(Node, fun() -> exit({other, node()}) end),
    receive {'DOWN', Ref, process, Monitored, {other, Node}} -> ok end,
    Victim = spawn_link(Node, fun() -> receive after infinity -> ok end end),
    exit(Victim, ended_from_afar),
    receive {'EXIT', Victim, ended_from_afar} -> ok end,
    NoProc = erlang:monitor(process, {no_such_name, Node}),
    receive {'DOWN', NoProc, process, {no_such_name, Node}, noproc} -> ok end,
    Request = spawn_request(Node, erlang, node, [], [monitor]),
    Spawned = receive {spawn_reply, Request, ok, Pid} -> Pid end,
    receive {'DOWN', Request, process, Spawned, normal} -> ok end.

%% On A: processes of A that end, and what B's processes hear of it.
signals_back(A, #{name := B}) ->
    ok = mesh:on(A, fun() -> signals_there(B) end).

signals_there(Node) ->
    Self = self(),
    Here = spawn(fun() -> receive {stop, Reason} -> exit(Reason) end end),
    There = spawn(Node, fun() ->
                                process_flag(trap_exit, true),
                                link(Here),
                                Ref = monitor(process, Here),
                                Self ! {ready, self()},
                                receive {'EXIT', Here, Why} -> Self ! {linked, Why} end,
                                receive {'DOWN', Ref, process, Here, W} -> Self ! {down, W} end
                        end),
    receive {ready, There} -> ok end,
    Here ! {stop, {because, self()}},
    receive {linked, {because, Self}} -> ok end,
    receive {down, {because, Self}} -> ok end.

global_names(A, B) ->
    [ok = mesh:call(Node, global, sync, []) || Node <- [A, B]],
    Pid = mesh:on(A, fun() ->
                             P = spawn(fun() -> receive {ask, From} -> From ! node() end end),
                             yes = global:register_name(the_name, P),
                             P
                     end),
    ?assertEqual({Pid, maps:get(name, A)},
                 mesh:on(B, fun() ->
                                    P = global:whereis_name(the_name),
                                    global:send(the_name, {ask, self()}),
                                    {P, receive Node -> Node end}
                            end)),
    mesh:wait_until(fun() ->
                            mesh:call(B, global, whereis_name, [the_name]) =:= undefined
                    end).

%% pg of OTP 25 ends with badarg when that of 29 greets it, whatever the carrier.
pg_groups(A, B) ->
    lists:sort([mesh:call(N, erlang, system_info, [otp_release]) || N <- [A, B]]) =:= ["25", "29"]
        andalso throw({skip, "pg of OTP 25 and that of 29 do not understand each other"}),
    [{ok, _} = mesh:on(Node, fun() -> {ok, P} = pg:start_link(), unlink(P), {ok, P} end)
     || Node <- [A, B]],
    Join = fun() ->
                   P = spawn(fun() -> receive stop -> ok end end),
                   ok = pg:join(the_group, P),
                   P
           end,
    Members = lists:sort([mesh:on(A, Join), mesh:on(B, Join)]),
    See = fun(Node) -> lists:sort(mesh:call(Node, pg, get_members, [the_group])) end,
    [mesh:wait_until(fun() -> See(Node) =:= Members end) || Node <- [A, B]],
    mesh:on(A, fun() -> [P ! stop || P <- Members] end),
    [mesh:wait_until(fun() -> See(Node) =:= [] end) || Node <- [A, B]].

group_leader_here(A, #{name := B}) ->
    Printed = mesh:on(A, fun() ->
                                 group_leader(self(), self()),
                                 spawn(B, fun() -> io:format("printed on ~s", [node()]) end),
                                 receive_print()
                         end),
    ?assertEqual("printed on " ++ atom_to_list(B), Printed).

%% One request of the io protocol.
receive_print() ->
    receive
        {io_request, From, As, {put_chars, unicode, M, F, Args}} ->
            From ! {io_reply, As, ok},
            lists:flatten(apply(M, F, Args));
        {io_request, From, As, {put_chars, unicode, Chars}} ->
            From ! {io_reply, As, ok},
            unicode:characters_to_list(Chars)
    end.

funs(A, #{name := B}) ->
    Here = {from, maps:get(name, A)},
    ?assertEqual({Here, B}, mesh:on(A, fun() -> erpc:call(B, fun() -> {Here, node()} end) end)),
    ?assertEqual([3, 2, 1], mesh:on(A, fun() ->
                                               Reverse = fun lists:reverse/1,
                                               erpc:call(B, fun() -> Reverse([1, 2, 3]) end)
                                       end)),
    ?assertEqual({B, 42}, mesh:on(A, fun() ->
                                             Fun = erpc:call(B, ?MODULE, make_fun, []),
                                             Fun(42)
                                     end)).

make_fun() ->
    Made = node(),
    fun(X) -> {Made, X} end.

large_binary(A, #{name := B}) ->
    ?assert(mesh:on(A, fun() -> large_there_and_back(B) end, 100000)).

large_there_and_back(Node) ->
    Binary = crypto:strong_rand_bytes(?LARGE),
    Hash = crypto:hash(sha256, Binary),
    Self = self(),
    Echo = spawn_link(Node, fun() ->
                                    receive {Self, Bytes} ->
                                            Self ! {self(), crypto:hash(sha256, Bytes), Bytes}
                                    end
                            end),
    Echo ! {Self, Binary},
    receive
        {Echo, There, Back} -> {There, crypto:hash(sha256, Back)} =:= {Hash, Hash}
    end.

many_processes(A, #{name := B}) ->
    ?assertEqual(?PROCESSES, mesh:on(A, fun() -> talk(B) end, 100000)).

%% How many of the pairs got ten right answers.
talk(Node) ->
    Talkers = [spawn_monitor(fun() -> talker(Node, N) end) || N <- lists:seq(1, ?PROCESSES)],
    length([ok || {Pid, Ref} <- Talkers,
                  receive {'DOWN', Ref, process, Pid, Why} -> Why =:= {all, right} end]).

talker(Node, N) ->
    Partner = spawn_link(Node, fun echo/0),
    [begin
         Partner ! {self(), {N, I}},
         receive {Partner, Answer} -> {N, I} = Answer end
     end || I <- lists:seq(1, 10)],
    exit({all, right}). % and the partner with it, by the link

echo() ->
    receive {From, Question} -> From ! {self(), Question}, echo() end.

cut_and_again(A, #{name := B} = BRef) ->
    ok = mesh:on(A, fun() ->
                            process_flag(trap_exit, true),
                            ok = net_kernel:monitor_nodes(true),
                            Far = spawn_link(B, fun echo/0),
                            Ref = monitor(process, Far),
                            true = erlang:disconnect_node(B),
                            receive {nodedown, B} -> ok end,
                            receive {'EXIT', Far, noconnection} -> ok end,
                            receive {'DOWN', Ref, process, Far, noconnection} -> ok end
                    end),
    mesh:part(A, BRef),
    ping(A, BRef),
    ?assertEqual([maps:get(name, A)], mesh:call(BRef, erlang, nodes, [])).
