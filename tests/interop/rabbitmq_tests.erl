%% RabbitMQ: a cluster of two hosts over Tacit, used by a client that knows nothing of it.
-module(rabbitmq_tests).

-include_lib("eunit/include/eunit.hrl").

-define(MESSAGES, 500).
-define(CLUSTER_PORT, 25672). % where a broker's distribution listens by itself
-define(BIN, "/usr/lib/rabbitmq/bin/").

rabbitmq_test_() ->
    {setup, fun start/0, fun stop/1,
     fun(World) -> [{Title, {timeout, 300, fun() -> Test(World) end}} ||
                       {Title, Test} <- tests()] end}.

tests() ->
    [{"rabbitmqctl reaches a broker over Tacit, and makes two of them a cluster", fun cluster/1},
     {"no broker listens but for clients: the plain cluster port is closed", fun closed/1},
     {"what is published to a quorum queue on one broker is consumed on the other",
      fun quorum/1},
     {"a broker that was killed comes back to the cluster, and the queue goes on",
      fun come_back/1}].

start() ->
    A = door:host("127.0.0.1"),
    B = door:host("127.0.0.2", #{mesh => A}),
    [ok = mesh:trust(X, Y) || X <- [A, B], Y <- [A, B]],
    Doors = [door:start(Host) || Host <- [A, B]],
    Hosts = [prepared(Host) || Host <- [A, B]],
    Brokers = [broker(Host) || Host <- Hosts],
    #{hosts => Hosts, doors => Doors, brokers => Brokers}.

stop(#{doors := Doors, brokers := Brokers}) ->
    lists:foreach(fun daemon:stop/1, Brokers),
    [0 = door:stop(Door) || Door <- Doors].

%% A free port for clients, and the cookie, which the broker looks for at home.
prepared(#{dir := Dir, ip := Ip} = Host) ->
    Home = filename:join(Dir, "rabbit"),
    Cookie = filename:join(Home, ".erlang.cookie"),
    ok = filelib:ensure_dir(Cookie),
    ok = file:write_file(Cookie, "interop"),
    ok = file:change_mode(Cookie, 8#400),
    ok = file:write_file(filename:join(Home, "enabled_plugins"), "[]."),
    Host#{home => Home, amqp => mesh:free_port(Ip)}.

broker(Host) ->
    daemon:start(Host, [?BIN "rabbitmq-server"], env(Host)).

env(#{home := Home, ip := Ip, amqp := Port} = Host) ->
    Flags = daemon:erl_flags(Host),
    File = fun(Name) -> filename:join(Home, Name) end,
    [{"HOME", Home}, {"RUNNING_UNDER_SYSTEMD", "1"},
     {"RABBITMQ_NODENAME", node_name(Host)}, {"RABBITMQ_USE_LONGNAME", "true"},
     {"RABBITMQ_NODE_IP_ADDRESS", Ip}, {"RABBITMQ_NODE_PORT", integer_to_list(Port)},
     {"RABBITMQ_DIST_PORT", integer_to_list(?CLUSTER_PORT)},
     {"RABBITMQ_MNESIA_BASE", File("mnesia")}, {"RABBITMQ_LOG_BASE", File("log")},
     {"RABBITMQ_PID_FILE", File("pid")}, {"RABBITMQ_ENABLED_PLUGINS_FILE", File("enabled_plugins")},
     {"RABBITMQ_CONFIG_FILE", File("none")}, {"RABBITMQ_CONF_ENV_FILE", File("none")},
     {"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", Flags}, {"RABBITMQ_CTL_ERL_ARGS", Flags},
     %% It would start epmd by a node of its own, "to be sure".
     {"ERL_ZFLAGS", "-start_epmd false"}].

node_name(#{ip := Ip}) -> "rabbit@" ++ Ip.

ctl(Host, Args) ->
    case try_ctl(Host, Args) of
        {0, Text} -> Text;
        Failed -> error({rabbitmqctl, Args, Failed})
    end.

try_ctl(Host, Args) ->
    Words = [?BIN "rabbitmqctl", "--longnames", "-n", node_name(Host) | Args],
    daemon:command(Host, Words, env(Host)).

%% It fails at once as long as the broker's node is not there.
await(Host) ->
    mesh:wait_until(fun() -> element(1, try_ctl(Host, ["await_startup"])) =:= 0 end, 60000).

cluster(#{hosts := [A, B]}) ->
    [await(Host) || Host <- [A, B]],
    ctl(B, ["stop_app"]),
    ctl(B, ["join_cluster", node_name(A)]),
    ctl(B, ["start_app"]),
    ?assertMatch({match, _}, re:run(ctl(A, ["eval", "lists:sort(rabbit_nodes:all_running())."]),
                                    "\\['rabbit@127.0.0.1','rabbit@127.0.0.2'\\]")),
    %% And the link is Tacit's.
    ?assertMatch("{ok,\"up\"}" ++ _,
                 ctl(B, ["eval", "{ok, #{state := S}} = tacit:info('" ++ node_name(A) ++ "'), "
                         "{ok, atom_to_list(S)}."])).

closed(#{hosts := Hosts, brokers := Brokers}) ->
    [?assertEqual({error, econnrefused}, gen_tcp:connect(Ip, ?CLUSTER_PORT, []))
     || #{ip := Ip} <- Hosts],
    [?assertEqual([{Ip, Port}], listens(Broker))
     || {#{ip := Ip, amqp := Port}, Broker} <- lists:zip(Hosts, Brokers)].

%% The TCP addresses on which the broker's process listens.
listens(#{os_pid := Pid}) ->
    Lines = string:lexemes(os:cmd("ss -Hltnp"), "\n"),
    [begin
         [_, _, _, Address | _] = string:lexemes(Line, " "),
         [Ip, Port] = string:split(Address, ":", trailing),
         {Ip, list_to_integer(Port)}
     end || Line <- Lines, string:find(Line, "pid=" ++ Pid ++ ",") =/= nomatch].

quorum(#{hosts := [A, B]}) ->
    client(A, ["declare"]),
    client(A, ["publish", integer_to_list(?MESSAGES)]),
    client(B, ["consume", integer_to_list(?MESSAGES)]),
    client(B, ["publish", integer_to_list(?MESSAGES)]),
    client(A, ["consume", integer_to_list(?MESSAGES)]).

come_back(#{hosts := [A, B], brokers := [_, BrokerB]} = World) ->
    client(A, ["publish", "10"]),
    mesh:kill(BrokerB),
    mesh:wait_until(fun() -> not mesh:runs(BrokerB) end),
    Again = broker(B),
    try
        await(B),
        client(B, ["consume", "10"]),
        closed(World#{brokers := [hd(maps:get(brokers, World)), Again]})
    after
        daemon:stop(Again)
    end.

client(#{ip := Ip, amqp := Port} = Host, Args) ->
    Script = filename:join([os:getenv("TACIT_SOURCE"), "tests", "interop", "amqp.py"]),
    ?assertEqual({0, ""}, daemon:command(Host, ["python3", Script, Ip, integer_to_list(Port) | Args],
                                         [])).
