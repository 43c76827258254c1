%% rebar3: Tacit as a path dependency that it builds, and a release of it.
-module(rebar3_tests).

-include_lib("eunit/include/eunit.hrl").

rebar3_test_() ->
    {setup, fun start/0, fun(_) -> ok end,
     fun(World) -> [{Title, {timeout, 600, fun() -> Test(World) end}} ||
                       {Title, Test} <- tests()] end}.

tests() ->
    [{"rebar3 compile builds Tacit, in _checkouts, with its driver; erl runs what it built",
      fun compiles/1},
     {"a rebar3 release with Tacit's flags in vm.args: two nodes of it mesh, tacit call "
      "reaches them", fun release/1}].

start() ->
    A = mesh:host("127.0.0.1"),
    B = mesh:host("127.0.0.2", #{mesh => A}),
    [ok = mesh:trust(X, Y) || X <- [A, B], Y <- [A, B]],
    Dir = project:copy("rebar3"),
    ok = file:make_dir(filename:join(Dir, "_checkouts")),
    ok = file:make_symlink("../../tacit/erlang", filename:join(Dir, "_checkouts/tacit")),
    #{a => A, b => B, dir => Dir}.

compiles(#{a := A, b := B, dir := Dir}) ->
    _ = project:run(A, Dir, ["rebar3", "compile"], []),
    Node = mesh:start("b", B),
    try
        project:speaks(A, filename:join(Dir, "_build/default/checkouts"), Node)
    after
        mesh:stop(Node)
    end.

release(#{a := A, b := B, dir := Dir}) ->
    _ = project:run(A, Dir, ["rebar3", "release"], []),
    Shop = filename:join(Dir, "_build/default/rel/shop/bin/shop"),
    Nodes = [daemon:start(Host, [Shop, "foreground"], project:env(Host) ++ env(Host))
             || Host <- [A, B]],
    try
        [mesh:wait_until(fun() -> call(Host, Host, "erlang is_alive") =:= {0, "true"} end, 60000)
         || Host <- [A, B]],
        ?assertEqual({0, "pong"}, call(A, A, "net_adm ping ['" ++ node_name(B) ++ "']")),
        ?assertEqual({0, "{open,'" ++ node_name(B) ++ "'}"}, call(A, B, "shop open")),
        {0, Which} = call(A, A, "code which [tacit_dist]"),
        ?assertMatch({match, _}, re:run(Which, "rel/shop/lib/tacit-"))
    after
        lists:foreach(fun daemon:stop/1, Nodes)
    end.

%% What is made of vm.args.src goes to the host's own directory: both run one release.
env(#{dir := Dir} = Host) -> [{"NODE", node_name(Host)}, {"RELX_OUT_FILE_PATH", Dir}].

node_name(#{ip := Ip}) -> "shop@" ++ Ip.

%% As `tacit call' does from From.
call(#{conf := Conf}, To, Words) ->
    {Status, Text} = mesh:tacit(["call", "--conf", Conf, "-c", "tacittest", node_name(To) |
                                 string:lexemes(Words, " ")]),
    {Status, lists:flatten(Text)}.
