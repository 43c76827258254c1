%% Elixir's mix: Tacit as a path dependency that it builds, and a release of it.
-module(mix_tests).

-include_lib("eunit/include/eunit.hrl").

mix_test_() ->
    {setup, fun start/0, fun stop/1,
     fun(World) -> [{Title, {timeout, 600, fun() -> Test(World) end}} ||
                       {Title, Test} <- tests()] end}.

tests() ->
    [{"mix compile builds Tacit, a path dependency, with its driver; erl runs what it built",
      fun compiles/1},
     {"mix run of a node that speaks Tacit", fun mix_run/1},
     {"mix compile builds the driver again when its source has changed", fun changed/1},
     {"a mix release with Tacit's flags in vm.args: two nodes of it mesh", fun release/1},
     {"bin/shop rpc, pid, remote and stop reach a node of the release", fun commands/1}].

start() ->
    A = mesh:host("127.0.0.1"),
    B = mesh:host("127.0.0.2", #{mesh => A}),
    [ok = mesh:trust(X, Y) || X <- [A, B], Y <- [A, B]],
    Dir = project:copy("mix"),
    #{a => A, b => B, dir => Dir, shop => filename:join(Dir, "_build/prod/rel/shop/bin/shop")}.

stop(_) -> ok.

mix(#{a := A, dir := Dir}, Args, Env) ->
    project:run(A, Dir, ["mix" | Args], Env).

%% Fun's of a node of this source's own, to be met.
with_node(#{b := B}, Fun) ->
    Node = mesh:start("b", B),
    try Fun(Node) after mesh:stop(Node) end.

compiles(#{a := A, dir := Dir} = World) ->
    _ = mix(World, ["compile"], []),
    with_node(World, fun(Node) ->
                             project:speaks(A, filename:join(Dir, "_build/dev/lib"), Node)
                     end).

mix_run(#{a := A, dir := Dir} = World) ->
    with_node(
      World,
      fun(#{name := Name}) ->
              Text = project:run(
                       A, Dir, ["elixir", "--erl", flags(), "--name", "m@127.0.0.1",
                                "--cookie", "tacittest", "-S", "mix", "run", "-e",
                                "true = Node.connect(:\"" ++ atom_to_list(Name) ++ "\"); "
                                "IO.inspect({Shop.open?, Node.list})"],
                       [{"ERL_LIBS", "_build/dev/lib"}]),
              ?assertMatch({match, _}, re:run(Text, "{{:open, :\"m@127.0.0.1\"}, "
                                              "\\[:\"b@127.0.0.2\"\\]}"))
      end).

flags() -> "-proto_dist tacit -no_epmd -epmd_module tacit_epmd".

%% A string of the source is to be found in the driver afterwards.
changed(#{dir := Dir} = World) ->
    Tacit = filename:join(filename:dirname(Dir), "tacit"),
    Source = filename:join(Tacit, "src/carrier/driver.c"),
    {ok, Text} = file:read_file(Source),
    Mark = "this driver was built again",
    ok = file:write_file(Source, [Text, "const char *tacit_test_mark(void);\n"
                                  "__attribute__((used)) const char *tacit_test_mark(void)\n"
                                  "{\n    return \"", Mark, "\";\n}\n"]),
    _ = mix(World, ["compile"], []),
    ok = file:write_file(Source, Text),
    {ok, Driver} = file:read_file(filename:join(Dir, "_build/dev/lib/tacit/priv/tacit_drv.so")),
    ?assertMatch({_, _}, binary:match(Driver, list_to_binary(Mark))).

%% --- the release ---------------------------------------------------------------------------

release(#{a := A, b := B, dir := Dir, shop := Shop} = World) ->
    _ = mix(World, ["release"], [{"MIX_ENV", "prod"}]),
    Nodes = [node_of(World, Host) || Host <- [A, B]],
    try
        Text = project:run(A, Dir, [Shop, "rpc", "b = :\"shop@127.0.0.2\"; true = Node.connect(b); "
                                    "{:ok, %{state: up}} = :tacit.info(b); "
                                    "{:ok, [[boot]]} = :init.get_argument(:boot); "
                                    "IO.inspect({up, :erpc.call(b, Shop, :open?, []), "
                                    "List.starts_with?(:code.which(:tacit_dist), "
                                    "Path.dirname(boot) |> Path.join(\"../../lib\") "
                                    "|> Path.expand |> to_charlist)})"], env(A)),
        ?assertMatch({match, _}, re:run(Text, "{:up, {:open, :\"shop@127.0.0.2\"}, true}"))
    after
        lists:foreach(fun daemon:stop/1, Nodes)
    end.

env(#{ip := Ip, dir := Dir}) ->
    [{"RELEASE_DISTRIBUTION", "name"}, {"RELEASE_NODE", "shop@" ++ Ip},
     {"RELEASE_COOKIE", "tacittest"}, {"RELEASE_TMP", Dir}].

%% Started, and answers.
node_of(#{dir := Dir, shop := Shop}, Host) ->
    Node = daemon:start(Host, [Shop, "start"], project:env(Host) ++ env(Host)),
    mesh:wait_until(fun() ->
                            try project:run(Host, Dir, [Shop, "rpc", ":ok"], env(Host)), true
                            catch error:_ -> false
                            end
                    end, 60000),
    Node.

commands(#{a := #{ip := Ip} = A, dir := Dir, shop := Shop} = World) ->
    #{os_pid := Pid} = Node = node_of(World, A),
    ?assertEqual(Pid, lists:last(string:lexemes(project:run(A, Dir, [Shop, "pid"], env(A)), "\n"))),
    Words = maps:get(run, mesh:release(Ip), []) ++ [Shop, "remote"],
    ok = terminal:converse(["exec " | [["'", Word, "' "] || Word <- Words]],
                           project:env(A) ++ env(A),
                           [{"iex(shop@127.0.0.1)", "{:answer, Shop.open?, 6 * 7}\r"},
                            {"{:answer, {:open, :\"shop@127.0.0.1\"}, 42}", "\^G"},
                            {" --> ", "q\r"}]),
    _ = project:run(A, Dir, [Shop, "stop"], env(A)),
    mesh:wait_until(fun() -> not mesh:runs(Node) end).
