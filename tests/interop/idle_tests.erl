%% Ticks between two nodes of different releases: see pair_tests.erl. It takes its time.
-module(idle_tests).

-include_lib("eunit/include/eunit.hrl").

-define(TICKTIME, 8).

idle_test_() ->
    Args = ["-kernel", "net_ticktime", integer_to_list(?TICKTIME)],
    {setup, fun() -> mesh:pair(#{args => Args}) end, fun mesh:stop_pair/1,
     fun({A, B}) -> [{Title, {timeout, 120, fun() -> Test(A, B) end}} ||
                        {Title, Test} <- tests()] end}.

tests() ->
    [{"an idle link stays up by its ticks", fun idle/2},
     {"net_ticktime changes at run time, in steps, and the link stays", fun tick_change/2}].

%% Three times as long as a silent peer would be suffered.
idle(A, #{name := NameB}) ->
    ?assert(mesh:call(A, net_kernel, connect_node, [NameB])),
    Pid = mesh:on(A, fun() -> spawn(fun() -> net_kernel:monitor_nodes(true),
                                             receive {nodedown, _} -> exit(down) end
                                    end) end),
    timer:sleep(3000 * ?TICKTIME),
    ?assert(mesh:call(A, erlang, is_process_alive, [Pid])),
    ?assertEqual(NameB, mesh:call(A, rpc, call, [NameB, erlang, node, []])).

tick_change(A, #{name := NameB} = B) ->
    [begin
         ?assertEqual(change_initiated, mesh:call(N, net_kernel, set_net_ticktime, [Time, 1])),
         mesh:wait_until(fun() -> mesh:call(N, net_kernel, get_net_ticktime, []) =:= Time end)
     end || Time <- [40, ?TICKTIME], N <- [A, B]],
    ?assertEqual([NameB], mesh:call(A, erlang, nodes, [])).
