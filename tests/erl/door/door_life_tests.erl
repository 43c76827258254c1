%% secure-epmd, how it is run: started, reloaded, watched over, ended; its users, its interfaces.
-module(door_life_tests).

-include_lib("eunit/include/eunit.hrl").
-include_lib("kernel/include/file.hrl").

-define(NAME_TAKEN, 1).
-define(NOT_ALLOWED, 2).
-define(BAD_CONF, 7).

life_test_() ->
    [{Title, {timeout, 120, Test}}
     || {Title, Test} <-
            [{"killed and started again, it is in nobody's way", fun killed/0},
             {"a second one for the same host does not start, and says why", fun second/0},
             {"who may ask is told the names of the nodes, under the door's own key; who may not"
              " is told so, and only inside the channel", fun directory/0},
             {"a configuration that is wrong is told, and nothing starts", fun bad_conf/0},
             {"--check reads the configuration, and neither listens nor needs a node's key",
              fun check/0},
             {"a reload applies the difference; one that is wrong changes nothing",
              fun reloads/0},
             {"started with the standard descriptors closed, it has no socket in their place",
              fun closed_descriptors/0},
             {"a service manager is told what goes on", fun notifies/0},
             {"another program on epmd's port keeps nobody out: it is told once, shown to the manager "
              "and by show, and the port is taken when it is free", fun epmd_taken/0},
             {"a reload that asks for the legacy protocol where its port is taken fails, and changes "
              "nothing", fun epmd_asked/0},
             {"a user may take the names that door-users gives him, and no others",
              fun users/0},
             {"its helper comes back when it is killed, however often, and nothing is left of it",
              fun helper/0},
             {"with --user it is that user from the start, and root no more", fun user/0},
             {"a node trusts another user's door where root gave that user the folder, and only "
              "there",
              fun trusted/0},
             {"an interface's addresses are followed as they come and go", fun interface/0}]].

killed() ->
    Host = door:host("127.0.0.1"),
    Door = door:start(Host),
    {ok, Socket, _} = door:register(Door, "a@127.0.0.1"),
    _ = door:kill(Door),
    closed = door:recv(Socket),
    ok = socket:close(Socket),
    Again = door:start(Host),
    {ok, Socket2, _} = door:register(Again, "a@127.0.0.1"),
    0 = door:stop(Again),
    ok = socket:close(Socket2),
    ?assertEqual({error, enoent}, file:read_link_info(maps:get(socket, Again))).

second() ->
    Host = door:host("127.0.0.1"),
    Door = door:start(Host),
    {exit, 1, Lines} = door:start(Host, #{ready => false}),
    ?assertMatch("secure-epmd: " ++ _, lists:last(Lines)),
    {match, _} = re:run(lists:last(Lines), "door.sock: another secure-epmd is there$"),
    {ok, Socket, _} = door:register(Door, "a@127.0.0.1"), % the first one is as it was
    ok = socket:close(Socket),
    0 = door:stop(Door).

directory() ->
    Asker = foreign:identity(),
    #{dir := Dir} = Host = door:host("127.0.0.1", #{conf => "door-identity = door.key\n"}),
    {0, DoorKey} = mesh:tacit(["keygen", filename:join(Dir, "door.key")]),
    mesh:append(Host, foreign:peer_section("f@127.0.0.9", Asker, "directory = yes")),
    Door = door:start(Host),
    {ok, A, _} = door:register(Door, "a@127.0.0.1"),
    {ok, B, _} = door:register(Door, "b@127.0.0.1"),
    Ask = fun(Identity, Question) ->
                  {ok, Channel} = foreign:connect(door:address(Door),
                                                  #{mesh_key => foreign:mesh_key(Host),
                                                    identity => Identity, name => "@asker",
                                                    wanted => ""}),
                  #{peer := #{name := "@door"}, peer_key := Key} = Channel,
                  ?assertEqual(lists:flatten(DoorKey), base64:encode_to_string(Key)),
                  foreign:recv_record(foreign:send_record(data, Question, Channel))
          end,
    {data, <<Length:32, 2, Names/binary>>, More} = Ask(Asker, <<1:32, 1>>),
    ?assertEqual(Length, 1 + byte_size(Names)),
    ?assertEqual(lists:sort([<<"a@127.0.0.1">>, <<"b@127.0.0.1">>]),
                 lists:sort([Name || <<Size, Name:Size/binary>> <= Names])),
    {data, <<5:32, 3, 2:32>>, Last} = foreign:recv_record(More),
    {close, {_, _}, _} = foreign:recv_record(Last),
    {close, {_, "no [peer] line lets this key ask"}, _} = Ask(foreign:identity(), <<1:32, 1>>),
    {error, _} = Ask(Asker, <<1:32, 9>>), % no question
    {error, _} = Ask(Asker, <<50000:32, 1:400000>>), % nor is what is much longer
    {data, <<Length:32, 2, _/binary>>, _} = Ask(Asker, <<1:32, 1>>),
    ?assertEqual({2, 1}, {door:counter(Door, "directory"),
                          door:counter(Door, "directory_refused")}),
    [ok = socket:close(S) || S <- [A, B]],
    0 = door:stop(Door).

bad_conf() ->
    Host = door:host("127.0.0.1", #{conf => "door-users = nobody\n"}),
    {exit, 1, [Line]} = door:start(Host, #{ready => false}),
    {match, _} = re:run(Line, "tacit.conf:[0-9]+: door-users: got 'nobody', expected a user"),
    {exit, 1, [NoDoor]} = door:start(mesh:host("127.0.0.1"), #{ready => false}),
    {match, _} = re:run(NoDoor, "has no door, expected 'door = PATH' for secure-epmd$"),
    {exit, 2, ["secure-epmd: '--what': unknown option" | _]} =
        door:start(Host, #{ready => false, args => ["--what"]}),
    {exit, 2, ["secure-epmd: '-daemon': unknown option" | _]} =
        door:start(Host, #{ready => false, args => ["-daemon"]}),
    {exit, 2, ["secure-epmd: '-metrics': expected two dashes" | _]} =
        door:start(Host, #{ready => false, args => ["--check", "-metrics", "127.0.0.1:1"]}),
    {exit, 1, Wildcard} = door:start(door:host("127.0.0.1"),
                                     #{ready => false, args => ["--metrics", "0.0.0.0:9"]}),
    {match, _} = re:run(lists:last(Wildcard), "--metrics: got '0.0.0.0:9', expected this host").

check() ->
    #{dir := Dir} = Host = door:host("127.0.0.1"),
    ok = file:delete(filename:join(Dir, "identity.key")), % it is the nodes'
    {exit, 0, [Line]} = door:start(Host, #{ready => false, args => ["--check"]}),
    ?assertEqual(maps:get(conf, Host) ++ ": OK", Line),
    Door = door:start(Host),
    0 = door:stop(Door).

closed_descriptors() ->
    Door = door:start(door:host("127.0.0.1"),
                      #{exec => ["sh", "-c", "exec \"$@\" 0<&- 1>&-", "sh"]}), % the log is at 2
    #{os_pid := OsPid} = Door,
    ?assertEqual([{ok, "/dev/null"}, {ok, "/dev/null"}],
                 [file:read_link("/proc/" ++ OsPid ++ "/fd/" ++ Fd) || Fd <- ["0", "1"]]),
    0 = door:stop(Door).

reloads() ->
    #{conf := Conf} = Host = door:host("127.0.0.1"),
    {ok, Text} = file:read_file(Conf),
    #{epmd := Epmd} = Door = door:start(Host),
    {ok, Socket, _} = door:register(Door, "a@127.0.0.1"),
    More = mesh:free_port("127.0.0.1"),
    ok = file:write_file(Conf, [re:replace(Text, "listen = .*",
                                           io_lib:format("&, 127.0.0.1:~b", [More])),
                                "legacy-epmd = no\n"]),
    door:signal(Door, "HUP"),
    mesh:wait_until(fun() -> [] =/= door:events(Door, "reloaded") end),
    {ok, Client} = gen_tcp:connect({127, 0, 0, 1}, More, []),
    {error, econnrefused} = gen_tcp:connect({127, 0, 0, 1}, Epmd, []),
    ok = gen_tcp:close(Client),
    ok = file:write_file(Conf, [Text, "nonsense\n"]),
    ?assertMatch({refused, ?BAD_CONF, _}, door:command(Door, 6)),
    {ok, Client2} = gen_tcp:connect({127, 0, 0, 1}, More, []),
    ok = gen_tcp:close(Client2),
    ok = file:write_file(Conf, Text),
    ?assertMatch({ok, _}, door:command(Door, 6)),
    {error, econnrefused} = gen_tcp:connect({127, 0, 0, 1}, More, []),
    {refused, ?NAME_TAKEN, _} = door:register(Door, "a@127.0.0.1"), % all the while
    ok = socket:close(Socket),
    0 = door:stop(Door).

notifies() ->
    #{conf := Conf} = Host = door:host("127.0.0.1"),
    {Manager, Env} = manager(Host),
    Told = fun() -> told(Manager) end,
    Door = door:start(Host, #{env => Env}),
    ?assertEqual("READY=1", Told()),
    door:signal(Door, "HUP"),
    ?assertMatch("RELOADING=1 MONOTONIC_USEC=" ++ _, Told()),
    ?assertEqual("READY=1", Told()),
    {ok, Text} = file:read_file(Conf),
    ok = file:write_file(Conf, [Text, "nonsense\n"]),
    door:signal(Door, "HUP"),
    ?assertMatch("RELOADING=1 MONOTONIC_USEC=" ++ _, Told()),
    {match, _} = re:run(Told(), "^STATUS=.*tacit.conf:[0-9]+: "),
    ?assertEqual("READY=1", Told()),
    ok = file:write_file(Conf, Text),
    ?assertMatch({ok, _}, door:command(Door, 6)),
    ?assertEqual("STATUS=", Told()),
    0 = door:stop(Door),
    ?assertEqual("STOPPING=1", Told()),
    ok = gen_udp:close(Manager).

%% What a service manager is told: its socket, and where the daemon finds it.
manager(#{dir := Dir}) ->
    Path = filename:join(Dir, "notify"),
    {ok, Manager} = gen_udp:open(0, [local, {ifaddr, {local, Path}}, {active, false}]),
    {Manager, [{"NOTIFY_SOCKET", Path}]}.

told(Manager) ->
    {ok, {_, _, Text}} = gen_udp:recv(Manager, 0, 60000),
    lists:flatten(string:replace(Text, "\n", " ", all)).

epmd_taken() ->
    Host = door:host("127.0.0.1"),
    {Manager, Env} = manager(Host),
    {ok, Other} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}}]),
    {ok, Epmd} = inet:port(Other),
    Door = door:start(Host, #{epmd => Epmd, env => Env}),
    Expected = "legacy epmd on 127.0.0.1 port .*: Address already in use; if it is OTP's epmd, stop it",
    {match, _} = re:run(told(Manager), "^STATUS=" ++ Expected),
    ?assertEqual("READY=1", told(Manager)),
    {ok, Socket, _} = door:register(Door, "a@127.0.0.1"),
    door:signal(Door, "HUP"), % another reason to reload is none to end
    mesh:wait_until(fun() -> [] =/= door:events(Door, "reloaded") end),
    [Line] = door:events(Door, "epmd_failed"),
    {match, _} = re:run(Line, Expected),
    [Shown] = [Text || ["trouble", Text] <- door:show(Door)],
    {match, _} = re:run(Shown, "^" ++ Expected),
    ?assertEqual(1, door:counter(Door, "troubles")),
    ok = gen_tcp:close(Other),
    mesh:wait_until(fun() -> [] =/= door:events(Door, "epmd_on") end),
    {ok, Client} = gen_tcp:connect({127, 0, 0, 1}, Epmd, []),
    ok = gen_tcp:close(Client),
    ?assertEqual({0, []}, {door:counter(Door, "troubles"),
                           [Text || ["trouble", Text] <- door:show(Door)]}),
    ok = socket:close(Socket),
    0 = door:stop(Door),
    ok = gen_udp:close(Manager).

epmd_asked() ->
    #{conf := Conf} = Host = door:host("127.0.0.1", #{conf => "legacy-epmd = no\n"}),
    {ok, Other} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}}]),
    {ok, Epmd} = inet:port(Other),
    Door = door:start(Host, #{epmd => Epmd}),
    ?assertEqual({[], 0}, {door:events(Door, "epmd_failed"), door:counter(Door, "troubles")}),
    {ok, Text} = file:read_file(Conf),
    ok = file:write_file(Conf, re:replace(Text, "legacy-epmd = no", "legacy-epmd = yes")),
    {refused, ?BAD_CONF, Why} = door:command(Door, 6),
    {match, _} = re:run(Why, "Address already in use"),
    ok = gen_tcp:close(Other),
    {ok, _} = door:command(Door, 6),
    {ok, Client} = gen_tcp:connect({127, 0, 0, 1}, Epmd, []),
    ok = gen_tcp:close(Client),
    0 = door:stop(Door).

%% --- users ---------------------------------------------------------------------------------

root_only() ->
    string:trim(os:cmd("id -u")) =:= "0" orelse throw({skip, "not root"}).

%% Somewhere that others can reach.
open_dir() ->
    Dir = string:trim(os:cmd("mktemp -d /tmp/tacit-door.XXXXXX")),
    ok = file:change_mode(Dir, 8#755),
    Dir.

%% What the user 65534 is answered, as hexadecimal digits.
as_nobody(Path, Bytes) ->
    Script = "use Socket; socket(S, PF_UNIX, SOCK_STREAM, 0) || die; "
        "connect(S, sockaddr_un(\"" ++ Path ++ "\")) || die; "
        "syswrite(S, pack(\"H*\", \"" ++ binary_to_list(binary:encode_hex(Bytes)) ++ "\")); "
        "sysread(S, $b, 1000); print unpack(\"H*\", $b);",
    Hex = os:cmd("setpriv --reuid 65534 --regid 65534 --clear-groups perl -e '" ++ Script ++ "'"),
    binary:decode_hex(list_to_binary(Hex)).

users() ->
    root_only(),
    Dir = open_dir(),
    Path = filename:join(Dir, "door.sock"),
    Host = mesh:host("127.0.0.1", #{conf => ["door = ", Path, "\n",
                                             "door-users = nobody: web@*, job-*@127.0.0.1\n"
                                             "door-users = no-such-user: root@*\n"]}),
    Door = door:start(Host, #{socket => Path}),
    ?assertMatch([_], door:events(Door, "unknown_user")),
    ?assertMatch(<<_:16, 2, 1, _/binary>>, as_nobody(Path, door:registered("web@h", 0))),
    ?assertMatch(<<_:16, 2, 1, _/binary>>, as_nobody(Path, door:registered("job-1@127.0.0.1", 0))),
    <<_:16, 3, ?NOT_ALLOWED, _, Text/binary>> =
        as_nobody(Path, door:registered("root@127.0.0.1", 0)),
    ?assertEqual(<<"no line of [host] door-users lets user 65534 be root@127.0.0.1">>, Text),
    <<_:16, 3, ?NOT_ALLOWED, _/binary>> = as_nobody(Path, door:frame(6, "")), % reload
    <<_:16, 7, _/binary>> = as_nobody(Path, door:frame(5, "")), % show
    0 = door:stop(Door),
    ok = file:del_dir_r(Dir).

children(Pid) ->
    [P || File <- filelib:wildcard("/proc/[0-9]*/status"), {ok, Status} <- [file:read_file(File)],
          match =:= re:run(Status, "\nPPid:\t" ++ Pid ++ "\n", [{capture, none}]),
          P <- [lists:nth(3, filename:split(File))]].

%% One of the two is killed; how it is then: {Keeper, Worker}.
helper_after(Killed, {Keeper, Worker}) ->
    "" = os:cmd("kill -9 " ++ Killed),
    Left = case Killed of Keeper -> Worker; Worker -> Keeper end,
    mesh:wait_until(fun() -> [] =/= children(Left) -- [Killed] end),
    [New] = children(Left) -- [Killed],
    {Left, New}.

helper() ->
    #{conf := Conf} = Host = door:host("127.0.0.1", #{conf => "door-users = root: web@*\n"}),
    #{os_pid := OsPid} = Door = door:start(Host),
    Knows = fun(User) ->
                    {ok, Text} = file:read_file(Conf),
                    ok = file:write_file(Conf, re:replace(Text, "door-users = [a-z]+",
                                                          "door-users = " ++ User)),
                    {ok, _} = door:command(Door, 6),
                    ?assertEqual([], door:events(Door, "unknown_user"))
            end,
    [Keeper] = children(OsPid),
    [Worker] = children(Keeper),
    {Keeper, Second} = helper_after(Worker, {Keeper, Worker}),
    Knows("nobody"),
    {Second, Third} = helper_after(Keeper, {Keeper, Second}),
    Knows("daemon"),
    ?assertEqual([], children(OsPid)), % no zombie, either
    {Third, Fourth} = helper_after(Second, {Second, Third}),
    {Third, Last} = helper_after(Fourth, {Third, Fourth}),
    Knows("bin"),
    0 = door:stop(Door),
    mesh:wait_until(fun() -> not lists:any(fun filelib:is_dir/1, ["/proc/" ++ P || P <- [Third, Last]])
                    end),
    %% Both at once: nobody is left to start another, which the log says.
    Other = #{os_pid := OtherPid} = door:start(Host),
    [OtherKeeper] = children(OtherPid),
    mesh:wait_until(fun() -> children(OtherKeeper) =/= [] end),
    "" = os:cmd("kill -STOP " ++ OtherKeeper), % it starts no other meanwhile
    "" = os:cmd(["kill -9 ", children(OtherKeeper), " ", OtherKeeper]),
    {ok, _} = door:command(Other, 6),
    ?assertMatch([_], door:events(Other, "helper_gone")),
    ?assertEqual(["users cannot be looked up any more: restart secure-epmd"],
                 [Text || ["trouble", Text] <- door:show(Other)]),
    0 = door:stop(Other).

user() ->
    root_only(),
    Dir = open_dir(),
    Door = start_as_nobody(mesh:host("127.0.0.1"), Dir),
    #{os_pid := OsPid} = Door,
    {ok, Status} = file:read_file("/proc/" ++ OsPid ++ "/status"),
    ?assertMatch({match, _}, re:run(Status, "\nUid:\t65534\t65534\t65534\t65534\n")),
    ?assertMatch({match, _}, re:run(Status, "\nNoNewPrivs:\t1\n")),
    %% Its memory is root's to read: not even a process of its own user may trace it.
    {ok, #file_info{uid = 0}} = file:read_file_info("/proc/" ++ OsPid ++ "/mem"),
    {ok, Socket, _} = door:register(Door, "a@127.0.0.1"), % root may, as ever
    door:signal(Door, "HUP"),
    mesh:wait_until(fun() -> [] =/= door:events(Door, "reloaded") end),
    ok = socket:close(Socket),
    0 = door:stop(Door),
    ok = file:del_dir_r(Dir).

trusted() ->
    root_only(),
    Top = open_dir(),
    Dir = filename:join(Top, "door"),
    ok = file:make_dir(Dir),
    Host = mesh:host("127.0.0.1", #{conf => ["door = ", filename:join(Dir, "door.sock"), "\n"]}),
    Door = start_as_nobody(Host, Dir),
    Node = mesh:start("a", Host),
    mesh:wait_until(fun() -> door:counter(Door, "nodes") =:= 1 end),
    mesh:stop(Node),
    mesh:wait_until(fun() -> door:counter(Door, "nodes") =:= 0 end),
    ok = file:change_mode(Top, 8#777), % now anybody could have put a folder there
    #{status := 1, err := Said} =
        mesh:erl(mesh:start_link_args("a@127.0.0.1", #{host => Host}), []),
    ?assertMatch({match, _}, re:run(Said, "user 65534 listens there, expected root")),
    0 = door:stop(Door),
    ok = file:del_dir_r(Top).

%% The daemon with a folder of its own, in which all that it needs is its.
start_as_nobody(#{conf := Conf, dir := HostDir} = Host, Dir) ->
    ok = file:write_file(filename:join(Dir, "tacit.conf"),
                         [re:replace(element(2, file:read_file(Conf)), "door = .*", ""),
                          "door = door.sock\n"]),
    {ok, _} = file:copy(filename:join(HostDir, "mesh.key"), filename:join(Dir, "mesh.key")),
    ok = file:change_mode(filename:join(Dir, "mesh.key"), 8#600),
    "" = os:cmd("chown -R 65534:65534 " ++ Dir),
    Exe = filename:join(Dir, "secure-epmd"), % the build may be where he cannot go
    {ok, _} = file:copy(filename:join(os:getenv("TACIT_BUILD", "build"), "secure-epmd"), Exe),
    ok = file:change_mode(Exe, 8#755),
    door:start(Host#{conf := filename:join(Dir, "tacit.conf")},
               #{args => ["--user", "nobody"], socket => filename:join(Dir, "door.sock")}).

%% --- interfaces ----------------------------------------------------------------------------

%% In a network of its own, where only it changes anything.
interface() ->
    Name = "tacit-d" ++ os:getpid(),
    Ip = fun(Command) -> os:cmd("ip -n " ++ Name ++ " " ++ Command) end,
    os:cmd("ip netns add " ++ Name ++ " && echo made") =:= "made\n"
        orelse throw({skip, "no network namespaces here"}),
    try
        "" = Ip("link add port0 type veth peer name port1"),
        "" = Ip("link set port0 up"),
        "" = Ip("link set lo up"),
        "" = Ip("addr add 192.0.2.1/24 dev port0"),
        #{conf := Conf} = Host = door:host("127.0.0.1"),
        {ok, Text} = file:read_file(Conf),
        ok = file:write_file(Conf, re:replace(Text, "listen = .*", "listen = port0:77")),
        Door = door:start(Host, #{exec => ["ip", "netns", "exec", Name]}),
        Listens = fun() -> lists:sort([A || ["listen", A] <- door:show(Door),
                                            hd(A) =/= $[]) end,
        ?assertEqual(["192.0.2.1:77"], Listens()),
        "" = Ip("addr add 192.0.2.2/24 dev port0"),
        mesh:wait_until(fun() -> Listens() =:= ["192.0.2.1:77", "192.0.2.2:77"] end),
        "" = Ip("addr add 2001:db8::1/64 dev port0 nodad"),
        mesh:wait_until(fun() -> [ok || ["listen", "[2001:db8::1]:77"] <- door:show(Door)] =:= [ok]
                        end),
        "" = Ip("addr del 192.0.2.2/24 dev port0"),
        mesh:wait_until(fun() -> Listens() =:= ["192.0.2.1:77"] end),
        "" = Ip("link set port0 down"),
        mesh:wait_until(fun() -> Listens() =:= [] end),
        0 = door:stop(Door)
    after
        os:cmd("ip netns del " ++ Name)
    end.
