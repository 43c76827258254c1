%% Elixir's nodes over Tacit.
-module(elixir_tests).

-include_lib("eunit/include/eunit.hrl").

elixir_test_() ->
    {setup, fun start/0, fun stop/1,
     fun(World) -> [{Title, {timeout, 240, fun() -> Test(World) end}} ||
                       {Title, Test} <- tests()] end}.

tests() ->
    [{"elixir and erl: Node.connect, :rpc, an Agent there, Node.spawn_link",
      fun elixir/1},
     {"iex --remsh evaluates on the other node, through a terminal", fun remote_shell/1}].

start() ->
    A = mesh:host("127.0.0.1"),
    B = mesh:host("127.0.0.2", #{mesh => A}),
    ok = mesh:trust(A, B),
    ok = mesh:trust(B, A),
    %% Elixir's own modules are in no library folder that erl looks into.
    Node = mesh:start("b", B, #{args => ["-pa" | paths()]}),
    #{a => A, node => Node}.

paths() -> ["/usr/lib/elixir/lib/" ++ App ++ "/ebin" || App <- ["elixir", "iex", "logger"]].

stop(#{node := Node}) -> mesh:stop(Node).

elixir(#{a := A, node := #{name := Name}}) ->
    Script = "b = :\"" ++ atom_to_list(Name) ++ "\"\n"
        "true = Node.connect(b)\n"
        "^b = :rpc.call(b, :erlang, :node, [])\n"
        "[^b] = Node.list()\n"
        "{:ok, agent} = :rpc.call(b, Agent, :start, [Map, :new, []])\n"
        "^b = node(agent)\n"
        ":ok = Agent.update(agent, Map, :put, [:key, {~D[2026-11-21], \"text\", 1..3}])\n"
        "{~D[2026-11-21], \"text\", 1..3} = Agent.get(agent, Map, :get, [:key])\n"
        "pid = self()\n"
        "Node.spawn_link(b, Kernel, :send, [pid, {:from, 42}])\n"
        "receive do {:from, 42} -> :ok after 30_000 -> raise \"nothing came\" end\n"
        "{:ok, %{state: :up, suite: suite}} = :tacit.info(b)\n"
        "IO.puts(\"all is well over #{suite}\")\n",
    ?assertMatch({0, "all is well over " ++ _}, last_line(run(A, "elixir", ["-e", Script]))).

%% What the log says of the link stands before it.
last_line({Status, Text}) ->
    {Status, lists:last(string:lexemes(Text, "\n"))}.

run(Host, Program, Args) ->
    daemon:command(Host, [Program | node_args("x", Host)] ++ Args, env()).

node_args(Name, #{ip := Ip} = Host) ->
    ["--erl", daemon:erl_flags(Host), "--name", Name ++ "@" ++ Ip, "--cookie", "tacittest"].

env() -> [{"LANG", "C.UTF-8"}, {"LC_ALL", "C.UTF-8"}].

remote_shell(#{a := #{ip := Ip} = A, node := Node = #{name := Name}}) ->
    Words = ["iex" | node_args("y", A)] ++ ["--remsh", atom_to_list(Name)],
    Quoted = [["'", Word, "' "] || Word <- maps:get(run, mesh:release(Ip), []) ++ Words],
    ok = terminal:converse(lists:flatten(["exec ", Quoted]),
                           env() ++ maps:get(release_env, mesh:release(Ip), []),
                           [{"iex(" ++ atom_to_list(Name) ++ ")", "{:answer, node(), 6 * 7}\r"},
                            {"{:answer, :\"" ++ atom_to_list(Name) ++ "\", 42}", "\^G"},
                            {" --> ", "q\r"}]),
    mesh:wait_until(fun() -> mesh:call(Node, erlang, nodes, [connected]) =:= [] end).
