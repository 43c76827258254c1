%% What keeps a node from starting, and how it says so: one line on standard error that
%% names the fault, exit status 1, nothing left behind. Also the warning about epmd.
-module(no_start_tests).

-include_lib("eunit/include/eunit.hrl").

no_start_test_() ->
    [{Title, {timeout, 60, Test}} || {Title, Test} <- faults() ++ detached() ++ epmd() ++ found()].

faults() ->
    [{"a node without its configuration says which file is missing, and does not start",
      fun() -> refused(fun(Host) -> ok = file:delete(maps:get(conf, Host)) end,
                       "tacit.conf: .*No such file") end},
     {"a port in use: the node says which address, and does not start", fun port_in_use/0},
     {"an address that is not this host's: the node says which, and does not start",
      fun() -> refused(fun(Host) -> exchange(Host, "^listen.*$", "listen = 192.0.2.1:4370") end,
                       "listen = 192\\.0\\.2\\.1:4370: Cannot assign") end},
     {"a key that is not there: the node says which file, and does not start",
      fun() -> refused(fun(Host) -> ok = file:delete(key(Host)) end,
                       "identity\\.key: .*No such file") end},
     {"a key that cannot be read: the node says which file, and does not start",
      fun() -> refused(fun(Host) ->
                               ok = file:delete(key(Host)),
                               ok = file:make_dir(key(Host))
                       end, "identity\\.key: ") end},
     {"a key that others can read: the node says which file, and does not start",
      fun() -> refused(fun(Host) -> ok = file:change_mode(key(Host), 8#644) end,
                       "identity\\.key: .*0644") end},
     {"a bad line: the node says where it is and what was expected, and does not start",
      fun() -> refused(fun(Host) -> mesh:append(Host, "\nnonsense\n") end,
                       "tacit.conf:[0-9]+: got 'nonsense', expected 'key = value'") end},
     {"a node name that OTP takes and Tacit does not is refused with the rule for names",
      fun() -> refused(fun(_) -> ok end, "a@h\\*\\.example is not a node name.*no '\\*' after it",
                       #{node => "a@h*.example"}) end},
     {"a driver of another release than the modules is refused, and both are named",
      fun other_release/0},
     {"-tacit_conf without a file name is refused",
      fun() -> refused(fun(_) -> ok end, "-tacit_conf: expected one file name",
                       #{args => ["-tacit_conf"]}) end},
     {"a node that would not listen does not start with a bad line either",
      fun() -> refused(fun(Host) -> mesh:append(Host, "\nnonsense\n") end,
                       "got 'nonsense'", #{args => ["-dist_listen", "false"]}) end},
     {"nor does one that awaits its dynamic name",
      fun() -> refused(fun(Host) -> mesh:append(Host, "\nnonsense\n") end,
                       "got 'nonsense'", #{node => "undefined@127.0.0.1"}) end}].

%% Breaks a host, and sees that its node says what Pattern matches.
refused(Break, Pattern) ->
    refused(Break, Pattern, #{}).

refused(Break, Pattern, Options) ->
    Host = mesh:host("127.0.0.1"),
    Break(Host),
    refused_by(Host, Pattern, Options).

refused_by(Host, Pattern, Options) ->
    #{status := Status, out := Out, err := Err, files := Files} = start(Host, Options, []),
    ?assertEqual({1, "", []}, {Status, Out, Files}),
    ?assertMatch({match, _}, re:run(Err, ["^tacit: .*", Pattern, ".*\n$"])).

%% Where the node starts all the same, it ends with status 0.
start(Host, Options, Env) ->
    Args = maps:get(args, Options, []),
    Node = maps:get(node, Options, "a@127.0.0.1"),
    mesh:erl(["-s", "init", "stop" |
              mesh:start_link_args(Node, Options#{host => Host, args => Args})], Env).

key(#{dir := Dir}) ->
    filename:join(Dir, "identity.key").

exchange(#{conf := Conf}, Pattern, Line) ->
    {ok, Text} = file:read_file(Conf),
    ok = file:write_file(Conf, re:replace(Text, Pattern, Line, [multiline])).

port_in_use() ->
    Host = #{port := Port} = mesh:host("127.0.0.1"),
    {ok, Socket} = gen_tcp:listen(Port, [{ip, {127, 0, 0, 1}}]),
    refused_by(Host, io_lib:format("listen = 127\\.0\\.0\\.1:~b: Address already in use", [Port]),
               #{}),
    ok = gen_tcp:close(Socket),
    ?assertMatch(#{status := 0}, start(Host, #{}, [])).

%% The very driver, but for what it says of itself.
other_release() ->
    Lib = mesh:dir(),
    From = filename:join(os:getenv("ERL_LIBS"), "tacit"),
    "" = os:cmd("cp -rL " ++ From ++ " " ++ Lib),
    So = filename:join([Lib, "tacit", "priv", "tacit_drv.so"]),
    {ok, Bytes} = file:read_file(So),
    %% A compiler may have made a number of its first four bytes.
    Other = binary:replace(Bytes, <<"0.1.">>, <<"0.9.">>, [global]),
    ?assertNotEqual(Bytes, Other),
    ok = file:write_file(So, Other),
    #{status := Status, err := Err, files := []} =
        start(mesh:host("127.0.0.1"), #{}, [{"ERL_LIBS", Lib}]),
    ?assertEqual(1, Status),
    ?assertMatch({match, _}, re:run(Err, ["^tacit: the driver of ", So, " that is loaded is of ",
                                          "release 0\\.9\\.0, the modules of 0\\.1\\.0: .*\n$"])).

%% --- without standard error ----------------------------------------------------------------

detached() ->
    [{"a node that is started with -detached and does not start says why to syslog",
      fun to_syslog/0},
     {"and where there is none, in the slogan of a crash dump", fun to_crash_dump/0}].

%% A /dev of the test's own, in which there is a syslog or none.
-define(OWN_DEV, "set -e; d=$PWD/dev; mkdir $d; mount -t tmpfs dev $d; "
                 "for f in null zero random urandom; do : >$d/$f; mount --bind /dev/$f $d/$f; "
                 "done; mount --rbind $d /dev; ").
-define(SYSLOG, "import socket\n"
                "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
                "s.bind('/dev/log')\n"
                "s.settimeout(60)\n"
                "print('listens', flush=True)\n"
                "open('syslog', 'wb').write(s.recv(4096))\n").

detached(Script) ->
    Host = mesh:host("127.0.0.1"),
    mesh:append(Host, "\nnonsense\n"),
    Dir = mesh:dir(),
    Args = mesh:start_link_args("a@127.0.0.1", #{host => Host}),
    Port = open_port({spawn_executable, os:find_executable("unshare")},
                     [{args, ["-m", "/bin/sh", "-c", ?OWN_DEV ++ Script, "sh" | Args]}, {cd, Dir},
                      {env, [{"ERL_CRASH_DUMP", filename:join(Dir, "dump")} | mesh:node_env()]},
                      exit_status, stderr_to_stdout]),
    case collect(Port, "") of
        {0, _} -> Dir;
        {_, Said} -> throw({skip, "no /dev of the test's own: " ++ Said})
    end.

collect(Port, Said) ->
    receive
        {Port, {data, More}} -> collect(Port, Said ++ More);
        {Port, {exit_status, Status}} -> {Status, string:trim(Said)}
    end.

%% What is in the file, once it is there and has it.
soon(File, Pattern) ->
    mesh:wait_until(fun() ->
                            case file:read_file(File) of
                                {ok, Bytes} -> re:run(Bytes, Pattern, [multiline]) =/= nomatch;
                                {error, enoent} -> false
                            end
                    end).

to_syslog() ->
    Dir = detached("python3 -c \"" ?SYSLOG "\" >said & "
                   "while ! grep -q listens said; do sleep 0.1; done; erl -detached \"$@\"; wait"),
    soon(filename:join(Dir, "syslog"),
         "^<27>tacit\\[[0-9]+\\]: .*tacit.conf:[0-9]+: got 'nonsense', expected"),
    ?assertNot(filelib:is_file(filename:join(Dir, "dump"))).

to_crash_dump() ->
    Dir = detached("erl -detached \"$@\""),
    soon(filename:join(Dir, "dump"),
         "^Slogan: tacit: .*tacit.conf:[0-9]+: got 'nonsense', expected").

%% --- where the configuration is found ----------------------------------------------------

found() ->
    [{"without -tacit_conf the file is that of TACIT_CONF", fun by_environment/0},
     {"-tacit_conf goes before TACIT_CONF", fun flag_first/0}].

by_environment() ->
    Host = #{conf := Conf} = mesh:host("127.0.0.1"),
    Args = ["-s", "init", "stop", "-proto_dist", "tacit", "-no_epmd", "-name", "a@127.0.0.1"],
    ?assertMatch(#{status := 0, err := ""}, mesh:erl(Args, [{"TACIT_CONF", Conf}])),
    mesh:append(Host, "\nnonsense\n"),
    ?assertMatch(#{status := 1}, mesh:erl(Args, [{"TACIT_CONF", Conf}])).

flag_first() ->
    Host = mesh:host("127.0.0.1"),
    ?assertMatch(#{status := 0, err := ""},
                 start(Host, #{}, [{"TACIT_CONF", "/nonexistent/tacit.conf"}])).

%% --- the flags that keep epmd away -------------------------------------------------------

epmd() ->
    [{"a node with -name that makes erl start epmd warns on one line, with the flag to add",
      fun() -> warned("-name", "a@127.0.0.1") end},
     {"and so does one with -sname",
      fun() -> warned("-sname", "a@one") end},
     {"with -no_epmd, or -start_epmd false, no epmd is started and nothing is said",
      fun not_warned/0}].

warned(Flag, Node) ->
    #{status := 0, err := Err, files := Files} =
        start_with_epmd("-epmd_module tacit_epmd", #{name_flag => Flag, node => Node}),
    ?assertEqual(["epmd-started"], Files),
    ?assertMatch({match, _}, re:run(Err, "^tacit: .*epmd.*; add -no_epmd\n$")).

not_warned() ->
    [?assertMatch(#{status := 0, err := "", files := []}, start_with_epmd(Flags, #{}))
     || Flags <- ["-no_epmd -epmd_module tacit_epmd", "-epmd_module tacit_epmd -start_epmd false"]].

%% erl starts in epmd's place what -epmd names: here a mark in the node's directory.
start_with_epmd(Flags, Options) ->
    Mark = ["-epmd", "touch epmd-started #"],
    start(mesh:host("127.0.0.1"), Options#{flags => Flags, args => Mark}, []).
