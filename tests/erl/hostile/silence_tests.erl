%% First messages that open under the mesh key, and are a stranger's all the same: recorded by
%% somebody who has no key, and sent again; to another host than they were made for; or not of
%% this time. Each meets what one meets who says nothing, or garbage: not a byte, and no end
%% before its time is over. At a node, at a C node, both also with a door before them, and at
%% the door.
-module(silence_tests).

-include_lib("eunit/include/eunit.hrl").

-define(PATIENCE, 60000).
-define(ANSWER, 1122). % bytes of message 2, behind its length
-define(PASS, 4).

silence_test_() ->
    {setup, fun start/0, fun stop/1,
     fun(#{results := Results, places := Places}) ->
             [{lists:flatten([Where, ": ", What, " meets the same silence as garbage"]),
               fun() -> ?assertEqual({0, later}, Met) end}
              || {Where, What, Met} <- Results] ++
             [{Where ++ ": no X25519 was computed for any of it, and no byte was told",
               {timeout, 60, Check}} || #{where := Where, check := Check} <- Places]
     end}.

%% All of them wait their ten seconds together.
start() ->
    Places = [own_node(), passed_node(), own_cnode(), passed_cnode(), door()],
    Said = [{Place, What, Bytes} || #{messages := Messages} = Place <- Places,
                                    {What, Bytes} <- Messages],
    [#{dial := DialFirst} | _] = Places,
    Nothing = waits(DialFirst(<<>>)),
    timer:sleep(500),
    Garbage = [waits(Dial(<<384:16, 0:(8 * 384)>>)) || {#{dial := Dial}, _, _} <- Said],
    timer:sleep(500),
    Strangers = [waits(Dial(Bytes)) || {#{dial := Dial}, _, Bytes} <- Said],
    {0, Least} = heard(Nothing),
    Results = [{Where, What, which(Least, First, Second)}
               || {{#{where := Where}, What, _}, First, Second}
                      <- lists:zip3(Said, Garbage, Strangers)],
    #{results => Results, places => Places}.

stop(#{places := Places}) ->
    lists:foreach(fun(#{stop := Stop}) -> Stop() end, Places).

waits(Socket) ->
    Self = self(),
    Pid = spawn_link(fun() ->
                             receive go -> ok end,
                             Heard = heard(Socket, 0),
                             Self ! {self(), Heard, erlang:unique_integer([monotonic])}
                     end),
    ok = gen_tcp:controlling_process(Socket, Pid),
    Pid ! go,
    Pid.

heard(Pid) ->
    receive {Pid, Heard, At} -> {Heard, At} end.

%% What a stranger heard, and whether each was sent off later than who came before him.
which(Least, Garbage, Stranger) ->
    {0, First} = heard(Garbage),
    {Heard, Second} = heard(Stranger),
    {Heard, if Second > First, First > Least -> later; true -> sooner end}.

heard(Socket, Size) ->
    case gen_tcp:recv(Socket, 0, ?PATIENCE) of
        {ok, Bytes} -> heard(Socket, Size + byte_size(Bytes));
        {error, closed} -> gen_tcp:close(Socket), Size
    end.

%% --- what is said --------------------------------------------------------------------------

first(Options) ->
    {Bytes, _} = foreign:first(Options),
    Bytes.

%% Time0 is before the one that answers was started.
messages(#{wanted := Wanted} = Options, Time0) ->
    [_, Host] = string:split(Wanted, "@"),
    Now = os:system_time(second),
    [{"one that was made too long ago", first(Options#{time => Now - 700})},
     {"one from the future", first(Options#{time => Now + 700})},
     {"one that was made before it was started", first(Options#{time => Time0 - 1})},
     {"one that is for another host", first(Options#{wanted => "x@127.0.0.77"})},
     {"one that is for the same name on another host",
      first(Options#{wanted => hd(string:split(Wanted, "@")) ++ "@127.0.0.77"})},
     {"one that is for a host whose name begins like this one's",
      first(Options#{wanted => "x@" ++ Host ++ "0"})}].

%% Where a node answers, and not its host's door.
node_messages(#{wanted := Wanted} = Options, Time0) ->
    [_, Host] = string:split(Wanted, "@"),
    [{"one that is for another node of its host", first(Options#{wanted => "x@" ++ Host})}
     | messages(Options, Time0)].

options(Host, Wanted) ->
    #{mesh_key => foreign:mesh_key(Host), identity => foreign:identity(),
      name => "f@127.0.0.9", wanted => Wanted}.

%% One that was answered with message 2.
answered(Dial, Options) ->
    Bytes = first(Options),
    Socket = Dial(Bytes),
    {ok, _} = gen_tcp:recv(Socket, ?ANSWER, ?PATIENCE),
    ok = gen_tcp:close(Socket),
    Bytes.

%% The next second has begun, also by time(2), which is a tick behind.
next_second() ->
    Second = os:system_time(second),
    mesh:wait_until(fun() -> os:system_time(second) > Second end),
    timer:sleep(50),
    Second + 1.

dial(Ip, Port) ->
    fun(Bytes) ->
            {ok, Socket} = gen_tcp:connect(Ip, Port, [binary, {active, false}], ?PATIENCE),
            ok = gen_tcp:send(Socket, Bytes),
            Socket
    end.

%% --- a node that listens -------------------------------------------------------------------

own_node() ->
    #{port := Port} = Host = mesh:host("127.0.0.1"),
    Options = options(Host, "a@127.0.0.1"),
    Dial = dial({127, 0, 0, 1}, Port),
    Own = own_door(Host),
    Before = mesh:start("a", Host),
    Recorded = answered(Dial, Options),
    mesh:stop(Before),
    Time0 = next_second(),
    Node = mesh:start("a", Host),
    Messages = [{"one that it answered before it was started again", Recorded},
                {"one that it has answered", answered(Dial, Options)},
                {"its own question to another door", Own(Node)} | node_messages(Options, Time0)],
    #{where => "a node", dial => Dial, messages => Messages,
      check => fun() -> once(Node) end, stop => fun() -> mesh:stop(Node) end}.

%% The one first message that it was to answer.
once(Node) ->
    ?assertMatch({ok, #{exchanges := 1, unauthenticated_bytes := 0, known := 0}}, mesh:call(Node, tacit, info, [])).

%% It is a door, too, and asks one that shows the same key. Gives what it then says.
own_door(#{dir := Dir, conf := Conf} = Host) ->
    {0, _} = mesh:tacit(["keygen", filename:join(Dir, "door.key")]),
    {0, Key} = mesh:tacit(["pubkey", filename:join(Dir, "door.key")]),
    {ok, Text} = file:read_file(Conf),
    ok = file:write_file(Conf, string:replace(Text, "[host]\n",
                                              "[host]\ndoor-identity = door.key\n")),
    {Listener, Port} = foreign:listen({127, 0, 0, 9}),
    mesh:append(Host, foreign:peer_section("f@127.0.0.9", foreign:identity(),
                                           io_lib:format("endpoint = 127.0.0.9:~b\n"
                                                         "door-key = ~s", [Port, Key]))),
    fun(Node) -> own(Listener, fun() -> mesh:call(Node, net_adm, names, ["127.0.0.9"]) end) end.

%% The first message of a peer that dials meanwhile.
own(Listener, Dials) ->
    {Pid, Ref} = spawn_monitor(Dials),
    {ok, Socket} = gen_tcp:accept(Listener, ?PATIENCE),
    {ok, Bytes} = gen_tcp:recv(Socket, 386, ?PATIENCE),
    ok = gen_tcp:close(Socket),
    ok = gen_tcp:close(Listener),
    receive {'DOWN', Ref, process, Pid, normal} -> Bytes end.

%% --- a node behind a door, which the test plays --------------------------------------------

passed_node() ->
    Host = door:host("127.0.0.1"),
    Options = options(Host, "a@127.0.0.1"),
    Listener = door:play(Host),
    Time0 = next_second(),
    {Node, Door} = door:start_node("a", Host, Listener),
    Dial = hand_on(Door),
    #{where => "a node to which it is passed", dial => Dial,
      messages => [{"one that it has answered", answered(Dial, Options)}
                   | node_messages(Options, Time0)],
      check => fun() -> once(Node) end,
      stop => fun() ->
                      mesh:stop(Node),
                      _ = [socket:close(S) || S <- [Door, Listener]]
              end}.

%% Bytes are read already of a connection that is then handed on.
hand_on(Door) ->
    {ok, Listener} = socket:open(inet, stream, tcp),
    ok = socket:bind(Listener, #{family => inet, addr => {127, 0, 0, 1}, port => 0}),
    ok = socket:listen(Listener),
    {ok, #{port := Port}} = socket:sockname(Listener),
    fun(Bytes) ->
            {ok, Client} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, false}]),
            {ok, Accepted} = socket:accept(Listener, ?PATIENCE),
            Now = erlang:convert_time_unit(os:perf_counter(), perf_counter, millisecond),
            door:hand(Door, door:frame(?PASS, [<<Now:64, 4, 127, 0, 0, 1, 0:96, 4711:16, 0:32,
                                                 0:16>>, Bytes]), [Accepted]),
            Client
    end.

%% --- C nodes -------------------------------------------------------------------------------

own_cnode() ->
    #{port := Port} = Host = mesh:host("127.0.0.2"),
    {Listener, Elsewhere} = foreign:listen({127, 0, 0, 9}),
    %% It dials one of its own name.
    mesh:append(Host, foreign:peer_section("c@127.0.0.2", foreign:identity(),
                                           io_lib:format("endpoint = 127.0.0.9:~b",
                                                         [Elsewhere]))),
    Options = options(Host, "c@127.0.0.2"),
    Dial = dial({127, 0, 0, 2}, Port),
    Before = listening(cnode:start("c", Host)),
    Recorded = answered(Dial, Options),
    cnode:stop(Before),
    Time0 = next_second(),
    C = cnode:start("c", Host),
    Own = own(Listener, fun() -> "failed " ++ _ = cnode:call(C, [connect, "c@127.0.0.2", 30000]) end),
    _ = listening(C),
    Messages = [{"one that it answered before it was started again", Recorded},
                {"one that it has answered", answered(Dial, Options)},
                {"its own first message", Own} | node_messages(Options, Time0)],
    #{where => "a C node", dial => Dial, messages => Messages,
      stop => fun() -> cnode:stop(C) end}.

%% It accepts from now on: nobody is let in.
listening(C) ->
    "listening " ++ Fd = cnode:call(C, [listen]),
    "started " ++ _ = cnode:call(C, ["&accept", Fd, 0]),
    C.

passed_cnode() ->
    Host = door:host("127.0.0.3"),
    Options = options(Host, "c@127.0.0.3"),
    Listener = door:play(Host),
    Time0 = next_second(),
    C = cnode:start("c", Host),
    Self = self(),
    Pid = spawn_link(fun() -> Self ! {self(), door:welcome(door:called(Listener))},
                              receive stop -> ok end
                     end),
    _ = listening(C),
    Door = receive {Pid, Socket} -> Socket end,
    Dial = hand_on(Door),
    #{where => "a C node to which it is passed", dial => Dial,
      messages => [{"one that it has answered", answered(Dial, Options)}
                   | node_messages(Options, Time0)],
      stop => fun() -> Pid ! stop, cnode:stop(C) end}.

%% --- a door --------------------------------------------------------------------------------

door() ->
    Host = door:host("127.0.0.4"),
    Options = options(Host, "a@127.0.0.4"),
    Before = door:start(Host),
    {Ip, Port} = door:address(Before),
    Dial = dial(Ip, Port),
    Recorded = passed(Before, Dial, Options),
    0 = door:stop(Before),
    Time0 = next_second(),
    Door = door:start(Host),
    Passed = passed(Door, Dial, Options),
    {ok, _, _} = door:register(Door, "b@127.0.0.4"), % it is of this host
    #{where => "a door", dial => Dial,
      messages => [{"one that it passed on before it was started again", Recorded},
                   {"one that it has passed on", Passed},
                   {"one that it has passed on, for a node that is gone", Passed},
                   {"a question, where it has no door-identity", first(Options#{wanted => ""})}
                   | messages(Options, Time0)],
      check => fun() -> ?assertEqual(0, door:counter(Door, "exchanges")) end,
      stop => fun() -> 0 = door:stop(Door) end}.

%% One that is passed to a node, which then goes.
passed(Door, Dial, #{wanted := Wanted} = Options) ->
    {ok, Node, _} = door:register(Door, Wanted),
    Bytes = first(Options),
    Client = Dial(Bytes),
    #{first := Bytes, socket := Passed} = door:passed(Node),
    ok = socket:close(Passed),
    ok = gen_tcp:close(Client),
    ok = socket:close(Node),
    mesh:wait_until(fun() -> door:counter(Door, "nodes") =:= 0 end),
    Bytes.
