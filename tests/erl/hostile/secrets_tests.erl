%% Where a real node keeps its secrets, and for how long: its whole memory is searched, as
%% somebody would who steals it, and the dump that it leaves when it crashes. The other end
%% is the foreign peer, which knows the record keys of the link.
-module(secrets_tests).

-include_lib("eunit/include/eunit.hrl").

-define(NODE, 'f@127.0.0.9').
-define(NAME, "f@127.0.0.9").
-define(COOKIE, "tacittest").
-define(CHUNK, 4 * 1024 * 1024).
-define(DEADLINE, 60000).

secrets_test_() ->
    {setup, fun start/0, fun(#{node := Node}) -> mesh:stop(Node) end,
     fun(World) -> [{Title, {timeout, 300, fun() -> Test(World) end}} ||
                       {Title, Test} <- tests()] end}.

door_test_() ->
    {"secure-epmd keeps mesh key and door-identity as they are, in no other form, and only where "
     "no dump goes", {timeout, 300, fun door/0}}.

tests() ->
    [{"private key, mesh key and pair key are in memory as they are, in no other form, and only "
      "where no dump goes", fun stored/1},
     {"so they are while strangers wait, and peers half-way through a handshake",
      fun handshakes/1},
     {"so are the keys of a link; those before a rekey are nowhere any more, and none once it "
      "ended", fun of_a_link/1},
     {"erl_crash.dump of a node under traffic, and its log, hold no key in any form", fun crash/1}].

start() ->
    Identity = foreign:identity(),
    #{dir := Dir} = Host = mesh:host("127.0.0.1"),
    Pair = filename:join(Dir, "pair.key"),
    {0, _} = mesh:tacit(["psk", Pair]),
    mesh:append(Host, foreign:peer_section(?NAME, Identity, "pair-key = pair.key")),
    Dump = filename:join(mesh:dir(), "erl_crash.dump"),
    Node = mesh:start("a", Host, #{env => [{"ERL_CRASH_DUMP", Dump}]}),
    Secrets = [{Name, key(filename:join(Dir, File))} || {Name, File} <-
                  [{identity, "identity.key"}, {mesh, "mesh.key"}, {pair, "pair.key"}]],
    #{node => Node, secrets => Secrets, dump => Dump,
      address => {{127, 0, 0, 1}, maps:get(port, Host)},
      options => #{mesh_key => foreign:mesh_key(Host), identity => Identity, name => ?NAME,
                   wanted => "a@127.0.0.1", pair_key => proplists:get_value(pair, Secrets)}}.

key(File) ->
    foreign:key_file(File).

%% --- a link, and what is said over it ------------------------------------------------------

linked(#{node := Node, address := Address, options := Options}) ->
    {ok, Channel} = foreign:connect(Address, Options),
    {ok, Up} = foreign:dial_node(?NAME, ?COOKIE, Channel),
    mesh:wait_until(fun() -> lists:member(?NODE, mesh:call(Node, erlang, nodes, [hidden])) orelse
                                 lists:member(?NODE, mesh:call(Node, erlang, nodes, []))
                    end, ?DEADLINE),
    Up.

ended(#{node := Node}, Channel) ->
    foreign:stop(foreign:send_record(close, [1], Channel)),
    mesh:wait_until(fun() -> [] =:= mesh:call(Node, tacit_drv, links, []) end, ?DEADLINE).

%% Something each way; the node's answer is one record of its keys.
talk(#{node := Node}, Channel) ->
    Sent = foreign:send_to(?NAME, nobody, {hello, lists:seq(1, 1000)}, Channel),
    mesh:call(Node, erlang, send, [{somebody, ?NODE}, <<"how do you do">>]),
    hear(<<"how do you do">>, Sent).

hear(Bytes, Channel) ->
    {ok, Message, Channel2} = foreign:recv_message(Channel),
    case binary:match(Message, Bytes) of
        nomatch -> hear(Bytes, Channel2);
        _ -> Channel2
    end.

keys(Generation, #{send := {Send, _}, recv := {Recv, _}, root := Root}) ->
    [{{Generation, Name}, Key} || {Name, Key} <- [{send, Send}, {recv, Recv}, {root, Root}]].

%% --- what is looked for --------------------------------------------------------------------

%% Its first and last byte may be clamped where X25519 works on it, so these are left out. A
%% longer one is looked for by its first bytes.
forms({Name, Key}) ->
    <<_, Middle:30/binary, _/binary>> = Key,
    Hex = binary:encode_hex(Middle),
    <<Base64:40/binary, _/binary>> = base64:encode(Key), % of its first 30 bytes
    [{Middle, {Name, raw}}, {Hex, {Name, hex}}, {string:lowercase(Hex), {Name, hex}},
     {Base64, {Name, base64}}].

search(Bytes, Forms) ->
    Found = binary:matches(Bytes, maps:keys(Forms)),
    [maps:get(binary:part(Bytes, At), Forms) || At <- Found].

%% All that is found in the memory of a process: {Name, Form, Where}, Where
%% being dumped or kept (out of core files).
memory(#{os_pid := Pid}, Secrets) ->
    os:getenv("TACIT_NODE_PRELOAD", "") =:= "" % tests/asan: it has terabytes of its own
        orelse throw({skip, "a sanitizer's memory is not searched"}),
    Forms = maps:from_list(lists:flatmap(fun forms/1, Secrets)),
    {ok, Smaps} = file:read_file("/proc/" ++ Pid ++ "/smaps"),
    case file:open("/proc/" ++ Pid ++ "/mem", [read, raw, binary]) of
        {ok, Mem} ->
            Found = [{Name, Form, Where} ||
                        {From, To, Where} <- regions(binary_to_list(Smaps)),
                        {Name, Form} <- in_region(Mem, From, To, Forms)],
            ok = file:close(Mem),
            lists:usort(Found);
        {error, Why} -> throw({skip, io_lib:format("another's memory is not shown: ~p", [Why])})
    end.

in_region(_, From, To, _) when From >= To -> [];
in_region(Mem, From, To, Forms) ->
    case file:pread(Mem, From, min(?CHUNK, To - From)) of
        {ok, Bytes} -> search(Bytes, Forms) ++ in_region(Mem, From + ?CHUNK - 128, To, Forms);
        _ -> [] % it went, or a guard page
    end.

%% The regions that can be read and are in use: from, to, and whether dumps take them.
regions(Smaps) ->
    Head = "^([0-9a-f]+)-([0-9a-f]+) r[^\n]*\n",
    {match, All} = re:run(Smaps, Head ++ "(?:[^\n]*\n)*?Rss: +([0-9]+) kB\n(?:[^\n]*\n)*?"
                                         "VmFlags: ([^\n]*)\n",
                          [global, multiline, {capture, all_but_first, list}]),
    [{list_to_integer(From, 16), list_to_integer(To, 16),
      case lists:member("dd", string:lexemes(Flags, " ")) of true -> kept; false -> dumped end}
     || [From, To, Rss, Flags] <- All, Rss =/= "0"].

only_raw_and_kept(Names) -> lists:sort([{Name, raw, kept} || Name <- Names]).

%% --- what holds ----------------------------------------------------------------------------

stored(#{node := Node, secrets := Secrets} = World) ->
    Up = talk(World, linked(World)),
    ?assertEqual(only_raw_and_kept([identity, mesh, pair]), memory(Node, Secrets)),
    ended(World, Up).

handshakes(#{node := Node, secrets := Secrets, address := {Ip, Port}, options := Options}) ->
    [Stranger, Peer] = [begin {ok, S} = gen_tcp:connect(Ip, Port, [binary, {active, false}]), S end
                        || _ <- [stranger, peer]],
    {First, HS} = foreign:first(Options),
    ok = gen_tcp:send(Peer, First),
    {ok, <<Length:16>>} = gen_tcp:recv(Peer, 2, ?DEADLINE),
    {ok, Second} = gen_tcp:recv(Peer, Length, ?DEADLINE), % now it waits for the third
    {ok, _, HS2} = tacit_noise:read(HS, Second),
    Chaining = {chaining_key, tacit_noise:ck(HS2)},
    ?assertEqual(only_raw_and_kept([chaining_key, identity, mesh, pair]),
                 memory(Node, [Chaining | Secrets])),
    [gen_tcp:close(S) || S <- [Stranger, Peer]],
    mesh:wait_until(fun() -> [] =:= memory(Node, [Chaining]) end, ?DEADLINE).

of_a_link(#{node := Node} = World) ->
    Up = talk(World, linked(World)),
    First = keys(0, Up),
    ?assertEqual(only_raw_and_kept([Name || {Name, _} <- First]), memory(Node, First)),
    Fresh = talk(World, talk(World, foreign:offer_keys(Up))),
    ?assertEqual(1, foreign:generation(Fresh)),
    Second = keys(1, Fresh),
    ?assertEqual(only_raw_and_kept([Name || {Name, _} <- Second]), memory(Node, First ++ Second)),
    ended(World, Fresh),
    ?assertEqual([], memory(Node, First ++ Second)).

crash(#{node := Node, secrets := Secrets, dump := Dump} = World) ->
    Up = talk(World, linked(World)),
    mesh:call(Node, erlang, spawn, [lists, foreach,
                                    [fun(_) -> erlang:send({somebody, ?NODE}, <<0:8000>>) end,
                                     lists:seq(1, 1000000)]]),
    Traffic = lists:foldl(fun(_, C) -> talk(World, C) end, Up, lists:seq(1, 3)),
    try mesh:call(Node, erlang, halt, ["it crashes"]) catch _:_ -> it_is_gone end,
    mesh:wait_until(fun() -> not mesh:runs(Node) end, ?DEADLINE),
    foreign:stop(Traffic),
    {ok, Text} = file:read_file(Dump),
    ?assertMatch({match, _}, re:run(Text, "\n=port:#Port.*\n(?:.*\n)*?=end$", [multiline])),
    {ok, Log} = file:read_file(maps:get(log, Node)),
    Forms = maps:from_list(lists:flatmap(fun forms/1, Secrets ++ keys(0, Traffic))),
    ?assertEqual({[], []}, {search(Text, Forms), search(Log, Forms)}).

door() ->
    #{dir := Dir} = Host = door:host("127.0.0.1", #{conf => "door-identity = door.key\n"}),
    {0, _} = mesh:tacit(["keygen", filename:join(Dir, "door.key")]),
    Door = door:start(Host),
    Secrets = [{Name, key(filename:join(Dir, File))} || {Name, File} <-
                  [{door, "door.key"}, {mesh, "mesh.key"}, {identity, "identity.key"}]],
    {ok, _} = door:command(Door, 6), % what was loaded before is gone
    ?assertEqual(only_raw_and_kept([door, mesh]), memory(Door, Secrets)),
    0 = door:stop(Door).
