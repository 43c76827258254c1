%% Mnesia on three nodes, a partition and its healing.
-module(mnesia_tests).

-include_lib("eunit/include/eunit.hrl").

-export([add/2, read/1, partitioned/0]). % called on the nodes

mnesia_test_() ->
    {setup, fun start/0, fun(Nodes) -> lists:foreach(fun mesh:stop/1, Nodes) end,
     fun(Nodes) -> [{Title, {timeout, 180, fun() -> Test(Nodes) end}} ||
                       {Title, Test} <- tests()] end}.

tests() ->
    [{"three nodes make a schema and a table with a copy on each disc", fun create/1},
     {"300 transactions from all three at once add up", fun transactions/1},
     {"parted from two, the third goes on alone, and both sides say so when they meet again",
      fun partition/1},
     {"once told whose copy counts, the third takes it over", fun heal/1}].

%% Partings are the test's own: nothing dials again, or parts others.
start() ->
    First = mesh:host("127.0.0.1"),
    Hosts = [First | [mesh:host(Ip, #{mesh => First}) || Ip <- ["127.0.0.2", "127.0.0.3"]]],
    [ok = mesh:trust(A, B) || A <- Hosts, B <- Hosts, B =/= A],
    Nodes = [mesh:start("m", Host, #{args => args(Dir)}) || #{dir := Dir} = Host <- Hosts],
    connect(Nodes),
    Nodes.

args(Dir) ->
    ["-kernel", "prevent_overlapping_partitions", "false", "dist_auto_connect", "never",
     "-mnesia", "dir", "\"" ++ filename:join(Dir, "db") ++ "\""].

connect(Nodes) ->
    [mesh:call(A, net_kernel, connect_node, [B]) || A <- Nodes, B <- names(Nodes)],
    mesh:wait_until(fun() -> [2, 2, 2] =:= [length(mesh:call(N, erlang, nodes, []))
                                            || N <- Nodes] end).

names(Nodes) -> [Name || #{name := Name} <- Nodes].

create([First | _] = Nodes) ->
    ok = mesh:call(First, mnesia, create_schema, [names(Nodes)]),
    [ok = mesh:call(N, mnesia, start, []) || N <- Nodes],
    {atomic, ok} = mesh:call(First, mnesia, create_table,
                             [sums, [{disc_copies, names(Nodes)}]]),
    [ok = mesh:call(N, mnesia, wait_for_tables, [[sums], 60000]) || N <- Nodes],
    ?assertEqual([lists:sort(names(Nodes)) || _ <- Nodes],
                 [lists:sort(mesh:call(N, mnesia, system_info, [running_db_nodes])) || N <- Nodes]).

transactions(Nodes) ->
    Self = self(),
    Adders = [spawn_link(fun() -> Self ! {self(), mesh:call(N, ?MODULE, add, [sum, 100])} end)
              || N <- Nodes],
    [receive {Adder, ok} -> ok end || Adder <- Adders],
    ?assertEqual([300, 300, 300], [mesh:call(N, ?MODULE, read, [sum]) || N <- Nodes]).

add(Key, Times) ->
    [{atomic, ok} = mnesia:transaction(fun() ->
                                               Old = case mnesia:wread({sums, Key}) of
                                                         [{sums, Key, N}] -> N;
                                                         [] -> 0
                                                     end,
                                               mnesia:write({sums, Key, Old + 1})
                                       end) || _ <- lists:seq(1, Times)],
    ok.

read(Key) ->
    {atomic, Rows} = mnesia:transaction(fun() -> mnesia:read({sums, Key}) end),
    case Rows of [{sums, Key, N}] -> N; [] -> none end.

partition([A, B, C] = Nodes) ->
    Watchers = [{N, mesh:on(N, fun() -> spawn(?MODULE, partitioned, []) end)} || N <- Nodes],
    [mesh:part(C, N) || N <- [A, B]],
    [mesh:wait_until(fun() -> lists:sort(mesh:call(N, mnesia, system_info, [running_db_nodes]))
                                  =:= lists:sort(names(Side)) end)
     || {N, Side} <- [{A, [A, B]}, {B, [A, B]}, {C, [C]}]],
    ok = mesh:call(A, ?MODULE, add, [two, 2]),
    ok = mesh:call(C, ?MODULE, add, [one, 1]),
    ?assertEqual([{2, none}, {2, none}, {none, 1}],
                 [{mesh:call(N, ?MODULE, read, [two]), mesh:call(N, ?MODULE, read, [one])}
                  || N <- Nodes]),
    connect(Nodes),
    [mesh:wait_until(fun() -> not mesh:call(N, erlang, is_process_alive, [Watcher]) end)
     || {N, Watcher} <- Watchers, N =/= B].

%% Ends when Mnesia has noticed that it ran in two halves.
partitioned() ->
    {ok, _} = mnesia:subscribe(system),
    receive {mnesia_system_event, {inconsistent_database, _, _}} -> ok end.

heal([#{name := First}, _, C] = Nodes) ->
    stopped = mesh:call(C, mnesia, stop, []),
    ok = mesh:call(C, mnesia, set_master_nodes, [[First]]),
    ok = mesh:call(C, mnesia, start, []),
    ok = mesh:call(C, mnesia, wait_for_tables, [[sums], 60000]),
    ok = mesh:call(C, ?MODULE, add, [sum, 1]),
    ?assertEqual([{301, 2, none} || _ <- Nodes],
                 [list_to_tuple([mesh:call(N, ?MODULE, read, [Key]) || Key <- [sum, two, one]])
                  || N <- Nodes]).
