%% What runs beside the carrier is there as long as the node is, whatever happens to it, and
%% while it is not the node says so. Newer code takes its place without an end of anything.
-module(alive_tests).

-include_lib("eunit/include/eunit.hrl").
-include("tacit_drv.hrl").

-define(A, 'a@127.0.0.1').
-define(B, 'b@127.0.0.2').
-define(ALL, [tacit_logger, tacit_control, tacit_reload, tacit_gossip, tacit_socket, tacit_sup,
              tacit_watch]).

alive_test_() ->
    [{Title, {timeout, 120, Test}} || {Title, Test} <- tests()].

tests() ->
    [{"whatever is killed comes back, however often; links stay, and reloads work", fun killed/0},
     {"killed at one moment they come back, on a node that does not listen, too",
      fun killed_at_once/0},
     {"while no process is left keys are revoked, peers are refused, and what is lost comes back",
      fun no_process/0},
     {"what was revoked stays so where its file cannot be read when tacit_control comes back",
      fun revoked/0},
     {"rules that came in force as tacit_reload or tacit_control was lost, so that no link was held "
      "against them, are held", fun unheld/0},
     {"whatever is killed meanwhile, what tacit:revoke/1 has confirmed stays revoked, and is "
      "written", fun confirmed/0},
     {"while no port is left all of it goes on, and nothing is lost", fun no_port/0},
     {"a run directory of another owner costs the control socket alone, until it is put right",
      fun other_owner/0},
     {"while tacit_control is gone tacit:info/0 and the log say so", fun gone/0},
     {"it stops with distribution, and starts with it", fun stopped/0},
     {"newer code is loaded twice while links are up: nothing ends", fun newer_code/0},
     {"newer code is loaded twice while a peer and who has called owe a word", fun owed/0},
     {"modules of another release than the driver that runs reload nothing, and say why; links "
      "stay", fun other_release/0}].

pids(Node) ->
    mesh:on(Node, fun() -> [{Name, whereis(Name)} || Name <- ?ALL] end).

%% All are there: their processes.
all(Node) ->
    mesh:wait_until(fun() -> not lists:keymember(undefined, 2, pids(Node)) end),
    pids(Node).

%% Until another is there, and all are.
kill(Node, Name) ->
    Pid = proplists:get_value(Name, all(Node)),
    mesh:call(Node, erlang, exit, [Pid, kill]),
    mesh:wait_until(fun() -> proplists:get_value(Name, all(Node)) =/= Pid end).

linked() ->
    {A, B} = mesh:pair(),
    ?assertEqual(pong, mesh:call(A, net_adm, ping, [?B])),
    {A, B}.

reloads(#{host := #{conf := Conf}} = Node) ->
    ?assertEqual({ok, #{dropped => []}}, mesh:call(Node, tacit, reload, [])),
    mesh:wait_until(fun() -> element(1, mesh:tacit(["reload", "--conf", Conf])) =:= 0 end).

killed() ->
    {A, B} = linked(),
    Handshakes = mesh:handshakes(A),
    [kill(A, Name) || Name <- ?ALL ++ lists:duplicate(8, tacit_control) ++
                          lists:duplicate(3, tacit_sup)],
    %% What a supervisor that was killed has left may be on its way out.
    mesh:on(A, fun() -> [exit(Pid, kill) || Name <- [tacit_control, tacit_sup],
                                            Pid <- [whereis(Name)], is_pid(Pid)]
               end),
    _ = all(A),
    reloads(A),
    ?assertEqual({[?B], Handshakes}, {mesh:nodes_of(A), mesh:handshakes(A)}),
    mesh:stop_pair({A, B}).

%% So that none is left to see to the others.
killed_at_once() ->
    {A, B} = linked(),
    Client = mesh:start("c", maps:get(host, B), #{args => ["-dist_listen", "false",
                                                           "-kernel", "net_ticktime", "8"]}),
    ?assertEqual(pong, mesh:call(Client, net_adm, ping, [?A])),
    [begin
         Before = all(Node),
         mesh:on(Node, fun() -> [exit(Pid, kill) || {_, Pid} <- lists:reverse(Before)] end),
         mesh:wait_until(fun() -> all(Node) -- Before =:= pids(Node) end)
     end || Node <- [A, Client, A]],
    ?assertEqual([?B], mesh:nodes_of(A)),
    reloads(A),
    mesh:stop(Client),
    mesh:stop_pair({A, B}).

no_process() ->
    {#{host := #{dir := Dir}} = A, B} = mesh:pair(#{args => ["+P", "1024"]}),
    ?assertEqual(pong, mesh:call(A, net_adm, ping, [?B])),
    _ = all(A),
    Self = self(),
    spawn_link(fun() -> Self ! mesh:on(A, fun() -> revoke_without_processes(Dir) end) end),
    mesh:wait_until(fun() -> filelib:is_file(filename:join(Dir, "full")) end),
    ?assertEqual(pang, mesh:call(B, net_adm, ping, [?A])),
    ?assertMatch({ok, #{state := down, reason := revoked}}, mesh:call(B, tacit, info, [?A])),
    ?assertMatch({ok, #{dropped := [<<"b@127.0.0.2">>], lasts := false}},
                 receive Revoked -> Revoked end),
    _ = all(A),
    ?assertEqual(nomatch, string:find(mesh:log(A), "Error in process")),
    reloads(A),
    ?assertMatch({ok, #{lasts := true}}, mesh:call(A, tacit, unrevoke, [?B])),
    ?assertEqual(pong, mesh:call(B, net_adm, ping, [?A])),
    mesh:stop_pair({A, B}).

%% Who ends makes room for nobody.
revoke_without_processes(Dir) ->
    process_flag(priority, max),
    Taken = processes([]),
    Revoked = tacit:revoke(?B),
    Watch = whereis(tacit_watch),
    erlang:suspend_process(Watch),
    exit(whereis(tacit_sup), kill),
    mesh:wait_until(fun() -> [N || N <- ?ALL, whereis(N) =/= undefined] =:= [tacit_watch] end),
    More = processes(Taken),
    erlang:resume_process(Watch),
    ok = file:write_file(filename:join(Dir, "full"), ""),
    All = hog(erlang:monotonic_time(millisecond) + 6000, More),
    lists:foreach(fun(Pid) -> exit(Pid, kill) end, All),
    Revoked.

hog(Until, Taken) ->
    More = processes(Taken),
    timer:sleep(5),
    case erlang:monotonic_time(millisecond) < Until of
        true -> hog(Until, More);
        false -> More
    end.

processes(Taken) ->
    try spawn(timer, sleep, [infinity]) of
        Pid -> processes([Pid | Taken])
    catch
        error:system_limit -> Taken
    end.

revoked() ->
    {#{host := #{dir := Dir}} = A, B} = linked(),
    {ok, #{lasts := true}} = mesh:call(A, tacit, revoke, [?B]),
    ok = file:write_file(filename:join(Dir, "revoked"), "nothing of a fingerprint\n"),
    [begin
         mesh:call(A, erlang, exit, [proplists:get_value(tacit_control, all(A)), kill]),
         ?assertEqual(pang, mesh:call(B, net_adm, ping, [?A]))
     end || _ <- lists:seq(1, 3)],
    _ = all(A),
    ?assertMatch({ok, #{lasts := true}}, mesh:call(A, tacit, unrevoke, [?B])),
    ?assertEqual(pong, mesh:call(B, net_adm, ping, [?A])),
    mesh:stop_pair({A, B}).

unheld() ->
    {#{host := #{dir := Dir, conf := Conf}} = A, B} = linked(),
    {ok, #{fingerprint := Fingerprint}} = mesh:call(B, tacit, info, []),
    [begin
         ok = file:write_file(filename:join(Dir, "revoked"), [Fingerprint, "\n"]),
         ?assertEqual(ok, mesh:call(A, tacit_drv, reload, [list_to_binary(Conf), <<>>])),
         ?assertEqual([?B], mesh:nodes_of(A)),
         kill(A, Name),
         mesh:wait_until(fun() -> mesh:nodes_of(A) =:= [] end),
         ?assertEqual(pang, mesh:call(B, net_adm, ping, [?A])),
         ?assertMatch({ok, #{lasts := true}}, mesh:call(A, tacit, unrevoke, [Fingerprint])),
         ?assertEqual(pong, mesh:call(B, net_adm, ping, [?A])),
         %% What was given back is not revoked by a crash.
         kill(A, Name),
         ?assertEqual(pong, mesh:call(B, net_adm, ping, [?A])),
         reloads(A),
         mesh:wait_until(fun() -> mesh:nodes_of(A) =:= [?B] end)
     end || Name <- [tacit_reload, tacit_control]],
    mesh:stop_pair({A, B}).

confirmed() ->
    A = #{host := #{dir := Dir}} = mesh:start("a", mesh:host("127.0.0.1")),
    _ = all(A),
    Keys = [iolist_to_binary([lists:duplicate(40, $A), integer_to_list(I), "A"]) ||
               I <- lists:seq(10, 21)],
    {First, Others} = lists:split(6, Keys),
    Lines = fun() ->
                    {ok, Bytes} = file:read_file(filename:join(Dir, "revoked")),
                    binary:split(Bytes, <<"\n">>, [global, trim])
            end,
    [begin
         ok = mesh:on(A, fun() -> revoke_among_the_killed(New, Meanwhile) end, 90000),
         _ = all(A),
         {_, InForce} = mesh:call(A, tacit_drv, revoked, []),
         ?assertEqual([], Revoked -- InForce),
         mesh:wait_until(fun() -> Revoked -- Lines() =:= [] end)
     end || {New, Meanwhile, Revoked} <- [{First, fun() -> ok end, First},
                                          {Others, fun reload_on/0, Keys}]],
    reloads(A),
    mesh:stop(A).

revoke_among_the_killed(Keys, Meanwhile) ->
    Killer = spawn_link(fun() -> kill_on([tacit_control, tacit_reload, tacit_sup]) end),
    Other = spawn_link(Meanwhile),
    lists:foreach(fun confirm/1, Keys),
    [begin unlink(Pid), exit(Pid, kill) end || Pid <- [Killer, Other]],
    ok.

%% And has the one that confirmed it killed.
confirm(Key) ->
    Control = whereis(tacit_control),
    case tacit:revoke(Key) of
        {ok, _} -> mesh:wait_until(fun() -> whereis(tacit_control) =/= Control end);
        {error, _} -> timer:sleep(5), confirm(Key)
    end.

kill_on([Name | Names]) ->
    _ = [exit(Pid, kill) || Pid <- [whereis(Name)], is_pid(Pid)],
    timer:sleep(rand:uniform(100)),
    kill_on(Names ++ [Name]).

reload_on() ->
    _ = tacit:reload(),
    reload_on().

no_port() ->
    {A, B} = mesh:pair(#{args => ["+Q", "1024"]}),
    ?assertEqual(pong, mesh:call(A, net_adm, ping, [?B])),
    Before = all(A),
    {Revoked, After} = mesh:on(A, fun() -> revoke_without_ports() end),
    ?assertMatch({ok, #{dropped := [<<"b@127.0.0.2">>]}}, Revoked),
    ?assertEqual(Before, After),
    _ = all(A),
    reloads(A),
    mesh:stop_pair({A, B}).

revoke_without_ports() ->
    Ports = ports([]),
    timer:sleep(7000), % longer than a review is away
    Revoked = tacit:revoke(?B),
    After = [{Name, whereis(Name)} || Name <- ?ALL],
    exit(whereis(tacit_control), kill),
    timer:sleep(2000),
    lists:foreach(fun port_close/1, Ports),
    {Revoked, After}.

ports(Ports) ->
    try open_port({spawn_driver, "udp_inet"}, [binary]) of
        Port -> ports([Port | Ports])
    catch
        error:system_limit -> Ports
    end.

other_owner() ->
    Host = #{dir := Dir} = mesh:host("127.0.0.1"),
    Run = filename:join(Dir, "run"),
    ok = file:make_dir(Run),
    ok = file:change_mode(Run, 8#700),
    case file:change_owner(Run, 65534) of
        ok -> ok;
        {error, eperm} -> throw({skip, "only root can give a directory away"})
    end,
    A = mesh:start("a", Host),
    mesh:logged(A, [Run, "no control socket", "belongs to this node's user"]),
    _ = all(A),
    ?assertEqual({ok, #{dropped => []}}, mesh:call(A, tacit, reload, [])),
    ok = file:change_owner(Run, 0),
    reloads(A),
    mesh:stop(A).

%% Another process has the name.
gone() ->
    {A, B} = linked(),
    _ = all(A),
    ?assertMatch({ok, #{control := up}}, mesh:call(A, tacit, info, [])),
    Other = mesh:on(A, fun() -> in_place_of_sup() end),
    ?assertMatch({ok, #{control := down}}, mesh:call(A, tacit, info, [])),
    ?assertMatch({error, _}, mesh:call(A, tacit, revoke, [?B])),
    mesh:logged(A, ["tacit_control has not run for", "nothing is reloaded or revoked"]),
    mesh:call(A, erlang, exit, [Other, kill]),
    mesh:logged(A, ["tacit_control runs again"]),
    ?assertMatch({ok, #{control := up}}, mesh:call(A, tacit, info, [])),
    mesh:stop_pair({A, B}).

in_place_of_sup() ->
    Watch = whereis(tacit_watch),
    erlang:suspend_process(Watch),
    Monitor = monitor(process, tacit_sup),
    exit(whereis(tacit_sup), kill),
    receive {'DOWN', Monitor, process, _, _} -> ok end,
    Other = spawn(timer, sleep, [infinity]),
    true = register(tacit_sup, Other),
    erlang:resume_process(Watch),
    Other.

stopped() ->
    Host = mesh:host("127.0.0.1"),
    A = mesh:start("a", Host, #{node => none}),
    [begin
         {ok, _} = mesh:call(A, net_kernel, start, ['a@127.0.0.1', #{name_domain => longnames}]),
         _ = all(A),
         ok = mesh:call(A, net_kernel, stop, []),
         mesh:wait_until(fun() -> lists:all(fun({_, Pid}) -> Pid =:= undefined end, pids(A)) end)
     end || _ <- [1, 2]],
    mesh:stop(A).

%% As a release handler does it: the code of before is purged only where nobody runs it.
newer_code() ->
    {A, B} = linked(),
    Before = all(A),
    {Handshakes, Links} = {mesh:handshakes(A), mesh:on(A, fun() -> tacit_drv:links() end)},
    mesh:wait_until(fun() -> length(mesh:nodes_of(B)) =:= 1 end),
    [ok = mesh:on(Node, fun() -> [newer(Module) || _ <- [1, 2, 3], Module <- modules()], ok end)
     || Node <- [A, B]],
    ?assertEqual({Before, Handshakes, length(Links)},
                 {all(A), mesh:handshakes(A), mesh:on(A, fun() -> length(tacit_drv:links()) end)}),
    reloads(A),
    mesh:part(A, B),
    ?assertEqual(pong, mesh:call(B, net_adm, ping, [?A])),
    mesh:stop_pair({A, B}).

owed() ->
    {#{host := #{dir := Dir}} = A, B} = linked(),
    _ = all(A),
    mesh:freeze(B),
    mesh:on(A, fun() -> tacit_gossip ! {tacit_mesh_keys, ?B} end),
    mesh:wait_until(fun() -> filelib:wildcard(filename:join(Dir, "run/*.sock")) =/= [] end),
    [Path] = filelib:wildcard(filename:join(Dir, "run/*.sock")),
    {ok, Silent} = gen_tcp:connect({local, Path}, 0, []),
    mesh:wait_until(fun() -> length(mesh:on(A, fun waiting/0)) =:= 2 end),
    ok = mesh:on(A, fun() -> [newer(Module) || _ <- [1, 2, 3], Module <- modules()], ok end),
    gen_tcp:close(Silent),
    mesh:thaw(B),
    mesh:stop_pair({A, B}).

%% Those that wait for a word, and in no function of Tacit's.
waiting() ->
    [Pid || Pid <- processes(),
            {initial_call, {Module, Function, 1}} <- [process_info(Pid, initial_call)],
            lists:member({Module, Function}, [{tacit_gossip, ask_mesh_keys}, {tacit_socket, serve}]),
            {current_stacktrace, Stack} <- [process_info(Pid, current_stacktrace)],
            not lists:keymember(Module, 1, Stack)].

modules() ->
    ok = case application:load(tacit) of {error, {already_loaded, tacit}} -> ok; Ok -> Ok end,
    {ok, Modules} = application:get_key(tacit, modules),
    Modules.

other_release() ->
    {A, B} = linked(),
    {Module, Code} = other(tacit_drv),
    {module, Module} = mesh:call(A, code, load_binary, [Module, "another", Code]),
    {error, Text} = mesh:call(A, tacit, reload, []),
    ?assertMatch({match, _}, re:run(Text, "is of release " ?VERSION ", the modules of ")),
    mesh:on(A, fun() -> newer(Module) end),
    reloads(A),
    ?assertEqual([?B], mesh:nodes_of(A)),
    mesh:stop_pair({A, B}).

%% The very module, but of another release.
other(Module) ->
    {ok, {_, [{abstract_code, {_, Forms}}]}} =
        beam_lib:chunks(code:which(Module), [abstract_code]),
    Other = another(Forms),
    ?assertNotEqual(Forms, Other),
    {ok, Module, Code} = compile:forms(Other),
    {Module, Code}.

another({string, Line, ?VERSION ++ More}) -> {string, Line, "0.0.9" ++ More};
another(Forms) when is_list(Forms) -> [another(Form) || Form <- Forms];
another(Form) when is_tuple(Form) -> list_to_tuple(another(tuple_to_list(Form)));
another(Form) -> Form.

newer(Module) ->
    {true, Module} = {code:soft_purge(Module), Module},
    {module, Module} = code:load_file(Module).
