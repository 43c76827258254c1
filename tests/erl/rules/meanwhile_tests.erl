%% Rules that change while a handshake is under way, or while a message waits to be read: the
%% link is held against those that are in force when it comes to be used.
-module(meanwhile_tests).

-include_lib("eunit/include/eunit.hrl").

-define(NAME, "f@127.0.0.9").
-define(NODE, 'f@127.0.0.9').
-define(REFUSED, 2).
-define(DEADLINE, 60000).

meanwhile_test_() ->
    {setup, fun start/0, fun stop/1,
     fun(World) -> [{Title, {timeout, 120, fun() -> Test(World) end}} || {Title, Test} <- tests()]
     end}.

tests() ->
    [{"a node lets nobody in whom a reload between message 1 and message 3 has ruled out",
      fun dialled/1},
     {"a node makes no link with whom a reload after its message 1 has ruled out", fun dials/1},
     {"a C node reads no message that came while the sender was allowed, once it is not",
      fun expired/1}].

start() ->
    {Listener, Port} = foreign:listen({127, 0, 0, 9}),
    Identity = foreign:identity(),
    Host = mesh:host("127.0.0.1"),
    Endpoint = io_lib:format("endpoint = 127.0.0.9:~b", [Port]),
    Section = foreign:peer_section("*@127.0.0.9", Identity, Endpoint),
    mesh:append(Host, Section),
    #{node => mesh:start("a", Host), listener => Listener, host => Host, section => Section,
      options => #{mesh_key => foreign:mesh_key(Host), identity => Identity, name => ?NAME,
                   wanted => "a@127.0.0.1"}}.

stop(#{node := Node, listener := Listener}) ->
    mesh:stop(Node),
    gen_tcp:close(Listener).

%% The line for the foreign peer goes, and the node's rules are others.
rule_out(#{host := #{conf := Conf}, section := Section} = World) ->
    {ok, Text} = file:read_file(Conf),
    Without = iolist_to_binary(string:replace(Text, iolist_to_binary(Section), "")),
    ?assertNotEqual(Text, Without),
    reload(Without, World).

let_in(#{host := #{conf := Conf}, section := Section} = World) ->
    {ok, Text} = file:read_file(Conf),
    reload([Text, Section], World).

reload(Text, #{host := #{conf := Conf}, node := Node}) ->
    ok = file:write_file(Conf, Text),
    {ok, _} = mesh:call(Node, tacit, reload, []).

dialled(#{host := #{port := Port}, options := Options} = World) ->
    HalfWay = fun() -> rule_out(World) end,
    {ok, Channel} = foreign:connect({{127, 0, 0, 1}, Port}, Options#{half_way => HalfWay}),
    ?assertMatch({close, {?REFUSED, _}},
                 foreign:recv_message(foreign:send_name(?NAME, 0, Channel))),
    foreign:stop(Channel),
    let_in(World).

dials(#{node := Node, listener := Listener, options := Options} = World) ->
    Self = self(),
    Dialling = spawn_link(fun() -> Self ! {self(), mesh:call(Node, net_kernel, connect_node,
                                                             [?NODE])} end),
    HalfWay = fun() -> rule_out(World) end,
    {ok, Channel} = foreign:accept(Listener, Options#{half_way => HalfWay}),
    ?assertMatch({close, {?REFUSED, _}}, foreign:recv_message(Channel)),
    receive {Dialling, Connected} -> ?assertNot(Connected) end,
    foreign:stop(Channel),
    let_in(World).

expired(#{node := Node, host := Host}) ->
    Other = mesh:host("127.0.0.3", #{mesh => Host}),
    ok = mesh:trust(Host, Other),
    {ok, _} = mesh:call(Node, tacit, reload, []),
    Until = os:system_time(second) + 10,
    ok = mesh:trust(Other, Host),
    ok = mesh:append(Other, ["expires = ",
                             calendar:system_time_to_rfc3339(Until, [{offset, "Z"}]), "\n"]),
    #{name := Name} = C = cnode:start("c", Other),
    Fd = cnode:connect(C, Node),
    mesh:call(Node, erlang, send, [{somebody, Name}, late]),
    mesh:wait_until(fun() -> os:system_time(second) > Until end, ?DEADLINE),
    Line = cnode:call(C, ["receive", Fd, 5000]),
    ?assertMatch({match, _}, re:run(Line, "^failed .*expired")),
    cnode:stop(C).
