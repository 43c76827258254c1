%% Ticks between two nodes of different releases: see pair_tests.erl. It takes its time.
-module(idle_tests).

-include_lib("eunit/include/eunit.hrl").

-define(TICKTIME, 8).

idle_test_() ->
    Args = ["-kernel", "net_ticktime", integer_to_list(?TICKTIME)],
    {setup, fun() -> mesh:pair(#{args => Args}) end, fun mesh:stop_pair/1,
     fun({A, B}) -> {"an idle link stays up by its ticks",
                     {timeout, 120, fun() -> idle(A, B) end}} end}.

%% Three times as long as a silent peer would be suffered.
idle(A, #{name := NameB}) ->
    ?assert(mesh:call(A, net_kernel, connect_node, [NameB])),
    Pid = mesh:on(A, fun() -> spawn(fun() -> net_kernel:monitor_nodes(true),
                                             receive {nodedown, _} -> exit(down) end
                                    end) end),
    timer:sleep(3000 * ?TICKTIME),
    ?assert(mesh:call(A, erlang, is_process_alive, [Pid])),
    ?assertEqual(NameB, mesh:call(A, rpc, call, [NameB, erlang, node, []])).
