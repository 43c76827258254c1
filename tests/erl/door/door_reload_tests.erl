%% A reload of secure-epmd: who asks for it hears whether it worked, and where it did not
%% all is as it was.
-module(door_reload_tests).

-include_lib("eunit/include/eunit.hrl").

-define(BAD_CONF, 7).

reload_test_() ->
    [{Title, {timeout, 120, Test}}
     || {Title, Test} <-
            [{"--reload waits for the daemon, and its status says whether the file is in force",
              fun command/0},
             {"--reload of a daemon that stands still, or is not there, fails within seconds",
              fun no_answer/0},
             {"an address that cannot be bound fails the reload, and all is as it was",
              fun unbindable/0},
             {"every address gives way to those that it is one of, and the other way round",
              fun wildcard/0},
             {"a [test] that fails is a fault of the file: the daemon neither starts with it nor "
              "reloads it, as nodes do", fun failing_test/0},
             {"an interface that is not there is told in the log, by show and by check, and in the "
              "counters", fun absent/0},
             {"a fault's text in any bytes reaches who asked", fun any_bytes/0}]].

%% --- help --------------------------------------------------------------------------------------

change(#{conf := Conf}, From, To) ->
    {ok, Text} = file:read_file(Conf),
    New = iolist_to_binary(re:replace(Text, From, To)),
    ?assertNotEqual(Text, New),
    ok = file:write_file(Conf, New),
    Text.

put_back(#{conf := Conf}, Text) ->
    ok = file:write_file(Conf, Text).

asked(Host) ->
    door:start(Host, #{ready => false, args => ["--reload"]}).

listens(Door) ->
    lists:sort([A || ["listen", A] <- door:show(Door)]).

reaches(Ip, Port) ->
    case gen_tcp:connect(Ip, Port, []) of
        {ok, Socket} -> gen_tcp:close(Socket);
        {error, Why} -> Why
    end.

%% --- the tests ---------------------------------------------------------------------------------

command() ->
    #{conf := Conf, port := Port} = Host = door:host("127.0.0.1"),
    Door = door:start(Host),
    More = mesh:free_port("127.0.0.1"),
    Text = change(Host, "listen = .*", io_lib:format("listen = 127.0.0.1:~b", [More])),
    ?assertEqual({exit, 0, [Conf ++ ": reloaded"]}, asked(Host)),
    ?assertEqual({ok, econnrefused}, {reaches({127, 0, 0, 1}, More), reaches({127, 0, 0, 1}, Port)}),
    mesh:append(Host, "colour = red\n"),
    {exit, 1, [Why]} = asked(Host),
    ?assertMatch({match, _}, re:run(Why, "^secure-epmd: .*tacit.conf:[0-9]+: unknown key 'colour'")),
    ?assertEqual(["127.0.0.1:" ++ integer_to_list(More)], listens(Door)),
    %% A fault that only the daemon finds: somebody else has the port.
    put_back(Host, Text),
    {ok, Taken} = gen_tcp:listen(Port, [{ip, {127, 0, 0, 1}}]),
    {exit, 1, [Refused]} = asked(Host),
    ?assertMatch({match, _}, re:run(Refused, "bad_conf: .*listen = .*: Address already in use")),
    ok = gen_tcp:close(Taken),
    ?assertMatch({exit, 2, _}, door:start(Host, #{ready => false, args => ["--reload", "--check"]})),
    0 = door:stop(Door).

no_answer() ->
    Host = door:host("127.0.0.1"),
    Door = door:start(Host),
    door:signal(Door, "STOP"),
    {exit, 1, [Still]} = asked(Host),
    ?assertMatch({match, _}, re:run(Still, "door.sock: secure-epmd has not answered within 5 s$")),
    door:signal(Door, "CONT"),
    0 = door:stop(Door),
    {exit, 1, [Gone]} = asked(Host),
    ?assertMatch({match, _}, re:run(Gone, "door.sock: .*is secure-epmd running\\?$")).

unbindable() ->
    Host = door:host("127.0.0.1"),
    #{socket := Path} = Door = door:start(Host),
    {ok, Node, _} = door:register(Door, "stays@127.0.0.1"),
    Before = listens(Door),
    [change(Host, From, To) || {From, To} <- [{"listen = .*", "&, 192.0.2.99:4370"},
                                              {"door = .*", "door = other.sock"}]],
    mesh:append(Host, "legacy-epmd = no\n"),
    {refused, ?BAD_CONF, Why} = door:command(Door, 6),
    ?assertMatch({match, _}, re:run(Why, "listen = 192.0.2.99:4370: ")),
    ?assertEqual({[], []}, {door:events(Door, "not_listening"), door:events(Door, "epmd_off")}),
    ?assertMatch([_], door:events(Door, "door")), % nor did the Unix socket move
    ?assertMatch({ok, _}, file:read_link_info(Path)),
    ?assertEqual(Before, listens(Door)),
    ?assertEqual({1, 1}, {door:counter(Door, "nodes"), door:counter(Door, "reload_failures")}),
    ok = socket:close(Node),
    0 = door:stop(Door).

wildcard() ->
    %% A port that is free at each address: connections that clients of other suites had may
    %% still hold it at one of them.
    #{port := Port} = Host = door:host("127.0.0.1", #{port => mesh:free_port("0.0.0.0")}),
    Door = door:start(Host),
    All = io_lib:format("listen = 0.0.0.0:~b\nlisten-wildcard = yes", [Port]),
    Text = change(Host, "listen = .*", All),
    ?assertMatch({ok, _}, door:command(Door, 6)),
    ?assertEqual({ok, ["0.0.0.0:" ++ integer_to_list(Port)]},
                 {reaches({127, 0, 0, 2}, Port), listens(Door)}),
    put_back(Host, Text),
    ?assertMatch({ok, _}, door:command(Door, 6)),
    ?assertEqual({econnrefused, ok}, {reaches({127, 0, 0, 2}, Port), reaches({127, 0, 0, 1}, Port)}),
    0 = door:stop(Door).

failing_test() ->
    #{conf := Conf} = Host = door:host("127.0.0.1"),
    Door = door:start(Host),
    {ok, Text} = file:read_file(Conf),
    mesh:append(Host, "[test]\nallow = nobody@db9.example.net\n"),
    {refused, ?BAD_CONF, Why} = door:command(Door, 6),
    Fault = "tacit.conf:[0-9]+: allow nobody@db9.example.net: ",
    ?assertMatch({match, _}, re:run(Why, Fault), Why),
    0 = door:stop(Door),
    {exit, 1, [Line]} = door:start(Host, #{ready => false}),
    ?assertMatch({match, _}, re:run(Line, Fault), Line),
    put_back(Host, Text),
    0 = door:stop(door:start(Host)).

absent() ->
    Host = door:host("127.0.0.1"),
    change(Host, "listen = .*", "&, eht0:4370"),
    Door = door:start(Host),
    ?assertMatch([_], door:events(Door, "interface_absent")),
    ?assertEqual(["eht0:4370"], [I || ["absent", I] <- door:show(Door)]),
    ?assertEqual(1, door:counter(Door, "interfaces_absent")),
    Said = fun(Command, Pattern) ->
                   {0, Text} = mesh:tacit([Command, "--conf", maps:get(conf, Host)]),
                   ?assertMatch({Command, {match, _}}, {Command, re:run(lists:flatten(Text), Pattern)})
           end,
    Said("show", "does not listen +eht0:4370"),
    Said("check", "listen +eht0:4370  \\(no such interface"),
    {exit, 0, [Absent, _]} = door:start(Host, #{ready => false, args => ["--check"]}),
    ?assertMatch({match, _}, re:run(Absent, "^listen eht0:4370: no such interface")),
    ?assertMatch({ok, _}, door:command(Door, 6)),
    ?assertMatch([_], door:events(Door, "interface_absent")), % told once
    change(Host, "eht0:4370", "lo:4371"),
    ?assertMatch({ok, _}, door:command(Door, 6)),
    ?assertEqual({0, []}, {door:counter(Door, "interfaces_absent"),
                           [I || ["absent", I] <- door:show(Door)]}),
    0 = door:stop(Door).

any_bytes() ->
    Host = door:host("127.0.0.1"),
    Door = door:start(Host),
    change(Host, "key-file = .*", <<"key-file = schl\303\274ssel.key">>),
    {refused, ?BAD_CONF, Why} = door:command(Door, 6),
    ?assertMatch({match, _}, re:run(Why, "schl\\?\\?ssel.key: No such file")),
    0 = door:stop(Door).
