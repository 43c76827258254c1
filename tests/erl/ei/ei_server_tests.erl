%% C nodes that are called: real nodes dial a program of libtacit_ei's, at its own address
%% and through the host's door.
-module(ei_server_tests).

-include_lib("eunit/include/eunit.hrl").

-define(DEADLINE, 60000).
-define(NAME_ME, (2 bsl 32)). % DFLAG_NAME_ME

direct_test_() ->
    {setup, fun start/0, fun stop/1,
     fun(World) -> [{Title, {timeout, 180, fun() -> Test(World) end}}
                    || {Title, Test} <- tests()] end}.

tests() ->
    [{"a node dials a C node, which is hidden, and messages of 100 MB go both ways", fun called/1},
     {"who is on no [peer] line of the C node's is refused, and hears why", fun refused/1},
     {"who claims another name in Erlang's handshake than the channel has proved is refused; so "
      "is who wants to be given one", fun claims/1},
     {"strangers hear nothing, and hold up nobody", fun strangers/1},
     {"a crowd of strangers takes no more memory than connections need, also when it comes again",
      fun crowd/1},
     {"a time-out ends the wait for a caller, and the next one comes in", fun patience/1},
     {"two C nodes call each other, and go on where fresh keys are due", fun among_themselves/1},
     {"an address that is taken is told, and that there is secure-epmd for that", fun taken/1},
     {"a message of the distribution handshake over 65535 bytes ends the link, and both sides "
      "say so", fun long_greeting/1},
     {"a peer that never stops to send records without a byte of a message holds nobody in a "
      "receive beyond its time-out", fun empty_records/1},
     {"a node that has just started sends a C node nothing that it was not asked for",
      fun just_started/1},
     {"a message that ei does not take is told as ei's, not as what failed before it",
      fun not_ei/1},
     {"a C node without a descriptor to spare rests, and then lets its caller in",
      fun few_descriptors/1}].

%% c@127.0.0.2 listens; the node a@127.0.0.1 knows it.
start() ->
    A = mesh:host("127.0.0.1"),
    B = mesh:host("127.0.0.2", #{mesh => A}),
    ok = mesh:trust(A, B),
    ok = mesh:trust(B, A),
    Liar = foreign:identity(),
    ok = mesh:append(B, foreign:peer_section("*@127.0.0.9", Liar, "")),
    {ok, Text} = file:read_file(maps:get(conf, B)),
    ok = file:write_file(maps:get(conf, B), string:replace(Text, "[mesh]\n",
                                                           "[mesh]\nrekey-bytes = 2M\n")),
    C = cnode:start("c", B),
    "listening " ++ Fd = cnode:call(C, [listen]),
    %% net_kernel dials only when it is told to
    Node = mesh:start("a", A, #{args => ["-kernel", "dist_auto_connect", "never"]}),
    #{a => A, b => B, c => C, fd => Fd, node => Node, liar => Liar}.

stop(#{c := C, node := Node}) ->
    cnode:stop(C),
    mesh:stop(Node).

dial(#{c := C, fd := Fd, node := Node}) ->
    cnode:called(C, Fd, Node).

%% What Fun gives while the C node waits for a caller that it lets in: at last the node is.
while_accepting(#{c := #{name := Name} = C, fd := Fd, node := Node}, Fun) ->
    Self = self(),
    Pid = spawn_link(fun() -> Self ! {self(), cnode:call(C, [accept, Fd, ?DEADLINE])} end),
    Result = Fun(),
    true = mesh:call(Node, net_kernel, connect_node, [Name]),
    receive
        {Pid, Line} ->
            ["accepted", Link | _] = string:lexemes(Line, " "),
            cnode:part(Node, C),
            "closed" = cnode:call(C, [close, Link])
    end,
    Result.

%% A process of the node's that sends what it gets back to the C node.
echo(Node, Name) ->
    mesh:on(Node, fun() ->
                          Pid = spawn(fun F() ->
                                              receive {From, What} -> From ! What end,
                                              F()
                                      end),
                          register(Name, Pid)
                  end).

%% --- the promises --------------------------------------------------------------------------

called(#{c := #{name := Name} = C, node := Node} = World) ->
    {"accepted " ++ Accepted, true} = dial(World),
    [Link, "a@127.0.0.1", "127.0.0.1"] = string:lexemes(Accepted, " "),
    ?assertEqual([Name], mesh:call(Node, erlang, nodes, [hidden])),
    ?assertEqual("reply 3", cnode:call(C, [rpc, Link, erlang, abs, "[-3]"])),
    true = echo(Node, ei_echo),
    [begin
         "binary " ++ _ = Sent = cnode:call(C, [bulk, Link, ei_echo, Size, ?DEADLINE]),
         ?assertEqual(Sent, cnode:call(C, [sink, Link, ?DEADLINE]))
     end || Size <- [1, 65503, 100_000_000]],
    %% The node sends to whom it likes there.
    mesh:call(Node, erlang, send, [{anybody, Name}, {hello, there}]),
    ?assertEqual("message {hello, there}", cnode:call(C, ["receive", Link, ?DEADLINE])),
    cnode:part(Node, C),
    "failed eio" ++ _ = cnode:call(C, ["receive", Link, ?DEADLINE]),
    "closed" = cnode:call(C, [close, Link]).

refused(#{a := A, b := B, c := #{name := Name}} = World) ->
    Stranger = mesh:host("127.0.0.3", #{mesh => A}),
    ok = mesh:trust(Stranger, B),
    S = mesh:start("s", Stranger),
    false = while_accepting(World, fun() -> mesh:call(S, net_kernel, connect_node, [Name]) end),
    {ok, #{reason := refused, text := Text}} = mesh:call(S, tacit, info, [Name]),
    ?assertEqual("the peer closed: refused: no [peer] line allows it", lists:flatten(Text)),
    mesh:stop(S).

claims(#{b := #{port := Port} = B, liar := Liar, c := #{name := Name} = C, fd := Fd} = World) ->
    Options = #{mesh_key => foreign:mesh_key(B), identity => Liar, name => "f@127.0.0.9",
                wanted => atom_to_list(Name)},
    %% What one hears who proves to be what More says, and says that he is Claimed.
    Say = fun(More, Claimed, Flags) ->
                  {ok, Channel} = foreign:connect({{127, 0, 0, 2}, Port},
                                                  maps:merge(Options, More)),
                  Channel2 = foreign:send_name(Claimed, Flags, Channel),
                  Answer = foreign:recv_message(Channel2),
                  foreign:stop(Channel2),
                  Answer
          end,
    Self = self(),
    [begin
         Pid = spawn_link(fun() -> Self ! {self(), Say(#{}, Claimed, Flags)} end),
         assert_says("^failed eio .*the distribution handshake claims another name",
                     cnode:call(C, [accept, Fd, ?DEADLINE])),
         receive
             {Pid, Answer} ->
                 ?assertEqual({close, {4, "the distribution handshake claims another name"}},
                              Answer)
         end
     end || {Claimed, Flags} <- [{"g@127.0.0.9", 0}, {"f@127.0.0.99", 0}, {"c@127.0.0.2", 0},
                                 {"f@127.0.0.9", ?NAME_ME}]],
    %% Nothing that can be read, as a node has it: OTP 22 and before, and a name cut short.
    [begin
         Said = "the distribution handshake claims nothing that can be read",
         Pid = spawn_link(fun() ->
                                  {ok, Channel} = foreign:connect({{127, 0, 0, 2}, Port}, Options),
                                  Channel2 = foreign:send_message(Message, Channel),
                                  Answer = foreign:recv_message(Channel2),
                                  foreign:stop(Channel2),
                                  Self ! {self(), Answer}
                          end),
         assert_says("^failed eio .*" ++ Said, cnode:call(C, [accept, Fd, ?DEADLINE])),
         receive {Pid, Answer} -> ?assertEqual({close, {4, Said}}, Answer) end
     end || Message <- [<<"n", 5:16, 0:32, "f@127.0.0.9">>,
                        <<"N", 0:64, 1:32, 12:16, "f@127.0.0.9">>, <<"N">>]],
    {close, {3, Why}} = while_accepting(World, fun() ->
                                                       Say(#{name => "127.0.0.9", name_flags => 1},
                                                           "127.0.0.9", ?NAME_ME)
                                               end),
    assert_says("a C node gives no names", Why).

assert_says(Pattern, Line) ->
    ?assertMatch({match, _}, re:run(Line, Pattern), Line).

strangers(#{b := #{ip := Ip, port := Port}, c := C, node := Node} = World) ->
    {ok, Address} = inet:parse_address(Ip),
    Sockets = [begin
                   {ok, S} = gen_tcp:connect(Address, Port, [binary, {active, false}]),
                   ok = gen_tcp:send(S, Bytes),
                   S
               end || Bytes <- ["", <<0, 5, "hello">>, <<1, 128, 0:3072>>,
                                binary:copy(<<"x">>, 5000)]],
    {"accepted " ++ Accepted, true} = dial(World),
    [?assertEqual({error, timeout}, gen_tcp:recv(S, 0, 100)) || S <- Sockets],
    [ok = gen_tcp:close(S) || S <- Sockets],
    cnode:part(Node, C),
    "closed" = cnode:call(C, [close, hd(string:lexemes(Accepted, " "))]).

crowd(#{b := #{ip := Ip, port := Port}, c := #{name := Name} = C, fd := Fd, node := Node}) ->
    {ok, Address} = inet:parse_address(Ip),
    "started " ++ Number = cnode:call(C, ["&accept", Fd, ?DEADLINE]),
    Before = memory(C),
    Come = fun() ->
                   Crowd = [begin
                                {ok, S} = gen_tcp:connect(Address, Port, []),
                                S
                            end || _ <- lists:seq(1, 400)],
                   mesh:wait_until(fun() -> descriptors(C) > 400 end),
                   Crowd
           end,
    Go = fun(Crowd) ->
                 lists:foreach(fun gen_tcp:close/1, Crowd),
                 mesh:wait_until(fun() -> descriptors(C) < 100 end)
         end,
    [Go(Come()) || _ <- [1, 2]],
    Crowd = Come(),
    Grown = memory(C) - Before,
    Go(Crowd),
    true = mesh:call(Node, net_kernel, connect_node, [Name]),
    "accepted " ++ Accepted = cnode:call(C, [await, Number]),
    ?assert(Grown < 400 * 64, Grown),
    cnode:part(Node, C),
    cnode:close(C, hd(string:lexemes(Accepted, " "))).

descriptors(C) ->
    {ok, Names} = file:list_dir(["/proc/", integer_to_list(cnode:os_pid(C)), "/fd"]),
    length(Names).

%% Resident, KiB.
memory(C) ->
    {ok, Status} = file:read_file(["/proc/", integer_to_list(cnode:os_pid(C)), "/status"]),
    {match, [Size]} = re:run(Status, "VmRSS:\\s+(\\d+)", [{capture, all_but_first, binary}]),
    binary_to_integer(Size).

patience(#{c := C, fd := Fd, node := Node} = World) ->
    ?assertMatch("failed timeout" ++ _, cnode:call(C, [accept, Fd, 300])),
    {"accepted " ++ Accepted, true} = dial(World),
    cnode:part(Node, C),
    "closed" = cnode:call(C, [close, hd(string:lexemes(Accepted, " "))]).

among_themselves(#{a := A, c := #{name := Name} = C, fd := Fd}) ->
    Self = self(),
    Caller = cnode:start("d", A),
    Pid = spawn_link(fun() ->
                             Self ! {self(), cnode:call(Caller, [connect, atom_to_list(Name),
                                                                 ?DEADLINE])}
                     end),
    "accepted " ++ Accepted = cnode:call(C, [accept, Fd, ?DEADLINE]),
    Out = receive {Pid, "connected " ++ Link} -> Link end,
    [In, "d@127.0.0.1", "127.0.0.1"] = string:lexemes(Accepted, " "),
    [begin
         spawn_link(fun() -> Self ! {From, cnode:call(From, [bulk, FromFd, somebody, 3_000_000,
                                                            ?DEADLINE])} end),
         Received = cnode:call(To, [sink, ToFd, ?DEADLINE]),
         receive {From, Sent} -> ?assertEqual(Sent, Received) end
     end || _ <- lists:seq(1, 3), {From, FromFd, To, ToFd} <- [{Caller, Out, C, In}, {C, In, Caller, Out}]],
    "closed" = cnode:call(C, [close, In]),
    "closed" = cnode:call(Caller, [close, Out]),
    cnode:stop(Caller).

taken(#{b := B}) ->
    Second = cnode:start("e", B),
    Line = cnode:call(Second, [listen]),
    ?assertMatch({match, _}, re:run(Line, "\\[host\\] listen = 127.0.0.2:[0-9]+: Address already "
                                    "in use: for several nodes of a host there is secure-epmd"),
                 Line),
    cnode:stop(Second).

long_greeting(#{b := #{port := Port} = B, liar := Liar, c := #{name := Name} = C, fd := Fd}) ->
    Options = #{mesh_key => foreign:mesh_key(B), identity => Liar, name => "f@127.0.0.9",
                wanted => atom_to_list(Name)},
    Self = self(),
    Text = "a distribution handshake message over 65535 bytes",
    Pid = spawn_link(fun() ->
                             {ok, Up} = foreign:connect({{127, 0, 0, 2}, Port}, Options),
                             Self ! {self(), foreign:recv_message(
                                               foreign:send_record(data, <<65536:32>>, Up))}
                     end),
    assert_says("^failed .*" ++ Text, cnode:call(C, [accept, Fd, ?DEADLINE])),
    ?assertMatch({close, {_, Text}}, receive {Pid, Answer} -> Answer end).

%% All of them are in the kernel at once, in small segments, so that as a rule each read finds
%% some; a message is behind them.
empty_records(#{b := #{port := Port} = B, liar := Liar, c := #{name := Name} = C, fd := Fd}) ->
    Options = #{mesh_key => foreign:mesh_key(B), identity => Liar, name => "f@127.0.0.9",
                wanted => atom_to_list(Name), suites => [1]}, % the one that takes longest
    Self = self(),
    Pid = spawn_link(fun() ->
                             {ok, Channel} = foreign:connect({{127, 0, 0, 2}, Port}, Options),
                             {ok, Up} = foreign:dial_node("f@127.0.0.9", "tacittest", Channel),
                             ok = empties(Up),
                             Self ! {self(), sent},
                             receive stop -> ok end
                     end),
    "accepted " ++ Accepted = cnode:call(C, [accept, Fd, ?DEADLINE]),
    [Link | _] = string:lexemes(Accepted, " "),
    receive {Pid, sent} -> ok end,
    assert_says("^failed timeout", cnode:call(C, ["receive", Link, 1])),
    ?assertEqual("message late", received(C, Link)),
    Pid ! stop,
    cnode:close(C, Link).

%% The link is up before the node's own processes know that it runs: of one that boots they wait
%% for its file server.
just_started(#{c := C, node := Node} = World) ->
    Files = mesh:call(Node, erlang, whereis, [file_server_2]),
    true = mesh:call(Node, erlang, unregister, [file_server_2]),
    ok = mesh:call(Node, supervisor, terminate_child, [tacit_sup, tacit_reload]),
    {ok, _} = mesh:call(Node, supervisor, restart_child, [tacit_sup, tacit_reload]),
    {"accepted " ++ Accepted, true} = dial(World),
    [Link | _] = string:lexemes(Accepted, " "),
    true = mesh:call(Node, erlang, register, [file_server_2, Files]),
    mesh:wait_until(fun() -> element(2, mesh:call(Node, sys, get_state, [tacit_reload])) =/= undefined end),
    _ = mesh:call(Node, sys, get_state, [tacit_gossip]),
    mesh:call(Node, erlang, send, [{anybody, maps:get(name, C)}, {hello, there}]),
    ?assertEqual("message {hello, there}", received(C, Link)),
    cnode:part(Node, C),
    cnode:close(C, Link).

not_ei(#{b := #{port := Port} = B, liar := Liar, c := #{name := Name} = C, fd := Fd}) ->
    Options = #{mesh_key => foreign:mesh_key(B), identity => Liar, name => "f@127.0.0.9",
                wanted => atom_to_list(Name)},
    Pid = spawn_link(fun() ->
                             {ok, Channel} = foreign:connect({{127, 0, 0, 2}, Port}, Options),
                             {ok, Up} = foreign:dial_node("f@127.0.0.9", "tacittest", Channel),
                             receive send -> _ = foreign:send_message(<<"no message">>, Up) end,
                             receive stop -> ok end
                     end),
    "accepted " ++ Accepted = cnode:call(C, [accept, Fd, ?DEADLINE]),
    [Link | _] = string:lexemes(Accepted, " "),
    assert_says("^failed timeout .*no message: time is up", cnode:call(C, ["receive", Link, 1])),
    Pid ! send,
    assert_says("^failed eio .*ei itself, not the connection", received(C, Link)),
    Pid ! stop,
    cnode:close(C, Link).

%% What comes after however many ticks.
received(C, Link) ->
    case cnode:call(C, ["receive", Link, ?DEADLINE]) of
        "tick" -> received(C, Link);
        Line -> Line
    end.

empties(#{socket := Socket} = Up) ->
    {Records, Next} = lists:mapfoldl(fun(_, Channel) -> foreign:seal(data, <<>>, Channel) end,
                                     Up, lists:seq(1, 60_000)),
    Late = foreign:message_to("f@127.0.0.9", anybody, late),
    {Last, _} = foreign:seal(data, [<<(byte_size(Late)):32>>, Late], Next),
    ok = inet:setopts(Socket, [{sndbuf, 8 bsl 20}, {raw, 6, 2, <<1400:32/native>>}]),
    gen_tcp:send(Socket, iolist_to_binary([Records, Last])).

%% There is none, and nobody to take one from, while somebody waits to be accepted.
few_descriptors(#{c := C, fd := Fd, node := Node, b := #{ip := Ip, port := Port}}) ->
    Pid = integer_to_list(cnode:os_pid(C)),
    Limit = fun(Soft) -> "" = os:cmd(["prlimit --nofile=", Soft, ": --pid ", Pid]) end,
    {ok, Address} = inet:parse_address(Ip),
    {ok, Stranger} = gen_tcp:connect(Address, Port, []),
    Limit("3"),
    Before = ticks(C),
    ?assertMatch("failed timeout" ++ _, cnode:call(C, [accept, Fd, 3000])),
    ?assert(ticks(C) - Before < 75), % hundredths of a second of three
    Limit("1024"),
    {"accepted " ++ Accepted, true} = cnode:called(C, Fd, Node, ?DEADLINE),
    ok = gen_tcp:close(Stranger),
    cnode:part(Node, C),
    "closed" = cnode:call(C, [close, hd(string:lexemes(Accepted, " "))]).

%% What the C node's process has had of the processor.
ticks(Node) ->
    {ok, Stat} = file:read_file(["/proc/", integer_to_list(cnode:os_pid(Node)), "/stat"]),
    [_, After] = string:split(Stat, ") ", trailing),
    [User, System] = lists:sublist(string:lexemes(After, " "), 12, 2),
    binary_to_integer(User) + binary_to_integer(System).

%% --- behind the door -----------------------------------------------------------------------

door_test_() ->
    {"behind secure-epmd a C node has a name as nodes do, beside them; it is called again when "
     "the door was away", {timeout, 180, fun behind_door/0}}.

start_test_() ->
    {"a C node that starts waits for its door, which is only starting, too",
     {timeout, 180, fun door_starts/0}}.

door_starts() ->
    Host = #{dir := Dir} = door:host("127.0.0.2"),
    C = cnode:start("c", Host),
    "started " ++ Number = cnode:call(C, ["&listen"]),
    timer:sleep(500), % it has asked in vain by now
    ?assertMatch({error, enoent}, file:read_link_info(filename:join(Dir, "door.sock"))),
    Door = door:start(Host),
    "listening " ++ _ = cnode:call(C, [await, Number]),
    cnode:stop(C),
    door:stop(Door).

keys_test_() ->
    {"behind secure-epmd a C node shows the mesh keys that it and the door open, and no others",
     {timeout, 180, fun door_keys/0}}.

door_keys() ->
    A = mesh:host("127.0.0.1"),
    B = #{dir := Dir, conf := Conf} = door:host("127.0.0.2", #{mesh => A}),
    ok = mesh:trust(A, B),
    ok = mesh:trust(B, A),
    {ok, Text} = file:read_file(Conf),
    DoorConf = filename:join(Dir, "door.conf"),
    Own = filename:join(Dir, "door.key"),
    ok = file:write_file(DoorConf, re:replace(Text, "key-file = .*", "key-file = door.key")),
    {ok, _} = file:copy(filename:join(Dir, "mesh.key"), Own),
    ok = file:change_mode(Own, 8#600),
    {ok, Key} = file:read_file(filename:join(Dir, "mesh.key")),
    {0, _} = mesh:tacit(["psk", filename:join(Dir, "new.key")]),
    {ok, New} = file:read_file(filename:join(Dir, "new.key")),
    ok = file:write_file(filename:join(Dir, "mesh.key"), [Key, New]),
    Door = door:start(B#{conf := DoorConf}),
    C = cnode:start("c", B),
    "listening " ++ Fd = cnode:call(C, [listen]),
    Node = mesh:start("a", A),
    Shown = fun() ->
                    {"accepted " ++ Line, true} = cnode:called(C, Fd, Node, ?DEADLINE),
                    {ok, #{peer_mesh_keys := Marks}} =
                        mesh:call(Node, tacit, info, [maps:get(name, C)]),
                    cnode:part(Node, C),
                    "closed" = cnode:call(C, [close, hd(string:lexemes(Line, " "))]),
                    length(Marks)
            end,
    ?assertEqual(1, Shown()),
    ok = file:write_file(Own, [Key, New]),
    {ok, _} = door:command(Door, 6),
    ?assertEqual(2, Shown()),
    cnode:stop(C),
    mesh:stop(Node),
    door:stop(Door).

behind_door() ->
    A = mesh:host("127.0.0.1"),
    B = door:host("127.0.0.2", #{mesh => A}),
    ok = mesh:trust(A, B),
    ok = mesh:trust(B, A),
    C = cnode:start("c", B),
    "failed " ++ NoDoor = cnode:call(C, [listen]),
    ?assertMatch({match, _}, re:run(NoDoor, "\\[host\\] door = .*No such file"), NoDoor),
    Door = door:start(B),
    "listening " ++ Fd = cnode:call(C, [listen]),
    Neighbour = mesh:start("n", B),
    Node = mesh:start("a", A, #{args => ["-kernel", "dist_auto_connect", "never"]}),
    %% the name is taken now
    Twin = cnode:start("c", B),
    "failed " ++ Taken = cnode:call(Twin, [listen]),
    ?assertMatch({match, _}, re:run(Taken, "the door refuses c@127.0.0.2: name_taken"), Taken),
    cnode:stop(Twin),
    {"accepted " ++ First, true} = cnode:called(C, Fd, Node, ?DEADLINE),
    true = mesh:call(Node, net_kernel, connect_node, [maps:get(name, Neighbour)]),
    door:kill(Door),
    Link = hd(string:lexemes(First, " ")),
    ?assertEqual("reply 3", cnode:call(C, [rpc, Link, erlang, abs, "[-3]"])),
    cnode:part(Node, C),
    "closed" = cnode:call(C, [close, Link]),
    Again = door:start(B),
    mesh:wait_until(fun() ->
                            {Line, Result} = cnode:called(C, Fd, Node, 3000),
                            Result andalso lists:prefix("accepted ", Line)
                    end, ?DEADLINE),
    cnode:stop(C),
    mesh:stop(Node),
    mesh:stop(Neighbour),
    door:stop(Again).
