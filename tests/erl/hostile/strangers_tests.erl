%% Strangers: any peer that does not hold the mesh key, or does not know what to say with it. None
%% gets a byte back, none costs the node anything of Erlang's, none keeps a friend out.
-module(strangers_tests).

-include_lib("eunit/include/eunit.hrl").

-define(EACH, 20).        % strangers of each kind at once
-define(OWN, "the node's own first message, sent back to it").
-define(PATIENCE, 60000). % ms, for what the node does after its 10 s

%% --- one by one: silence, the deadline, no cost -------------------------------------------

%% All of them come at once and wait together, so that the deadline is waited for once.
strangers_test_() ->
    {setup, fun start/0, fun stop/1,
     fun(World) ->
             {timeout, 180,
              [{"no byte comes back, and the connection is closed, for " ++ Kind,
                fun() -> met_with_silence(Kind, World) end} || {Kind, _} <- kinds()] ++
              [{Title, {timeout, 60, fun() -> Test(World) end}} || {Title, Test} <- tests()]}
     end}.

tests() ->
    [{"strangers make no process, port or atom, and no exchange of keys is begun for them",
      fun costs_nothing/1},
     {"a stranger whose first message is wrong is closed no sooner than a silent one",
      fun closed_in_order/1},
     {"a clock that is wrong is told in the log, and nothing else is", fun clock_is_logged/1},
     {"who holds the mesh key alone cannot fill the log", fun log_is_bounded/1},
     {"a friend is let in while strangers hang", fun friend_meanwhile/1}].

start() ->
    A = mesh:host("127.0.0.1"),
    {Listener, Port} = foreign:listen({127, 0, 0, 9}),
    Identity = foreign:identity(),
    mesh:append(A, foreign:peer_section("f@127.0.0.9", Identity,
                                        io_lib:format("endpoint = 127.0.0.9:~b", [Port]))),
    Node = mesh:start("a", A),
    World0 = #{node => Node, address => {{127, 0, 0, 1}, maps:get(port, A)},
               options => #{mesh_key => foreign:mesh_key(A), identity => Identity,
                            name => "f@127.0.0.9", wanted => "a@127.0.0.1"}},
    World = World0#{replayed => record_first(World0), own => record_own(Node, Listener)},
    %% One of each first, for what the node loads and names once. They go by themselves. Not
    %% the node's own message: that would be a replay from then on, no matter who made it.
    _ = visit([K || {K, _} <- kinds(), K =/= ?OWN], 100, fun friend/1, World),
    mesh:wait_until(fun() -> pending(Node) =:= 0 end),
    Before = costs(Node),
    Ordered = in_background(fun() -> in_order(World) end),
    Kinds = [K || {K, _} <- kinds(), _ <- lists:seq(1, ?EACH)],
    {Results, Friend} = visit(Kinds, ?PATIENCE, fun friend/1, World),
    Order = Ordered(),
    mesh:wait_until(fun() -> pending(Node) =:= 0 end),
    World#{results => Results, before => Before, later => costs(Node), friend => Friend,
           order => Order}.

stop(#{node := Node}) ->
    mesh:stop(Node).

%% A first message that the node has answered: what somebody on the wire may record.
record_first(#{address := {Ip, Port}} = World) ->
    Bytes = first(World, #{}),
    {ok, Socket} = gen_tcp:connect(Ip, Port, [binary, {active, false}]),
    ok = gen_tcp:send(Socket, Bytes),
    {ok, <<1120:16>>} = gen_tcp:recv(Socket, 2, ?PATIENCE),
    ok = gen_tcp:close(Socket),
    Bytes.

%% The node's own first message.
record_own(Node, Listener) ->
    Ping = in_background(fun() -> mesh:call(Node, net_adm, ping, ['f@127.0.0.9']) end),
    {ok, Socket} = gen_tcp:accept(Listener, ?PATIENCE),
    {ok, Bytes} = gen_tcp:recv(Socket, 386, ?PATIENCE),
    ok = gen_tcp:close(Socket),
    ok = gen_tcp:close(Listener),
    pang = Ping(),
    Bytes.

%% Starts Fun; what comes back waits for its result.
in_background(Fun) ->
    Self = self(),
    Ref = make_ref(),
    spawn_link(fun() -> Self ! {Ref, Fun()} end),
    fun() -> receive {Ref, Result} -> Result end end.

pending(Node) ->
    {ok, #{pending := Pending}} = mesh:call(Node, tacit, info, []),
    Pending.

%% What the node has of everything that a stranger must not add to.
costs(Node) ->
    mesh:on(Node, fun() ->
                          {ok, Info} = tacit:info(),
                          Counts = [{C, erlang:system_info(C)} ||
                                       C <- [process_count, port_count, atom_count]],
                          maps:merge(Info, maps:from_list(Counts))
                  end).

%% --- visits --------------------------------------------------------------------------------

%% A stranger for each of Kinds, all at once; then Meanwhile; then all wait, at most
%% Patience ms, until they are sent off. What each heard, and whether it was closed.
visit(Kinds, Patience, Meanwhile, World) ->
    Self = self(),
    Pids = [{Kind, spawn_link(fun() -> stranger(Self, Kind, Patience, World) end)} ||
               Kind <- Kinds],
    [receive {said, Pid} -> ok end || {_, Pid} <- Pids],
    Result = Meanwhile(World),
    {[receive {Pid, Heard, End} -> {Kind, Heard, End} end || {Kind, Pid} <- Pids], Result}.

stranger(Parent, Kind, Patience, #{address := {Ip, Port}} = World) ->
    {Kind, Saying} = lists:keyfind(Kind, 1, kinds()),
    {ok, Socket} = gen_tcp:connect(Ip, Port, [binary, {active, true}, {send_timeout, 5000}]),
    _ = case Saying(World) of
            shutdown -> gen_tcp:shutdown(Socket, write);
            Bytes -> gen_tcp:send(Socket, Bytes)
        end,
    Parent ! {said, self()},
    {Heard, End} = listen(Socket, Patience, 0),
    gen_tcp:close(Socket),
    Parent ! {self(), Heard, End}.

listen(Socket, Patience, Heard) ->
    receive
        {tcp, Socket, Bytes} -> listen(Socket, Patience, Heard + byte_size(Bytes));
        {tcp_closed, Socket} -> {Heard, closed};
        {tcp_error, Socket, _} -> listen(Socket, Patience, Heard)
    after Patience ->
            {Heard, open}
    end.

%% Somebody whom the node knows: a whole link, and its end.
friend(#{address := Address, node := Node, options := Options}) ->
    {ok, Channel} = foreign:connect(Address, Options),
    {ok, Up} = foreign:dial_node("f@127.0.0.9", "tacittest", Channel),
    foreign:stop(foreign:send_record(close, [1], Up)),
    mesh:wait_until(fun() -> mesh:call(Node, erlang, nodes, [hidden]) =:= [] end),
    linked.

%% Which of two is closed first: one who says nothing comes before one who is wrong.
in_order(World) ->
    Self = self(),
    Come = fun(Kind) ->
                   Pid = spawn_link(fun() -> stranger(Self, Kind, ?PATIENCE, World) end),
                   receive {said, Pid} -> {Pid, Kind} end
           end,
    Silent = Come("one who says nothing"),
    timer:sleep(500),
    Wrong = Come("a first message under a wrong mesh key"),
    [receive {Pid, 0, closed} -> proplists:get_value(Pid, [Silent, Wrong]) end || _ <- [1, 2]].

%% --- what they promise ---------------------------------------------------------------------

met_with_silence(Kind, #{results := Results}) ->
    Mine = [{Heard, End} || {K, Heard, End} <- Results, K =:= Kind],
    ?assertEqual({?EACH, [{0, closed}]}, {length(Mine), lists:usort(Mine)}).

costs_nothing(#{before := Before, later := After}) ->
    Same = [process_count, port_count, atom_count, links],
    ?assertEqual(maps:with(Same, Before), maps:with(Same, After)),
    Grown = fun(Counter) -> maps:get(Counter, After) - maps:get(Counter, Before) end,
    Strangers = ?EACH * length(kinds()) + 2,
    %% The one exchange is the friend's.
    ?assertEqual([Strangers + 1, Strangers, 1, 1, 0, 0],
                 [Grown(C) || C <- [accepted, strangers, exchanges, handshakes, refused, evicted]]),
    ?assertEqual(5 * ?EACH, Grown(replays)).

closed_in_order(#{order := Order}) ->
    ?assertEqual(["one who says nothing", "a first message under a wrong mesh key"], Order).

clock_is_logged(#{node := Node}) ->
    Lines = [L || L <- string:lexemes(mesh:log(Node), "\n"), string:find(L, "tacit") =/= nomatch],
    [?assertMatch({_, [_ | _]}, {Text, [L || L <- Lines, string:find(L, Text) =/= nomatch]}) ||
        Text <- ["700 s behind this host's clock", "700 s ahead of this host's clock",
                 "2147483647 s ahead of"]],
    %% The node's own dial to one who hung up is the one other line about a refusal, but for
    %% those of its own message, which was for another host.
    ?assertMatch([_], [L || L <- Lines, string:find(L, "refused") =/= nomatch,
                            string:find(L, "reason=clock") =:= nomatch,
                            string:find(L, "it wants f@127.0.0.9") =:= nomatch]).

%% 50 lines at once, and one more each half second.
log_is_bounded(#{node := Node, address := {Ip, Port}} = World) ->
    Lines = fun() -> length(string:split(mesh:log(Node), "reason=clock", all)) - 1 end,
    {Before, Start} = {Lines(), erlang:monotonic_time(millisecond)},
    [begin
         {ok, Socket} = gen_tcp:connect(Ip, Port, []),
         ok = gen_tcp:send(Socket, timed(World, 700)),
         ok = gen_tcp:close(Socket)
     end || _ <- lists:seq(1, 300)],
    mesh:wait_until(fun() -> pending(Node) =:= 0 end),
    Took = erlang:monotonic_time(millisecond) - Start,
    ?assert(Lines() - Before =< 50 + Took div 500 + 1).

friend_meanwhile(#{friend := Friend}) ->
    ?assertEqual(linked, Friend).

%% --- kinds of strangers --------------------------------------------------------------------

%% Who they are, and what they say.
kinds() ->
    [{"one who says nothing", fun(_) -> <<>> end},
     {"one who says nothing and shuts its side", fun(_) -> shutdown end},
     {"a single byte", fun(_) -> <<1>> end},
     {"random bytes", fun(_) -> crypto:strong_rand_bytes(5000) end},
     {"a megabyte of zeros", fun(_) -> <<0:(1 bsl 23)>> end},
     {"a TLS hello", fun(_) -> tls_hello() end},
     {"an HTTP request", fun(_) -> <<"GET / HTTP/1.1\r\nHost: a\r\n\r\n">> end},
     {"the distribution handshake of a plain node", fun(_) -> plain_name() end}] ++
    [{"epmd's request " ++ Name, fun(_) -> foreign:frame(iolist_to_binary(Request)) end} ||
        {Name, Request} <- epmd_requests()] ++
    [{"half a first message", fun(W) -> binary:part(first(W, #{}), 0, 200) end},
     {"a first message without its last byte", fun(W) -> binary:part(first(W, #{}), 0, 385) end},
     {"a first message under a wrong mesh key",
      fun(W) -> first(W, #{mesh_key => crypto:strong_rand_bytes(32)}) end},
     {"a first message under the key of zeros", fun(W) -> first(W, #{mesh_key => <<0:256>>}) end},
     {"a first message with a flipped bit", fun(W) -> flip(first(W, #{})) end},
     {"a first message that is too short", fun(W) -> resized(first(W, #{}), -1) end},
     {"a first message that is too long", fun(W) -> resized(first(W, #{}), 1) end},
     {"a first message with a key of low order", fun(W) -> low_order(first(W, #{})) end},
     {"a first message that was sealed too long ago", fun(W) -> timed(W, -700) end},
     {"a first message from the future", fun(W) -> timed(W, 700) end},
     {"a first message from the end of time",
      fun(W) -> first(W, #{time => 16#ffffffffffffffff}) end},
     {"a first message whose payload is not strictly right",
      fun(W) -> first(W, #{versions => {0, 1}}) end},
     {"a first message that was recorded and comes again", fun(#{replayed := Bytes}) -> Bytes end},
     {?OWN, fun(#{own := Bytes}) -> Bytes end}].

epmd_requests() ->
    [{"PORT_PLEASE2", "za"}, {"NAMES", "n"}, {"DUMP", "d"}, {"KILL", "k"}, {"STOP", "sa"},
     {"ALIVE2", [120, <<4370:16>>, 77, 0, <<6:16, 5:16, 1:16>>, "a", <<0:16>>]}].

tls_hello() ->
    Random = crypto:strong_rand_bytes(32),
    Hello = <<3, 3, Random/binary, 0, 4:16, 16#1301:16, 16#c02f:16, 1, 0, 0:16>>,
    Handshake = <<1, (byte_size(Hello)):24, Hello/binary>>,
    <<22, 3, 1, (byte_size(Handshake)):16, Handshake/binary>>.

plain_name() ->
    foreign:frame(<<$N, 16#d07df7fbd:64, 1:32, 11:16, "x@127.0.0.1">>).

first(#{options := Options}, More) ->
    {Bytes, _} = foreign:first(maps:merge(Options, More)),
    Bytes.

timed(World, Seconds) ->
    first(World, #{time => os:system_time(second) + Seconds}).

flip(<<Start:300/binary, Byte, Rest/binary>>) -> <<Start/binary, (Byte bxor 1), Rest/binary>>.

resized(<<Size:16, Message/binary>>, By) ->
    Bytes = case By < 0 of
                true -> binary:part(Message, 0, Size + By);
                false -> <<Message/binary, 0:(8 * By)>>
            end,
    foreign:frame(Bytes).

low_order(<<Size:16, _:32/binary, Rest/binary>>) -> <<Size:16, 0:256, Rest/binary>>.
