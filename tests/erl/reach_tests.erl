%% A change of keys or rules reaches everybody on a host, door and nodes alike, or says who was
%% not reached; and the status says so, too.
-module(reach_tests).

-include_lib("eunit/include/eunit.hrl").
-include_lib("kernel/include/file.hrl").

-define(B, 'b@127.0.0.2').

reach_test_() ->
    [{Title, {timeout, 180, Test}}
     || {Title, Test} <-
            [{"tacit reload reaches the door, and names it where the door could not follow",
              fun door_too/0},
             {"a node that stands still is named, and the others are reached", fun stopped/0},
             {"a door or a node that ends half-way is not reached: what it did nobody knows",
              fun half_way/0},
             {"of a node or a door that was not reached mesh-key says nothing else, and that once",
              fun mesh_key_missed/0},
             {"tacit reload tells what does not listen although the file is in force", fun absent/0},
             {"two nodes in containers that share /etc/tacit are both reached", fun containers/0},
             {"a node that only the door knows is named", fun only_the_door/0},
             {"the mesh key of two hosts with doors is replaced: each step waits for all doors, and new "
              "links are made after each", fun rotation/0},
             {"root checks, shows, reloads and gives another mesh key to what is another user's; a "
              "third user's file is refused", fun others/0},
             {"a door that reads another file of revoked keys than the nodes is named",
              fun revoked/0},
             {"a door that reads another file, and has another address or other keys there than the nodes, "
              "is named", fun other_file/0},
             {"a mesh key that cannot be written is not named, and no keyring has it", fun not_written/0},
             {"two nodes of one name and process number have two sockets; what is no socket stays",
              fun sockets/0}]].

%% --- help --------------------------------------------------------------------------------------

%% Its status, the lines of its standard output, and those of the error output, without "tacit: ".
tacit(Args) ->
    {Status, Text} = mesh:tacit(Args),
    Lines = string:lexemes(lists:flatten(Text), "\n"),
    Faults = [F || L <- Lines, F <- [string:prefix(L, "tacit: ")], F =/= nomatch],
    {Status, lists:sort([L || L <- Lines, string:prefix(L, "tacit: ") =:= nomatch]), Faults}.

reload(#{conf := Conf}) ->
    tacit(["reload", "--conf", Conf]).

set(#{conf := Conf}, From, To) ->
    {ok, Text} = file:read_file(Conf),
    New = iolist_to_binary(re:replace(Text, From, To)),
    ?assertNotEqual(Text, New),
    ok = file:write_file(Conf, New),
    Text.

two_hosts() ->
    A = door:host("127.0.0.1"),
    B = mesh:host("127.0.0.2", #{mesh => A}),
    ok = mesh:trust(A, B),
    ok = mesh:trust(B, A),
    {A, B}.

control_sockets(#{dir := Dir}) ->
    lists:sort(filelib:wildcard("*", filename:join(Dir, "run"))).

answers(Host, Count) ->
    mesh:wait_until(fun() -> length(control_sockets(Host)) =:= Count end).

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

%% The real ones, behind a socket that ends with the second question.
half_way() ->
    {A, _} = two_hosts(),
    #{dir := Dir, conf := Conf} = A,
    DoorText = set(A, "door = .*", "door = cut.sock"),
    DoorConf = filename:join(Dir, "door.conf"),
    ok = file:write_file(DoorConf, DoorText),
    Door = door:start(A#{conf := DoorConf}),
    Text = set(A, "door = .*\n", ""),
    Node = mesh:start("a", A, #{args => ["-dist_listen", "false"]}),
    answers(A, 1),
    ok = file:write_file(Conf, Text),
    [File] = control_sockets(A),
    Control = filename:join([Dir, "run", File]),
    ok = file:rename(Control, Control ++ ".real"),
    cut_in_front(Control ++ ".real", Control),
    cut_in_front(maps:get(socket, Door), filename:join(Dir, "cut.sock")),
    {1, [], Missed} = reload(A),
    ?assertMatch([{match, _}, {match, _}],
                 [re:run(Said, Pattern) ||
                     {Said, Pattern} <-
                         lists:zip(Missed, ["^door: not reached: .*cut.sock: the answer was cut",
                                            "^a@127.0.0.1: not reached: the answer was cut"])]),
    mesh:stop(Node),
    ?assertEqual(0, door:stop(Door)).

%% Listens at Path, and brings one caller to Real; who comes next is asked, and not answered.
cut_in_front(Real, Path) ->
    Self = self(),
    spawn_link(fun() ->
                       {ok, Listener} = gen_tcp:listen(0, local(Path)),
                       Self ! {Path, listens},
                       {ok, First} = gen_tcp:accept(Listener),
                       {ok, There} = gen_tcp:connect({local, Real}, 0, local()),
                       bring([{First, There}, {There, First}]),
                       {ok, Second} = gen_tcp:accept(Listener),
                       {ok, _} = gen_tcp:recv(Second, 0),
                       ok = gen_tcp:close(Second),
                       receive nothing_more -> ok end
               end),
    receive {Path, listens} -> ok end.

local() -> [local, binary, {active, false}].
local(Path) -> [{ifaddr, {local, Path}} | local()].

%% Until either ends.
bring(Pairs) ->
    [ok = inet:setopts(From, [{active, once}]) || {From, _} <- Pairs],
    receive
        {tcp, From, Bytes} ->
            {_, To} = lists:keyfind(From, 1, Pairs),
            _ = gen_tcp:send(To, Bytes),
            bring(Pairs);
        {tcp_closed, _} ->
            [gen_tcp:close(From) || {From, _} <- Pairs]
    end.

mesh_key_missed() ->
    {A, _} = two_hosts(),
    Door = door:start(A),
    [Node, Other] = [mesh:start(Name, A) || Name <- ["a", "c"]],
    answers(A, 2),
    mesh:freeze(Node),
    {1, Lines, Added} = mesh_key(A, ["add"]),
    [New] = Lines -- ["c@127.0.0.1: reloaded", "door: reloaded"],
    ?assertEqual(["a@127.0.0.1: not reached: has not answered within 5 s"], Added),
    mesh:thaw(Node),
    ?assertMatch({0, _, []}, reload(A)),
    [Old, New] = door_keys(Door),
    door:signal(Door, "STOP"),
    Refusal = "nothing was changed: those would not let this host in (--force: do it all the same)",
    {1, [], [DoorMissed, _, Refusal]} = mesh_key(A, ["use", New]),
    ?assertMatch({match, _}, re:run(DoorMissed, "^door: not reached: .* within 5 s$")),
    ?assertMatch({1, [], ["door: not reached: " ++ _, "door: it has not said where its keys are",
                          "nothing was changed"]}, mesh_key(A, ["add"])),
    door:signal(Door, "CONT"),
    mesh:freeze(Node),
    {1, [], [NodeMissed, _, Refusal]} = mesh_key(A, ["use", New]),
    ?assertEqual("a@127.0.0.1: not reached: has not answered within 5 s", NodeMissed),
    ?assertEqual([Old, New], door_keys(Door)),
    mesh:thaw(Node),
    lists:foreach(fun mesh:stop/1, [Node, Other]),
    ?assertEqual(0, door:stop(Door)).

absent() ->
    {A, _} = two_hosts(),
    Door = door:start(A),
    set(A, "listen = .*", "&, eht0:4370"),
    {0, [Absent, "door: reloaded", "no node of " ++ _], []} = reload(A),
    ?assertEqual("door: does not listen on eht0:4370: no such interface, or without an address: "
                 "nothing listens there until it has one", Absent),
    set(A, ", eht0:4370", ""),
    ?assertMatch({0, ["door: reloaded", "no node of " ++ _], []}, reload(A)),
    %% And what else is not as the file says: the port of the legacy protocol is another's.
    ?assertEqual(0, door:stop(Door)),
    {ok, Taken} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}}]),
    {ok, Port} = inet:port(Taken),
    Without = door:start(A, #{epmd => Port}),
    {0, ["door: reloaded", "door: trouble: " ++ Why | _], []} = reload(A),
    ?assertMatch({match, _}, re:run(Why, integer_to_list(Port))),
    ok = gen_tcp:close(Taken),
    ?assertEqual(0, door:stop(Without)).

%% Both are process 1 where they are.
containers() ->
    os:cmd("unshare --pid --fork true && echo well") =:= "well\n"
        orelse throw({skip, "no process namespaces here"}),
    {A, B} = two_hosts(),
    Door = door:start(A),
    NodeB = mesh:start("b", B),
    Exec = #{exec => {os:find_executable("unshare"), ["--pid", "--fork", "--kill-child", "erl"]}},
    Nodes = [mesh:start(Name, A, Exec) || Name <- ["a", "c"]],
    ?assertEqual(["1", "1"], [Pid || #{os_pid := Pid} <- Nodes]),
    answers(A, 2),
    [?assertEqual(pong, mesh:call(Node, net_adm, ping, [?B])) || Node <- Nodes],
    set(A, "peer \\*@127.0.0.2", "peer *@127.0.0.99"),
    ?assertEqual({0, ["a@127.0.0.1: cut b@127.0.0.2", "a@127.0.0.1: reloaded",
                      "c@127.0.0.1: cut b@127.0.0.2", "c@127.0.0.1: reloaded",
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
    [One, Two] = [mesh:start("a", Host, Args) || _ <- [1, 2]],
    answers(Host, 3), % and what was dead is gone
    ?assertEqual({ok, <<"a letter">>}, file:read_file(filename:join(Run, "mine.sock"))),
    ?assertMatch(["a@127.0.0.1." ++ _, "a@127.0.0.1." ++ _, "mine.sock"], control_sockets(Host)),
    lists:foreach(fun mesh:stop/1, [One, Two]),
    Last = mesh:start("b", Host, Args),
    mesh:wait_until(fun() -> length(control_sockets(Host)) =:= 2 end),
    ?assertMatch(["b@127.0.0.1." ++ _, "mine.sock"], control_sockets(Host)),
    mesh:stop(Last).

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
    Key = filename:join(Dir, "mesh.key"),
    {ok, #file_info{uid = 65534, gid = 65534, mode = Mode}} = file:read_file_info(Key),
    ?assertEqual(8#600, Mode band 8#777),
    "" = os:cmd("chown 65533 " ++ Key),
    {1, [], [Why]} = Do(["check"]),
    ?assertMatch({match, _}, re:run(Why, "mesh.key: belongs to user 65533, expected root or user 65534")),
    ?assertEqual(0, door:stop(Door)),
    ok = file:del_dir_r(Top).

revoked() ->
    A = door:host("127.0.0.1", #{conf => "door-identity = door.key\n"}),
    {0, _} = mesh:tacit(["keygen", filename:join(maps:get(dir, A), "door.key")]),
    ok = mesh:trust(A, mesh:host("127.0.0.2", #{mesh => A})),
    Own = own_folder(A, ["mesh.key", "door.key"]),
    Door = door:start(Own, #{socket => filename:join(maps:get(dir, A), "door.sock")}),
    Node = mesh:start("a", A),
    answers(A, 1),
    All = {0, ["a@127.0.0.1: reloaded", "door: reloaded"], []},
    ?assertEqual(All, reload(A)),
    {ok, _} = mesh:call(Node, tacit, revoke, [?B]),
    {1, _, [Why]} = reload(A),
    ?assertMatch({match, _}, re:run(Why, "^door: what tacit:revoke/1 revoked does not reach it: ")),
    ok = file:make_symlink(filename:join(maps:get(dir, A), "revoked"),
                           filename:join(maps:get(dir, Own), "revoked")),
    ?assertEqual(0, door:stop(Door)), % confined to the folders that it knew
    Again = door:start(Own, #{socket => filename:join(maps:get(dir, A), "door.sock")}),
    ?assertEqual(All, reload(A)),
    mesh:stop(Node),
    ?assertEqual(0, door:stop(Again)).

other_file() ->
    A = door:host("127.0.0.1"),
    #{conf := DoorConf} = Own = own_folder(A, ["mesh.key"]),
    Door = door:start(Own, #{socket => filename:join(maps:get(dir, A), "door.sock")}),
    Does = {0, ["door: reloaded", "no node of " ++ maps:get(conf, A) ++ " runs"], []},
    ?assertEqual(Does, reload(A)),
    Differs = fun(Listen, What) ->
                      Text = set(A, "listen = .*", Listen),
                      {1, _, [Why]} = reload(A),
                      ?assertEqual(lists:concat(["door: does not listen on ", What, ", as ",
                                                 maps:get(conf, A), " says: it reads ", DoorConf]), Why),
                      ok = file:write_file(maps:get(conf, A), Text)
              end,
    Differs("&, 127.0.0.1:1", "127.0.0.1:1"),
    Differs("&, lo:2", "lo:2"),
    Differs("&, eht0:3", "eht0:3"),
    [Set(Host) || Host <- [A, Own], Set <- [fun(H) -> set(H, "listen = .*", "&, lo:4, eht0:5") end]],
    ?assertMatch({0, ["door: does not listen on eht0:5: " ++ _, "door: reloaded", _], []}, reload(A)),
    %% Keys that were put there by hand.
    Ring = filename:join(maps:get(dir, A), "mesh.key"),
    {ok, Keys} = file:read_file(Ring),
    [Old] = door_keys(Door),
    {0, _} = mesh:tacit(["psk", filename:join(maps:get(dir, A), "new.key")]),
    {ok, New} = file:read_file(filename:join(maps:get(dir, A), "new.key")),
    ok = file:write_file(Ring, New),
    {1, _, [Why]} = reload(A),
    {_, [_, Listed, Other], []} = mesh_key(A, ["list"]),
    [[Mark, "seals" | _]] = [Words || Line <- [Listed, Other], Words <- [string:lexemes(Line, " ")],
                                      hd(Words) =/= Old],
    ?assertEqual(lists:concat(["door: does not open ", Mark, " of ", Ring, ": it reads ", DoorConf]), Why),
    ok = file:write_file(Ring, Keys),
    ?assertEqual(0, door:stop(Door)).

%% The nodes' keyring would be longer than files may be, the door's not.
not_written() ->
    A = door:host("127.0.0.1"),
    Own = own_folder(A, ["mesh.key"]),
    Door = door:start(Own, #{socket => filename:join(maps:get(dir, A), "door.sock")}),
    [Ring, DoorRing] = [filename:join(maps:get(dir, Host), "mesh.key") || Host <- [A, Own]],
    {ok, DoorKeys} = file:read_file(DoorRing),
    [{0, _, []} = mesh_key(A, ["add"]) || _ <- "23"],
    ok = file:write_file(DoorRing, DoorKeys),
    {1, _, _} = reload(A),
    {ok, Keys} = file:read_file(Ring),
    [Mark] = door_keys(Door),
    Long = integer_to_list(byte_size(Keys)),
    Said = os:cmd("trap '' XFSZ; prlimit --fsize=" ++ Long ++ " " ++ os:getenv("TACIT_BUILD", "build") ++
                      "/tacit mesh-key add --conf " ++ maps:get(conf, A) ++ " 2>&1; echo status $?"),
    ?assertEqual(["tacit: " ++ Ring ++ ": cannot be replaced: File too large", "tacit: nothing was changed",
                  "status 1"], string:lexemes(Said, "\n")),
    ?assertEqual({{ok, Keys}, {ok, DoorKeys}}, {file:read_file(Ring), file:read_file(DoorRing)}),
    ?assertEqual([Mark], door_keys(Door)),
    ?assertEqual(0, door:stop(Door)).

%% --- another mesh key --------------------------------------------------------------------------

%% By the README's words, with a door on each host: one of them with a folder and a keyring of
%% its own.
rotation() ->
    {A, DoorA, NodeA} = behind_door("127.0.0.1", #{}),
    {B, DoorB, NodeB} = behind_door("127.0.0.2", #{mesh => A}),
    Both = [{A, DoorA, NodeA}, {B, DoorB, NodeB}],
    ok = mesh:trust(A, B),
    ok = mesh:trust(B, A),
    [{0, _, []} = reload(Host) || {Host, _, _} <- Both],
    new_links(NodeA, NodeB),
    [Old] = door_keys(DoorA),
    New = added("a@127.0.0.1", mesh_key(A, ["add"])),
    File = carry(A),
    ?assertEqual([Old, New], door_keys(DoorA)),
    new_links(NodeA, NodeB),
    %% Nodes of B that read it while their door did not do not count.
    #{host := #{conf := DoorConf}} = DoorB,
    KeyRing = filename:join(maps:get(dir, B), "mesh.key"),
    {ok, Before} = file:read_file(KeyRing),
    {ok, Key} = file:read_file(File),
    %% Under one that its door does not open a node is not reached: it takes back what it showed.
    [Title | Keys] = string:lexemes(Before, "\n"),
    ok = file:write_file(KeyRing, lists:join("\n", [Title, string:trim(Key) | Keys] ++ [""])),
    ?assertMatch({ok, _}, mesh:call(NodeB, tacit, reload, [])),
    mesh:wait_until(fun() ->
                            {ok, #{peer_mesh_keys := Shown}} =
                                mesh:call(NodeA, tacit, info, [maps:get(name, NodeB)]),
                            Shown =:= []
                    end),
    ok = file:write_file(KeyRing, [Before, Key]),
    ?assertMatch({ok, _}, mesh:call(NodeB, tacit, reload, [])),
    ?assertEqual([Old], door_keys(DoorB)),
    timer:sleep(500), % whatever it told was told
    ?assertEqual({1, [], ["b@127.0.0.2 has not shown that it has " ++ New,
                          "nothing was changed: those would not let this host in (--force: do it "
                          "all the same)"]}, mesh_key(A, ["use", New])),
    ?assertMatch({1, [], ["b@127.0.0.2 of this host, or its door, does not open " ++ _,
                          "door: it does not open " ++ _ | _]}, mesh_key(B, ["use", New])),
    %% The command reads where the door's keys are, and brings the new one there.
    ?assertEqual(New, added("b@127.0.0.2", mesh_key(B, ["add", "--key", File]))),
    ?assertEqual([Old, New], door_keys(DoorB)),
    {ok, Info} = file:read_file_info(filename:join(filename:dirname(DoorConf), "mesh.key")),
    ?assertEqual(8#600, element(8, Info) band 8#777),
    mesh:wait_until(fun() -> element(1, mesh_key(A, ["use", New])) =:= 0 end),
    new_links(NodeA, NodeB),
    ?assertMatch({1, [], ["b@127.0.0.2 still seals with " ++ _ | _]}, mesh_key(A, ["remove", Old])),
    {0, _, []} = mesh_key(B, ["use", New]),
    new_links(NodeA, NodeB),
    [mesh:wait_until(fun() -> element(1, mesh_key(Host, ["remove", Old])) =:= 0 end)
     || {Host, _, _} <- Both],
    ?assertEqual([[New], [New]], [door_keys(Door) || {_, Door, _} <- Both]),
    new_links(NodeA, NodeB),
    {0, Listed, []} = mesh_key(A, ["list"]),
    ?assert(lists:member(New ++ "  the door opens it", Listed)),
    lists:foreach(fun mesh:stop/1, [NodeA, NodeB]),
    ?assertEqual([0, 0], [door:stop(Door) || Door <- [DoorA, DoorB]]).

behind_door(Ip, Options) ->
    #{dir := Dir} = Host = door:host(Ip, Options),
    Socket = filename:join(Dir, "door.sock"),
    DoorHost = case Options of
                   #{mesh := _} -> own_folder(Host, ["mesh.key"]);
                   #{} -> Host
               end,
    Door = door:start(DoorHost, #{socket => Socket}),
    {Host, Door, mesh:start(case Ip of "127.0.0.1" -> "a"; _ -> "b" end, Host)}.

%% A door's, with copies of these key files, and the socket of the host's nodes.
own_folder(#{dir := Dir, conf := Conf} = Host, Keys) ->
    Own = mesh:dir(),
    {ok, Text} = file:read_file(Conf),
    [begin
         {ok, _} = file:copy(filename:join(Dir, Key), filename:join(Own, Key)),
         ok = file:change_mode(filename:join(Own, Key), 8#600)
     end || Key <- Keys],
    OwnConf = filename:join(Own, "tacit.conf"),
    ok = file:write_file(OwnConf, re:replace(Text, "door = .*",
                                             ["door = ", filename:join(Dir, "door.sock")])),
    Host#{conf := OwnConf, dir := Own}.

%% Made anew from either side.
new_links(A, B) ->
    [begin
         To = maps:get(name, Y),
         _ = mesh:call(X, erlang, disconnect_node, [To]),
         mesh:wait_until(fun() -> mesh:call(X, net_adm, ping, [To]) =:= pong end)
     end || {X, Y} <- [{A, B}, {B, A}]].

door_keys(Door) ->
    [Mark || ["mesh-key", Mark] <- door:show(Door)].

mesh_key(#{conf := Conf}, Args) ->
    tacit(["mesh-key" | Args] ++ ["--conf", Conf]).

%% Which key was added, and door and node have it.
added(Node, {0, Lines, []}) ->
    [Mark] = Lines -- ["door: reloaded", Node ++ ": reloaded"],
    Mark.

%% The last line of a host's keyring, as a file.
carry(#{dir := Dir}) ->
    {ok, Keys} = file:read_file(filename:join(Dir, "mesh.key")),
    File = filename:join(mesh:dir(), "new.key"),
    ok = file:write_file(File, [lists:last(string:lexemes(Keys, "\n")), $\n]),
    ok = file:change_mode(File, 8#600),
    File.
