%% tacit.conf changes on a live mesh: a reload takes all of it or nothing, cuts exactly the
%% links that the new rules no longer allow, and touches no other.
-module(reload_tests).

-include_lib("eunit/include/eunit.hrl").
-include("tacit_drv.hrl").

-define(A, 'a@127.0.0.1').
-define(B, 'b@127.0.0.2').
-define(C, 'c@127.0.0.3').
-define(RELOADS, 50).

reload_test_() ->
    [{Title, {timeout, 180, Test}} || {Title, Test} <- tests()].

tests() ->
    [{"a [peer] that is removed loses its link at the reload, and no other does",
      fun removed_peer/0},
     {"a reload with a fault changes nothing, and says file, line and value", fun fault/0},
     {"during 50 reloads under full traffic no message of an untouched link is lost",
      fun under_traffic/0},
     {"while 10,000 peers are read, messages keep going", fun ten_thousand/0},
     {"a pair key that is another after the reload cuts the link made with the old one",
      fun pair_key/0},
     {"a suite that the reload rules out cuts the links that use it", fun suite/0},
     {"the addresses listened on follow the reload; links that came by another stay",
      fun addresses/0},
     {"an address that is taken: the reload fails as a whole", fun taken_address/0},
     {"who tries addresses and ends before they are in force leaves none of them listened on",
      fun abandoned/0},
     {"while a reader of standard output stalls, and the emulator's own thread with it, the "
      "node reloads", fun stalled_output/0},
     {"while a file keeps a reload waiting, keys are revoked and links end; it is given up, "
      "and others work when the file lets go", fun stalled_file/0},
     {"'tacit reload' reaches every node of the configuration, and leaves out dead ones",
      fun command/0},
     {"SIGHUP reloads a node that has no shell", fun sighup/0},
     {"a run directory that others may enter is not used; the node runs all the same",
      fun open_directory/0},
     {"what is no request gets an error, and the node goes on", fun bad_requests/0}].

%% --- help --------------------------------------------------------------------------------------

three() ->
    A = mesh:host("127.0.0.1"),
    [B, C] = [mesh:host(Ip, #{mesh => A}) || Ip <- ["127.0.0.2", "127.0.0.3"]],
    [mesh:trust(X, Y) || X <- [A, B, C], Y <- [A, B, C], X =/= Y],
    %% Without global's own partings, which follow when two of its nodes lose each other.
    Options = #{args => ["-kernel", "prevent_overlapping_partitions", "false"]},
    [mesh:start(Name, Host, Options) || {Name, Host} <- [{"a", A}, {"b", B}, {"c", C}]].

connect(From, Names) ->
    [?assertEqual(pong, mesh:call(From, net_adm, ping, [Name])) || Name <- Names].

text(#{host := #{conf := Conf}}) ->
    {ok, Text} = file:read_file(Conf),
    Text.

%% The node's tacit.conf with Old replaced; what it was comes back.
change(#{host := #{conf := Conf}} = Node, Old, New) ->
    Before = text(Node),
    After = iolist_to_binary(string:replace(Before, Old, New)),
    ?assertNotEqual(Before, After),
    ok = file:write_file(Conf, After),
    Before.

restore(#{host := #{conf := Conf}}, Text) ->
    ok = file:write_file(Conf, Text).

reload(Node) ->
    mesh:call(Node, tacit, reload, []).

parted(Node, Names) ->
    mesh:wait_until(fun() -> mesh:nodes_of(Node) =:= Names end).

%% --- rules -------------------------------------------------------------------------------------

removed_peer() ->
    [A, B, C] = Nodes = three(),
    connect(A, [?B, ?C]),
    Before = change(A, "[peer *@127.0.0.2]", "[peer *@127.0.0.99]"),
    ?assertEqual({ok, #{dropped => [<<"b@127.0.0.2">>]}}, reload(A)),
    parted(A, [?C]),
    mesh:logged(A, ["link dropped", "name=b@127.0.0.2", "fingerprint=", "address=127.0.0.2:"]),
    ?assertEqual(pang, mesh:call(B, net_adm, ping, [?A])),
    ?assertEqual(pang, mesh:call(A, net_adm, ping, [?B])),
    ?assertEqual([?C], mesh:nodes_of(A)),
    restore(A, Before),
    ?assertEqual({ok, #{dropped => []}}, reload(A)),
    connect(B, [?A]),
    connect(C, [?A]),
    lists:foreach(fun mesh:stop/1, Nodes).

fault() ->
    {A, B} = mesh:pair(),
    connect(A, [?B]),
    #{host := #{conf := Conf}} = A,
    {ok, Info} = mesh:call(A, tacit, info, []),
    Before = change(A, "[peer *@127.0.0.2]", "[peer *@127.0.0.2]\ncolour = red"),
    {error, Text} = reload(A),
    Line = length(string:split(hd(string:split(text(A), "colour")), "\n", all)),
    ?assertEqual(Conf ++ ":" ++ integer_to_list(Line) ++ ": unknown key 'colour' in "
                 "[peer NAME]", hd(string:split(Text, ","))),
    {1, Said} = mesh:tacit(["reload", "--conf", Conf]),
    ?assertEqual("tacit: nothing was changed: " ++ Text, lists:flatten(Said)),
    restore(A, Before),
    ok = file:rename(filename:join(filename:dirname(Conf), "mesh.key"), Conf ++ ".key"),
    ?assertMatch({error, _}, reload(A)),
    ?assertEqual([?B], mesh:nodes_of(A)),
    Keys = [configuration, public_key, listen, handshakes],
    {ok, After} = mesh:call(A, tacit, info, []),
    ?assertEqual(maps:with(Keys, Info), maps:with(Keys, After)),
    mesh:stop_pair({A, B}).

under_traffic() ->
    {A, B} = mesh:pair(),
    connect(A, [?B]),
    {HandshakesA, HandshakesB} = {mesh:handshakes(A), mesh:handshakes(B)},
    Sink = mesh:call(B, erlang, spawn, [fun() -> sink(0) end]),
    Source = mesh:call(A, erlang, spawn, [fun() -> source(Sink, 1) end]),
    Extra = "\n[peer x@127.0.0.~b]\npublic-key = " ++ foreign:key_text(foreign:identity()) ++ "\n",
    Before = text(A),
    [begin
         restore(A, [Before, io_lib:format(Extra, [I])]),
         ?assertEqual({ok, #{dropped => []}}, reload(A)),
         ?assertEqual({ok, #{dropped => []}}, reload(B))
     end || I <- lists:seq(1, ?RELOADS div 2)],
    Sent = mesh:on(A, fun() -> ask(Source) end),
    ?assertEqual(Sent, mesh:on(B, fun() -> ask(Sink) end)),
    ?assert(Sent > ?RELOADS),
    ?assertEqual({HandshakesA, HandshakesB}, {mesh:handshakes(A), mesh:handshakes(B)}),
    mesh:stop_pair({A, B}).

%% Numbered messages, as fast as the link takes them, until it is asked how many.
source(Sink, N) ->
    Sink ! {n, N, <<0:(8 * (N rem 3) * 700)>>},
    receive
        {ask, Pid} -> Sink ! {last, N}, Pid ! {answer, N}
    after 0 ->
            source(Sink, N + 1)
    end.

%% The number of the last, if each came and in order.
sink(N) ->
    receive
        {n, Next, _} when Next =:= N + 1 -> sink(Next);
        {n, Next, _} -> exit({lost, N, Next});
        {last, N} -> receive {ask, Pid} -> Pid ! {answer, N} end
    end.

ask(Pid) ->
    Monitor = monitor(process, Pid),
    Pid ! {ask, self()},
    receive
        {answer, N} -> N;
        {'DOWN', Monitor, process, Pid, Reason} -> {died, Reason}
    end.

%% One scheduler: who reads on it stands in everybody's way.
ten_thousand() ->
    {A, B} = mesh:pair(#{args => ["+S", "1"]}),
    connect(A, [?B]),
    Key = foreign:key_text(foreign:identity()),
    mesh:append(maps:get(host, A), [["\n[peer n", integer_to_list(I),
                                     "@many.example.net]\npublic-key = ", Key, "\n"] ||
                                       I <- lists:seq(1, 10000)]),
    Echo = mesh:call(B, erlang, spawn, [fun echo/0]),
    Trips = mesh:on(A, fun() -> trips_during_reload(Echo) end),
    ?assertMatch({{ok, #{dropped := []}}, N} when N > 0, Trips),
    mesh:stop_pair({A, B}).

echo() ->
    receive {Pid, N} -> Pid ! {self(), N} end,
    echo().

trips_during_reload(Echo) ->
    Self = self(),
    Reloader = spawn_link(fun() -> Self ! {reloaded, tacit:reload()} end),
    true = is_pid(Reloader),
    trips(Echo, 0).

trips(Echo, N) ->
    Echo ! {self(), N},
    receive {Echo, N} -> ok end,
    receive
        {reloaded, Result} -> {Result, N}
    after 0 ->
            trips(Echo, N + 1)
    end.

pair_key() ->
    {A, B} = mesh:pair(),
    Key = filename:join(mesh:dir(), "pair.key"),
    {0, _} = mesh:tacit(["psk", Key]),
    connect(A, [?B]),
    [change(Node, "\nendpoint =", "\npair-key = " ++ Key ++ "\nendpoint =") || Node <- [A, B]],
    ?assertEqual({ok, #{dropped => [<<"b@127.0.0.2">>]}}, reload(A)),
    _ = reload(B),
    connect(A, [?B]),
    ?assertEqual({ok, #{dropped => []}}, reload(A)),
    ?assertEqual([?B], mesh:nodes_of(A)),
    mesh:stop_pair({A, B}).

suite() ->
    {A, B} = mesh:pair(),
    connect(A, [?B]),
    {ok, #{suite := Suite}} = mesh:call(A, tacit, info, [?B]),
    Others = ["aegis-256", "aes-256-gcm", "chacha20-poly1305"] -- [atom_to_list(Suite)],
    change(A, "[mesh]", "[mesh]\nsuites = " ++ lists:join(",", Others)),
    ?assertEqual({ok, #{dropped => [<<"b@127.0.0.2">>]}}, reload(A)),
    connect(A, [?B]),
    {ok, #{suite := Now}} = mesh:call(A, tacit, info, [?B]),
    ?assertNotEqual(Suite, Now),
    mesh:stop_pair({A, B}).

%% --- addresses ---------------------------------------------------------------------------------

listen_lines(#{ip := Ip, port := Port}, Ports) ->
    {io_lib:format("listen = ~s:~b", [Ip, Port]),
     ["listen = ", lists:join(", ", [io_lib:format("~s:~b", [Ip, P]) || P <- Ports])]}.

accepts(Ip, Port) ->
    {ok, Address} = inet:parse_address(Ip),
    case gen_tcp:connect(Address, Port, []) of
        {ok, Socket} -> gen_tcp:close(Socket), true;
        {error, econnrefused} -> false
    end.

addresses() ->
    {A, #{host := #{ip := Ip, port := Port} = HostB} = B} = mesh:pair(),
    connect(A, [?B]),
    Other = mesh:free_port(Ip),
    {Old, New} = listen_lines(HostB, [Port, Other]),
    Before = change(B, Old, New),
    ?assertEqual({ok, #{dropped => []}}, reload(B)),
    ?assertEqual([true, true], [accepts(Ip, P) || P <- [Port, Other]]),
    restore(B, Before),
    {Old, Moved} = listen_lines(HostB, [Other]),
    change(B, Old, Moved),
    ?assertEqual({ok, #{dropped => []}}, reload(B)),
    mesh:wait_until(fun() -> not accepts(Ip, Port) end),
    ?assert(accepts(Ip, Other)),
    ?assertEqual([?B], mesh:nodes_of(A)),
    mesh:stop_pair({A, B}).

taken_address() ->
    {A, #{host := #{ip := Ip, port := Port, conf := Conf} = HostB} = B} = mesh:pair(),
    connect(A, [?B]),
    {ok, Address} = inet:parse_address(Ip),
    {ok, Taken} = gen_tcp:listen(0, [{ip, Address}]),
    {ok, TakenPort} = inet:port(Taken),
    Free = mesh:free_port(Ip),
    {Old, New} = listen_lines(HostB, [Free, TakenPort]),
    change(B, Old, New),
    change(B, "[peer *@127.0.0.1]", "[peer *@127.0.0.99]"),
    Text = lists:flatten(io_lib:format("~s: [host] listen = ~s:~b: Address already in use",
                                       [Conf, Ip, TakenPort])),
    ?assertEqual({error, Text}, reload(B)),
    ?assertEqual([true, false], [accepts(Ip, P) || P <- [Port, Free]]),
    ?assertEqual([?B], mesh:nodes_of(A)),
    ok = gen_tcp:close(Taken),
    ?assertEqual({ok, #{dropped => [<<"a@127.0.0.1">>]}}, reload(B)),
    mesh:stop_pair({A, B}).

%% So often that twice what a configuration may name would not do.
abandoned() ->
    {A, #{host := #{ip := Ip, port := Port, conf := Conf} = HostB} = B} = mesh:pair(),
    Others = [mesh:free_port(Ip) || _ <- lists:seq(1, 40)],
    [begin
         {Old, New} = listen_lines(HostB, [Other]),
         Before = change(B, Old, New),
         ?assertEqual(tried, mesh:on(B, fun() -> in_process(fun() -> try_only(Conf) end) end)),
         restore(B, Before)
     end || Other <- Others],
    mesh:wait_until(fun() -> not lists:any(fun(Other) -> accepts(Ip, Other) end, Others) end),
    ?assert(accepts(Ip, Port)),
    ?assertEqual({ok, #{dropped => []}}, reload(B)),
    connect(A, [?B]),
    mesh:stop_pair({A, B}).

in_process(Fun) ->
    {Pid, Monitor} = spawn_monitor(fun() -> exit(Fun()) end),
    receive {'DOWN', Monitor, process, Pid, Result} -> Result end.

%% A reload up to where the new addresses are listened on, too.
try_only(Conf) ->
    Path = list_to_binary(Conf),
    [0 | Reply] = port_control(tacit_drv, ?RELOAD, [<<(byte_size(Path)):16>>, Path]),
    <<Number:64>> = list_to_binary(Reply),
    receive {tacit_loaded, Number, <<>>} -> ok end,
    [[0]] = [port_control(P, ?LISTEN_TRY, <<Number:64>>) ||
                P <- erlang:ports(), erlang:port_info(P, name) =:= {name, "tacit_drv"},
                is_listener(P)],
    tried.

is_listener(Port) ->
    try erlang:port_call(Port, ?CALL_LISTENER, []) =:= listener catch error:badarg -> false end.

%% OTP 25 writes to standard output on its one asynchronous thread, and so it does to another
%% pipe that takes no more. Nor does the test hear from the node by its output then.
stalled_output() ->
    Fifo = filename:join(mesh:dir(), "fifo"),
    "" = os:cmd("mkfifo " ++ Fifo),
    HostA = mesh:host("127.0.0.1"),
    HostB = mesh:host("127.0.0.2", #{mesh => HostA}),
    [mesh:trust(X, Y) || {X, Y} <- [{HostA, HostB}, {HostB, HostA}]],
    Exec = {"/bin/sh", ["-c", "exec 9<>" ++ Fifo ++ "; exec erl \"$@\"", "sh"]},
    A = mesh:start("a", HostA, #{exec => Exec}),
    B = mesh:start("b", HostB),
    connect(B, [?A]),
    On = fun(Fun) -> mesh:call(B, erpc, call, [?A, Fun, 30000]) end,
    ok = On(fun() -> stall(open_port({fd, 9, 9}, [out, binary])) end),
    mesh:wait_until(fun() -> mesh:call(B, erpc, call, [?A, erlang, port_info, [stalled, queue_size]])
                                 =/= {queue_size, 0} end),
    ?assertEqual({ok, #{dropped => []}}, On(fun() -> tacit:reload() end)),
    mesh:kill(A),
    lists:foreach(fun mesh:stop/1, [B, A]).

stall(Port) ->
    true = register(stalled, Port),
    true = unlink(Port),
    _ = [port_command(Port, <<0:(8 * 200000)>>, [nosuspend]) || _ <- lists:seq(1, 3)],
    ok.

%% A file system whose server never answers: what looks there waits. It goes when the file "go"
%% is there.
-define(STALL, "import ctypes, os, sys, time\n"
               "fd = os.open('/dev/fuse', os.O_RDWR)\n"
               "libc = ctypes.CDLL(None)\n"
               "options = b'fd=%d,rootmode=40000,user_id=0,group_id=0' % fd\n"
               "at = sys.argv[1].encode()\n"
               "if libc.mount(b'stall', at, b'fuse', 0, options) != 0: sys.exit(1)\n"
               "if os.fork() == 0:\n"
               "    for n in range(3): os.close(n)\n"
               "    while not os.path.exists(sys.argv[2]) and os.getppid() != 1: time.sleep(0.1)\n"
               "    os._exit(0)\n"
               "os.close(fd)\n"
               "os.execvp(sys.argv[3], sys.argv[3:])\n").

stalled_file() ->
    HostA = #{dir := Dir} = mesh:host("127.0.0.1"),
    HostB = mesh:host("127.0.0.2", #{mesh => HostA}),
    [mesh:trust(X, Y) || {X, Y} <- [{HostA, HostB}, {HostB, HostA}]],
    {Stall, Go} = {filename:join(Dir, "stall"), filename:join(Dir, "go")},
    ok = file:make_dir(Stall),
    Words = ["-m", "python3", "-c", ?STALL, Stall, Go],
    "" =:= os:cmd("unshare -m python3 -c \"" ?STALL "\" " ++ Stall ++ " / true || echo no") orelse
        throw({skip, "no file system of the test's own can be mounted here"}),
    A = mesh:start("a", HostA, #{exec => {os:find_executable("unshare"), Words ++ ["erl"]}}),
    B = mesh:start("b", HostB),
    connect(A, [?B]),
    Before = text(A),
    mesh:append(HostA, io_lib:format("~n[peer x@127.0.0.9]~npublic-key = ~s~npair-key = ~s/x.key~n",
                                     [foreign:key_text(foreign:identity()), Stall])),
    Waits = mesh:call(A, erlang, spawn, [fun() -> exit(tacit:reload()) end]),
    mesh:wait_until(fun() -> reads(A) end),
    ?assertMatch({ok, #{dropped := [<<"b@127.0.0.2">>], lasts := true}},
                 mesh:call(A, tacit, revoke, [?B], 10000)),
    ?assert(mesh:call(A, erlang, is_process_alive, [Waits])),
    mesh:wait_until(fun() -> not mesh:call(A, erlang, is_process_alive, [Waits]) end, 60000),
    {error, Text} = mesh:call(A, tacit, reload, []),
    ?assertMatch({_, _}, binary:match(list_to_binary(Text), <<"has not come to its end">>)),
    restore(A, Before),
    ok = file:write_file(Go, ""),
    mesh:wait_until(fun() -> mesh:call(A, tacit, reload, []) =:= {ok, #{dropped => []}} end),
    ?assertEqual(pang, mesh:call(B, net_adm, ping, [?A])),
    {ok, _} = mesh:call(A, tacit, unrevoke, [?B]),
    connect(B, [?A]),
    mesh:stop_pair({A, B}).

%% Whether the reader waits for a file.
reads(A) ->
    mesh:on(A, fun() ->
                       process_info(whereis(tacit_reload), current_function) =:=
                           {current_function, {tacit_drv, read, 2}}
               end).

%% --- who asks for it ---------------------------------------------------------------------------

command() ->
    Host = mesh:host("127.0.0.1"),
    #{port := Port, conf := Conf} = Host,
    A = mesh:start("a", Host),
    %% A second node of the same configuration that does not listen, and a third.
    [D, E] = [mesh:start(Name, Host, #{args => ["-dist_listen", "false"]}) || Name <- ["d", "e"]],
    mesh:kill(E),
    mesh:wait_until(fun() -> not mesh:runs(E) end),
    Other = mesh:free_port("127.0.0.1"),
    {Old, New} = listen_lines(Host, [Port, Other]),
    change(A, Old, New),
    {0, Said} = mesh:tacit(["reload", "--conf", Conf]),
    ?assertEqual(["a@127.0.0.1: reloaded", "d@127.0.0.1: reloaded"],
                 lists:sort(string:lexemes(lists:flatten(Said), "\n"))),
    ?assert(accepts("127.0.0.1", Other)),
    mesh:stop(D),
    mesh:stop(A),
    {0, Nobody} = mesh:tacit(["reload", "--conf", Conf]),
    ?assertEqual("no node of " ++ Conf ++ " runs", lists:flatten(Nobody)).

sighup() ->
    {A, B} = mesh:pair(),
    connect(A, [?B]),
    change(A, "[peer *@127.0.0.2]", "[peer *@127.0.0.99]"),
    %% The signal's handler is there a little after the node is.
    mesh:wait_until(fun() ->
                            lists:member(tacit_signal,
                                         mesh:call(A, gen_event, which_handlers,
                                                   [erl_signal_server]))
                    end),
    [] = os:cmd("kill -HUP " ++ maps:get(os_pid, A)),
    parted(A, []),
    mesh:logged(A, ["SIGHUP: reloaded, 1 links dropped"]),
    mesh:append(maps:get(host, A), "\ncolour = red\n"),
    [] = os:cmd("kill -HUP " ++ maps:get(os_pid, A)),
    mesh:logged(A, ["SIGHUP: nothing was changed", "colour"]),
    mesh:stop_pair({A, B}).

run_dir(#{dir := Dir}) -> filename:join(Dir, "run").

open_directory() ->
    Host = mesh:host("127.0.0.1"),
    ok = file:make_dir(run_dir(Host)),
    ok = file:change_mode(run_dir(Host), 8#755),
    A = mesh:start("a", Host),
    mesh:logged(A, [run_dir(Host), "no control socket", "mode 0700"]),
    ?assertEqual({ok, []}, file:list_dir(run_dir(Host))),
    ?assertEqual({ok, #{dropped => []}}, reload(A)),
    mesh:stop(A),
    %% One that cannot be made: why not. No folder is made beneath a file.
    #{conf := Conf} = HostB = mesh:host("127.0.0.2"),
    Beneath = filename:join(Conf, "run"),
    B = mesh:start("b", HostB, #{env => [{"TACIT_RUN", Beneath}]}),
    mesh:logged(B, [Beneath, "no control socket", "not a directory"]),
    ?assertEqual(nomatch, string:find(mesh:log(B), "no such file")),
    mesh:stop(B).

bad_requests() ->
    Host = mesh:host("127.0.0.1"),
    A = mesh:start("a", Host),
    Sockets = fun() -> filelib:wildcard(filename:join(run_dir(Host), "a@127.0.0.1.????????.sock")) end,
    mesh:wait_until(fun() -> Sockets() =/= [] end),
    [Path] = Sockets(),
    ?assertMatch(<<"error\tunknown command 'x'", _/binary>>, ask_socket(Path, "x\ty\n")),
    ?assertMatch(<<"error\t", _/binary>>, ask_socket(Path, "\n")),
    ?assertMatch(<<"error\t", _/binary>>, ask_socket(Path, "reload\tmore\n")),
    ?assertMatch(<<"error\texpected one line", _/binary>>,
                 ask_socket(Path, [lists:duplicate(5000, $a), $\n])),
    ?assertMatch(<<"error\t", _/binary>>, ask_socket(Path, <<255, 0, 200, "\n">>)),
    {ok, Silent} = gen_tcp:connect({local, Path}, 0, []), % says nothing, stands in nobody's way
    ?assertMatch(<<"ok\nkind\tnode\nname\ta@127.0.0.1\n", _/binary>>, ask_socket(Path, "who\n")),
    gen_tcp:close(Silent),
    ?assertEqual({ok, #{dropped => []}}, reload(A)),
    mesh:stop(A).

ask_socket(Path, Request) ->
    {ok, Socket} = gen_tcp:connect({local, Path}, 0, [binary, {active, false}]),
    ok = gen_tcp:send(Socket, Request),
    Answer = read(Socket, <<>>),
    gen_tcp:close(Socket),
    Answer.

read(Socket, Sofar) ->
    case gen_tcp:recv(Socket, 0, 30000) of
        {ok, Bytes} -> read(Socket, <<Sofar/binary, Bytes/binary>>);
        {error, _} -> Sofar
    end.
