%% Every way to start a node's distribution, and to stop it, at boot and at run time.
-module(start_tests).

-include_lib("eunit/include/eunit.hrl").

start_test_() ->
    [{Title, {timeout, 60, Test}} || {Title, Test} <- tests()].

tests() ->
    [{"net_kernel:start and stop work at run time, several times over",
      fun start_and_stop/0},
     {"after a bad configuration net_kernel:start gives an error, and works once it is mended",
      fun mended/0},
     {"a node without listener that cannot start gives an error, too, and keeps no name",
      fun mended_without_listener/0},
     {"RabbitMQ's way: a prelaunch name, names/1, stop, and the real name on the same port",
      fun rabbit_way/0},
     {"a node may start under a name that no peer grants it; they refuse it",
      fun name_not_ours/0},
     {"-dist_listen false: the node dials and is a full peer, and nothing listens",
      fun no_listen/0},
     {"with -dist_listen false a configuration without listen is enough",
      fun no_listen_no_address/0},
     {"a release that names tacit boots in embedded mode and meshes", fun embedded/0},
     {"erl -remsh evaluates on the other node, through a terminal", fun remote_shell/0},
     {"erl -remsh alone gets its name from the other node", fun remote_shell_alone/0}].

%% An emulator without distribution, and a node that trusts it.
bare() ->
    A = mesh:host("127.0.0.1"),
    B = mesh:host("127.0.0.2", #{mesh => A}),
    ok = mesh:trust(A, B),
    ok = mesh:trust(B, A),
    {mesh:start("bare", A, #{node => none}), mesh:start("b", B)}.

start_and_stop() ->
    {A, #{name := B}} = Nodes = bare(),
    [begin
         Name = list_to_atom("run" ++ integer_to_list(I) ++ "@127.0.0.1"),
         {ok, _} = mesh:call(A, net_kernel, start, [Name, #{name_domain => longnames}]),
         mesh:call(A, erlang, set_cookie, [tacittest]),
         ?assertEqual({Name, true}, {mesh:call(A, erlang, node, []),
                                     mesh:call(A, net_kernel, connect_node, [B])}),
         %% The name before parts a moment after we did.
         mesh:wait_until(fun() -> mesh:call(A, rpc, call, [B, erlang, nodes, []]) =:= [Name] end),
         ok = mesh:call(A, net_kernel, stop, []),
         stopped(A)
     end || I <- lists:seq(1, 5)],
    mesh:stop_pair(Nodes).

%% Nothing of Tacit's is left: no port but the driver's own, and no name. (With the last link's
%% port, whose end net_kernel does not await, the emulator gives up the name.)
stopped(Node) ->
    mesh:wait_until(fun() -> mesh:call(Node, erlang, node, []) =:= nonode@nohost end),
    ?assertEqual([], mesh:on(Node, fun() ->
                                           [P || P <- erlang:ports(),
                                                 {name, "tacit_drv"} =:=
                                                     erlang:port_info(P, name),
                                                 P =/= whereis(tacit_drv)]
                                   end)).

mended() ->
    {A, #{name := B}} = Nodes = bare(),
    break(A),
    Options = #{name_domain => longnames},
    ?assertMatch({error, _}, mesh:call(A, net_kernel, start, ['x@127.0.0.1', Options])),
    ?assertMatch({_, _}, binary:match(list_to_binary(mesh:log(A)),
                                      <<": got 'broken', expected 'key = value'">>)),
    stopped(A),
    mend(A),
    {ok, _} = mesh:call(A, net_kernel, start, ['x@127.0.0.1', Options]),
    mesh:call(A, erlang, set_cookie, [tacittest]),
    ?assertEqual(pong, mesh:call(A, net_adm, ping, [B])),
    mesh:stop_pair(Nodes).

mended_without_listener() ->
    {A, #{name := B}} = Nodes = bare(),
    break(A),
    Options = #{name_domain => longnames, dist_listen => false},
    [begin
         ?assertMatch({error, _}, mesh:call(A, net_kernel, start, [Name, Options])),
         stopped(A),
         %% a node that waited for its dynamic name would wait for ever here
         ?assertEqual(pang, mesh:call(A, net_adm, ping, [B]))
     end || Name <- ['x@127.0.0.1', 'undefined@127.0.0.1']],
    mend(A),
    {ok, _} = mesh:call(A, net_kernel, start, ['x@127.0.0.1', Options]),
    mesh:call(A, erlang, set_cookie, [tacittest]),
    ?assertEqual(pong, mesh:call(A, net_adm, ping, [B])),
    mesh:stop_pair(Nodes).

break(#{host := Host}) ->
    mesh:append(Host, "broken\n").

mend(#{host := #{conf := Conf}}) ->
    {ok, Bytes} = file:read_file(Conf),
    ok = file:write_file(Conf, string:replace(Bytes, "broken\n", "")).

rabbit_way() ->
    {A, #{name := B}} = Nodes = bare(),
    Prelaunch = list_to_atom("rabbit_prelaunch_" ++ os:getpid() ++ "@localhost"),
    {ok, _} = mesh:call(A, net_kernel, start, [[Prelaunch, shortnames]]),
    ?assertMatch({ok, _}, mesh:call(A, tacit_epmd, names, ["localhost"])),
    ?assertMatch({ok, _}, mesh:call(A, net_adm, names, ["localhost"])),
    ok = mesh:call(A, net_kernel, stop, []),
    {ok, _} = mesh:call(A, net_kernel, start, [['rabbit@127.0.0.1', longnames]]),
    mesh:call(A, erlang, set_cookie, [tacittest]),
    ?assertEqual(pong, mesh:call(A, net_adm, ping, [B])),
    mesh:stop_pair(Nodes).

name_not_ours() ->
    {A, #{name := B}} = Nodes = bare(),
    {ok, _} = mesh:call(A, net_kernel, start, [['other@127.0.0.9', longnames]]),
    mesh:call(A, erlang, set_cookie, [tacittest]),
    ?assertEqual(pang, mesh:call(A, net_adm, ping, [B])),
    ?assertMatch({ok, #{state := down, reason := name}}, mesh:call(A, tacit, info, [B])),
    mesh:stop_pair(Nodes).

no_listen() ->
    A = mesh:host("127.0.0.1"),
    B = mesh:host("127.0.0.2", #{mesh => A}),
    ok = mesh:trust(A, B),
    ok = mesh:trust(B, A),
    NodeB = #{name := NameB} = mesh:start("b", B),
    NodeA = #{name := NameA} = mesh:start("a", A, #{args => ["-dist_listen", "false"]}),
    ?assertEqual({error, econnrefused}, gen_tcp:connect("127.0.0.1", maps:get(port, A), [])),
    ?assertEqual(pong, mesh:call(NodeA, net_adm, ping, [NameB])),
    ?assertEqual([NameA], mesh:call(NodeB, erlang, nodes, [hidden])),
    ?assertEqual(NameA, mesh:call(NodeB, rpc, call, [NameA, erlang, node, []])),
    mesh:stop_pair({NodeA, NodeB}).

no_listen_no_address() ->
    #{conf := Conf} = A = mesh:host("127.0.0.1"),
    {ok, Bytes} = file:read_file(Conf),
    ok = file:write_file(Conf, re:replace(Bytes, "^listen.*\n", "", [multiline])),
    Node = mesh:start("a", A, #{args => ["-dist_listen", "false"]}),
    ?assertMatch({ok, #{listen := []}}, mesh:call(Node, tacit, info, [])),
    mesh:stop(Node),
    #{status := 1, err := Line} =
        mesh:erl(mesh:start_link_args("a@127.0.0.1", #{host => A, args => ["-s", "init", "stop"]}),
                 []),
    ?assertMatch({match, _}, re:run(Line, "has no listen.*-dist_listen false")).

%% --- a release ---------------------------------------------------------------------------

embedded() ->
    A = mesh:host("127.0.0.1"),
    B = mesh:host("127.0.0.2", #{mesh => A}),
    ok = mesh:trust(A, B),
    ok = mesh:trust(B, A),
    Node = #{name := Name} = mesh:start("b", B),
    Boot = release(mesh:dir()),
    Args = ["-boot", Boot, "-mode", "embedded",
            "-eval", lists:flatten(io_lib:format(
                                     "io:format(\"~~p ~~p ~~p\", [net_adm:ping(~p), "
                                     "init:get_argument(mode), [tacit || {tacit, _, _} <- "
                                     "application:which_applications()]]), init:stop().",
                                     [Name]))],
    #{status := 0, err := "", out := Out} =
        mesh:erl(mesh:start_link_args("a@127.0.0.1", #{host => A, args => Args}), []),
    %% Before that, or behind it, stands what the log says of the link.
    ?assertNotEqual(nomatch, string:find(Out, "pong {ok,[[\"embedded\"]]} [tacit]"), Out),
    mesh:stop(Node).

%% A start script that names tacit; in embedded mode nothing else is ever loaded.
release(Dir) ->
    [ok = case application:load(App) of
              {error, {already_loaded, App}} -> ok;
              Result -> Result
          end || App <- applications()],
    Versions = [{App, begin {ok, V} = application:get_key(App, vsn), V end}
                || App <- applications()],
    Release = {release, {"mesh", "1"}, {erts, erlang:system_info(version)}, Versions},
    File = filename:join(Dir, "mesh"),
    ok = file:write_file(File ++ ".rel", io_lib:format("~p.~n", [Release])),
    ok = systools:make_script(File, [local, {outdir, Dir}]),
    File.

applications() -> [kernel, stdlib, tacit].

%% --- remote shell ------------------------------------------------------------------------

remote_shell() ->
    A = mesh:host("127.0.0.1"),
    B = mesh:host("127.0.0.2", #{mesh => A}),
    ok = mesh:trust(A, B),
    ok = mesh:trust(B, A),
    shell(A, "shell@127.0.0.1", mesh:start("b", B)).

%% Without -name or -sname OTP takes a short dynamic name at this host.
remote_shell_alone() ->
    {ok, Own} = inet:gethostname(),
    A = mesh:host("127.0.0.1"),
    B = mesh:host("127.0.0.2", #{mesh => A}),
    ok = mesh:trust(A, B, "*@two"),
    ok = mesh:trust(B, A, "*@" ++ Own),
    shell(A, none, mesh:start("b", B, #{name_flag => "-sname", node => "b@two"})).

shell(Host, Own, Node) ->
    try terminal:remote_shell(Host, Own, Node) after mesh:stop(Node) end.
