%% C nodes over Tacit: erl_interface and libtacit_ei against real nodes.
-module(ei_tests).

-include_lib("eunit/include/eunit.hrl").

-define(DEADLINE, 60000).

%% A node and a C node's host, for all; each promise has a C node of its own.
ei_test_() ->
    {setup, fun start/0, fun stop/1,
     fun(World) ->
             [{Title, {timeout, 180, fun() -> with_cnode(World, Name, Test) end}}
              || {Name, Title, Test} <- tests()]
     end}.

tests() ->
    [{"c1", "a C node calls functions of a node, and is a hidden node there", fun rpc/2},
     {"c2", "it sends to registered processes and receives, messages of 100 MB too, unharmed",
      fun bulk/2},
     {"c3", "ticks are answered: a link on which nothing is said stays up", fun ticks/2},
     {"c4", "a time-out in the middle of a message is kept, and the message is not lost",
      fun slow/2},
     {"c5", "a link gets fresh keys under way, offered by either side", fun rekey/2},
     {"c6", "several threads have a link each", fun threads/2},
     {"c7", "a node that ends, ends the link: the messages before are received", fun cut/2},
     {"c8", "refused by the other side's rules: the reason is told", fun refused_there/2},
     {"c9", "who is on no [peer] line here, or shows another key, is not dialled to the end",
      fun refused_here/2},
     {"c10", "another cookie, a name that is taken, a port that is closed: each is told apart",
      fun no_link/2},
     {"c11", "a name or a configuration that is none is told with the fault", fun no_start/2}].

%% The nodes a@127.0.0.1, and q@127.0.0.3, whose ticks come
%% every two seconds; b is the host of the C nodes. Both
%% sides of a link with a offer fresh keys often.
start() ->
    A = mesh:host("127.0.0.1"),
    [B, Q] = [mesh:host(Ip, #{mesh => A}) || Ip <- ["127.0.0.2", "127.0.0.3"]],
    [ok = mesh:trust(Host, B) || Host <- [A, Q]],
    [ok = mesh:trust(B, Host) || Host <- [A, Q]],
    in_mesh(A, "rekey-bytes = 8M\n"),
    in_mesh(B, "rekey-bytes = 4M\n"),
    #{a => A, b => B, q => Q, node => mesh:start("a", A),
      quick => mesh:start("q", Q, #{args => ["-kernel", "net_ticktime", "8"]})}.

stop(#{node := Node, quick := Quick}) ->
    mesh:stop(Node),
    mesh:stop(Quick).

%% Lines for the host's [mesh] section, at its start.
in_mesh(#{conf := Conf}, Lines) ->
    {ok, Text} = file:read_file(Conf),
    [Before, After] = string:split(Text, "[mesh]\n"),
    ok = file:write_file(Conf, [Before, "[mesh]\n", Lines, After]).

%% It is of the second host.
with_cnode(#{b := B} = World, Name, Test) ->
    C = cnode:start(Name, B),
    try
        Test(World, C)
    after
        cnode:stop(C)
    end.

%% A process of that name on the node, which does Fun with each message.
server(#{node := Node}, Name, Fun) ->
    mesh:on(Node, fun() ->
                          Pid = spawn(fun() -> serve(Fun) end),
                          true = register(Name, Pid)
                  end).

serve(Fun) ->
    receive Message -> Fun(Message) end,
    serve(Fun).

%% --- the promises --------------------------------------------------------------------------

rpc(#{node := Node}, #{name := Name} = C) ->
    Fd = cnode:connect(C, Node),
    ?assertEqual("reply 42", cnode:call(C, [rpc, Fd, erlang, "+", "[40, 2]"])),
    ?assertEqual("reply [{a, b}, \"xyz\"]",
                 cnode:call(C, [rpc, Fd, lists, reverse, "[[\"xyz\", {a, b}]]"])),
    ?assertEqual([Name], mesh:call(Node, erlang, nodes, [hidden])),
    ?assertEqual([], mesh:call(Node, erlang, nodes, [])),
    {ok, Info} = mesh:call(Node, tacit, info, [Name]),
    ?assertMatch(#{direction := in, state := up}, Info),
    cnode:close(C, Fd),
    mesh:wait_until(fun() -> mesh:call(Node, erlang, nodes, [hidden]) =:= [] end).

bulk(#{node := Node} = World, C) ->
    server(World, ei_echo, fun({From, What}) -> From ! What end),
    Fd = cnode:connect(C, Node),
    ?assertEqual("sent", cnode:call(C, [send, Fd, ei_echo, "{hello, 1.5}"])),
    ?assertEqual("message {hello, 1.500000}", cnode:call(C, ["receive", Fd, ?DEADLINE])),
    [echo(C, Fd, Size) || Size <- [0, 1, 1000, 65472, 65503, 65504, 131006, 10_000_000,
                                   100_000_000]],
    cnode:close(C, Fd).

echo(C, Fd, Size) ->
    "binary " ++ _ = Sent = cnode:call(C, [bulk, Fd, ei_echo, Size, ?DEADLINE]),
    ?assertEqual(Sent, cnode:call(C, [sink, Fd, ?DEADLINE])).

%% Without an answer within 10 s the node would take the link for dead.
ticks(#{quick := Quick}, #{name := Name} = C) ->
    Fd = cnode:connect(C, Quick),
    ?assertMatch("failed timeout" ++ _, cnode:call(C, ["receive", Fd, 16000])),
    ?assertEqual([Name], mesh:call(Quick, erlang, nodes, [hidden])),
    ?assertEqual("reply true", cnode:call(C, [rpc, Fd, erlang, is_atom, "[a]"])),
    cnode:close(C, Fd).

slow(#{node := Node} = World, C) ->
    server(World, ei_slow, fun({From, go}) -> From ! big(100_000_000) end),
    Fd = cnode:connect(C, Node),
    "sent" = cnode:call(C, [send, Fd, ei_slow, "go"]),
    %% Some of it is on its way, the rest stays where it is.
    mesh:wait_until(fun() -> sent(Node, C) > 100_000 end),
    mesh:freeze(Node),
    ?assertMatch("failed timeout" ++ _, cnode:call(C, [sink, Fd, 500])),
    ?assertMatch("failed timeout" ++ _, cnode:call(C, [sink, Fd, 100])),
    mesh:thaw(Node),
    ?assertMatch("binary 100000000 " ++ _, cnode:call(C, [sink, Fd, ?DEADLINE])),
    %% What was not sent to its end within its time has ended the link, and it says so.
    mesh:freeze(Node),
    ?assertMatch("failed timeout" ++ _, cnode:call(C, [bulk, Fd, ei_slow, 100_000_000, 500])),
    mesh:thaw(Node),
    %% Later calls do not say that time is up: it would be no use to try again.
    [assert_says("^failed eio .*time was up in the middle of a message", cnode:call(C, Command))
     || Command <- [[bulk, Fd, ei_slow, 10, ?DEADLINE], ["receive", Fd, ?DEADLINE]]],
    cnode:close(C, Fd).

big(Size) -> binary:copy(<<"x">>, Size).

sent(Node, #{name := Name}) ->
    {ok, #{sent_bytes := Bytes}} = mesh:call(Node, tacit, info, [Name]),
    Bytes.

rekey(#{node := Node} = World, #{name := Name} = C) ->
    server(World, ei_keys, fun({From, What}) -> From ! What end),
    Fd = cnode:connect(C, Node),
    [echo_to(ei_keys, C, Fd, 9_000_000) || _ <- lists:seq(1, 5)],
    {ok, #{rekeys := Rekeys}} = mesh:call(Node, tacit, info, [Name]),
    ?assert(Rekeys >= 4, Rekeys),
    ?assertEqual("reply 1", cnode:call(C, [rpc, Fd, erlang, abs, "[1]"])),
    cnode:close(C, Fd).

echo_to(To, C, Fd, Size) ->
    "binary " ++ _ = Sent = cnode:call(C, [bulk, Fd, To, Size, ?DEADLINE]),
    ?assertEqual(Sent, cnode:call(C, [sink, Fd, ?DEADLINE])).

threads(#{node := Node, quick := Quick}, C) ->
    Nodes = lists:join(",", [atom_to_list(Name) || #{name := Name} <- [Node, Quick]]),
    ?assertEqual("well 2000", cnode:call(C, [threads, Nodes, 5, 200])).

cut(#{quick := Quick} = World, #{name := Name} = C) ->
    server(World#{node := Quick}, ei_last,
           fun({From, Count}) ->
                   [From ! {last, N} || N <- lists:seq(1, Count)],
                   true = erlang:disconnect_node(Name)
           end),
    Fd = cnode:connect(C, Quick),
    "sent" = cnode:call(C, [send, Fd, ei_last, "3"]),
    ?assertEqual(["message {last, " ++ integer_to_list(N) ++ "}" || N <- [1, 2, 3]],
                 [cnode:call(C, ["receive", Fd, ?DEADLINE]) || _ <- [1, 2, 3]]),
    "failed eio" ++ Why = cnode:call(C, ["receive", Fd, ?DEADLINE]),
    ?assertMatch({_, _}, binary:match(list_to_binary(Why), <<"the peer closed: done">>)),
    "failed " ++ _ = cnode:call(C, [bulk, Fd, ei_last, 1000, ?DEADLINE]),
    cnode:close(C, Fd).

%% --- no link -------------------------------------------------------------------------------

assert_says(Pattern, Line) ->
    ?assertMatch({match, _}, re:run(Line, Pattern), Line).

refused_there(#{a := A, node := #{name := Node}}, _) ->
    Stranger = mesh:host("127.0.0.4", #{mesh => A}),
    ok = mesh:trust(Stranger, A),
    C = cnode:start("s", Stranger),
    assert_says("^failed eio .*a@127.0.0.1: the peer closed: refused: no \\[peer\\] line allows it",
                cnode:connect(C, Node, ?DEADLINE)),
    cnode:stop(C),
    %% With another mesh key it is a stranger, and hears nothing.
    Foreign = mesh:host("127.0.0.5"),
    ok = mesh:trust(Foreign, A),
    F = cnode:start("f", Foreign),
    assert_says("^failed .*no answer: another mesh key", cnode:connect(F, Node, 6000)),
    cnode:stop(F).

refused_here(#{a := A, b := B, node := #{name := Node}}, _) ->
    NoLine = mesh:host("127.0.0.2", #{mesh => A}),
    ok = mesh:append(NoLine, io_lib:format("[peer x@127.0.0.1]~npublic-key = ~s~n",
                                           [maps:get(public_key, A)])),
    C = cnode:start("n", NoLine),
    %% The host is known by its address alone, and that is not where it listens.
    assert_says("^failed econnrefused ", cnode:connect(C, Node, ?DEADLINE)),
    cnode:stop(C),
    OtherKey = mesh:host("127.0.0.2", #{mesh => A}),
    ok = mesh:trust(OtherKey, A#{public_key := maps:get(public_key, B)}),
    K = cnode:start("k", OtherKey),
    assert_says("^failed refused .*no \\[peer\\] line of ours allows the key that it showed",
                cnode:connect(K, Node, ?DEADLINE)),
    cnode:stop(K).

no_link(#{b := B, node := #{name := Node} = Ref}, #{name := Name} = C) ->
    Wrong = cnode:start("w", B, #{cookie => "another"}),
    assert_says("^failed eio .*another cookie\\?$", cnode:connect(Wrong, Node, ?DEADLINE)),
    cnode:stop(Wrong),
    Fd = cnode:connect(C, Ref),
    Twin = cnode:start("", B, #{node => atom_to_list(Name)}),
    assert_says("^failed .*answers 'alive': it has a link with a node of this name",
                cnode:connect(Twin, Node, ?DEADLINE)),
    cnode:stop(Twin),
    cnode:close(C, Fd),
    assert_says("^failed econnrefused .*127.0.0.9:4370: Connection refused",
                cnode:connect(C, 'x@127.0.0.9', ?DEADLINE)),
    assert_says("^failed .* expected a node name such as", cnode:connect(C, 'nobody', ?DEADLINE)),
    assert_says("^failed .*", cnode:connect(C, 'a@no.such.host.invalid', 1000)).

no_start(#{b := #{conf := Conf}}, _) ->
    assert_says("expected a node name such as job@db1.example.net",
                cnode:fails("nobody@h*st", Conf)),
    assert_says("No such file or directory", cnode:fails("n@127.0.0.2", Conf ++ ".none")).
