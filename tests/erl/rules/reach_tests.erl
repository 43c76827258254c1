%% A change of keys or rules reaches everybody on a host, door and nodes alike, or says who was
%% not reached; and the status says so, too.
-module(reach_tests).

-include_lib("eunit/include/eunit.hrl").
-include_lib("kernel/include/file.hrl").

-import(reach, [tacit/1, reload/1, set/3, two_hosts/0, control_sockets/1, answers/2, door_keys/1]).

-define(B, 'b@127.0.0.2').

reach_test_() ->
    [{Title, {timeout, 180, Test}}
     || {Title, Test} <-
            [{"tacit reload reaches the door, and names it where the door could not follow",
              fun door_too/0},
             {"a node that stands still is named, and the others are reached", fun stopped/0},
             {"two nodes in containers that share /etc/tacit are both reached", fun containers/0},
             {"a node that only the door knows is named", fun only_the_door/0},
             {"root checks, shows, reloads and gives another mesh key to what is another user's; a "
              "third user's file is refused", fun others/0},
             {"a run directory that cannot be looked into is named, and not taken for one without nodes",
              fun no_directory/0},
             {"two nodes of one name and process number have two sockets; what is no socket stays",
              fun sockets/0}]].

%% --- the tests ---------------------------------------------------------------------------------

door_too() ->
    {A, _} = two_hosts(),
    Door = door:start(A),
    Node = mesh:start("a", A),
    answers(A, 1),
    More = mesh:free_port("127.0.0.1"),
    Text = set(A, "listen = .*", io_lib:format("listen = 127.0.0.1:~b", [More])),
    ?assertEqual({0, ["a@127.0.0.1: reloaded", "door: reloaded"], []}, reload(A)),
    ?assertEqual(["127.0.0.1:" ++ integer_to_list(More)], [L || ["listen", L] <- door:show(Door)]),
    set(A, "listen = .*", "listen = 192.0.2.99:1"),
    {1, ["a@127.0.0.1: reloaded"], [Why]} = reload(A),
    ?assertMatch({match, _}, re:run(Why, "^door: nothing was changed: .*listen = 192.0.2.99:1: ")),
    ok = file:write_file(maps:get(conf, A), Text),
    door:signal(Door, "STOP"),
    {1, ["a@127.0.0.1: reloaded"], [Still]} = reload(A),
    ?assertMatch({match, _}, re:run(Still, "^door: not reached: .* within 5 s$")),
    door:signal(Door, "CONT"),
    mesh:stop(Node),
    ?assertEqual(0, door:stop(Door)).

stopped() ->
    {A, B} = mesh:pair(),
    C = mesh:start("c", maps:get(host, A), #{args => ["-dist_listen", "false"]}),
    Host = maps:get(host, A),
    answers(Host, 2),
    mesh:freeze(A),
    ?assertEqual({1, ["c@127.0.0.1: reloaded"],
                  ["a@127.0.0.1: not reached: has not answered within 5 s"]}, reload(Host)),
    MeshKey = ["mesh-key", "list", "--conf", maps:get(conf, Host)],
    {1, _, ["a@127.0.0.1: not reached: " ++ _]} = tacit(MeshKey),
    mesh:thaw(A),
    ?assertEqual({0, ["a@127.0.0.1: reloaded", "c@127.0.0.1: reloaded"], []}, reload(Host)),
    mesh:stop(C),
    mesh:stop_pair({A, B}).

%% How each is process 1 where it is; if that cannot be, none is.
contained() ->
    case os:cmd("unshare --pid --fork true && echo well") of
        "well\n" ->
            #{exec => {os:find_executable("unshare"), ["--pid", "--fork", "--kill-child", "erl"]}};
        _ ->
            #{}
    end.

containers() ->
    Contained = contained(),
    Contained =/= #{} orelse throw({skip, "no process namespaces here"}),
    {A, B} = two_hosts(),
    Door = door:start(A),
    %% Of two that lose each other neither has a third one lose the other.
    Args = #{args => ["-kernel", "prevent_overlapping_partitions", "false"]},
    NodeB = mesh:start("b", B, Args),
    Exec = maps:merge(Args, Contained),
    Nodes = [mesh:start(Name, A, Exec) || Name <- ["a", "c"]],
    ?assertEqual(["1", "1"], [Pid || #{os_pid := Pid} <- Nodes]),
    answers(A, 2),
    [?assertEqual(pong, mesh:call(Node, net_adm, ping, [?B])) || Node <- Nodes],
    set(A, "peer \\*@127.0.0.2", "peer *@127.0.0.99"),
    ?assertEqual({0, ["a@127.0.0.1: dropped b@127.0.0.2", "a@127.0.0.1: reloaded",
                      "c@127.0.0.1: dropped b@127.0.0.2", "c@127.0.0.1: reloaded",
                      "door: reloaded"], []}, reload(A)),
    [mesh:wait_until(fun() -> mesh:nodes_of(Node) =:= [] end) || Node <- Nodes],
    [peer:stop(Peer) || #{peer := Peer} <- Nodes],
    mesh:wait_until(fun() -> door:counter(Door, "nodes") =:= 0 end),
    mesh:stop(NodeB),
    ?assertEqual(0, door:stop(Door)).

only_the_door() ->
    {A, _} = two_hosts(),
    Door = door:start(A),
    Node = mesh:start("a", A),
    Elsewhere = mesh:start("other", A, #{env => [{"TACIT_RUN", mesh:dir()}]}),
    {ok, Old, _} = door:register(Door, "old@127.0.0.1"),
    answers(A, 1),
    {1, ["a@127.0.0.1: reloaded", "door: reloaded"], Missed} = reload(A),
    ?assertMatch(["old@127.0.0.1: not reached: registered at the door, by another release",
                  "other@127.0.0.1: not reached: registered at the door, and answers to no" ++ _],
                 lists:sort(Missed)),
    mesh:stop(Elsewhere),
    ok = socket:close(Old),
    %% One with another configuration is another's to reload.
    Far = mesh:host("127.0.0.3", #{mesh => A, conf => ["door = ", maps:get(socket, Door), "\n"]}),
    Foreign = mesh:start("far", Far, #{node => "far@127.0.0.1"}),
    ?assertEqual({0, ["a@127.0.0.1: reloaded", "door: reloaded",
                      "far@127.0.0.1: not asked: it has " ++ maps:get(conf, Far)], []}, reload(A)),
    lists:foreach(fun mesh:stop/1, [Node, Foreign]),
    ?assertEqual(0, door:stop(Door)).

sockets() ->
    Host = mesh:host("127.0.0.1"),
    Run = filename:join(maps:get(dir, Host), "run"),
    ok = file:make_dir(Run),
    ok = file:change_mode(Run, 8#700),
    ok = file:write_file(filename:join(Run, "mine.sock"), "a letter"),
    {ok, Dead} = socket:open(local, stream),
    ok = socket:bind(Dead, #{family => local, path => filename:join(Run, "dead.sock")}),
    ok = socket:close(Dead),
    Args = #{args => ["-dist_listen", "false"]},
    [One, Two] = [mesh:start("a", Host, maps:merge(Args, contained())) || _ <- [1, 2]],
    answers(Host, 3), % and what was dead is gone
    ?assertEqual({ok, <<"a letter">>}, file:read_file(filename:join(Run, "mine.sock"))),
    ?assertMatch(["a@127.0.0.1." ++ _, "a@127.0.0.1." ++ _, "mine.sock"], control_sockets(Host)),
    [peer:stop(Peer) || #{peer := Peer} <- [One, Two]],
    Last = mesh:start("b", Host, Args),
    mesh:wait_until(fun() -> length(control_sockets(Host)) =:= 2 end),
    ?assertMatch(["b@127.0.0.1." ++ _, "mine.sock"], control_sockets(Host)),
    mesh:stop(Last).

no_directory() ->
    #{conf := Conf, dir := Dir} = Host = mesh:host("127.0.0.1"),
    Run = filename:join(Dir, "run"),
    ?assertEqual({0, ["no node of " ++ Conf ++ " runs"], []}, reload(Host)),
    ok = file:write_file(Run, "a letter"),
    No = {1, [], [Run ++ ": Not a directory"]},
    ?assertEqual({No, No}, {reload(Host), tacit(["mesh-key", "list", "--conf", Conf])}).

%% All of it, door and files, is nobody's.
others() ->
    string:trim(os:cmd("id -u")) =:= "0" orelse throw({skip, "not root"}),
    Top = string:trim(os:cmd("mktemp -d /tmp/tacit-reach.XXXXXX")),
    ok = file:change_mode(Top, 8#755),
    Dir = filename:join(Top, "host"),
    Conf = filename:join(Dir, "tacit.conf"),
    Port = mesh:free_port("127.0.0.1"),
    {0, _} = mesh:tacit(["init", "--dir", Dir, "--listen", "127.0.0.1:" ++ integer_to_list(Port)]),
    Host = #{conf => Conf, dir => Dir, ip => "127.0.0.1", port => Port},
    set(Host, "listen = ", "door = door.sock\n&"),
    "" = os:cmd("chown -R 65534:65534 " ++ Dir),
    Door = door:start(Host, #{args => ["--user", "nobody"]}),
    Do = fun(Args) -> tacit(Args ++ ["--conf", Conf]) end,
    ?assertMatch({0, _, []}, Do(["check"])),
    ?assertMatch({0, _, []}, Do(["show"])),
    ?assertEqual({0, ["door: reloaded", "no node of " ++ Conf ++ " runs"], []}, Do(["reload"])),
    ?assertMatch({0, _, []}, Do(["mesh-key", "add"])),
    ?assertMatch([_, _], door_keys(Door)),
    {0, Own} = mesh:tacit(["pubkey", filename:join(Dir, "identity.key")]),
    At = "127.0.0.1:" ++ integer_to_list(Port),
    ?assertMatch({0, _, []}, Do(["add-peer", "*@127.0.0.1", string:trim(Own), "--endpoint", At])),
    %% The door has no such node.
    [?assertMatch({Command, {Status, _, _}}, {Command, Do(Command)}) ||
        {Status, Command} <- [{0, ["explain", "a@127.0.0.1"]}, {1, ["doctor", "a@127.0.0.1"]},
                              {4, ["call", "-c", "secret", "a@127.0.0.1", "erlang", "node"]},
                              {4, ["eval", "-c", "secret", "a@127.0.0.1", "node()."]}]],
    Key = filename:join(Dir, "mesh.key"),
    {ok, #file_info{uid = 65534, gid = 65534, mode = Mode}} = file:read_file_info(Key),
    ?assertEqual(8#600, Mode band 8#777),
    "" = os:cmd("chown 65533 " ++ Key),
    {1, [], [Why]} = Do(["check"]),
    ?assertMatch({match, _}, re:run(Why, "mesh.key: belongs to user 65533, expected root or user 65534")),
    ?assertEqual(0, door:stop(Door)),
    ok = file:del_dir_r(Top).
