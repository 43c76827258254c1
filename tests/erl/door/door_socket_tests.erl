%% The file of secure-epmd's Unix socket, and its folder: made, found again, removed; and a
%% service manager's, which is not the daemon's to remove.
-module(door_socket_tests).

-include_lib("eunit/include/eunit.hrl").
-include_lib("kernel/include/file.hrl").

-define(ROUNDS, 25).

socket_test_() ->
    [{Title, {timeout, 240, Test}}
     || {Title, Test} <-
            [{"two that start at once where a dead one's socket lies: one runs and is reached, "
              "the other says why not", fun at_once/0},
             {"a socket that was removed is made again at the next reload", fun made_again/0},
             {"what is there and is no socket is named, and stays", fun no_socket/0},
             {"the socket of another daemon is not removed, by a reload or at the end",
              fun not_ours/0},
             {"a start that fails leaves no socket", fun failed_start/0},
             {"sockets that a service manager opened are used, and never removed",
              fun activated/0},
             {"one whose file is gone is of no use to anybody: the daemon makes its own",
              fun orphan/0},
             {"a folder that is missing is made, for nodes of all users to enter, and its socket "
              "goes at the end, confined", fun folder/0},
             {"in a folder that was made again none can be made: the reload says so",
              fun other_folder/0},
             {"nothing is made through a link, nor where its own folder is missing",
              fun no_folder/0},
             {"a lock that another user could hold is not used", fun lock/0}]].

at_once() ->
    Host = door:host("127.0.0.1"),
    [at_once(Host) || _ <- lists:seq(1, ?ROUNDS)].

at_once(#{dir := Dir} = Host) ->
    left_behind(filename:join(Dir, "door.sock")),
    Self = self(),
    Pids = [spawn_link(fun() -> Self ! {self(), try_one(Host)}, receive stop -> ok end end)
            || _ <- [1, 2]],
    Results = [receive {Pid, Result} -> Result end || Pid <- Pids],
    {[Door], [Said]} = lists:partition(fun is_map/1, Results),
    %% It is the socket or the port that the other found taken.
    {match, _} = re:run(Said, "another secure-epmd is there|Address already in use"),
    ?assertMatch([_ | _], door:show(Door)),
    "" = os:cmd("kill -TERM " ++ maps:get(os_pid, Door)),
    mesh:wait_until(fun() -> not mesh_runs(Door) end),
    [Pid ! stop || Pid <- Pids],
    ?assertEqual({error, enoent}, file:read_link_info(maps:get(socket, Door))).

try_one(Host) ->
    try door:start(Host)
    catch error:{not_ready, 1, Lines} -> lists:last(Lines)
    end.

mesh_runs(#{os_pid := OsPid}) ->
    filelib:is_dir("/proc/" ++ OsPid).

%% A socket of which nobody listens any more.
left_behind(Path) ->
    {ok, Socket} = gen_udp:open(0, [local, {ifaddr, {local, Path}}]),
    ok = gen_udp:close(Socket),
    {ok, #file_info{type = other}} = file:read_link_info(Path).

made_again() ->
    #{socket := Path} = Door = door:start(door:host("127.0.0.1")),
    {ok, Node, _} = door:register(Door, "a@127.0.0.1"),
    ok = file:delete(Path),
    door:signal(Door, "HUP"),
    mesh:wait_until(fun() -> [] =/= door:events(Door, "reloaded") end),
    ?assertEqual(1, door:counter(Door, "nodes")), % who was there stays
    ok = file:delete(Path),
    ok = file:delete(filename:join(filename:dirname(Path), "secure-epmd.lock")),
    door:signal(Door, "HUP"),
    mesh:wait_until(fun() -> length(door:events(Door, "reloaded")) =:= 2 end),
    ?assertEqual(1, door:counter(Door, "nodes")),
    ok = socket:close(Node),
    0 = door:stop(Door),
    ?assertEqual({error, enoent}, file:read_link_info(Path)).

no_socket() ->
    #{dir := Dir} = Host = door:host("127.0.0.1"),
    Path = filename:join(Dir, "door.sock"),
    [begin
         ok = Make(),
         {ok, #file_info{inode = Inode}} = file:read_link_info(Path),
         {exit, 1, Lines} = door:start(Host, #{ready => false}),
         Expected = "door = " ++ Path ++ ": " ++ What ++ " is there, expected nothing or the "
             "socket of a door that ended",
         ?assertNotEqual(nomatch, string:find(lists:last(Lines), Expected), Lines),
         ?assertMatch({ok, #file_info{inode = Inode}}, file:read_link_info(Path)),
         "" = os:cmd("rm -r " ++ Path)
     end || {What, Make} <-
                [{"a file", fun() -> file:write_file(Path, "not yours") end},
                 {"a folder", fun() -> file:make_dir(Path) end},
                 {"a symbolic link", fun() -> file:make_symlink("nowhere", Path) end},
                 {"something else", fun() -> "" = os:cmd("mkfifo " ++ Path), ok end}]],
    %% Likewise at a reload, which then changes nothing.
    Door = door:start(Host),
    ok = file:delete(Path),
    ok = file:write_file(Path, "not yours"),
    door:signal(Door, "HUP"),
    mesh:wait_until(fun() -> [] =/= door:events(Door, "reload_failed") end),
    ok = file:delete(Path),
    door:signal(Door, "HUP"),
    mesh:wait_until(fun() -> [] =/= door:events(Door, "reloaded") end),
    ?assertMatch([_ | _], door:show(Door)),
    0 = door:stop(Door).

not_ours() ->
    #{conf := Conf, dir := Dir} = Host = door:host("127.0.0.1"),
    #{socket := Path} = First = door:start(Host),
    ok = file:delete(Path),
    Port = mesh:free_port("127.0.0.1"),
    {ok, Text} = file:read_file(Conf),
    Other = filename:join(Dir, "other.conf"),
    ok = file:write_file(Other, re:replace(Text, "listen = .*",
                                           "listen = 127.0.0.1:" ++ integer_to_list(Port))),
    Second = door:start(Host#{conf := Other}),
    door:signal(First, "HUP"),
    mesh:wait_until(fun() -> [] =/= door:events(First, "reload_failed") end),
    [Line] = door:events(First, "reload_failed"),
    {match, _} = re:run(Line, "another secure-epmd is there"),
    0 = door:stop(First),
    ?assertMatch([_ | _], door:show(Second)),
    0 = door:stop(Second).

failed_start() ->
    #{dir := Dir, port := Port} = Host = door:host("127.0.0.1"),
    {ok, Taken} = gen_tcp:listen(Port, [{ip, {127, 0, 0, 1}}]),
    {exit, 1, Lines} = door:start(Host, #{ready => false}),
    {match, _} = re:run(lists:last(Lines), "Address already in use"),
    ok = gen_tcp:close(Taken),
    ?assertEqual({error, enoent}, file:read_link_info(filename:join(Dir, "door.sock"))).

%% --- a service manager's --------------------------------------------------------------------

%% Runs what follows with sockets as a manager opens them: one at the Unix path and, where a
%% port is not 0, one public. The file is removed again where asked.
manager(Path, Port, Removed) ->
    Script = "import os, socket, sys\n"
        "path, port, removed = sys.argv[1], int(sys.argv[2]), sys.argv[3]\n"
        "b = socket.socket(socket.AF_UNIX)\n"
        "b.bind(path)\n"
        "b.listen(5)\n"
        "if removed == 'removed': os.unlink(path)\n"
        "fds = [b]\n"
        "if port:\n"
        "    a = socket.socket()\n"
        "    a.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n"
        "    a.bind(('127.0.0.1', port))\n"
        "    a.listen(5)\n"
        "    fds.append(a)\n"
        "for i, s in enumerate(fds): os.dup2(s.fileno(), 13 + i)\n"
        "for i in range(len(fds)): os.dup2(13 + i, 3 + i)\n"
        "os.closerange(3 + len(fds), 20)\n"
        "os.environ['LISTEN_FDS'] = str(len(fds))\n"
        "os.environ['LISTEN_PID'] = str(os.getpid())\n"
        "os.execv(sys.argv[4], sys.argv[4:])\n",
    ["python3", "-c", Script, Path, integer_to_list(Port), atom_to_list(Removed)].

activated() ->
    #{dir := Dir, port := Port, conf := Conf} = Host = door:host("127.0.0.1"),
    Path = filename:join(Dir, "door.sock"),
    Door = door:start(Host, #{exec => manager(Path, Port, kept)}),
    ?assertEqual([], door:events(Door, "unused_socket")),
    {ok, Socket, _} = door:register(Door, "a@127.0.0.1"),
    {ok, Client} = gen_tcp:connect({127, 0, 0, 1}, Port, []),
    mesh:wait_until(fun() -> door:counter(Door, "accepted") =:= 1 end),
    ok = gen_tcp:close(Client),
    ok = socket:close(Socket),
    {ok, #file_info{inode = Inode}} = file:read_link_info(Path),
    door:signal(Door, "HUP"),
    mesh:wait_until(fun() -> [] =/= door:events(Door, "reloaded") end),
    ?assertMatch({ok, #file_info{inode = Inode}}, file:read_link_info(Path)),
    {ok, Text} = file:read_file(Conf),
    ok = file:write_file(Conf, re:replace(Text, "door = door.sock", "door = other.sock")),
    door:signal(Door, "HUP"), % another path: its own, which is its to remove
    mesh:wait_until(fun() -> length(door:events(Door, "door")) =:= 2 end),
    0 = door:stop(Door),
    ?assertEqual({error, enoent}, file:read_link_info(filename:join(Dir, "other.sock"))),
    ?assertMatch({ok, #file_info{inode = Inode}}, file:read_link_info(Path)).

orphan() ->
    #{dir := Dir} = Host = door:host("127.0.0.1"),
    Path = filename:join(Dir, "door.sock"),
    Door = door:start(Host, #{exec => manager(Path, 0, removed)}),
    ?assertMatch([_], door:events(Door, "unused_socket")),
    ?assertMatch([_ | _], door:show(Door)),
    0 = door:stop(Door),
    ?assertEqual({error, enoent}, file:read_link_info(Path)).

%% --- the folder -----------------------------------------------------------------------------

%% A host whose door is at that path, below its own folder.
host_at(Path) ->
    mesh:host("127.0.0.1", #{conf => ["door = ", Path, "\n"]}).

folder() ->
    #{dir := Dir} = Host = host_at("run/door.sock"),
    Path = filename:join(Dir, "run/door.sock"),
    Door = door:start(Host, #{socket => Path,
                              exec => ["sh", "-c", "umask 077; exec \"$@\"", "sh"]}),
    {ok, #file_info{type = directory, mode = Mode}} = file:read_link_info(filename:dirname(Path)),
    ?assertEqual(8#755, Mode band 8#7777),
    {ok, #file_info{mode = SocketMode}} = file:read_link_info(Path),
    ?assertEqual(8#777, SocketMode band 8#777),
    ?assertMatch([_], door:events(Door, "made")),
    ?assertMatch([_ | _], door:show(Door)),
    0 = door:stop(Door),
    ?assertEqual({error, enoent}, file:read_link_info(Path)),
    Again = door:start(Host, #{socket => Path}),
    ?assertEqual([], door:events(Again, "made")),
    0 = door:stop(Again).

other_folder() ->
    #{dir := Dir} = Host = host_at("run/door.sock"),
    Run = filename:join(Dir, "run"),
    Path = filename:join(Run, "door.sock"),
    Door = door:start(Host, #{socket => Path}),
    ok = file:del_dir_r(Run),
    door:signal(Door, "HUP"),
    mesh:wait_until(fun() -> length(door:events(Door, "reload_failed")) =:= 1 end),
    ok = file:make_dir(Run),
    door:signal(Door, "HUP"),
    Count = fun(Event) -> length(door:events(Door, Event)) end,
    mesh:wait_until(fun() -> Count("reload_failed") + Count("door") =:= 3 end),
    case door:events(Door, "reload_failed") of
        [First, Second] ->
            {match, _} = re:run(First, "/run: No such file or directory"),
            {match, _} = re:run(Second, "restart secure-epmd");
        [_] -> % no Landlock here
            ?assertMatch([_ | _], door:show(Door))
    end,
    0 = door:stop(Door).

no_folder() ->
    #{dir := Dir} = Host = host_at("run/door.sock"),
    Said = fun() ->
                   {exit, 1, Lines} = door:start(Host, #{ready => false}),
                   lists:last(Lines)
           end,
    ok = file:make_symlink("elsewhere", filename:join(Dir, "run")),
    {match, _} = re:run(Said(), "run cannot be made: a link that leads nowhere is there"),
    ?assertEqual({error, enoent}, file:read_link_info(filename:join(Dir, "elsewhere"))),
    ok = file:delete(filename:join(Dir, "run")),
    ok = file:write_file(filename:join(Dir, "run"), ""),
    {match, _} = re:run(Said(), "door.sock: .*Not a directory"),
    #{dir := Dir2} = Deep = host_at("var/run/door.sock"),
    {exit, 1, Lines} = door:start(Deep, #{ready => false}),
    {match, _} = re:run(lists:last(Lines), "var/run cannot be made: No such file or directory; "
                        "make it as root: install -d -o USER -m 755 "),
    ?assertEqual({error, enoent}, file:read_link_info(filename:join(Dir2, "var"))).

lock() ->
    #{dir := Dir} = Host = door:host("127.0.0.1"),
    Lock = filename:join(Dir, "secure-epmd.lock"),
    Said = fun() ->
                   {exit, 1, Lines} = door:start(Host, #{ready => false}),
                   lists:last(Lines)
           end,
    Expected = "secure-epmd.lock: expected a file of this user's, mode 0600",
    ok = file:write_file(Lock, ""),
    ok = file:change_mode(Lock, 8#644),
    {match, _} = re:run(Said(), Expected),
    ok = file:delete(Lock),
    ok = file:make_symlink("elsewhere", Lock),
    {match, _} = re:run(Said(), "secure-epmd.lock: Too many levels of symbolic links"),
    ?assertEqual({error, enoent}, file:read_link_info(filename:join(Dir, "elsewhere"))),
    ok = file:delete(Lock),
    Door = door:start(Host),
    {ok, #file_info{mode = Mode}} = file:read_link_info(Lock),
    ?assertEqual(8#600, Mode band 8#7777),
    0 = door:stop(Door).
