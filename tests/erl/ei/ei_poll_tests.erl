%% A C node whose program waits with poll() for its connection's descriptor, and calls ei only
%% when that is readable: what libtacit_ei has already read and opened must not be forgotten.
-module(ei_poll_tests).

-include_lib("eunit/include/eunit.hrl").

ei_poll_test_() ->
    {setup, fun start/0, fun stop/1,
     fun(World) -> [{Title, {timeout, 180, fun() -> Test(World) end}} || {Title, Test} <- tests()]
     end}.

tests() ->
    [{"10,000 small messages in bursts: poll() says so as long as one is left, and then no more",
      fun small/1},
     {"so it does with messages of all sizes up to 1 MB, and fresh keys among them", fun mixed/1},
     {"a link that ends is readable, behind its last messages", fun ends/1}].

%% No tick comes to wake one that forgot something.
start() ->
    A = mesh:host("127.0.0.1"),
    B = mesh:host("127.0.0.2", #{mesh => A}),
    ok = mesh:trust(A, B),
    ok = mesh:trust(B, A),
    ok = mesh:in_mesh(A, "rekey-bytes = 1M\n"),
    #{host => B, node => mesh:start("a", A, #{args => ["-kernel", "dist_auto_connect", "never",
                                                       "-kernel", "net_ticktime", "2400"]})}.

stop(#{node := Node}) ->
    mesh:stop(Node).

%% The node sends so many messages {N, a binary of Size(N)}, Burst of them at once.
send(Node, #{name := Name}, Count, Burst, Size) ->
    mesh:on(Node, fun() ->
                          spawn(fun() ->
                                        [begin
                                             {anybody, Name} ! {N, binary:copy(<<N>>, Size(N))},
                                             N rem Burst =:= 0 andalso timer:sleep(N rem 3)
                                         end || N <- lists:seq(1, Count)]
                                end)
                  end).

poll(C, Fd, Count) ->
    Line = cnode:call(C, [poll, Fd, Count, 60000]),
    ?assertMatch("all, and " ++ _, Line),
    Line.

small(#{host := Host, node := Node}) ->
    C = cnode:start("c", Host),
    Fd = cnode:connect(C, Node),
    [begin
         send(Node, C, 10_000, Burst, fun(_) -> 8 end),
         poll(C, Fd, 10_000)
     end || Burst <- [50, 300, 10_000]],
    cnode:stop(C).

mixed(#{host := Host, node := Node}) ->
    #{name := Name} = C = cnode:start("d", Host),
    Fd = cnode:connect(C, Node),
    Sizes = {0, 1, 65_000, 65_516, 3, 1_000_000, 40_000, 200_000, 17, 130_000},
    send(Node, C, 1000, 40, fun(N) -> element(1 + N rem 10, Sizes) end),
    poll(C, Fd, 1000),
    {ok, #{rekeys := Rekeys}} = mesh:call(Node, tacit, info, [Name]),
    ?assert(Rekeys > 0),
    cnode:stop(C).

ends(#{host := Host, node := Node}) ->
    #{name := Name} = C = cnode:start("f", Host),
    Fd = cnode:connect(C, Node),
    send(Node, C, 100, 100, fun(_) -> 8 end),
    mesh:wait_until(fun() ->
                            {ok, #{sent_messages := N}} = mesh:call(Node, tacit, info, [Name]),
                            N >= 100
                    end),
    cnode:part(Node, C),
    [?assertMatch("message {" ++ _, cnode:call(C, [woken, Fd, 60000])) || _ <- lists:seq(1, 100)],
    "failed eio " ++ _ = cnode:call(C, [woken, Fd, 60000]),
    cnode:close(C, Fd),
    cnode:stop(C).
