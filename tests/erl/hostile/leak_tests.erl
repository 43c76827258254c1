%% What ends leaves nothing behind: links that were cut, dials that failed, strangers, and
%% distribution that was stopped and started again.
-module(leak_tests).

-include_lib("eunit/include/eunit.hrl").

-export([links/3, dials/2, restarts/3]). % called on the nodes

-define(LINKS, 1000).
%% Bytes: what a link itself takes would be 2,800,000. AddressSanitizer keeps what was freed.
-define(RESIDENT, 2500000).
-define(NOBODY, 'x@127.0.0.6').
-define(MUTE, ["s@127.0.0.5", "t@127.0.0.5", "u@127.0.0.5", "v@127.0.0.5"]).

leak_test_() ->
    {setup, fun nodes_up/0,
     fun(#{nodes := Nodes, mute := Mute}) ->
             [mesh:stop(N) || N <- Nodes],
             exit(Mute, kill)
     end,
     fun(#{nodes := [A, B, C, D], key := Key}) ->
             [{Title, {timeout, 300, Test}} || {Title, Test} <-
              [{"1,000 links made and cut in turn, by either side, leave no process, port, "
                "descriptor, atom or memory behind",
                fun() -> assert_nothing_left([A, B], fun() -> cut(A, B, 50) end,
                                             fun() -> cut(A, B, ?LINKS div 4) end) end},
               {"messages of any size leave no memory behind",
                fun() -> assert_nothing_left([A, B], fun() -> talk(A, B, 20) end,
                                             fun() -> talk(A, B, 300) end) end},
               {"peers that are killed leave nothing behind",
                fun() -> assert_nothing_left([A], fun() -> kill_peer(A, Key) end,
                                             fun() -> [kill_peer(A, Key)
                                                       || _ <- lists:seq(1, 10)] end) end},
               {"dials that fail leave nothing behind: refused, silence, nobody there",
                fun() -> assert_nothing_left([A, C], fun() -> fail(A, C, 2) end,
                                             fun() -> fail(A, C, 50) end) end},
               {"strangers leave nothing behind",
                fun() -> assert_nothing_left([B], fun() -> strangers(B, 300) end,
                                             fun() -> strangers(B, 300) end) end},
               {"distribution that is stopped and started again leaves nothing behind",
                fun() -> assert_nothing_left([A, D], fun() -> restart(A, D, 5) end,
                                             fun() -> restart(A, D, 40) end) end}]]
     end}.

%% a, b and d trust each other, as far as they meet; c trusts a, which has no line for it. A
%% listener that says nothing stands where ?MUTE is looked for.
nodes_up() ->
    HostA = mesh:host("127.0.0.1"),
    [HostB, HostC, HostD, Mute] =
        [mesh:host(Ip, #{mesh => HostA})
         || Ip <- ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"]],
    [ok = mesh:trust(X, Y) || {X, Y} <- [{HostA, HostB}, {HostB, HostA}, {HostA, HostD},
                                         {HostD, HostA}, {HostC, HostA}, {HostA, Mute}]],
    %% Or kernel's own servers would dial a node again that they were just told of.
    Args = ["-kernel", "dist_auto_connect", "never", "net_setuptime", "1"],
    Nodes = [mesh:start("a", HostA, #{args => Args}), mesh:start("b", HostB, #{args => Args}),
             mesh:start("c", HostC, #{args => Args}),
             mesh:start("d", HostD, #{args => Args, node => none})],
    [ok = mesh:call(N, holdings, load_all, []) || N <- Nodes],
    #{nodes => Nodes, mute => mute(Mute), key => HostB}.

%% Accepts, says nothing, and goes when the other side does.
mute(#{port := Port}) ->
    Self = self(),
    Mute = spawn(fun() ->
                         {ok, Listener} = gen_tcp:listen(Port, [{ip, {127, 0, 0, 5}}]),
                         Self ! {self(), listening},
                         mute_loop(Listener)
                 end),
    receive {Mute, listening} -> Mute end.

mute_loop(Listener) ->
    {ok, _} = gen_tcp:accept(Listener),
    (fun Flush() -> receive _ -> Flush() after 0 -> ok end end)(),
    mute_loop(Listener).

%% --- what a node holds ---------------------------------------------------------------------

%% Runs WarmUp, then Trouble: afterwards the nodes hold what they held before. Warm means
%% that code is loaded, atoms are there and the allocators have what they keep. Of pages they may
%% keep some more after the first time: what leaks grows each time.
assert_nothing_left(Nodes, WarmUp, Trouble) ->
    WarmUp(),
    case resident_after(Nodes, Trouble) of
        [] -> ok;
        _ -> ?assertEqual([], resident_after(Nodes, Trouble))
    end.

%% The nodes that have more resident than before, and how much. Nothing else has grown.
resident_after(Nodes, Trouble) ->
    Before = [at_rest(N) || N <- Nodes],
    Trouble(),
    [Grown || {N, B} <- lists:zip(Nodes, Before), Grown <- assert_same(N, B)].

%% Not while something is still on its way out: twice the same within half a second.
at_rest(Node) ->
    One = mesh:call(Node, holdings, here, []),
    timer:sleep(500),
    Two = mesh:call(Node, holdings, here, []),
    case holdings:counted(One) =:= holdings:counted(Two) of
        true -> Two;
        false -> at_rest(Node)
    end.

assert_same(Node, Before) ->
    Counted = holdings:counted(Before),
    try mesh:wait_until(fun() -> holdings:counted(mesh:call(Node, holdings, here, [])) =:= Counted end)
    catch error:waited_in_vain -> ok % what is too much is shown below
    end,
    After = mesh:call(Node, holdings, here, []),
    ?assertEqual(Counted, holdings:counted(After)),
    Grown = fun(Key) -> maps:get(Key, After) - maps:get(Key, Before) end,
    [?assertMatch({Key, By} when By < Bound, {Key, Grown(Key)}) || {Key, Bound} <- bounds()],
    [{maps:get(name, Node), Grown(resident)}
     || Grown(resident) >= ?RESIDENT, os:getenv("TACIT_NODE_PRELOAD", "") =:= ""].

%% Atoms: one a link or a restart would be 40 at least. Bytes: idle nodes differ by a tenth
%% of this; a handshake's state for each link would be twice as much.
bounds() ->
    [{atoms, 10}, {memory, 300000}].

%% --- trouble -------------------------------------------------------------------------------

%% Each side dials, and each side cuts what it dialled and what it did not.
cut(#{name := NameA} = A, #{name := NameB} = B, Count) ->
    [ok = mesh:call(N, ?MODULE, links, [Other, Cutter, Count], 200000)
     || {N, Other} <- [{A, NameB}, {B, NameA}], Cutter <- [NameA, NameB]],
    [mesh:wait_until(fun() -> mesh:call(N, erlang, nodes, []) =:= [] end) || N <- [A, B]].

links(Other, Cutter, Count) ->
    [begin
         up(Other),
         monitor_node(Other, true),
         case Cutter of
             Other -> erpc:cast(Other, erlang, disconnect_node, [node()]);
             _ -> erlang:disconnect_node(Other)
         end,
         receive {nodedown, Other} -> ok end
     end || _ <- lists:seq(1, Count)],
    ok.

%% Calls with small and large arguments and results, both ways.
talk(#{name := NameA} = A, #{name := NameB} = B, Count) ->
    ok = mesh:on(A, fun() -> up(NameB), ok end),
    [ok = mesh:on(N, fun() -> [Bytes = erpc:call(Other, binary, copy, [Bytes])
                               || _ <- lists:seq(1, Count), Size <- [10, 3000, 70000, 500000],
                                  Bytes <- [binary:copy(<<"x">>, Size)]],
                              ok end)
     || {N, Other} <- [{A, NameB}, {B, NameA}]].

%% A dial may meet what is left of the link before, on either side: then once more.
up(Other) ->
    net_kernel:connect_node(Other) orelse up(Other).

kill_peer(A, Host) ->
    K = #{name := NameK} = mesh:start("k", Host#{port => none}, #{args => [
        "-dist_listen", "false"]}),
    ok = mesh:on(K, fun() -> true = net_kernel:connect_node(maps:get(name, A)), ok end),
    ?assert(lists:member(NameK, mesh:call(A, erlang, nodes, [hidden]))),
    mesh:kill(K),
    mesh:stop(K),
    mesh:wait_until(fun() -> not lists:member(NameK, mesh:call(A, erlang, nodes, [hidden])) end).

%% Refused by A, which also waits for those who say nothing, and dials where nobody is.
fail(#{name := NameA} = A, C, Count) ->
    ok = mesh:call(C, ?MODULE, dials, [[NameA], Count]),
    ok = mesh:call(A, ?MODULE, dials, [[?NOBODY], Count]),
    Mute = [mesh:call(A, erlang, list_to_atom, [Name]) || Name <- ?MUTE],
    ok = mesh:call(A, ?MODULE, dials, [Mute, 1 + Count div 10]),
    {ok, #{reason := refused}} = mesh:call(C, tacit, info, [NameA]),
    {ok, #{reason := econnrefused}} = mesh:call(A, tacit, info, [?NOBODY]),
    {ok, #{reason := handshake_timeout}} = mesh:call(A, tacit, info, [hd(Mute)]).

%% All of them at once, so many times.
dials(Nodes, Count) ->
    Self = self(),
    [begin
         Pids = [spawn_link(fun() -> Self ! {self(), net_kernel:connect_node(N)} end)
                 || N <- Nodes],
         [receive {Pid, Result} -> false = Result end || Pid <- Pids]
     end || _ <- lists:seq(1, Count)],
    ok.

%% Garbage, half a first message, nothing: some wait to be closed, some go themselves.
strangers(#{host := #{ip := Ip, port := Port}} = B, Count) ->
    {ok, Address} = inet:parse_address(Ip),
    Sockets = [begin
                   {ok, Socket} = gen_tcp:connect(Address, Port, [binary, {active, false}]),
                   ok = gen_tcp:send(Socket, lists:nth(1 + N rem 3, [<<"GET / HTTP/1.1\r\n\r\n">>,
                                                                     <<1, 128, 0:1000>>, <<>>])),
                   Socket
               end || N <- lists:seq(1, Count)],
    {Leave, Stay} = lists:split(Count div 2, Sockets),
    [ok = gen_tcp:close(Socket) || Socket <- Leave],
    [?assertMatch({error, _}, gen_tcp:recv(Socket, 0, 60000)) || Socket <- Stay],
    [ok = gen_tcp:close(Socket) || Socket <- Stay],
    mesh:wait_until(fun() ->
                            {ok, #{pending := Pending}} = mesh:call(B, tacit, info, []),
                            Pending =:= 0
                    end).

restart(#{name := NameA}, D, Count) ->
    ok = mesh:call(D, ?MODULE, restarts, ['d@127.0.0.4', NameA, Count]).

restarts(Name, Other, Count) ->
    [begin
         {ok, _} = net_kernel:start([Name, longnames]),
         true = erlang:set_cookie(Other, tacittest),
         up(Other),
         ok = net_kernel:stop(),
         until_down()
     end || _ <- lists:seq(1, Count)],
    ok.

%% The emulator takes the name away only when the last link's port is gone.
until_down() ->
    case node() of
        nonode@nohost -> ok;
        _ -> erlang:yield(), until_down()
    end.
