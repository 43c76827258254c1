%% Ten nodes in one mesh, on ten hosts: tests/interop/run has them of all releases, in turn.
-module(ten_tests).

-include_lib("eunit/include/eunit.hrl").

-export([counter/1, add/2, members/1]). % called on the nodes

-define(NODES, 10).
-define(EACH, 20).
-define(PATIENCE, 120000).

ten_test_() ->
    {setup, fun start/0, fun(Nodes) -> lists:foreach(fun mesh:stop/1, Nodes) end,
     fun(Nodes) -> [{Title, {timeout, 240, fun() -> Test(Nodes) end}} ||
                       {Title, Test} <- tests()] end}.

tests() ->
    [{"each of ten nodes dials the first, and all are connected with all", fun full_mesh/1},
     {"a global name of each is found by all ten", fun global_names/1},
     {"of ten that register the same global name, one has it, and all agree who",
      fun one_name/1},
     {"global:trans lets one of ten at a time", fun transactions/1},
     {"all ten see the 50 members of a pg group", fun pg_members/1},
     {"one is killed: what it had registered is gone everywhere, nine stay connected",
      fun one_killed/1}].

start() ->
    Hosts = hosts(),
    [ok = mesh:trust(A, B) || A <- Hosts, B <- Hosts, B =/= A],
    [mesh:start("n", Host) || Host <- Hosts].

hosts() ->
    First = mesh:host("127.0.0.1"),
    [First | [mesh:host("127.0.0." ++ integer_to_list(N), #{mesh => First})
              || N <- lists:seq(2, ?NODES)]].

names(Nodes) -> [Name || #{name := Name} <- Nodes].

connected(Nodes) ->
    Names = names(Nodes),
    mesh:wait_until(fun() ->
                            lists:all(fun(#{name := Name} = N) ->
                                              lists:sort(mesh:call(N, erlang, nodes, [])) =:=
                                                  lists:sort(Names -- [Name])
                                      end, Nodes)
                    end, ?PATIENCE).

full_mesh([#{name := First} | Others] = Nodes) ->
    [?assert(mesh:call(N, net_kernel, connect_node, [First])) || N <- Others],
    connected(Nodes),
    [ok = mesh:call(N, global, sync, []) || N <- Nodes],
    ok.

global_names(Nodes) ->
    Pids = [{{of_node, Name}, mesh:on(N, fun() -> global_name({of_node, Name}) end)}
            || #{name := Name} = N <- Nodes],
    [mesh:wait_until(fun() -> mesh:call(N, global, whereis_name, [Name]) =:= Pid end, ?PATIENCE)
     || N <- Nodes, {Name, Pid} <- Pids],
    ok.

global_name(Name) ->
    Pid = spawn(fun() -> receive after infinity -> ok end end),
    yes = global:register_name(Name, Pid),
    Pid.

one_name(Nodes) ->
    Self = self(),
    Triers = [spawn_link(fun() -> Self ! {self(), mesh:on(N, fun try_name/0)} end) || N <- Nodes],
    Answers = [receive {Trier, Answer} -> Answer end || Trier <- Triers],
    ?assertEqual(lists:duplicate(?NODES - 1, no) ++ [yes], lists:sort(Answers)),
    ?assertMatch([Pid] when is_pid(Pid),
                 lists:usort([mesh:call(N, global, whereis_name, [the_only_one]) || N <- Nodes])).

try_name() ->
    global:register_name(the_only_one, spawn(fun() -> receive after infinity -> ok end end)).

transactions([#{name := First} = Node | _] = Nodes) ->
    true = mesh:on(Node, fun() -> register(interop_counter, spawn(?MODULE, counter, [0])) end),
    Self = self(),
    Adders = [spawn_link(fun() ->
                                 [true = mesh:call(N, ?MODULE, add, [First, I], ?PATIENCE)
                                  || I <- lists:seq(1, ?EACH)],
                                 Self ! {self(), added}
                         end) || N <- Nodes],
    [receive {Adder, added} -> ok end || Adder <- Adders],
    ?assertEqual(?NODES * ?EACH, mesh:on(Node, fun() -> ask({interop_counter, First}) end)).

%% A number that is read and written in two steps.
counter(Value) ->
    receive
        {read, From} -> From ! {value, Value}, counter(Value);
        {write, From, New} -> From ! written, counter(New)
    end.

ask(Counter) ->
    Counter ! {read, self()},
    receive {value, Value} -> Value end.

%% The step between reading and writing is what only a lock protects.
add(Node, I) ->
    Counter = {interop_counter, Node},
    global:trans({interop_lock, {self(), I}},
                 fun() ->
                         Value = ask(Counter),
                         Counter ! {write, self(), Value + 1},
                         receive written -> true end
                 end).

pg_members(Nodes) ->
    need_one_pg(Nodes),
    [{ok, _} = mesh:on(N, fun() -> {ok, P} = pg:start_link(), unlink(P), {ok, P} end)
     || N <- Nodes],
    [mesh:call(N, ?MODULE, members, [5]) || N <- Nodes],
    see_members(Nodes, 5 * ?NODES).

%% Over any carrier: 25's ends with badarg at {discover, Pid, Version}.
need_one_pg(Nodes) ->
    knows_version(Nodes) orelse
        throw({skip, "pg of OTP 25 ends when it is greeted by that of a later release"}).

knows_version(Nodes) ->
    Releases = [list_to_integer(mesh:call(N, erlang, system_info, [otp_release])) || N <- Nodes],
    lists:min(Releases) > 25 orelse lists:max(Releases) =:= 25.

see_members(Nodes, Count) ->
    [mesh:wait_until(fun() -> length(mesh:call(N, pg, get_members, [interop])) =:= Count end,
                     ?PATIENCE) || N <- Nodes],
    ok.

members(Count) ->
    [ok = pg:join(interop, spawn(fun() -> receive after infinity -> ok end end))
     || _ <- lists:seq(1, Count)].

one_killed(Nodes) ->
    #{name := Name} = Last = lists:last(Nodes),
    Left = lists:droplast(Nodes),
    mesh:kill(Last),
    connected(Left),
    [mesh:wait_until(fun() -> mesh:call(N, global, whereis_name, [{of_node, Name}]) =:= undefined
                     end, ?PATIENCE) || N <- Left],
    knows_version(Left) andalso see_members(Left, 5 * length(Left)),
    [?assert(is_pid(mesh:call(N, global, whereis_name, [{of_node, Other}])))
     || N <- Left, #{name := Other} <- Left].
