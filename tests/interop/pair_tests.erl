%% What two nodes of different releases do over a link, beyond tests/erl/link/link_tests.erl:
%% tests/interop/run has A, which dials, and B run in any two releases.
-module(pair_tests).

-include_lib("eunit/include/eunit.hrl").

-export([loaded_from_afar/0]). % called on the other node

-define(FRAGMENT, 65536). % bytes of a message that the emulator sends in one piece
-define(ROUNDS, 20).

pair_test_() ->
    {setup, fun pair/0, fun mesh:stop_pair/1,
     fun({A, B}) -> [{Title, {timeout, 120, fun() -> Test(A, B) end}} ||
                        {Title, Test} <- tests()] end}.

tests() ->
    [{"they agree on the best suite that both have", fun best_suite/2},
     {"a message of every size round that of a fragment or record arrives, in order",
      fun sizes/2},
     {"small messages of others are answered while large ones go on and on", fun fragments/2},
     {"terms of every kind come back as they went", fun terms/2},
     {"10,000 atoms, long ones and not of Latin-1, pass the atom cache", fun atoms/2},
     {"calls, casts and requests to gen_servers of the other node", fun gen_servers/2},
     {"aliases, spawn_request, monitors by name and of the node", fun aliases/2},
     {"code that is loaded from one node runs on the other", fun code_loading/2},
     {"a process reads from its group leader on the other node", fun read_from_leader/2},
     {"a file that one node opened is written and read from the other", fun files/2},
     {"tracing from the other node", fun tracing/2},
     {"erl -remsh evaluates on the other node, through a terminal", fun remote_shell/2},
     {"priority messages overtake the others", fun priority/2},
     {"native records come back as they went", fun native_records/2},
     {"both dial at the same instant: one link", fun at_once/2},
     {"a killed node is noticed at once, and no message for it reaches the next of its name",
      fun killed/2}].

pair() ->
    mesh:pair(#{args => ["-kernel", "dist_auto_connect", "never",
                         "prevent_overlapping_partitions", "false"]}).

connect(A = #{name := NameA}, B = #{name := NameB}) ->
    true = mesh:call(A, net_kernel, connect_node, [NameB]),
    mesh:wait_until(fun() -> lists:member(NameA, mesh:call(B, erlang, nodes, [])) end).

best_suite(A, #{name := NameB} = B) ->
    connect(A, B),
    {ok, #{suite := Suite}} = mesh:call(A, tacit, info, [NameB]),
    {ok, #{suite := Suite}} = mesh:call(B, tacit, info, [maps:get(name, A)]),
    ?assertEqual(hd([S || S <- suites(A), lists:member(S, suites(B))]), atom_to_list(Suite)).

%% As `tacit check' of the node's own build lists them, the best first.
suites(#{host := #{ip := Ip, conf := Conf}}) ->
    #{run := [Command | Args], build := Build} =
        maps:merge(#{run => ["/usr/bin/env"], build => os:getenv("TACIT_BUILD")},
                   mesh:release(Ip)),
    Port = open_port({spawn_executable, Command},
                     [{args, Args ++ [Build ++ "/tacit", "check", "--conf", Conf]}, exit_status]),
    [string:trim(Suite) || "suite" ++ Suite <- string:lexemes(all_of(Port, []), "\n")].

all_of(Port, Text) ->
    receive
        {Port, {data, Data}} -> all_of(Port, Text ++ Data);
        {Port, {exit_status, 0}} -> Text
    end.

%% --- messages ------------------------------------------------------------------------------

sizes(A, #{name := NameB} = B) ->
    connect(A, B),
    Sizes = lists:seq(0, 300) ++
        [N * ?FRAGMENT + D || N <- [1, 2, 3, 16], D <- lists:seq(-70, 70)] ++
        [1 bsl 20, 3000001],
    ?assertEqual(ok, mesh:on(A, fun() -> mirrored(NameB, Sizes) end, 100000)),
    ?assertEqual(ok, mesh:on(B, fun() -> mirrored(maps:get(name, A), Sizes) end, 100000)).

mirrored(Node, Sizes) ->
    Mirror = spawn_link(Node, fun mirror/0),
    Blob = crypto:strong_rand_bytes(lists:max(Sizes)),
    Parts = [binary:part(Blob, 0, Size) || Size <- Sizes],
    [Mirror ! {self(), Part} || Part <- Parts],
    [receive {Mirror, Back} -> Part = Back end || Part <- Parts],
    unlink(Mirror),
    exit(Mirror, kill),
    ok.

mirror() ->
    receive {From, Term} -> From ! {self(), Term}, mirror() end.

fragments(A, #{name := NameB} = B) ->
    connect(A, B),
    ?assertEqual(ok, mesh:on(A, fun() -> among_fragments(NameB) end, 100000)).

%% Large messages go on until 100 small ones were answered.
among_fragments(Node) ->
    Sink = spawn_link(Node, fun sink/0),
    Mirror = spawn_link(Node, fun mirror/0),
    Sender = spawn_link(fun() -> send_for_ever(Sink, crypto:strong_rand_bytes(5000000)) end),
    mirrored_by(Mirror, lists:seq(1, 100)),
    [begin unlink(Pid), exit(Pid, kill) end || Pid <- [Sender, Sink, Mirror]],
    ok.

sink() ->
    receive {large, Bytes} -> 5000000 = byte_size(Bytes), sink() end.

send_for_ever(Sink, Bytes) ->
    Sink ! {large, Bytes},
    send_for_ever(Sink, Bytes).

mirrored_by(Mirror, Terms) ->
    [begin Mirror ! {self(), Term}, receive {Mirror, Back} -> {Term, Term} = {Term, Back} end end
     || Term <- Terms].

terms(A, #{name := NameB} = B) ->
    connect(A, B),
    ?assertEqual(ok, mesh:on(A, fun() -> terms_come_back(NameB) end)),
    ?assertEqual(ok, mesh:on(B, fun() -> terms_come_back(maps:get(name, A)) end)).

terms_come_back(Node) ->
    Port = hd(erlang:ports()),
    Terms = [0, -1, 255, 1 bsl 27, -(1 bsl 31), 1 bsl 63, 1 bsl 5000, -(1 bsl 5000),
             1.5, -0.0, 1.0e308, a, '', "", "text", [1 | 2], [{}], {}, {1, {2, {3}}}, list_to_tuple(lists:seq(1, 300)),
             <<>>, <<1:1>>, <<5:3, 17:64>>, binary:copy(<<"x">>, 100), #{}, #{a => #{b => [c]}},
             maps:from_list([{N, {N}} || N <- lists:seq(1, 1000)]), self(), make_ref(), Port,
             fun lists:map/2, fun(X) -> {X, Node} end, lists:seq(1, 70000),
             [lists:duplicate(300, $z)]],
    Mirror = spawn_link(Node, fun mirror/0),
    mirrored_by(Mirror, Terms),
    unlink(Mirror),
    exit(Mirror, kill),
    ok.

atoms(A, #{name := NameB} = B) ->
    connect(A, B),
    ?assertEqual(ok, mesh:on(A, fun() -> many_atoms(NameB) end)).

many_atoms(Node) ->
    Mirror = spawn_link(Node, fun mirror/0),
    Atoms = [list_to_atom("interop " ++ integer_to_list(N)) || N <- lists:seq(1, 10000)] ++
        [list_to_atom(lists:duplicate(255, C)) || C <- [$l, $é, $щ, 16#1F600]],
    mirrored_by(Mirror, [Atoms | in_threes(Atoms)]),
    unlink(Mirror),
    exit(Mirror, kill),
    ok.

in_threes([A, B, C | Rest]) -> [[A, B, C] | in_threes(Rest)];
in_threes(Rest) -> [Rest].

%% --- processes -----------------------------------------------------------------------------

gen_servers(A, #{name := NameB} = B) ->
    connect(A, B),
    NameA = maps:get(name, A),
    ?assertEqual(ok, mesh:on(A, fun() -> use_servers(NameA, NameB) end)).

use_servers(Here, There) ->
    {Replies, []} = gen_server:multi_call([Here, There], kernel_sup, count_children, 30000),
    [{Here, [_ | _]}, {There, [_ | _]}] = lists:sort(Replies),
    Request = gen_server:send_request({kernel_sup, There}, count_children),
    {reply, [_ | _]} = gen_server:wait_response(Request, 30000),
    abcast = gen_server:abcast([There], no_such_server, hello),
    [{ok, Here}, {ok, There}] = erpc:multicall([Here, There], erlang, node, []),
    {noproc, _} = try gen_server:call({no_such_server, There}, hello) catch exit:Why -> Why end,
    There = node(element(2, sys:get_status({kernel_sup, There}))),
    ok.

aliases(A, #{name := NameB} = B) ->
    connect(A, B),
    ?assertEqual(ok, mesh:on(A, fun() -> use_aliases(NameB) end)),
    ?assertEqual(ok, mesh:on(B, fun() -> use_aliases(maps:get(name, A)) end)).

use_aliases(Node) ->
    Alias = alias([reply]),
    spawn(Node, fun() -> Alias ! first, Alias ! second end),
    receive first -> ok end,
    Request = spawn_request(Node, fun() -> exit(over) end, [monitor, {reply_tag, started}]),
    Spawned = receive {started, Request, ok, Pid} -> Pid end,
    receive {'DOWN', Request, process, Spawned, over} -> ok end,
    NotThere = spawn_request(Node, no_such_module, no_function, [], [monitor]),
    receive {spawn_reply, NotThere, ok, Dying} ->
            receive {'DOWN', NotThere, process, Dying, {undef, _}} -> ok end end,
    Sleeper = spawn(Node, fun() -> true = register(interop_sleeper, self()),
                                   receive after infinity -> ok end end),
    wait_for_name(interop_sleeper, Node),
    Ref = monitor(process, {interop_sleeper, Node}, [{tag, gone}]),
    {pid, true} = {pid, is_pid(Sleeper)},
    exit(Sleeper, kill),
    receive {gone, Ref, process, {interop_sleeper, Node}, killed} -> ok end,
    receive second -> error(an_alias_that_had_been_used) after 0 -> ok end.

wait_for_name(Name, Node) ->
    erpc:call(Node, erlang, whereis, [Name]) =/= undefined orelse wait_for_name(Name, Node).

code_loading(A, #{name := NameB} = B) ->
    connect(A, B),
    ?assertEqual(NameB, mesh:on(A, fun() -> load_there(NameB) end)).

%% Under another name, so that no node can have it from the tests' own directory.
load_there(Node) ->
    {?MODULE, Beam, _} = code:get_object_code(?MODULE),
    {ok, {_, [{abstract_code, {_, Forms}}]}} = beam_lib:chunks(Beam, [abstract_code]),
    Renamed = [case F of {attribute, L, module, _} -> {attribute, L, module, interop_from_afar};
                   _ -> F end || F <- Forms],
    Older = lists:min([{list_to_integer(erpc:call(N, erlang, system_info, [otp_release])), N}
                       || N <- [node(), Node]]),
    {ok, interop_from_afar, Code} =
        erpc:call(element(2, Older), compile, forms, [Renamed, [nowarn_export_all]]),
    {[{module, interop_from_afar}, {module, interop_from_afar}], []} =
        rpc:multicall([node(), Node], code, load_binary, [interop_from_afar, "nowhere", Code]),
    interop_from_afar:loaded_from_afar(),
    erpc:call(Node, interop_from_afar, loaded_from_afar, []).

loaded_from_afar() -> node().

read_from_leader(A, #{name := NameB} = B) ->
    connect(A, B),
    ?assertEqual({NameB, "a line\n"}, mesh:on(A, fun() -> leads(NameB) end)).

leads(Node) ->
    group_leader(self(), self()),
    Self = self(),
    spawn(Node, fun() -> Self ! {read, node(), io:get_line("what? ")} end),
    receive
        {io_request, From, As, {get_line, unicode, Prompt}} ->
            "what? " = unicode:characters_to_list(Prompt),
            From ! {io_reply, As, "a line\n"}
    end,
    receive {read, Where, Line} -> {Where, Line} end.

files(A, #{name := NameB} = B) ->
    connect(A, B),
    File = filename:join(mesh:dir(), "file"),
    ?assertEqual({ok, <<"written from afar\n">>},
                 mesh:on(A, fun() -> write_there(NameB, File) end)).

write_there(Node, File) ->
    Self = self(),
    Owner = spawn_link(Node, fun() -> Self ! {opened, file:open(File, [write, read, binary])},
                                      receive done -> ok end end),
    receive
        {opened, {ok, Device}} ->
            Node = node(Device),
            io:format(Device, "written from ~s~n", ["afar"]),
            {ok, 0} = file:position(Device, 0),
            {ok, Line} = file:read_line(Device),
            Owner ! done,
            {ok, Line}
    end.

tracing(A, #{name := NameB} = B) ->
    connect(A, B),
    ?assertEqual({call, {lists, reverse, [[1, 2]]}}, mesh:on(A, fun() -> trace(NameB) end)).

trace(Node) ->
    Self = self(),
    Worker = spawn_link(Node, fun() ->
                                      Tracer = spawn_link(fun() -> receive T -> Self ! T end end),
                                      erlang:trace_pattern({lists, reverse, 1}, true, [global]),
                                      erlang:trace(self(), true, [call, {tracer, Tracer}]),
                                      apply(lists, reverse, [[1, 2]]),
                                      receive done -> ok end
                              end),
    receive
        {trace, Worker, What, MFA} -> Worker ! done, {What, MFA}
    end.

%% By another node of A's release and host, on a port of its own.
remote_shell(A = #{host := #{ip := Ip, dir := Dir, conf := Conf, port := Port} = Host}, B) ->
    mesh:part(A, B),
    {ok, Text} = file:read_file(Conf),
    Own = filename:join(Dir, "shell.conf"),
    [Here, There] = [io_lib:format("listen = ~s:~b", [Ip, P]) || P <- [Port, mesh:free_port(Ip)]],
    ok = file:write_file(Own, string:replace(Text, Here, There)),
    terminal:remote_shell(Host#{conf => Own}, "shell@" ++ Ip, B).

%% --- what only newer releases have ---------------------------------------------------------

both_have(A, B, Release, What) ->
    Lower = lists:min([list_to_integer(mesh:call(N, erlang, system_info, [otp_release]))
                       || N <- [A, B]]),
    Lower >= Release orelse throw({skip, [What, " need OTP ", integer_to_list(Release),
                                          " on both"]}).

priority(A, #{name := NameB} = B) ->
    both_have(A, B, 28, "priority messages"),
    connect(A, B),
    ?assertEqual(ok, mesh:on(A, fun() -> overtake(NameB) end)).

%% `[priority]' is no option that OTP 25 compiles, or Dialyzer's of it: so by apply.
overtake(Node) ->
    Self = self(),
    Receiver = spawn_link(Node, fun() ->
                                        Self ! {alias, apply(erlang, alias, [[priority]])},
                                        receive ready -> ok end,
                                        receive First -> Self ! {first, First} end
                                end),
    Alias = receive {alias, Alias0} -> Alias0 end,
    [Receiver ! {ordinary, N} || N <- lists:seq(1, 1000)],
    apply(erlang, send, [Alias, urgent, [priority]]),
    %% Nothing overtakes what the receiver has not got yet: it looks once all of it is there.
    ok = wait_for_queue(Node, Receiver, 1001),
    Receiver ! ready,
    receive {first, urgent} -> ok; {first, Other} -> Other end.

wait_for_queue(Node, Pid, Length) ->
    case erpc:call(Node, erlang, process_info, [Pid, message_queue_len]) of
        {message_queue_len, Length} -> ok;
        _ -> wait_for_queue(Node, Pid, Length)
    end.

native_records(A, #{name := NameB} = B) ->
    both_have(A, B, 29, "native records"),
    connect(A, B),
    Dir = mesh:dir(),
    Source = filename:join(Dir, "interop_vector.erl"),
    ok = file:write_file(Source, "-module(interop_vector).\n"
                                 "-export([make/2, take/1]).\n"
                                 "-record #vector{x = 0, y = 0}.\n"
                                 "make(X, Y) -> #vector{x = X, y = Y}.\n"
                                 "take(#vector{x = X, y = Y}) -> {X, Y}.\n"),
    {ok, interop_vector, Code} = mesh:call(A, compile, file, [Source, [binary]]),
    [{module, interop_vector} = mesh:call(N, code, load_binary, [interop_vector, Source, Code])
     || N <- [A, B]],
    ?assertEqual({true, {1, [two]}}, mesh:on(A, fun() -> records_come_back(NameB) end)).

records_come_back(Node) ->
    Mirror = spawn_link(Node, fun mirror/0),
    Record = apply(interop_vector, make, [1, [two]]),
    Mirror ! {self(), Record},
    receive {Mirror, Back} ->
            {Back =:= Record, erpc:call(Node, interop_vector, take, [Back])}
    end.

%% --- links ---------------------------------------------------------------------------------

at_once(A, #{name := NameB} = B) ->
    NameA = maps:get(name, A),
    [begin
         mesh:part(A, B),
         Self = self(),
         Dial = fun(From, To) -> mesh:call(From, net_kernel, connect_node, [To]) end,
         Diallers = [spawn_link(fun() -> Self ! {self(), Dial(N, Other)} end)
                     || {N, Other} <- [{A, NameB}, {B, NameA}]],
         [receive {Pid, Result} -> ?assert(Result) end || Pid <- Diallers],
         mesh:wait_until(fun() -> {mesh:call(A, erlang, nodes, []), mesh:call(B, erlang, nodes, [])}
                                      =:= {[NameB], [NameA]} end),
         ?assertEqual(NameB, mesh:call(A, rpc, call, [NameB, erlang, node, []]))
     end || _ <- lists:seq(1, ?ROUNDS)].

killed(A, #{name := NameB, host := Host} = B) ->
    connect(A, B),
    Old = mesh:on(A, fun() -> spawn(NameB, fun mirror/0) end),
    Watcher = mesh:on(A, fun() -> spawn(fun() ->
                                                Ref = monitor(process, Old),
                                                receive {'DOWN', Ref, process, Old, noconnection} ->
                                                        receive {tell, To} -> To ! told end
                                                end
                                        end) end),
    mesh:kill(B),
    mesh:wait_until(fun() -> mesh:call(A, erlang, nodes, []) =:= [] end),
    Again = mesh:start("b", Host),
    connect(A, Again),
    ?assertEqual(told, mesh:on(A, fun() -> Watcher ! {tell, self()}, receive told -> told end end)),
    ?assertEqual([], mesh:on(A, fun() ->
                                        Old ! {self(), lost},
                                        Fresh = spawn(NameB, fun mirror/0),
                                        Fresh ! {self(), found},
                                        receive {Fresh, found} -> ok end,
                                        {messages, Left} = process_info(self(), messages),
                                        Left
                                end)),
    mesh:stop(Again).
