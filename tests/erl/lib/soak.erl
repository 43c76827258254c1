%% A mesh in trouble for as long as one likes: nodes that are killed and come again, links
%% that are cut, stalled and altered, reloads, fresh keys all the while. Every message is
%% checked (traffic.erl). Now and then all comes to rest: then the mesh has to be whole
%% again, and what the nodes and the door hold must be what they held at the first rest.
%%
%% Two of the nodes, a and b, are behind one secure-epmd; b and e come and go, the others
%% stay. All that connects goes over build/tests/wan.
-module(soak).

-export([main/0, run/1]).
-export([dial_others/1, start_talkers/2, pause_talkers/0, resume_talkers/0]). % on the nodes

-define(CONF, "rekey-seconds = 3\nrekey-bytes = 1M\nrekey-records = 1000\n").
-define(OTHER_CONF, "rekey-seconds = 2\nrekey-bytes = 2M\nrekey-records = 1500\n").
-define(NODES, [{"a", "127.0.0.1"}, {"b", "127.0.0.1"}, {"c", "127.0.0.2"}, {"d", "127.0.0.3"},
                {"e", "127.0.0.4"}]).
-define(COME_AND_GO, ["b", "e"]).
-define(TALK, #{sizes => [0, 20, 100, 1000, 10000, 70000], window => 30, pause => 40}).
-define(PATIENCE, 120000). % ms, for everything to be well again

%% seconds: of trouble in all; each: of it between two rests; print: what happens.
-type options() :: #{seconds := pos_integer(), each := pos_integer(), seed := integer(),
                     print := fun((io:format(), [term()]) -> term())}.

%% --- tests/soak ----------------------------------------------------------------------------

-spec main() -> no_return().
main() ->
    Options = options(init:get_plain_arguments(),
                      #{seconds => 60, each => 60, seed => erlang:system_time(second),
                        print => fun io:format/2}),
    {Pid, Ref} = spawn_monitor(fun() -> exit({ended, run(Options)}) end),
    receive
        {'DOWN', Ref, process, Pid, {ended, ok}} -> halt(0);
        {'DOWN', Ref, process, Pid, {ended, {failed, Why}}} ->
            [io:format("FAILED: ~p~n", [W]) || W <- Why],
            halt(1);
        {'DOWN', Ref, process, Pid, Reason} -> io:format("FAILED: ~p~n", [Reason]), halt(1)
    end.

options(["--minutes", N | Rest], Options) ->
    options(Rest, Options#{seconds := 60 * list_to_integer(N)});
options(["--seconds", N | Rest], Options) ->
    options(Rest, Options#{seconds := list_to_integer(N), each := 10});
options(["--seed", N | Rest], Options) -> options(Rest, Options#{seed := list_to_integer(N)});
options([], Options) -> Options;
options(_, _) ->
    io:format("usage: tests/soak [--minutes N | --seconds N] [--seed N]~n"),
    halt(2).

%% ok, or all that was found to be wrong.
-spec run(options()) -> ok | {failed, [term()]}.
run(#{seed := Seed, print := Print, seconds := Seconds} = Options) ->
    _ = rand:seed(exsss, Seed),
    Print("seed ~b: ~b s of trouble for ~b nodes~n", [Seed, Seconds, length(?NODES)]),
    World = start(Options),
    try
        go_on(World#{until => now_ms() + 1000 * Seconds})
    after
        stop()
    end.

now_ms() -> erlang:monotonic_time(millisecond).

%% --- the mesh ------------------------------------------------------------------------------

%% Nodes are in the process dictionary, so that stop/0 finds those of now whatever happened.
start(Options) ->
    Ips = lists:usort([Ip || {_, Ip} <- ?NODES]),
    [First | Others] = Ips,
    Host = door:host(First),
    Hosts = [Host | [mesh:host(Ip, #{mesh => Host}) || Ip <- Others]],
    Wan = wan:start(),
    put(wan, Wan),
    Routes = [{{From, Ip}, wan:route(Wan, Ip, Port)}
              || From <- Ips, #{ip := Ip, port := Port} <- Hosts],
    [begin
         [trust(From, To, proplists:get_value({Ip, maps:get(ip, To)}, Routes)) || To <- Hosts],
         mesh:in_mesh(From, ?CONF)
     end || #{ip := Ip} = From <- Hosts],
    %% It ends with this emulator, whatever ends that.
    put(door, door:start(Host, #{exec => ["setpriv", "--pdeathsig", "KILL"]})),
    World = Options#{hosts => maps:from_list([{Ip, H} || #{ip := Ip} = H <- Hosts]),
                     routes => [R || {_, R} <- Routes], broken => #{},
                     rests => [], counts => #{}, failed => []},
    lists:foldl(fun({Name, _}, W) -> start_node(Name, W) end, World, ?NODES).

trust(From, To, Route) -> ok = mesh:trust(From, To#{port => wan:port(Route)}).

start_node(Name, #{hosts := Hosts} = World) ->
    #{Name := Ip} = maps:from_list(?NODES),
    #{Ip := Host} = Hosts,
    Args = ["-connect_all", "false", "-kernel", "dist_auto_connect", "never", "net_setuptime",
            "5", "net_ticktime", "6", "logger_level", "error", "+S", "1:1", "+SDcpu", "1:1",
            "+SDio", "1", "+A", "1"],
    Node = #{name := Own} = mesh:start(Name, Host, #{args => Args}),
    Others = [list_to_atom(N ++ "@" ++ I) || {N, I} <- ?NODES] -- [Own],
    ok = mesh:call(Node, holdings, load_all, []),
    ok = mesh:call(Node, traffic, listen, []),
    ok = mesh:call(Node, ?MODULE, dial_others, [Others]),
    ok = mesh:call(Node, ?MODULE, start_talkers, [Others, ?TALK]),
    put({node, Name}, Node),
    count(starts, 1, World).

stop() ->
    [mesh:stop(Node) || {{node, _}, Node} <- get()],
    [door:stop(Door) || {door, Door} <- get()],
    [wan:stop(Wan) || {wan, Wan} <- get()],
    ok.

nodes_now() -> [{Name, get({node, Name})} || {Name, _} <- ?NODES].

count(What, N, #{counts := Counts} = World) ->
    World#{counts := maps:update_with(What, fun(C) -> C + N end, N, Counts)}.

%% --- on the nodes --------------------------------------------------------------------------

%% Whatever ends, somebody dials again.
-spec dial_others([node()]) -> ok.
dial_others(Others) ->
    [spawn(fun() -> dial(Other) end) || Other <- Others],
    ok.

dial(Other) ->
    _ = net_kernel:connect_node(Other),
    timer:sleep(500 + rand:uniform(500)),
    dial(Other).

-spec start_talkers([node()], traffic:plan()) -> ok.
start_talkers(Others, Plan) ->
    persistent_term:put(?MODULE, [traffic:start_talking(Other, Plan) || Other <- Others]).

-spec pause_talkers() -> [traffic:outcome()].
pause_talkers() -> [traffic:pause(Talker) || Talker <- persistent_term:get(?MODULE)].

-spec resume_talkers() -> ok.
resume_talkers() -> lists:foreach(fun traffic:resume/1, persistent_term:get(?MODULE)).

%% --- trouble and rest ----------------------------------------------------------------------

go_on(#{until := Until, each := Each} = World) ->
    Rested = rest(trouble(min(now_ms() + 1000 * Each, Until + 1000), World)),
    case Rested of
        #{failed := [_ | _] = Failed} -> {failed, lists:reverse(Failed)};
        #{rests := Rests} ->
            case now_ms() < Until orelse length(Rests) < 2 of
                true -> resume(), go_on(Rested);
                false -> summary(Rested)
            end
    end.

resume() -> [ok = mesh:call(Node, ?MODULE, resume_talkers, []) || {_, Node} <- nodes_now()].

trouble(Until, World) ->
    case now_ms() < Until of
        true ->
            timer:sleep(rand:uniform(1500)),
            Which = one_of([fault, fault, fault, fault, slow, slow, cut, cut, mend, mend, mend,
                            come_and_go, reload, rules]),
            trouble(Until, count_fresh_keys(count(Which, 1, do(Which, World))));
        false -> World
    end.

one_of(List) -> lists:nth(rand:uniform(length(List)), List).

set(Conditions, #{routes := Routes} = World) ->
    ok = wan:set(one_of(Routes), Conditions),
    World.

do(fault, World) ->
    set(#{fault => one_of([stall, half, reset, cut, flip]), way => one_of([there, back]),
          'after' => rand:uniform(1 bsl rand:uniform(17))}, World);
do(slow, World) ->
    set(one_of([#{delay => 50, jitter => 50}, #{rate => 100000}, #{segment => 1},
                #{delay => 10, segment => 100, rate => 1000000}]), World);
do(mend, World) ->
    set(#{}, World);
do(cut, World) ->
    {_, Node} = one_of(nodes_now()),
    {_, #{name := Other}} = one_of(nodes_now()),
    _ = mesh:call(Node, erlang, disconnect_node, [Other]),
    World;
do(come_and_go, World) ->
    Name = one_of(?COME_AND_GO),
    Node = get({node, Name}),
    Counted = judge(Name, Node, World),
    case one_of([kill, stop]) of
        kill -> mesh:kill(Node), mesh:stop(Node);
        stop -> mesh:stop(Node)
    end,
    start_node(Name, Counted);
%% Other limits, and back.
do(reload, World) ->
    reload(one_of(maps:values(maps:get(hosts, World))), fun other_limits/1, World);
%% A line that is gone cuts links; the next rest has it back.
do(rules, World) ->
    reload(one_of(maps:values(maps:get(hosts, World))), fun without_last_peer/1, World).

other_limits(Text) ->
    case string:split(Text, ?CONF) of
        [Before, After] -> [Before, ?OTHER_CONF, After];
        [Text] -> string:replace(Text, ?OTHER_CONF, ?CONF)
    end.

without_last_peer(Text) -> hd(string:split(Text, "\n[peer ", trailing)).

reload(#{conf := Conf, ip := Ip} = Host, Change, #{broken := Broken} = World) ->
    {ok, Text} = file:read_file(Conf),
    ok = file:write_file(Conf, Change(binary_to_list(Text))),
    read_again(Host),
    World#{broken := maps:merge(#{Ip => Text}, Broken)}.

read_again(#{ip := Ip}) ->
    [{ok, _} = mesh:call(get({node, Name}), tacit, reload, []) || {Name, I} <- ?NODES, I =:= Ip],
    [door:signal(get(door), "HUP") || Ip =:= "127.0.0.1"],
    ok.

%% Everything is as it should be: it has to be well, and as small as it was.
rest(#{routes := Routes, broken := Broken, hosts := Hosts, rests := Rests} = World0) ->
    [ok = wan:set(Route, #{}) || Route <- Routes],
    [begin
         #{Ip := #{conf := Conf} = Host} = Hosts,
         ok = file:write_file(Conf, Text),
         read_again(Host)
     end || {Ip, Text} <- maps:to_list(Broken)],
    all_whole(),
    Outcomes = [{Name, Outcome}
                || {Name, Node} <- nodes_now(),
                   Outcome <- mesh:call(Node, ?MODULE, pause_talkers, [], ?PATIENCE)],
    all_whole(),
    World1 = lists:foldl(fun({Name, Node}, W) -> judge(Name, Node, W) end, World0, nodes_now()),
    Hung = [{hang, Who} || {_, {hang, _}} = Who <- Outcomes],
    Held = [{"door", of_door()} |
            [{Name, settled(Node)} || {Name, Node} <- nodes_now(),
                                      not lists:member(Name, ?COME_AND_GO)]],
    World = failed(Hung ++ grown(Held, Rests), World1#{rests := [Held | Rests], broken := #{}}),
    tell(Held, World),
    World.

%% One link with each other node, and nothing under way.
all_whole() ->
    [mesh:wait_until(fun() -> whole(Node) end, ?PATIENCE) || {_, Node} <- nodes_now()].

whole(#{name := Own} = Node) ->
    Others = [list_to_atom(N ++ "@" ++ I) || {N, I} <- ?NODES] -- [Own],
    {ok, #{pending := Pending, links := Links}} = mesh:call(Node, tacit, info, []),
    [] =:= Others -- mesh:call(Node, erlang, nodes, [connected]) andalso Pending =:= 0
        andalso length(Links) =:= length(Others).

failed(More, #{failed := Failed} = World) -> World#{failed := More ++ Failed}.

%% What a node was told since the last time.
judge(Name, Node, World) ->
    Heard = lists:sum(maps:values(mesh:call(Node, traffic, heard, []))),
    Before = case get({heard, Node}) of undefined -> 0; N -> N end,
    put({heard, Node}, Heard),
    Faults = [{Name, Fault} || Fault <- mesh:call(Node, traffic, faults, [])],
    failed(Faults, count(messages, Heard - Before, World)).

%% Each end of a link counts from its start: what that grew by since the last look, and so
%% each exchange twice.
count_fresh_keys(World) ->
    Now = maps:from_list([{{Name, Port}, N}
                          || {Name, Node} <- nodes_now(),
                             {Port, #{rekeys := N}} <- mesh:call(Node, tacit_drv, links, [])]),
    Before = case get(rekeys) of undefined -> #{}; Map -> Map end,
    put(rekeys, Now),
    New = maps:fold(fun(Link, N, Sum) -> Sum + max(0, N - maps:get(Link, Before, 0)) end, 0, Now),
    [wan:events(Route) || Route <- maps:get(routes, World)],
    count(fresh_keys, New, World).

%% --- what is held --------------------------------------------------------------------------

%% Not while something is still on its way out.
settled(Node) ->
    One = mesh:call(Node, holdings, here, []),
    timer:sleep(300),
    Two = mesh:call(Node, holdings, here, []),
    case holdings:counted(One) =:= holdings:counted(Two) of
        true -> Two;
        false -> settled(Node)
    end.

of_door() ->
    #{os_pid := Pid} = get(door),
    {ok, Descriptors} = file:list_dir("/proc/" ++ Pid ++ "/fd"),
    {ok, Statm} = file:read_file("/proc/" ++ Pid ++ "/statm"),
    [_, Resident | _] = binary:split(Statm, <<" ">>, [global]),
    #{descriptors => length(Descriptors), resident => binary_to_integer(Resident) * 4096}.

%% Against the first rest: it was in trouble before, so all code is loaded. Nothing may be
%% more; bytes differ by what allocators keep.
grown(_, []) -> [];
grown(Held, Rests) ->
    [{grown, Who, What, {from, maps:get(What, Then)}, {to, Now}}
     || {Who, Holdings} <- Held, {W, Then} <- lists:last(Rests), W =:= Who,
        {What, Now} <- maps:to_list(Holdings), Now > maps:get(What, Then) + slack(What)].

slack(atoms) -> 10;
slack(memory) -> 2000000;
slack(driver) -> 500000;
slack(resident) -> case os:getenv("TACIT_NODE_PRELOAD", "") of "" -> 20000000; _ -> 1 bsl 40 end;
slack(_) -> 0.

tell(Held, #{print := Print, counts := Counts}) ->
    Print("~8b messages, ~b fresh keys, ~b faults, ~b starts~n",
          [maps:get(C, Counts, 0) || C <- [messages, fresh_keys, fault, starts]]),
    [Print("    ~-5s~s~n", [Who, [io_lib:format(" ~s ~b", [What, N])
                                 || {What, N} <- maps:to_list(Holdings)]])
     || {Who, Holdings} <- Held].

summary(#{print := Print, rests := Rests, counts := Counts, routes := Routes}) ->
    Sum = fun(What) -> lists:sum([maps:get(What, wan:stats(R)) || R <- Routes]) end,
    Print("all well: ~b messages, each checked; ~b connections, of which ~b met a fault~n",
          [maps:get(messages, Counts), Sum(accepted), Sum(faults)]),
    Print("   ~s~n", [[io_lib:format(" ~s ~b", [What, N])
                       || {What, N} <- maps:to_list(maps:remove(messages, Counts))]]),
    Print("from the first rest to the last:~n", []),
    [Print("    ~-5s~s~n", [Who, [io_lib:format(" ~s ~b -> ~b", [What, Then, maps:get(What, Now)])
                                 || {What, Then} <- maps:to_list(Thens)]])
     || {Who, Thens} <- lists:last(Rests), {W, Now} <- hd(Rests), W =:= Who],
    ok.
