%% A door that a change does not reach, or that reads another file than the nodes, is named; and
%% the mesh key is replaced where there are doors.
-module(reach_door_tests).

-include_lib("eunit/include/eunit.hrl").

-import(reach, [reload/1, set/3, two_hosts/0, control_sockets/1, answers/2, door_keys/1,
                own_folder/2, mesh_key/2]).

-define(B, 'b@127.0.0.2').

reach_door_test_() ->
    [{Title, {timeout, 180, Test}}
     || {Title, Test} <-
            [{"a door or a node that ends half-way is not reached: what it did nobody knows",
              fun half_way/0},
             {"tacit reload tells what does not listen although the file is in force", fun absent/0},
             {"a door that reads another file of revoked keys than the nodes is named",
              fun revoked/0},
             {"a door that reads another file, and has another address or other keys there than the nodes, "
              "is named", fun other_file/0},
             {"of a node or a door that was not reached mesh-key says nothing else, and that once",
              fun mesh_key_missed/0},
             {"a mesh key that is left at the door alone can be taken away there", fun left_over/0},
             {"a mesh key that cannot be written is not named, and no keyring has it", fun not_written/0},
             {"the mesh key of two hosts with doors is replaced: each step waits for all doors, and new "
              "links are made after each", fun rotation/0}]].

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
    [inet:setopts(From, [{active, once}]) || {From, _} <- Pairs], % if it is open still
    receive
        {tcp, From, Bytes} ->
            {_, To} = lists:keyfind(From, 1, Pairs),
            _ = gen_tcp:send(To, Bytes),
            bring(Pairs);
        {tcp_closed, _} ->
            [gen_tcp:close(From) || {From, _} <- Pairs]
    end.

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
    Refusal = "nothing was changed: those would not let this host in (--force to override)",
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

left_over() ->
    A = door:host("127.0.0.1"),
    Own = own_folder(A, ["mesh.key"]),
    Door = door:start(Own, #{socket => filename:join(maps:get(dir, A), "door.sock")}),
    [Old] = door_keys(Door),
    {0, Lines, []} = mesh_key(A, ["add"]),
    [New] = door_keys(Door) -- [Old],
    true = lists:member(New, Lines),
    {0, _, []} = mesh_key(A, ["use", New]),
    door:signal(Door, "STOP"),
    {1, ["no node of " ++ _], _} = mesh_key(A, ["remove", "--force", Old]),
    door:signal(Door, "CONT"),
    ?assertEqual([Old, New], door_keys(Door)),
    Said = Old ++ " is in the door's keyring alone, and may be for nodes of another configuration: "
        "nothing was changed (--force to override)",
    ?assertEqual({1, [], [Said]}, mesh_key(A, ["remove", Old])),
    ?assertMatch({1, [], ["KEY-ID: got " ++ _]}, mesh_key(A, ["use", Old])),
    ?assertEqual([Old, New], door_keys(Door)),
    ?assertMatch({0, ["door: reloaded", _], []}, mesh_key(A, ["remove", "--force", Old])),
    ?assertEqual([New], door_keys(Door)),
    {0, Listed, []} = mesh_key(A, ["list"]),
    ?assertEqual([], [Line || Line <- Listed, lists:prefix(Old, Line)]),
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
                          "nothing was changed: those would not let this host in (--force to "
                          "override)"]}, mesh_key(A, ["use", New])),
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

%% Made again from either side.
new_links(A, B) ->
    [begin
         To = maps:get(name, Y),
         _ = mesh:call(X, erlang, disconnect_node, [To]),
         mesh:wait_until(fun() -> mesh:call(X, net_adm, ping, [To]) =:= pong end)
     end || {X, Y} <- [{A, B}, {B, A}]].

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
