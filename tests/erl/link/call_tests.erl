%% tacit call and tacit eval: a real node's functions from the command line.
-module(call_tests).

-include_lib("eunit/include/eunit.hrl").

call_test_() ->
    {setup, fun start/0, fun stop/1,
     fun(World) ->
             [{Title, {timeout, 120, fun() -> Test(World) end}} || {Title, Test} <- tests()]
     end}.

tests() ->
    [{"after tacit init --name it works on the host itself, as a hidden node that is gone after",
      fun at_home/1},
     {"from another host, whose [peer *@HOST] is there", fun from_elsewhere/1},
     {"every kind of term is printed as Erlang prints it, and can be given", fun terms/1},
     {"an exception is status 3, with Erlang's words for it on the standard error",
      fun exceptions/1},
     {"erl_call's habits: -a 'mod fun args', -m a module from the standard input", fun habits/1},
     {"eval takes expressions, or the standard input", fun eval/1},
     {"calls leave no atom behind, and calls at the same time have a name each",
      fun no_atoms/1},
     {"--as is the name that it calls as", fun as/1},
     {"no link is status 4, with the reason; a fault of ours is 1, a wrong usage 2", fun no_link/1},
     {"started with the standard descriptors closed, it has nothing of its own in their place",
      fun closed_descriptors/1},
     {"the cookie may stand in a file that nobody else reads, or in the environment; one behind -c "
      "is gone from the list of processes", fun cookies/1},
     {"--timeout ends a call that takes too long: status 4", fun times_out/1},
     {"another call that ends the link as it begins is not heard of", fun ended_early/1},
     {"a link that ends under a call does not bring it twice", fun ended_late/1},
     {"an answer that comes too late for its call is not the next one's", fun late/1},
     {"a result of 5 MB arrives whole", fun large/1}].

%% a@HOST on a host made with --name, and another host that it knows.
start() ->
    A = named("127.0.0.1"),
    B = mesh:host("127.0.0.2", #{mesh => A}),
    ok = mesh:trust(A, B),
    ok = mesh:trust(B, A),
    %% b has no --name: it learns what it is called from the line of its own
    ok = mesh:trust(B, B),
    #{a => A, b => B, node => mesh:start("a", A)}.

stop(#{node := Node}) ->
    mesh:stop(Node).

named(Ip) ->
    Dir = filename:join(mesh:dir(), "host"),
    Port = mesh:free_port(Ip),
    {0, _} = mesh:tacit(["init", "--dir", Dir, "--listen", Ip ++ ":" ++ integer_to_list(Port),
                         "--name", "a@" ++ Ip]),
    {0, Key} = mesh:tacit(["pubkey", filename:join(Dir, "identity.key")]),
    #{dir => Dir, conf => filename:join(Dir, "tacit.conf"), ip => Ip, port => Port,
      public_key => lists:flatten(Key)}.

%% --- the command ---------------------------------------------------------------------------

tacit_path() ->
    filename:absname(filename:join(os:getenv("TACIT_BUILD", "build"), "tacit")).

%% {Status, standard output, standard error}
run(Host, Command, Args) ->
    run(Host, Command, Args, "").

run(#{conf := Conf} = Host, Command, Args, Input) ->
    Dir = mesh:dir(),
    ok = file:write_file(filename:join(Dir, "in"), Input),
    Cookie = maps:get(cookie_args, Host, ["-c", maps:get(cookie, Host, "tacittest")]),
    Port = open_port({spawn_executable, "/bin/sh"},
                     [{args, ["-c", "exec \"$@\" <in >out 2>err", "sh", tacit_path(), Command,
                              "--conf", Conf | Cookie ++ Args]},
                      {cd, Dir}, {env, [{"TACIT_COOKIE", maps:get(env_cookie, Host, false)}]},
                      exit_status]),
    Status = receive {Port, {exit_status, S}} -> S after 100000 -> error(no_end) end,
    [Out, Err] = [begin
                      {ok, Bytes} = file:read_file(filename:join(Dir, Name)),
                      unicode:characters_to_list(Bytes)
                  end || Name <- ["out", "err"]],
    {Status, Out, Err}.

call(Host, Args) ->
    run(Host, "call", ["a@127.0.0.1" | Args]).

eval(Host, Text) ->
    run(Host, "eval", ["a@127.0.0.1", Text]).

says(Pattern, Text) ->
    ?assertMatch({match, _}, re:run(Text, Pattern, [unicode]), Text).

%% --- the promises --------------------------------------------------------------------------

at_home(#{a := A, node := Node}) ->
    ?assertEqual({0, "'a@127.0.0.1'\n", ""}, call(A, ["erlang", "node"])),
    ?assertEqual({0, "[]\n", ""}, call(A, ["erlang", "nodes"])),
    ?assertEqual({0, "['tacit-call@127.0.0.1']\n", ""}, call(A, ["erlang", "nodes", "[hidden]"])),
    mesh:wait_until(fun() -> mesh:call(Node, erlang, nodes, [hidden]) =:= [] end).

from_elsewhere(#{b := B}) ->
    ?assertEqual({0, "['tacit-call@127.0.0.2']\n", ""}, call(B, ["erlang", "nodes", "[hidden]"])).

terms(#{a := A}) ->
    [?assertEqual({0, Text ++ "\n", ""}, call(A, ["lists", "last", "[[" ++ Text ++ "]]"]))
     || Text <- ["1", "-123456789012345678901234567890", "1.0e-300", "a", "'An Atom'", "\"text\"",
                 "<<1,2,255>>", "<<\"bytes\">>", "<<5:3>>", "#{a => 1,<<\"b\">> => [x|y]}",
                 "[]", "{}", "{a,{b,[c]}}", "[1,2|3]", "fun lists:map/2",
                 "'\x{e9}\x{4e2d}'"]],
    {0, Kinds, ""} = eval(A, "{self(), make_ref(), fun(X) -> X end, hd(erlang:ports())}"),
    says("^{<[0-9.]+>,#Ref<[0-9.]+>,#Fun<[^>]+>,\\s*#Port<[0-9.]+>}\n$", Kinds),
    {0, Big, ""} = eval(A, "lists:seq(1, 3000)"),
    ?assertEqual(lists:seq(1, 3000), value(Big)).

value(Text) ->
    {ok, Tokens, _} = erl_scan:string(Text ++ "."),
    {ok, Value} = erl_parse:parse_term(Tokens),
    Value.

exceptions(#{a := A}) ->
    [begin
         {3, "", Err} = eval(A, Text),
         says(Pattern, Err)
     end || {Text, Pattern} <- [{"1/0.", "^exception error: .*arithmetic expression\n.*\n.*called as 1 / 0\n$"},
                                {"exit(bye)", "exception exit: bye"},
                                {"throw({a, b})", "exception throw: {a,b}"},
                                {"no:where()", "undefined function no:where/0"},
                                {"X = ", "syntax error"},
                                {"exit(self(), kill), receive x -> x end", "badrpc.*killed"}]],
    {3, "", Undef} = call(A, ["lists", "last", "[[]]"]),
    says("no function clause matching lists:last\\(\\[\\]\\)", Undef),
    {3, "", _} = call(A, ["lists", "last", "not_a_list"]).

habits(#{a := A, node := Node}) ->
    Source = "-module(call_tests_m).\n-export([start/0, twice/1]).\n-define(TWO, 2).\n"
        "start() -> started.\ntwice(N) -> ?TWO * N.\n",
    To = ["a@127.0.0.1"],
    ?assertEqual({0, "3\n", ""}, run(A, "call", ["-a", "erlang length [[a,b,c]]" | To])),
    ?assertEqual({0, "call_tests_m\n", ""}, run(A, "call", ["-m" | To], Source)),
    ?assertEqual({0, "42\n", ""},
                 run(A, "call", ["-m", "-a", "call_tests_m twice [21]" | To], Source)),
    ?assertEqual({0, "started\n", ""}, run(A, "call", ["-a", " call_tests_m " | To])),
    {3, "", Err} = run(A, "call", ["-m" | To], "-module(x).\nf() -> .\n"),
    says("2: syntax error before: '.'", Err),
    _ = mesh:call(Node, code, purge, [call_tests_m]),
    true = mesh:call(Node, code, delete, [call_tests_m]).

%% While it waits for the answer.
closed_descriptors(#{a := #{conf := Conf}, node := Node}) ->
    Port = open_port({spawn_executable, "/bin/sh"},
                     [{args, ["-c", "exec \"$@\" 0<&- 1>&- 2>&-", "sh", tacit_path(), "call", "--conf", Conf,
                              "-c", "tacittest", "a@127.0.0.1", "timer", "sleep", "[2000]"]},
                      exit_status]),
    {os_pid, OsPid} = erlang:port_info(Port, os_pid),
    mesh:wait_until(fun() -> [] =/= mesh:call(Node, erlang, nodes, [hidden]) end),
    ?assertEqual([{ok, "/dev/null"} || _ <- [0, 1, 2]],
                 [file:read_link(lists:concat(["/proc/", OsPid, "/fd/", Fd])) || Fd <- [0, 1, 2]]),
    receive {Port, {exit_status, Status}} -> ?assertEqual(1, Status) end. % it could not print

cookies(#{a := #{conf := Conf} = A, node := Node}) ->
    File = filename:join(mesh:dir(), "cookie"),
    FromFile = A#{cookie_args => ["--cookie-file", File]},
    ok = file:write_file(File, "tacittest\n"),
    ok = file:change_mode(File, 8#644),
    {1, "", Open} = call(FromFile, ["erlang", "abs", "[-1]"]),
    says("cookie: .*expected", Open),
    ok = file:change_mode(File, 8#600),
    ?assertEqual({0, "1\n", ""}, call(FromFile, ["erlang", "abs", "[-1]"])),
    ok = file:write_file(File, "tacit\ntest\n"),
    {1, "", Two} = call(FromFile, ["erlang", "abs", "[-1]"]),
    says("cookie: expected a cookie, one line", Two),
    FromEnv = A#{cookie_args => [], env_cookie => "tacittest"},
    ?assertEqual({0, "1\n", ""}, call(FromEnv, ["erlang", "abs", "[-1]"])),
    ?assertMatch({4, "", _}, call(A#{cookie => "other", env_cookie => "tacittest"},
                                  ["erlang", "abs", "[-1]"])),
    {2, "", Both} = call(A#{cookie_args => ["-c", "x", "--cookie-file", File]},
                         ["erlang", "abs", "[-1]"]),
    says("--cookie and --cookie-file, expected one", Both),
    Port = open_port({spawn_executable, "/bin/sh"},
                     [{args, ["-c", "exec \"$@\"", "sh", tacit_path(), "call", "--conf", Conf,
                              "-c", "tacittest", "a@127.0.0.1", "timer", "sleep", "[2000]"]},
                      exit_status]),
    {os_pid, OsPid} = erlang:port_info(Port, os_pid),
    mesh:wait_until(fun() -> [] =/= mesh:call(Node, erlang, nodes, [hidden]) end),
    {ok, Shown} = file:read_file(lists:concat(["/proc/", OsPid, "/cmdline"])),
    ?assertMatch({_, _}, binary:match(Shown, <<"timer">>)),
    ?assertEqual(nomatch, binary:match(Shown, <<"tacittest">>)),
    receive {Port, {exit_status, Status}} -> ?assertEqual(0, Status) end.

eval(#{a := A}) ->
    ?assertEqual({0, "42\n", ""}, eval(A, "X = 40, X + 2.")),
    ?assertEqual({0, "42\n", ""}, run(A, "eval", ["a@127.0.0.1"], "X = 40,\nX + 2.\n")).

no_atoms(#{a := A, node := Node}) ->
    Calls = fun(N) ->
                    Self = self(),
                    Pids = [spawn_link(fun() -> Self ! {self(), call(A, ["erlang", "abs", "[-1]"])}
                                       end) || _ <- lists:seq(1, N)],
                    [receive {Pid, Result} -> ?assertEqual({0, "1\n", ""}, Result) end
                     || Pid <- Pids]
            end,
    %% the names of the pool, as far as calls at the same time need them
    Names = fun() -> [Name || N <- mesh:call(Node, erlang, nodes, [known]),
                              "tacit-call" ++ _ = Name <- [atom_to_list(N)]] end,
    Calls(4),
    Calls(4),
    Before = mesh:call(Node, erlang, system_info, [atom_count]),
    [Calls(1) || _ <- lists:seq(1, 50)],
    After = mesh:call(Node, erlang, system_info, [atom_count]),
    ?assert(After - Before < 10, {Before, After}), % of OTP's own, once
    ?assert(length(Names()) =< 9, Names()).

as(#{a := A, b := B}) ->
    ?assertEqual({0, "['me@127.0.0.1']\n", ""},
                 run(A, "call", ["--as", "me@127.0.0.1", "a@127.0.0.1", "erlang", "nodes",
                                 "[hidden]"])),
    %% It has to be a name that the rules there allow to this key.
    {4, "", Err} = run(B, "call", ["--as", "me@127.0.0.9", "a@127.0.0.1", "erlang", "node"]),
    says("the key is not good for the name me@127.0.0.9: the configuration there has to let "
         "me@127.0.0.9 in, with the key " ++ re:replace(maps:get(public_key, B), "[+/]", ".",
                                                       [global, {return, list}]), Err).

no_link(#{a := #{dir := Dir} = A, b := B}) ->
    {4, "", Closed} = run(A, "call", ["x@127.0.0.9", "erlang", "node"]),
    says("^tacit: x@127.0.0.9 at 127.0.0.9:4370: Connection refused\n$", Closed),
    {4, "", Cookie} = eval(A#{cookie => "other"}, "1"),
    says("another cookie\\?\n$", Cookie),
    {1, "", Conf} = run(A#{conf := filename:join(Dir, "none")}, "eval", ["a@127.0.0.1", "1"]),
    says("No such file", Conf),
    {2, "", _} = run(B, "call", ["a@127.0.0.1"]),
    {2, "", _} = run(B, "call", ["a@127.0.0.1", "erlang"]),
    {2, "", _} = run(B, "eval", []).

times_out(#{a := A}) ->
    {4, "", Err} = run(A, "eval", ["--timeout", "5", "a@127.0.0.1", "timer:sleep(200000)"]),
    says("no answer: time is up", Err).

large(#{a := A}) ->
    {0, Out, ""} = eval(A, "lists:duplicate(5000000, $x)"),
    ?assertEqual(5_000_003, length(Out)).

%% What net_kernel does to a link whose handshake is over at its caller's, but not yet at its own,
%% when another of the same name begins.
ended_early(#{a := #{dir := Dir, port := Port}, node := Node}) ->
    Relay = relay:start({127, 0, 0, 1}),
    ok = relay:forward_to(Relay, {{127, 0, 0, 1}, Port}),
    Through = filename:join(Dir, "through.conf"), % the same folder: the same keys
    {ok, Text} = file:read_file(filename:join(Dir, "tacit.conf")),
    ok = file:write_file(Through, re:replace(Text, "(?m)^endpoint = .*$",
                                             io_lib:format("endpoint = 127.0.0.1:~b",
                                                           [relay:port(Relay)]))),
    ok = file:change_mode(Through, 8#600),
    Self = self(),
    Challenged = fun() -> length([F || {1, back, F} <- relay:frames(Relay)]) end,
    Hold = fun(there, _) -> Self ! {held, self()}, receive go -> pass end; (back, _) -> pass end,
    ok = relay:arm(Relay, fun(Direction, Frame) ->
                                  counted(Direction) =:= 4 andalso Hold(Direction, Frame), pass end),
    Caller = spawn_link(fun() -> Self ! {self(), call(#{conf => Through}, ["erlang", "abs", "[-1]"])}
                        end),
    receive {held, Server} -> ok = mesh:call(Node, sys, suspend, [net_kernel]), Server ! go end,
    ok = mesh:wait_until(fun() -> Challenged() >= 4 end), % the last is the node's answer
    mesh:on(Node, fun() -> sys:replace_state(net_kernel, fun(S) -> remark(), S end), ok end),
    ok = mesh:call(Node, sys, resume, [net_kernel]),
    receive {Caller, Result} -> ?assertEqual({0, "1\n", ""}, Result) end,
    ?assert(relay:connections(Relay) > 1),
    relay:stop(Relay).

counted(there) ->
    N = case get(there) of undefined -> 1; M -> M + 1 end,
    put(there, N),
    N;
counted(back) ->
    0.

%% The first process of a row is who makes the link.
remark() ->
    [[exit(Owner, remarked), receive {'EXIT', Owner, _} = End -> self() ! End end]
     || Row <- ets:tab2list(sys_dist), "tacit-call" ++ _ <- [atom_to_list(element(2, Row))],
        Owner <- lists:sublist([P || P <- tuple_to_list(Row), is_pid(P)], 1)].

ended_late(#{a := A, node := Node}) ->
    ok = mesh:call(Node, application, set_env, [call_tests, count, 0]),
    {4, "", Err} = eval(A, "{ok, N} = application:get_env(call_tests, count), "
                           "application:set_env(call_tests, count, N + 1), "
                           "[erlang:disconnect_node(C) || C <- nodes(hidden)]"),
    says("^tacit: a@127.0.0.1: the peer closed: done\n$", Err),
    ?assertEqual({ok, 1}, mesh:call(Node, application, get_env, [call_tests, count])).

late(#{a := A, node := Node}) ->
    Wait = fun(Name) -> io_lib:format("register(~s, self()), receive go -> ~s end", [Name, Name]) end,
    {4, "", _} = run(A, "eval", ["--timeout", "5", "a@127.0.0.1", Wait(first)]),
    Self = self(),
    Second = spawn_link(fun() -> Self ! {self(), eval(A, Wait(second))} end),
    Runs = fun(Name) -> is_pid(mesh:call(Node, erlang, whereis, [Name])) end,
    mesh:wait_until(fun() -> Runs(second) end),
    ?assert(Runs(first)),
    [begin
         go = mesh:call(Node, erlang, send, [Name, go]),
         mesh:wait_until(fun() -> not Runs(Name) end)
     end || Name <- [first, second]],
    receive {Second, Result} -> ?assertEqual({0, "second\n", ""}, Result) end.
