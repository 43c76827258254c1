%% C nodes whose programs close what they use, fork, and do everything at once; and whose
%% peers vanish half-way.
-module(ei_attack_tests).

-include_lib("eunit/include/eunit.hrl").

-define(DEADLINE, 60000).

ei_attack_test_() ->
    {setup, fun start/0, fun stop/1,
     fun(World) -> [{Title, {timeout, 300, fun() -> Test(World) end}} || {Title, Test} <- tests()]
     end}.

tests() ->
    [{"a connection that one thread closes ends for another that waits in it for a message, and "
      "for one that cannot get rid of its own; the node hears of it", fun closed/1},
     {"a listener that one thread closes ends for another that waits in it", fun unlistened/1},
     {"many threads connect, send, receive, reload and close under each other", fun storm/1},
     {"a child that was forked off can use nothing of its parent's, and whatever it does the "
      "parent's connection goes on; it makes connections of its own", fun forked/1},
     {"100 MB both ways at once", fun both_ways/1},
     {"a message that is longer than the program's buffer is told, and the next one is received",
      fun small_buffer/1},
     {"a message over max-message ends the link, and both sides say why", fun too_big/1},
     {"a node that is killed in the middle of a message ends the link, and time-outs hold before",
      fun killed/1},
     {"what was not set up, or given back already, is an error and no crash", fun misused/1}].

start() ->
    A = mesh:host("127.0.0.1"),
    B = mesh:host("127.0.0.2", #{mesh => A}),
    ok = mesh:trust(A, B),
    ok = mesh:trust(B, A),
    #{a => A, b => B, node => start("a", A)}.

start(Name, Host) ->
    Node = mesh:start(Name, Host, #{args => ["-kernel", "dist_auto_connect", "never"]}),
    true = mesh:on(Node, fun() ->
                                 Pid = spawn(fun F() ->
                                                     receive
                                                         {From, What} -> From ! What;
                                                         _ -> ok
                                                     end,
                                                     F()
                                             end),
                                 register(ei_echo, Pid)
                         end),
    Node.

stop(#{node := Node}) ->
    mesh:stop(Node).

background(C, [Command | Args]) ->
    "started " ++ Number = cnode:call(C, [[$& | atom_to_list(Command)] | Args]),
    Number.

says(Pattern, Line) ->
    ?assertMatch({match, _}, re:run(Line, Pattern), lists:flatten(Line)).

used(C, Fd) ->
    ?assertEqual("reply 3", cnode:call(C, [rpc, Fd, erlang, abs, "[-3]"])).

%% --- the promises ----------------------------------------------------------------------------

closed(#{b := B, node := Node}) ->
    #{name := Name} = C = cnode:start("c1", B),
    Fd = cnode:connect(C, Node),
    Waits = background(C, ['receive', Fd, 0]),
    %% It is in it, or will be: either way it comes back.
    cnode:close(C, Fd),
    says("^failed ", cnode:call(C, [await, Waits])),
    mesh:wait_until(fun() -> not lists:member(Name, mesh:call(Node, erlang, nodes, [connected])) end),
    {ok, #{text := Text}} = mesh:call(Node, tacit, info, [Name]),
    says("the peer closed: done", Text),
    Stuck = cnode:connect(C, Node),
    ok = mesh:freeze(Node),
    try
        Sends = background(C, [bulk, Stuck, ei_echo, 30_000_000, 0]),
        timer:sleep(500), % until the socket is full, as a rule
        cnode:close(C, Stuck),
        says("^failed ", cnode:call(C, [await, Sends]))
    after
        ok = mesh:thaw(Node)
    end,
    says("^failed ", cnode:call(C, ["receive", Stuck, 1000])),
    cnode:stop(C).

unlistened(#{b := B, node := Node}) ->
    C = cnode:start("c2", B),
    "listening " ++ Fd = cnode:call(C, [listen]),
    Waits = background(C, [accept, Fd, 0]),
    cnode:close(C, Fd),
    says("^failed ", cnode:call(C, [await, Waits])),
    "listening " ++ Again = cnode:call(C, [listen]),
    {"accepted " ++ _, true} = cnode:called(C, Again, Node),
    cnode:stop(C).

storm(#{b := B, node := #{name := Name} = Node}) ->
    C = cnode:start("c3", B),
    ?assertEqual("weathered", cnode:call(C, [storm, atom_to_list(Name), 8, 10])),
    used(C, cnode:connect(C, Node)),
    cnode:stop(C).

forked(#{b := B, node := #{name := Name} = Node}) ->
    C = cnode:start("c4", B),
    Fd = cnode:connect(C, Node),
    used(C, Fd),
    [?assertEqual("child 0", cnode:call(C, [fork, Fd, atom_to_list(Name)])) || _ <- [1, 2]],
    used(C, Fd),
    cnode:stop(C).

both_ways(#{b := B, node := Node}) ->
    C = cnode:start("c5", B),
    Fd = cnode:connect(C, Node),
    Sends = [background(C, [bulk, Fd, ei_echo, 100_000_000, ?DEADLINE]) || _ <- [1, 2]],
    Received = [cnode:call(C, [sink, Fd, ?DEADLINE]) || _ <- Sends],
    ?assertMatch(["binary 100000000 " ++ _, _], Received),
    ?assertEqual(Received, [cnode:call(C, [await, Number]) || Number <- Sends]),
    cnode:stop(C).

small_buffer(#{b := B, node := Node}) ->
    #{name := Name} = C = cnode:start("c6", B),
    Fd = cnode:connect(C, Node),
    [mesh:call(Node, erlang, send, [{any, Name}, What]) || What <- [binary:copy(<<1>>, 100_000), ok]],
    says("^failed emsgsize ", cnode:call(C, [small, Fd, ?DEADLINE])),
    ?assertEqual("message ok", cnode:call(C, ["receive", Fd, ?DEADLINE])),
    cnode:stop(C).

too_big(#{a := A, node := Node}) ->
    Host = mesh:host("127.0.0.3", #{mesh => A}),
    ok = mesh:trust(Host, A),
    ok = mesh:trust(A, Host),
    {ok, _} = mesh:call(Node, tacit, reload, []),
    #{conf := Conf} = Host,
    {ok, Text} = file:read_file(Conf),
    ok = file:write_file(Conf, string:replace(Text, "[host]\n", "[host]\nmax-message = 64K\n")),
    #{name := Name} = C = cnode:start("c7", Host),
    Fd = cnode:connect(C, Node),
    mesh:call(Node, erlang, send, [{any, Name}, binary:copy(<<1>>, 100_000)]),
    says("^failed .*over the receiver's max-message = 65536", cnode:call(C, ["receive", Fd, ?DEADLINE])),
    mesh:wait_until(fun() -> not lists:member(Name, mesh:call(Node, erlang, nodes, [connected])) end),
    {ok, #{text := Told}} = mesh:call(Node, tacit, info, [Name]),
    says("the peer closed: .*over the receiver's max-message = 65536", Told),
    cnode:stop(C).

killed(#{b := B, a := A}) ->
    Host = mesh:host("127.0.0.4", #{mesh => A}),
    ok = mesh:trust(Host, B),
    ok = mesh:trust(B, Host),
    Victim = start("v", Host),
    C = cnode:start("c8", B),
    Fd = cnode:connect(C, Victim),
    ok = mesh:freeze(Victim),
    says("^failed timeout ", cnode:call(C, ["receive", Fd, 200])),
    says("^failed timeout ", cnode:call(C, [bulk, Fd, ei_echo, 30_000_000, 500])),
    ok = mesh:kill(Victim),
    says("^failed eio ", cnode:call(C, ["receive", Fd, ?DEADLINE])),
    cnode:close(C, Fd),
    cnode:stop(C).

misused(#{b := B}) ->
    C = cnode:start("c9", B),
    ?assertEqual("well 8", cnode:call(C, [misuse])),
    cnode:stop(C).
