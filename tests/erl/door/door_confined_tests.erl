%% secure-epmd once it is confined: it still does all of its work, and what it holds in
%% memory is neither another's to read nor without end.
-module(door_confined_tests).

-include_lib("eunit/include/eunit.hrl").

-define(SPARE, 512 * 1024). % bytes that a poor daemon gets beyond what it has
-define(BAD_CONF, 7).

confined_test_() ->
    [{Title, {timeout, 180, Test}} ||
        {Title, Test} <-
            [{"after its start a filter of system calls and Landlock are in force, and it says so",
              fun says_so/0},
             {"confined, it takes a reload: other addresses, another Unix socket where a dead one "
              "lies, users, keys", fun reloads/0},
             {"a file outside the folders that it read at its start is refused at a reload, with "
              "what to do", fun outside/0},
             {"--unconfined is told in the log", fun unconfined/0},
             {"it leaves no core file", fun no_core/0},
             {"when memory runs out it stays up, registered nodes stay, and friends get in again",
              fun memory_runs_out/0}]].

status(#{os_pid := OsPid}, Field) ->
    {ok, Status} = file:read_file("/proc/" ++ OsPid ++ "/status"),
    {match, [Value]} = re:run(Status, Field ++ ":\\s+([0-9]+)", [{capture, all_but_first, list}]),
    list_to_integer(Value).

%% Which of the two this kernel, and this build, have.
confined(Door) ->
    [Line] = door:events(Door, "confined"),
    {match, [Calls, Files]} = re:run(Line, "calls=(yes|no) files=(yes|no)$",
                                     [{capture, all_but_first, list}]),
    {Calls =:= "yes", Files =:= "yes"}.

says_so() ->
    Door = door:start(door:host("127.0.0.1")),
    {Calls, _} = confined(Door),
    ?assertEqual(case Calls of true -> 2; false -> 0 end, status(Door, "\nSeccomp")),
    ?assertEqual(1, status(Door, "\nNoNewPrivs")),
    0 = door:stop(Door).

unconfined() ->
    Door = door:start(door:host("127.0.0.1"), #{args => ["--unconfined"]}),
    ?assertEqual({false, false}, confined(Door)),
    ?assertEqual(0, status(Door, "\nSeccomp")),
    0 = door:stop(Door).

%% --- a reload ------------------------------------------------------------------------------

replace(#{conf := Conf}, From, To) ->
    {ok, Text} = file:read_file(Conf),
    New = re:replace(Text, From, To),
    ?assertNotEqual(Text, iolist_to_binary(New)),
    ok = file:write_file(Conf, New).

reloads() ->
    #{dir := Dir} = Host = door:host("127.0.0.1"),
    Door = door:start(Host),
    {ok, Node, _} = door:register(Door, "stays@127.0.0.1"),
    Port = mesh:free_port("127.0.0.1"),
    replace(Host, "listen = .*", ["listen = 127.0.0.1:", integer_to_list(Port)]),
    Path = filename:join(Dir, "other.sock"),
    replace(Host, "door = .*", "door = other.sock\ndoor-users = nobody: web@*\n"
                               "door-users = no-such-user: web@*"),
    {0, _} = mesh:tacit(["psk", filename:join(Dir, "fresh.key")]),
    replace(Host, "key-file = .*", "key-file = fresh.key"),
    dead_socket(Path),
    ?assertMatch({ok, _}, door:command(Door, 6)),
    ?assertMatch([_], door:events(Door, "unknown_user")), % and nobody is known
    Moved = Door#{socket := Path},
    ?assertEqual(["127.0.0.1:" ++ integer_to_list(Port)],
                 [A || ["listen", A] <- door:show(Moved)]),
    ?assertEqual({error, enoent}, file:read_file_info(filename:join(Dir, "door.sock"))),
    friend(Moved#{host := Host#{port := Port}}, filename:join(Dir, "fresh.key")),
    ?assertEqual(1, door:counter(Moved, "nodes")),
    %% Another daemon's socket is not taken away.
    {ok, Other} = socket:open(local, stream),
    ok = socket:bind(Other, #{family => local, path => filename:join(Dir, "taken.sock")}),
    ok = socket:listen(Other),
    replace(Host, "door = .*", "door = taken.sock"),
    {refused, ?BAD_CONF, Why} = door:command(Moved, 6),
    ?assertMatch({match, _}, re:run(Why, "taken.sock: another secure-epmd is there$")),
    {ok, _} = socket:accept(Other, 30000), % it looked
    ok = socket:close(Node),
    ok = socket:close(Other),
    0 = door:stop(Moved).

%% What a killed daemon leaves behind.
dead_socket(Path) ->
    {ok, Socket} = socket:open(local, stream),
    ok = socket:bind(Socket, #{family => local, path => Path}),
    ok = socket:close(Socket).

friend(#{host := Host} = Door, KeyFile) ->
    {ok, Node, _} = door:register(Door, "f@127.0.0.1"),
    {First, _} = foreign:first(#{mesh_key => foreign:key_file(KeyFile),
                                 identity => foreign:identity(), name => "g@127.0.0.9",
                                 wanted => "f@127.0.0.1"}),
    #{port := Port} = Host,
    {ok, Client} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, false}], 60000),
    ok = gen_tcp:send(Client, First),
    #{first := First, socket := Passed} = door:passed(Node),
    ok = gen_tcp:close(Client),
    _ = socket:close(Passed),
    ok = socket:close(Node).

outside() ->
    Host = door:host("127.0.0.1"),
    Door = door:start(Host),
    Far = filename:join(mesh:dir(), "far.key"),
    {0, _} = mesh:tacit(["psk", Far]),
    replace(Host, "key-file = .*", ["key-file = ", Far]),
    case {confined(Door), door:command(Door, 6)} of
        {{_, true}, {refused, ?BAD_CONF, Why}} ->
            ?assertMatch({match, _}, re:run(Why, "outside the folders read at the start: "
                                                 "restart secure-epmd$"));
        {{_, false}, {ok, _}} -> ok % no Landlock here
    end,
    {ok, Node, _} = door:register(Door, "a@127.0.0.1"),
    ok = socket:close(Node),
    0 = door:stop(Door),
    Again = door:start(Host),
    0 = door:stop(Again).

%% --- memory --------------------------------------------------------------------------------

no_core() ->
    Door = door:start(door:host("127.0.0.1")),
    #{os_pid := OsPid} = Door,
    {ok, Limits} = file:read_file("/proc/" ++ OsPid ++ "/limits"),
    ?assertMatch({match, _}, re:run(Limits, "Max core file size +0 +0 ")),
    0 = door:stop(Door).

%% It keeps what it has, and gets little more.
limit_memory(#{os_pid := OsPid} = Door) ->
    Data = status(Door, "\nVmData") * 1024 + ?SPARE,
    case os:cmd("prlimit --pid " ++ OsPid ++ " --data=" ++ integer_to_list(Data)) of
        "" -> ok;
        Why -> throw({skip, "another's limits are root's to set: " ++ Why})
    end.

memory_runs_out() ->
    os:getenv("TACIT_NODE_PRELOAD", "") =:= "" % tests/asan
        orelse throw({skip, "a sanitizer ends a program whose memory runs out"}),
    Host = door:host("127.0.0.1"),
    Door = door:start(Host),
    {ok, Node, _} = door:register(Door, "stays@127.0.0.1"),
    limit_memory(Door),
    #{epmd := Epmd, host := #{port := Port}} = Door,
    Come = fun(At) -> gen_tcp:connect({127, 0, 0, 1}, At, [{active, false}], 60000) end,
    Sockets = [Come(P) || P <- [Epmd, Port], _ <- lists:seq(1, 1000)],
    [gen_tcp:close(S) || {ok, S} <- Sockets],
    mesh:wait_until(fun() -> try door:counter(Door, "pending") =:= 0
                             catch error:_ -> false % it had no memory for the answer
                             end
                    end),
    ?assert(door:counter(Door, "no_memory") > 0),
    ?assertEqual(1, door:counter(Door, "nodes")),
    %% Not enough for a configuration, either: the one in force stays.
    {refused, ?BAD_CONF, Why} = door:command(Door, 6),
    ?assertMatch({match, _}, re:run(Why, "out of memory")),
    friend(Door, filename:join(maps:get(dir, Host), "mesh.key")),
    ok = socket:close(Node),
    0 = door:stop(Door).
