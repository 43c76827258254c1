%% What a door hears of its nodes, and they tell: the sources that allowed peers came from, for
%% which a part of its limit is kept, and those that are none of them any more. limits_tests
%% shows what that is good for.
-module(door_sources_tests).

-include_lib("eunit/include/eunit.hrl").

-define(REGISTER, 1).
-define(REGISTERED, 2).
-define(REFUSED, 3).
-define(PASS, 4).
-define(SOURCES, 10).
-define(BAD_FRAME, 6).
-define(FIRST, 386). % bytes of a first message behind its length
-define(FRIEND, {127, 0, 0, 9}).

sources_test_() ->
    [{Title, {timeout, 180, Test}}
     || {Title, Test} <-
            [{"a door knows where an allowed peer came from, and no more when one that is refused "
              "came from there, to whichever node", fun refused/0},
             {"nor when a reload has cut the link from there", fun cut/0},
             {"a door that is started again hears of all again", fun again/0},
             {"a node tells a door of version 3 all that it knows, and an older one nothing",
              fun played/0},
             {"whatever a registered node says, in whatever pieces: words about sources are taken, "
              "and anything else is the end of it", fun said/0},
             {"while a node takes nothing there is room for some from known sources when there is none "
              "for others", fun room/0},
             {"a C node tells, too, of one that it lets in and of one that its reload cuts",
              fun c_node/0}]].

%% --- peers that come through the door ----------------------------------------------------------

%% A host with a door, and a peer's identity that is good for f@127.0.0.9.
host() ->
    Host = door:host("127.0.0.1"),
    Identity = foreign:identity(),
    ok = mesh:append(Host, foreign:peer_section("f@127.0.0.9", Identity, "")),
    {Host, #{mesh_key => foreign:mesh_key(Host), identity => Identity, name => "f@127.0.0.9",
             wanted => "a@127.0.0.1"}}.

%% A whole handshake, from Source: the peer is let in, or hears inside the channel that it is not.
come(Door, Source, Options) ->
    {ok, Channel} = foreign:connect(door:address(Door), Options#{source => Source}),
    foreign:stop(Channel).

stranger(Options) ->
    Options#{identity := foreign:identity()}.

knows(Door, Count) ->
    mesh:wait_until(fun() -> door:counter(Door, "known") =:= Count end).

refused() ->
    {Host, Options} = host(),
    Door = door:start(Host),
    Nodes = [mesh:start(Name, Host) || Name <- ["a", "c"]],
    ?assertEqual(0, door:counter(Door, "known")),
    come(Door, ?FRIEND, Options),
    knows(Door, 1),
    come(Door, ?FRIEND, Options), % known already
    come(Door, {127, 0, 0, 10}, Options),
    knows(Door, 2),
    come(Door, ?FRIEND, stranger(Options)),
    knows(Door, 1),
    come(Door, ?FRIEND, Options),
    knows(Door, 2),
    come(Door, ?FRIEND, (stranger(Options))#{wanted := "c@127.0.0.1"}), % which knew nobody
    knows(Door, 1),
    lists:foreach(fun mesh:stop/1, Nodes),
    0 = door:stop(Door).

cut() ->
    {#{conf := Conf} = Host, _} = host(),
    Peer = mesh:host("127.0.0.2", #{mesh => Host, conf => "source = 127.0.0.2\n"}),
    {ok, Before} = file:read_file(Conf),
    ok = mesh:trust(Host, Peer),
    ok = mesh:trust(Peer, Host),
    Door = door:start(Host),
    Pair = {#{name := Name} = Node, NodeB} = {mesh:start("a", Host), mesh:start("b", Peer)},
    ?assertEqual(pong, mesh:call(NodeB, net_adm, ping, [Name])),
    knows(Door, 1),
    ok = file:write_file(Conf, Before),
    {ok, _} = mesh:call(Node, tacit, reload, []),
    knows(Door, 0),
    mesh:stop_pair(Pair),
    0 = door:stop(Door).

again() ->
    {Host, Options} = host(),
    Door = door:start(Host),
    Node = mesh:start("a", Host),
    Sources = [{127, 0, 0, I} || I <- lists:seq(9, 12)],
    [come(Door, Source, Options) || Source <- Sources],
    knows(Door, length(Sources)),
    come(Door, hd(Sources), stranger(Options)),
    knows(Door, length(Sources) - 1),
    door:kill(Door),
    Next = door:start(Host),
    knows(Next, length(Sources) - 1),
    come(Next, hd(Sources), Options),
    knows(Next, length(Sources)),
    mesh:stop(Node),
    0 = door:stop(Next).

%% --- a door that the test plays ----------------------------------------------------------------

played() ->
    {Host, Options} = host(),
    Listener = door:play(Host),
    {Node, First} = door:start_node("a", Host, Listener),
    pass(First, Options),
    node_knows(Node, 1),
    ?assertEqual(closed, end_of(First)),
    Second = welcome(Listener, 2),
    pass(Second, stranger(Options)),
    node_knows(Node, 0),
    pass(Second, Options),
    node_knows(Node, 1),
    ?assertEqual(closed, end_of(Second)),
    Third = welcome(Listener, 3),
    ?assertEqual(word(1), door:recv(Third)),
    pass(Third, Options),
    ?assertEqual(word(1), door:recv(Third)),
    pass(Third, stranger(Options)),
    ?assertEqual(word(0), door:recv(Third)),
    pass(Third, stranger(Options)),
    ?assertEqual(word(0), door:recv(Third)),
    ?assertEqual(closed, end_of(Third)),
    Fourth = welcome(Listener, 3),
    ?assertEqual(closed, end_of(Fourth)), % it knows nobody
    ok = socket:close(Listener),
    mesh:stop(Node).

node_knows(Node, Count) ->
    mesh:wait_until(fun() ->
                            {ok, #{known := Known}} = mesh:call(Node, tacit, info, []),
                            Known =:= Count
                    end).

word(Known) ->
    {?SOURCES, <<Known, 4:32, 127, 0, 0, 1>>}.

welcome(Listener, Version) ->
    Conn = door:called(Listener),
    door:send(Conn, door:frame(?REGISTERED, [Version, <<7:32>>, 5, "0.0.0", <<0:16>>])),
    Conn.

%% What the node has said when it is left.
end_of(Conn) ->
    ok = socket:shutdown(Conn, write),
    Said = door:recv(Conn),
    ok = socket:close(Conn),
    Said.

%% A peer that comes, and is passed to the node: it has done with it.
pass(Conn, Options) ->
    {ok, Listener} = socket:open(inet, stream),
    ok = socket:bind(Listener, #{family => inet, port => 0, addr => loopback}),
    ok = socket:listen(Listener),
    {ok, #{port := Port}} = socket:sockname(Listener),
    Self = self(),
    Pid = spawn_link(fun() -> Self ! {self(), foreign:connect({{127, 0, 0, 1}, Port}, Options)},
                              receive stop -> ok end
                     end),
    {ok, Socket} = socket:accept(Listener),
    {ok, First} = socket:recv(Socket, ?FIRST),
    Address = <<127, 0, 0, 1, 0:96, Port:16>>,
    Now = 1 bsl 62, % a time in the future counts as that
    door:hand(Conn, door:frame(?PASS, [<<Now:64, 4, Address/binary, 0:32, 0:16>>, First]),
              [Socket]),
    receive {Pid, {ok, _}} -> ok end,
    Pid ! stop,
    ok = socket:close(Listener).

%% --- a node that the test plays ----------------------------------------------------------------

said() ->
    {Host, _} = host(),
    Door = door:start(Host),
    Good = sources([{1, 1}, {1, 2}, {0, 1}, {1, 3}]),
    Node = node_of(Door, 3),
    door:send(Node, Good),
    knows(Door, 2),
    door:send(Node, [sources([{0, 2}]), sources([{0, S} || S <- lists:seq(1, 64)]),
                     sources([{1, 1 + S rem 7} || S <- lists:seq(1, 64)])]),
    knows(Door, 7),
    door:send(Node, sources([{0, S} || S <- lists:seq(1, 64)])),
    [door:send(Node, <<Byte>>) || <<Byte>> <= Good],
    knows(Door, 2),
    ?assertEqual(1, door:counter(Door, "nodes")),
    ok = socket:close(Node),
    [bad(Door, 3, Bytes)
     || Bytes <- [sources([]), sources([{1, S} || S <- lists:seq(1, 65)]), sources([{2, 1}]),
                  sources([{1, 0}]), door:frame(?SOURCES, <<1, 1:56>>),
                  door:frame(?SOURCES, <<1, 1:64, 1>>), door:frame(5, ""), door:frame(6, ""),
                  door:frame(11, ""), door:registered("b@127.0.0.1", 4), <<0:16>>, <<1023:16>>,
                  "garbage!"]],
    [bad(Door, Version, Bytes) || Version <- [1, 2], Bytes <- [Good, "x"]],
    ?assertEqual(2, door:counter(Door, "known")), % what was said holds, whoever said it
    0 = door:stop(Door).

room() ->
    {Host, Options0} = host(),
    Options = Options0#{wanted := "n@127.0.0.1"},
    Door = door:start(Host),
    Node = node_of(Door, 3),
    door:send(Node, sources([{1, 16#47f000009}])),
    knows(Door, 1),
    Come = fun(Source) ->
                   {Ip, Port} = door:address(Door),
                   {First, _} = foreign:first(Options),
                   {ok, Socket} = gen_tcp:connect(Ip, Port, [binary, {active, false}, {ip, Source}]),
                   ok = gen_tcp:send(Socket, First),
                   {Socket, First}
           end,
    _ = [Come({127, 0, 1, 1}) || _ <- lists:seq(1, 500)],
    mesh:wait_until(fun() -> door:counter(Door, "slow_node") > 0 end),
    {Stranger, _} = Come({127, 0, 1, 2}),
    ?assertEqual({error, closed}, gen_tcp:recv(Stranger, 0, 60000)),
    {Friend, First} = Come(?FRIEND),
    passed(Node, First),
    ok = gen_tcp:close(Friend),
    ok = socket:close(Node),
    0 = door:stop(Door).

%% It comes behind all that wait.
passed(Node, First) ->
    #{socket := Socket, first := Read} = door:passed(Node),
    ok = socket:close(Socket),
    Read =:= First orelse passed(Node, First).

bad(Door, Version, Bytes) ->
    Node = node_of(Door, Version),
    door:send(Node, Bytes),
    ?assertMatch({Bytes, {?REFUSED, <<?BAD_FRAME, _/binary>>}}, {Bytes, door:recv(Node)}),
    closed = door:recv(Node),
    ok = socket:close(Node).

%% A node that speaks versions up to this one: what it hears first is read.
node_of(Door, Version) ->
    Socket = door:open(Door),
    door:send(Socket, door:frame(?REGISTER, [1, Version, <<0:32>>, 11, "n@127.0.0.1", 0, 0, 0])),
    {?REGISTERED, <<Version, _/binary>>} = door:recv(Socket),
    Version =:= 1 orelse begin {9, _} = door:recv(Socket) end,
    Socket.

sources(Words) ->
    door:frame(?SOURCES, [<<Word, Source:64>> || {Word, Source} <- Words]).

%% --- a C node ----------------------------------------------------------------------------------

c_node() ->
    {#{conf := Conf} = Host, _} = host(),
    Peer = mesh:host("127.0.0.2", #{mesh => Host, conf => "source = 127.0.0.2\n"}),
    {ok, Before} = file:read_file(Conf),
    ok = mesh:trust(Host, Peer),
    ok = mesh:trust(Peer, Host),
    Door = door:start(Host),
    Node = mesh:start("b", Peer, #{args => ["-kernel", "dist_auto_connect", "never"]}),
    C = cnode:start("c", Host),
    "listening " ++ Fd = cnode:call(C, [listen]),
    {"accepted " ++ _, true} = cnode:called(C, Fd, Node),
    knows(Door, 1), % though it accepts nobody else
    ok = file:write_file(Conf, Before),
    "reloaded 1" = cnode:call(C, [reload]),
    "failed timeout" ++ _ = cnode:call(C, [accept, Fd, 100]),
    knows(Door, 0),
    cnode:stop(C),
    mesh:stop(Node),
    0 = door:stop(Door).
