%% A wall clock that is set while something runs: what counts since the start goes on, and
%% the rules hold as if nobody had set it, for a while.
-module(clock_tests).

-include_lib("eunit/include/eunit.hrl").

-define(B, 'b@127.0.0.2').

clock_test_() ->
    [{Title, {timeout, 120, Test}} || {Title, Test} <- tests()].

tests() ->
    [{"a clock that is put back makes nothing of a link's age", fun age/0},
     {"nor of the daemon's uptime", fun uptime/0},
     {"after it, too, the refusal that is forgotten is the oldest", fun refusals/0},
     {"a clock set ahead ends nothing: the log says that it was set, and the link stays",
      fun ahead/0},
     {"one that is set back brings nothing back that had expired, and keeps nobody out",
      fun back/0},
     {"where one host's clock is set, the other still comes in, and says why it lets nobody in",
      fun one_host/0},
     {"a node that only dials says, too, that the clock was set", fun dials_only/0},
     {"a door says that its clock was set, and passes on any peer that comes", fun door/0},
     {"and brings nothing back that had expired: who asked it in vain does so again",
      fun door_back/0},
     {"a C node's clock set back brings nothing back that had expired", fun c_node/0},
     {"no policy is called stale because the clock was set", fun stale/0},
     {"a node's time is never before that of its own certificate, also where it starts by a "
      "clock that is behind; nor is a C node's", fun own_certificate/0},
     {"nor a door's, where it can read that", fun door_certificate/0},
     {"after 20 minutes a clock that was set back is believed, but never before a peer's "
      "certificate that counted: at a node and at a C node", fun never_before_signed/0}].

%% What has its clock off by the seconds that Step writes, {Seconds, Slept}: in a machine that
%% also has slept for so long, by either clock.
stepped() ->
    os:getenv("TACIT_NODE_PRELOAD", "") =:= "" orelse
        throw({skip, "another library is loaded into the nodes"}),
    File = filename:join(mesh:dir(), "step"),
    Env = [{"LD_PRELOAD", filename:absname(filename:join([os:getenv("TACIT_BUILD", "build"),
                                                          "tests", "stepped.so"]))},
           {"TACIT_CLOCK_STEP", File}],
    {Env, fun({Seconds, Slept}) -> step(Env, File, Seconds, Slept);
             (Seconds) -> step(Env, File, Seconds, 0)
          end}.

step(Env, File, Seconds, Slept) ->
    ok = file:write_file(File ++ ".new", io_lib:format("~b ~b", [Seconds, Slept])),
    ok = file:rename(File ++ ".new", File),
    Shown = list_to_integer(string:trim(date(Env))),
    ?assert(abs(Shown - os:system_time(second) - Seconds - Slept) < 600).

%% What the time is where the clock is off.
date(Env) ->
    Port = open_port({spawn_executable, "/bin/date"}, [{args, ["+%s"]}, {env, Env}, exit_status]),
    receive {Port, {data, Text}} -> receive {Port, {exit_status, 0}} -> Text end end.

age() ->
    {Env, Step} = stepped(),
    {A, B} = mesh:pair(#{env => Env}),
    ?assertEqual(pong, mesh:call(A, net_adm, ping, [?B])),
    Step(-3600),
    {ok, #{age := Age}} = mesh:call(A, tacit, info, [?B]),
    ?assert(Age < 600),
    mesh:stop_pair({A, B}).

uptime() ->
    {Env, Step} = stepped(),
    Host = door:host("127.0.0.1"),
    Door = door:start(Host, #{env => Env, args => ["--unconfined"]}),
    Step(-3600),
    ?assert(door:counter(Door, "uptime") < 600),
    door:stop(Door).

%% There is room for 64 names.
refusals() ->
    {Env, Step} = stepped(),
    A = mesh:start("a", mesh:host("127.0.0.1"), #{env => Env}),
    Dial = fun(Numbers) ->
                   mesh:on(A, fun() -> [false = net_kernel:connect_node(name(N)) || N <- Numbers] end)
           end,
    Dial(lists:seq(1, 64)),
    Step(-3600),
    Dial([65, 66]),
    Known = mesh:on(A, fun() -> [element(1, tacit:info(name(N))) || N <- [1, 2, 3, 65, 66]] end),
    ?assertEqual([error, error, ok, ok, ok], Known),
    mesh:stop(A).

-define(DAY, 86400).

%% The line that decides about Peer, for so many seconds.
expires(#{host := Host}, Seconds) ->
    expires(Host, Seconds);
expires(Host, Seconds) ->
    mesh:append(Host, ["expires = ", calendar:system_time_to_rfc3339(
                                       os:system_time(second) + Seconds, [{offset, "Z"}]), "\n"]).

%% Nothing dials or parts but the test.
-define(QUIET, ["-kernel", "dist_auto_connect", "never",
                "-kernel", "prevent_overlapping_partitions", "false"]).

connect(#{} = Node, #{name := Peer}) ->
    mesh:call(Node, net_kernel, connect_node, [Peer]).

ahead() ->
    {Env, Step} = stepped(),
    {A, B} = mesh:pair(#{env => Env, args => ?QUIET}),
    expires(A, 3600),
    {ok, _} = mesh:call(A, tacit, reload, []),
    ?assert(connect(A, B)),
    Before = mesh:handshakes(A),
    Step(?DAY),
    mesh:logged(A, ["this host's clock was set 86", " s ahead"]),
    ?assertEqual({ok, #{dropped => []}}, mesh:call(A, tacit, reload, [])),
    ?assertEqual([?B], mesh:nodes_of(A)),
    ?assertEqual(Before, mesh:handshakes(A)),
    mesh:part(A, B),
    ?assert(connect(B, A)),
    mesh:part(A, B),
    ?assert(connect(A, B)),
    mesh:stop_pair({A, B}).

back() ->
    {Env, Step} = stepped(),
    {A, B} = mesh:pair(#{env => Env, args => ?QUIET}),
    C = third(A, Env),
    Log = ["the line that decides has expired"],
    expires(A, 3),
    {ok, _} = mesh:call(A, tacit, reload, []),
    ?assert(connect(B, A)),
    mesh:wait_until(fun() -> mesh:nodes_of(B) =:= [] end),
    Step(-?DAY),
    mesh:logged(A, ["this host's clock was set 86", " s back"]),
    ?assertNot(connect(A, B)),
    ?assertNot(connect(B, A)),
    mesh:logged(A, ["refused", "name=b@127.0.0.2" | Log]),
    ?assert(connect(C, A)),
    mesh:part(A, C),
    ?assert(connect(A, C)),
    lists:foreach(fun mesh:stop/1, [A, B, C]).

%% One whose line has no end, before b's.
third(#{host := HostA} = A, Env) ->
    HostC = mesh:host("127.0.0.3", #{mesh => HostA}),
    #{conf := Conf} = HostA,
    {ok, Text} = file:read_file(Conf),
    [Before, After] = string:split(Text, "\n[peer "),
    ok = file:write_file(Conf, Before),
    mesh:trust(HostA, HostC),
    mesh:append(HostA, ["\n[peer ", After]),
    mesh:trust(HostC, HostA),
    {ok, _} = mesh:call(A, tacit, reload, []),
    mesh:start("c", HostC, #{env => Env, args => ?QUIET}).

one_host() ->
    {Env, Step} = stepped(),
    HostA = mesh:host("127.0.0.1"),
    HostB = mesh:host("127.0.0.2", #{mesh => HostA}),
    mesh:trust(HostA, HostB),
    mesh:trust(HostB, HostA),
    A = mesh:start("a", HostA, #{env => Env, args => ?QUIET}),
    B = mesh:start("b", HostB, #{args => ?QUIET}),
    [begin
         Step(Seconds),
         mesh:logged(A, ["this host's clock was set", Set]),
         ?assert(connect(B, A)),
         mesh:part(A, B),
         ?assertNot(connect(A, B)),
         mesh:logged(B, ["reason=clock", Line])
     end || {Seconds, Set, Line} <-
                [{-?DAY, " s back", "s behind this host's clock"},
                 {?DAY, " s ahead", "s ahead of this host's clock"}]],
    mesh:stop_pair({A, B}).

dials_only() ->
    {Env, Step} = stepped(),
    A = mesh:start("a", mesh:host("127.0.0.1"),
                   #{env => Env, args => ["-dist_listen", "false" | ?QUIET]}),
    Step(-3600),
    mesh:logged(A, ["this host's clock was set 3", " s back"]),
    mesh:stop(A).

door() ->
    {Env, Step} = stepped(),
    HostA = door:host("127.0.0.1"),
    HostB = mesh:host("127.0.0.2", #{mesh => HostA}),
    mesh:trust(HostA, HostB),
    mesh:trust(HostB, HostA),
    Door = door:start(HostA, #{env => Env, args => ["--unconfined"]}),
    A = mesh:start("a", HostA, #{env => Env, args => ?QUIET}),
    B = mesh:start("b", HostB, #{args => ?QUIET}),
    [begin
         Step(Seconds),
         mesh:wait_until(fun() -> [E || E <- door:events(Door, "clock_set"),
                                        string:find(E, Set) =/= nomatch] =/= [] end),
         ?assert(connect(B, A)),
         mesh:part(A, B)
     end || {Seconds, Set} <- [{-?DAY, "seconds=-86"}, {0, "seconds=+86"}]],
    mesh:stop_pair({A, B}),
    door:stop(Door).

c_node() ->
    {Env, Step} = stepped(),
    HostA = mesh:host("127.0.0.1"),
    HostC = mesh:host("127.0.0.2", #{mesh => HostA}),
    mesh:trust(HostA, HostC),
    mesh:trust(HostC, HostA),
    expires(HostC, 5),
    A = mesh:start("a", HostA, #{env => Env, args => ?QUIET}),
    C = cnode:start("c", HostC, #{exec => preloaded(Env)}),
    Expired = fun(Said) -> string:find(Said, "expired") =/= nomatch end,
    mesh:wait_until(fun() ->
                            case cnode:connect(C, A) of
                                "failed " ++ _ = Said -> Expired(Said);
                                Fd -> cnode:close(C, Fd), cnode:part(A, C), false
                            end
                    end),
    Step(-?DAY),
    Last = cnode:connect(C, A),
    ?assertEqual({true, Last}, {Expired(Last), Last}),
    cnode:stop(C),
    mesh:stop(A).

preloaded(Env) ->
    ["env" | [[Name, $=, Value] || {Name, Value} <- Env]].

stale() ->
    {Env, Step} = stepped(),
    Dir = mesh:dir(),
    [Key, Rules, Signed] = [filename:join(Dir, Name) || Name <- ["key", "rules", "signed"]],
    {0, Public} = mesh:tacit(["authority", "new", Key]),
    ok = file:write_file(Rules, ""),
    {0, _} = mesh:tacit(["policy", "sign", "--authority", Key, "--fresh-until", "1d", Rules, Signed]),
    A = mesh:start("a", mesh:host("127.0.0.1", #{conf => ["\n[authority main]\npublic-key = ",
                                                          Public, "\nnames = *@*\npolicy = ",
                                                          Signed, "\n"]}),
                   #{env => Env}),
    Step(2 * ?DAY),
    mesh:logged(A, ["this host's clock was set"]),
    {ok, _} = mesh:call(A, tacit, reload, []),
    ?assertEqual(nomatch, string:find(mesh:log(A), "is stale")),
    mesh:stop(A).

%% b's line expired an hour ago; by a's clock it is the day before, but its certificate was
%% signed just now. The command judges as a node would that starts now.
own_certificate() ->
    {Env, Step} = stepped(),
    HostA = mesh:host("127.0.0.1"),
    HostB = mesh:host("127.0.0.2", #{mesh => HostA}),
    Sections = certify(HostA, "a"),
    mesh:trust(HostB, HostA),
    mesh:trust(HostA, HostB),
    expires(HostA, -3600),
    Step(-?DAY),
    Dials = fun() ->
                    A = mesh:start("a", HostA, #{env => Env, args => ?QUIET}),
                    B = mesh:start("b", HostB, #{env => Env, args => ?QUIET}),
                    Answer = connect(B, A),
                    C = cnode:start("c", HostA, #{exec => preloaded(Env)}),
                    Said = cnode:connect(C, B),
                    cnode:stop(C),
                    mesh:stop_pair({A, B}),
                    {Answer, string:find(Said, "expired") =:= nomatch}
            end,
    #{conf := Conf} = HostA,
    Explained = fun() -> element(1, mesh:tacit(["explain", "--conf", Conf, "b@127.0.0.2"], Env)) end,
    ?assertEqual({{true, true}, 0}, {Dials(), Explained()}),
    show_certificate(HostA, Sections),
    ?assertEqual({{false, false}, 1}, {Dials(), Explained()}).

%% Signs Host a certificate that is good from now on, under an authority of its own: that
%% authority's section.
certify(#{dir := Dir, ip := Ip, public_key := Key}, Name) ->
    [Authority, Certificate] = [filename:join(Dir, File) || File <- ["authority.key", "my.cert"]],
    {0, Public} = mesh:tacit(["authority", "new", Authority]),
    {0, _} = mesh:tacit(["cert", "sign", "--authority", Authority, "--public-key", Key, "--name",
                         [Name, $@, Ip], "--not-after", "90d", Certificate]),
    ["\n[authority main]\npublic-key = ", Public, "\nnames = *@", Ip, "\n"].

show_certificate(#{conf := Conf}, Sections) ->
    {ok, Text} = file:read_file(Conf),
    ok = file:write_file(Conf, [string:replace(Text, "[host]\n",
                                               ["[host]\ncertificate = my.cert\n"]), Sections]).

%% The same at a door, that has its certificate's file but not the key in it. Where it cannot
%% read the file it does without.
door_certificate() ->
    {Env, Step} = stepped(),
    {#{dir := Dir} = HostA, Asks} = asked_host(Env),
    Sections = certify(HostA, "a"),
    expires(HostA, -3600),
    Step(-?DAY),
    Door = door:start(HostA, #{env => Env, args => ["--unconfined"]}),
    ?assertEqual({0, false}, Asks()),
    show_certificate(HostA, Sections),
    {ok, _} = door:command(Door, 6),
    ?assertEqual({1, true}, Asks()),
    ok = file:delete(filename:join(Dir, "my.cert")),
    {ok, _} = door:command(Door, 6),
    ?assertEqual({0, false}, Asks()),
    0 = door:stop(Door).

%% Those who ask are told by a few lines only: none of theirs keeps this one out.
door_back() ->
    {Env, Step} = stepped(),
    {HostA, Asks} = asked_host(Env),
    expires(HostA, 5),
    Door = door:start(HostA, #{env => Env, args => ["--unconfined"]}),
    mesh:wait_until(fun() -> Asks() =:= {1, true} end),
    Step(-?DAY),
    mesh:wait_until(fun() -> door:events(Door, "clock_set") =/= [] end),
    ?assertEqual({1, true}, Asks()),
    0 = door:stop(Door).

%% A host with a door, whose last line is of one that may ask it; what that one gets, and
%% whether it hears that its line has expired.
asked_host(Env) ->
    #{dir := Dir} = HostA = door:host("127.0.0.1", #{conf => "door-identity = door.key\n"}),
    #{conf := Conf} = HostB = mesh:host("127.0.0.2", #{mesh => HostA}),
    Key = filename:join(Dir, "door.key"),
    {0, _} = mesh:tacit(["keygen", Key]),
    {0, Public} = mesh:tacit(["pubkey", Key]),
    mesh:trust(HostB, HostA),
    mesh:append(HostB, ["door-key = ", Public, "\n"]),
    mesh:trust(HostA, HostB),
    mesh:append(HostA, "directory = yes\n"),
    {HostA, fun() ->
                    {Status, Said} = mesh:tacit(["names", "--conf", Conf, "127.0.0.1"], Env),
                    {Status, string:find(Said, "has expired") =/= nomatch}
            end}.

%% c's line expired an hour ago. b has a certificate that was signed just now.
never_before_signed() ->
    {Env, Step} = stepped(),
    HostA = mesh:host("127.0.0.1"),
    HostB = mesh:host("127.0.0.2", #{mesh => HostA}),
    HostC = mesh:host("127.0.0.3", #{mesh => HostA}),
    [mesh:trust(Host, HostA) || Host <- [HostB, HostC]],
    #{ip := Ip, port := Port} = HostB,
    Sections = certify(HostB, "b"),
    show_certificate(HostB, ""),
    mesh:append(HostA, [Sections, io_lib:format("\n[peer *@~s]\nendpoint = ~s:~b\n",
                                                [Ip, Ip, Port])]),
    mesh:trust(HostA, HostC),
    expires(HostA, -3600),
    [A, B, C] = Nodes = [mesh:start(Name, Host, #{env => Env, args => ?QUIET})
                         || {Name, Host} <- [{"a", HostA}, {"b", HostB}, {"c", HostC}]],
    K = cnode:start("k", HostA, #{exec => preloaded(Env)}),
    %% Both look at the clock when it was set, and again when 20 minutes are over.
    Set = fun(Seconds, Slept, Said) ->
                  Step({Seconds, Slept}),
                  mesh:logged(A, ["this host's clock was set", Said]),
                  met(C, A, K),
                  [begin Step({Seconds, Slept + More}), met(C, A, K) end || More <- [2000, 4000]]
          end,
    ?assertEqual({false, false}, met(C, A, K)),
    Set(-?DAY, 0, " s back"),
    ?assertEqual({true, true}, met(C, A, K)),
    Set(0, 4000, " s ahead"),
    ?assertEqual({true, true}, met(B, A, K)),
    ?assertEqual({false, false}, met(C, A, K)),
    Set(-?DAY, 8000, " s back"),
    ?assertEqual({false, false}, met(C, A, K)),
    cnode:stop(K),
    lists:foreach(fun mesh:stop/1, Nodes).

%% Whether Node lets Peer in, and whether the C node lets it be dialled.
met(Peer, Node, C) ->
    Linked = connect(Peer, Node),
    Linked andalso mesh:part(Node, Peer),
    Dialled = case cnode:connect(C, Peer) of
                  "failed " ++ _ -> false;
                  Fd -> cnode:close(C, Fd), cnode:part(Peer, C), true
              end,
    {Linked, Dialled}.

%% Nobody listens there.
name(N) ->
    list_to_atom("x" ++ integer_to_list(N) ++ "@127.0.0.9").
