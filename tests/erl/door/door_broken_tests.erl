%% A door that is broken, or not what it should be, played by the test: the node stays up, says
%% what is wrong, keeps nothing of it, and is registered when a good one comes.
-module(door_broken_tests).

-include_lib("eunit/include/eunit.hrl").

-define(REFUSED, 3).
-define(PASS, 4).
-define(FIRST, 386). % bytes of a first message behind its length

broken_test_() ->
    [{Title, {timeout, 180, Test}}
     || {Title, Test} <-
            [{"whatever a door passes, says or leaves out, its node stays up, says in one line what "
              "is wrong, leaks no descriptor, and registers again", fun any_door/0},
             {"a door that hangs up again and again is told once, and asked ever more rarely",
              fun hangs_up/0}]].

%% What a door does once it has registered the node, and what the node says of it.
faults() ->
    Pass = door:frame(?PASS, pass()),
    <<Head:10/binary, Rest/binary>> = Pass,
    [{"two sockets at once", fun(S) -> door:hand(S, Pass, [tcp(), tcp()]) end,
      "the door passed more than one socket"},
     {"more than it can take", fun(S) -> door:hand(S, Pass, [udp() || _ <- lists:seq(1, 40)]) end,
      "the door passed more than one socket"},
     {"no socket", fun(S) -> door:send(S, Pass) end, "the door passed a link without its socket"},
     {"a datagram socket", fun(S) -> door:hand(S, Pass, [udp()]) end,
      "the door passed something that is no TCP socket"},
     {"a Unix socket", fun(S) -> door:hand(S, Pass, [unix()]) end,
      "the door passed something that is no TCP socket"},
     {"a socket in the middle of a frame",
      fun(S) -> door:hand(S, Head, [tcp()]), timer:sleep(50), door:hand(S, Rest, [tcp()]) end,
      "the door passed a socket in the middle of a frame"},
     {"a socket, half of its link, and the end", fun(S) -> door:hand(S, Head, [tcp()]), close end,
      "the door has closed"},
     {"a socket with another frame", fun(S) -> door:hand(S, door:welcome(), [tcp()]) end,
      "the door passed a socket without its link"},
     {"a frame too long", fun(S) -> door:send(S, <<1023:16, ?PASS, 0:(1022 * 8)>>) end,
      "a malformed frame from the door"},
     {"an empty frame", fun(S) -> door:send(S, <<0:16>>) end,
      "a malformed frame from the door"},
     {"a truncated link", fun(S) -> door:hand(S, door:frame(?PASS, <<0:64, 4>>), [tcp()]) end,
      "a malformed frame from the door"},
     {"garbage", fun(S) -> door:send(S, binary:copy(<<"garbage!">>, 1000)) end,
      "a malformed frame from the door"},
     {"an answer that nobody asked for", fun(S) -> door:send(S, door:welcome()) end,
      "the door said something that it may not say now"},
     {"a refusal, later", fun(S) -> door:send(S, door:frame(?REFUSED, [1, 2, "no"])) end,
      "the door refuses a@127.0.0.1: name_taken: no"}].

%% Instead of an answer to a registration.
no_answers() ->
    [{"an end", fun(_) -> close end, "the door has closed"},
     {"garbage", fun(S) -> door:send(S, <<"garbage!">>) end,
      "a malformed frame from the door"},
     {"a link before the answer", fun(S) -> door:hand(S, door:frame(?PASS, pass()), [tcp()]) end,
      "the door passed a socket without its link"},
     {"nothing", fun(_) -> ok end, "the door does not answer"}].

any_door() ->
    #{dir := Dir} = A = door:host("127.0.0.1"),
    B = mesh:host("127.0.0.2", #{mesh => A}),
    ok = mesh:trust(A, B),
    ok = mesh:trust(B, A),
    Listener = door:play(A),
    {Node, First} = door:start_node("a", A, Listener),
    %% It has all that it is to have: the command's socket comes last.
    mesh:wait_until(fun() -> filelib:wildcard(filename:join([Dir, "run", "*.sock"])) =/= [] end),
    Again = lists:foldl(fun({What, Fault, Said}, Conn) ->
                                again(Node, Listener, Conn, What, Fault, Said)
                        end, First, [{"the end", fun(_) -> close end, "the door has closed"}
                                     | faults()]),
    Last = lists:foldl(fun({What, Fault, Said}, Conn) ->
                               unanswered(Node, Listener, Conn, What, Fault, Said)
                       end, Again, no_answers()),
    Before = fds(Node),
    %% strangers: no first message of this mesh
    [door:hand(Last, door:frame(?PASS, pass()), [tcp()]) || _ <- lists:seq(1, 20)],
    ok = socket:close(Last),
    ok = socket:close(Listener),
    ok = file:delete(filename:join(Dir, "door.sock")),
    Door = door:start(A),
    mesh:wait_until(fun() -> door:counter(Door, "nodes") =:= 1 end),
    mesh:wait_until(fun() -> fds(Node) =< Before end),
    NodeB = mesh:start("b", B),
    ?assertEqual(pong, mesh:call(NodeB, net_adm, ping, [maps:get(name, Node)])),
    mesh:stop_pair({Node, NodeB}),
    0 = door:stop(Door).

%% A fault of a registered door: one line of the node, nothing kept, and it comes again.
again(Node, Listener, Conn, What, Fault, Said) ->
    Lines = told(Node, Said), % which opens its log
    Before = fds(Node),
    mend(Fault(Conn), Conn),
    Next = door:welcome(door:called(Listener)),
    _ = socket:close(Conn),
    mesh:wait_until(fun() -> told(Node, Said) > Lines end),
    mesh:wait_until(fun() -> fds(Node) =< Before end),
    ?assertEqual({What, Lines + 1}, {What, told(Node, Said)}),
    Next.

unanswered(Node, Listener, Conn, What, Fault, Said) ->
    Before = fds(Node),
    ok = socket:close(Conn),
    Asked = door:called(Listener),
    mend(Fault(Asked), Asked),
    Next = door:welcome(door:called(Listener)),
    _ = socket:close(Asked),
    mesh:wait_until(fun() -> told(Node, Said) > 0 end),
    mesh:wait_until(fun() -> fds(Node) =< Before end),
    ?assertEqual({What, true}, {What, mesh:runs(Node)}),
    Next.

mend(close, Conn) -> ok = socket:close(Conn);
mend(_, _) -> ok.

hangs_up() ->
    A = door:host("127.0.0.1"),
    Listener = door:play(A),
    {Node, First} = door:start_node("a", A, Listener),
    ok = socket:close(First),
    Start = erlang:monotonic_time(millisecond),
    [ok = socket:close(door:called(Listener)) || _ <- lists:seq(1, 5)],
    %% 0.1 s, then twice that, and so on: never sooner, whatever the machine does
    ?assert(erlang:monotonic_time(millisecond) - Start >= 1500),
    Last = door:welcome(door:called(Listener)),
    Said = "door lost: .*the door has closed",
    ?assertEqual(1, told(Node, Said)),
    mesh:wait_until(fun() -> told(Node, "registered with the door") =:= 1 end),
    ok = socket:close(Last),
    mesh:stop(Node).

%% --- a door of the test's own --------------------------------------------------------------

pass() ->
    [<<0:64, 4, 127, 0, 0, 9, 0:96, 4711:16, 0:32, 0:16>>, binary:copy(<<1>>, ?FIRST)].

tcp() -> of_kind(inet, stream).
udp() -> of_kind(inet, dgram).
unix() -> of_kind(local, stream).

of_kind(Domain, Type) ->
    {ok, Socket} = socket:open(Domain, Type),
    Socket.

%% --- the node ------------------------------------------------------------------------------

%% How many lines of its log have the text.
told(Node, Text) ->
    case re:run(mesh:log(Node), Text, [global]) of
        {match, Found} -> length(Found);
        nomatch -> 0
    end.

%% But for what the emulator itself polls with, which it makes when it first needs it.
fds(#{os_pid := Pid}) ->
    Dir = "/proc/" ++ Pid ++ "/fd",
    {ok, Fds} = file:list_dir(Dir),
    length([Fd || Fd <- Fds, not polls(file:read_link(filename:join(Dir, Fd)))]).

polls({ok, "anon_inode:" ++ _}) -> true;
polls(_) -> false.
