%% Who can change the files that say who may connect lets himself in: where that could be
%% anybody but root and the node's own user, nothing starts.
-module(strict_tests).

-include_lib("eunit/include/eunit.hrl").

strict_test_() ->
    [{Title, {timeout, 120, Test}} || {Title, Test} <- tests()].

tests() ->
    [{"a tacit.conf in a folder that others can write starts no node, door or C node, and no "
      "command takes it; nor is a running one reloaded", fun open_folder/0},
     {"nor does one of another user, or one that a link in such a folder leads to", fun others/0},
     {"nor one whose keys are in such a folder", fun keys/0},
     {"nor does a door make its socket where others could put theirs", fun door_socket/0},
     {"tacit init makes nothing where it would not be read", fun init_there/0}].

%% What each says that does not start with Conf.
starters(#{conf := Conf} = Host) ->
    Node = fun() ->
                   Args = mesh:start_link_args("a@127.0.0.1", #{host => Host}),
                   #{status := 1, err := Err} = mesh:erl(Args, []),
                   Err
           end,
    Door = fun() -> {exit, 1, Lines} = door:start(Host, #{ready => false}), Lines end,
    CNode = fun() -> cnode:fails("c@127.0.0.1", Conf) end,
    Command = fun() -> {1, Said} = mesh:tacit(["check", "--conf", Conf]), Said end,
    [{node, Node}, {door, Door}, {c_node, CNode}, {command, Command}].

nothing_starts(Host, Why) ->
    [?assertMatch({Who, {match, _}, _}, {Who, re:run(Said, Why), Said})
     || {Who, Start} <- starters(Host), Said <- [Start()]].

%% In a folder of its own, so that its mode is the test's.
host() ->
    #{dir := Dir} = Host = door:host("127.0.0.1"),
    {Host, filename:dirname(Dir)}.

open_folder() ->
    {#{conf := Conf} = Host, Above} = host(),
    Door = door:start(Host),
    Node = mesh:start("a", Host),
    Why = Conf ++ ": the folder " ++ Above ++ " has mode 0777, so that others can put another "
        "file there, expected 0755 or less",
    ok = file:change_mode(Above, 8#777),
    {error, Said} = mesh:call(Node, tacit, reload, []),
    ?assertEqual(Why, Said),
    {refused, _, Text} = door:command(Door, 6),
    ?assertEqual(Why, Text),
    mesh:stop(Node),
    0 = door:stop(Door),
    nothing_starts(Host, Why),
    %% Where nobody replaces what is not his, as in /tmp, it is taken.
    "" = os:cmd("chmod 1777 " ++ Above),
    ?assertMatch({0, _}, mesh:tacit(["check", "--conf", Conf])).

others() ->
    {#{conf := Conf} = Host, Above} = host(),
    Link = filename:join(Above, "open/tacit.conf"),
    ok = filelib:ensure_dir(Link),
    ok = file:make_symlink(Conf, Link),
    ok = file:change_mode(filename:dirname(Link), 8#777),
    nothing_starts(Host#{conf := Link}, "the folder .*/open has mode 0777"),
    case os:cmd("id -u") of
        "0\n" ->
            ok = file:change_owner(Conf, 12345),
            [?assertMatch({Who, {match, _}}, {Who, re:run(Start(), "tacit.conf: belongs to user "
                                                         "12345, expected root or user 0")})
             || {Who, Start} <- starters(Host), Who =/= command]; % root looks at anybody's
        _ ->
            ok
    end.

door_socket() ->
    {#{conf := Conf} = Host, Above} = host(),
    Open = filename:join(Above, "open"),
    ok = file:make_dir(Open),
    ok = file:change_mode(Open, 8#777),
    {ok, Text} = file:read_file(Conf),
    ok = file:write_file(Conf, string:replace(Text, "door = door.sock", "door = ../open/door.sock")),
    {exit, 1, Lines} = door:start(Host, #{ready => false}),
    ?assertMatch({match, _}, re:run(Lines, "the folder " ++ Open ++ " has mode 0777")),
    {ok, Left} = file:list_dir(Open),
    ?assertNot(lists:member("door.sock", Left)),
    ok = file:change_mode(Open, 8#755),
    Door = door:start(Host, #{socket => filename:join(Open, "door.sock")}),
    0 = door:stop(Door).

init_there() ->
    Open = mesh:dir(),
    ok = file:change_mode(Open, 8#777),
    Dir = filename:join(Open, "host"),
    {1, Said} = mesh:tacit(["init", "--dir", Dir, "--listen", "127.0.0.1:4999"]),
    ?assertMatch({match, _}, re:run(Said, "the folder " ++ Open ++ " has mode 0777")),
    ?assertEqual({ok, []}, file:list_dir(Open)).

keys() ->
    {#{conf := Conf, dir := Dir} = Host, Above} = host(),
    Open = filename:join(Above, "open"),
    ok = file:make_dir(Open),
    ok = file:rename(filename:join(Dir, "mesh.key"), filename:join(Open, "mesh.key")),
    {ok, Text} = file:read_file(Conf),
    ok = file:write_file(Conf, string:replace(Text, "mesh.key", "../open/mesh.key")),
    ?assertMatch({0, _}, mesh:tacit(["check", "--conf", Conf])),
    ok = file:change_mode(Open, 8#777),
    nothing_starts(Host, "mesh.key: the folder .*/open has mode 0777").
