%% The mesh's key is replaced while the mesh runs, by `tacit mesh-key' on each host: add the
%% new one everywhere, use it everywhere, remove the old one everywhere. No link is lost, and
%% no step is done before it is safe.
-module(keyring_tests).

-include_lib("eunit/include/eunit.hrl").

-define(A, 'a@127.0.0.1').
-define(B, 'b@127.0.0.2').

keyring_test_() ->
    [{Title, {timeout, 180, Test}} || {Title, Test} <- tests()].

tests() ->
    [{"the key of five nodes is replaced under traffic: no link and no message is lost, and "
      "only the new key opens", fun rotation/0},
     {"a key is not used before each peer has shown it, nor removed while one seals with it; "
      "--force does both", fun too_early/0},
     {"the key in use, one that is there twice, a fifth, an unknown one: refused, and the file "
      "stays", fun refused/0},
     {"which keys a peer can open is for it alone to say: what others say of it is dropped",
      fun bad_news/0}].

%% --- help --------------------------------------------------------------------------------------

mesh_key(#{host := #{conf := Conf}}, Args) ->
    {Status, Text} = mesh:tacit(["mesh-key" | Args] ++ ["--conf", Conf]),
    {Status, string:lexemes(lists:flatten(Text), "\n")}.

keyring(#{host := #{dir := Dir}}) ->
    {ok, Bytes} = file:read_file(filename:join(Dir, "mesh.key")),
    Bytes.

new_key() ->
    File = filename:join(mesh:dir(), "new.key"),
    {0, _} = mesh:tacit(["psk", File]),
    File.

add(Nodes, File) ->
    [Mark] = lists:usort([begin
                              {0, [Mark | _]} = mesh_key(Node, ["add", "--key", File]),
                              Mark
                          end || Node <- Nodes]),
    Mark.

%% Everybody's links show this of everybody's keys.
all_show(Nodes, Marks) ->
    Shown = [list_to_binary(Mark) || Mark <- Marks],
    [mesh:wait_until(
       fun() ->
               {ok, #{links := Links}} = mesh:call(Node, tacit, info, []),
               length(Links) >= length(Nodes) - 1 andalso
                   lists:all(fun(#{peer_mesh_keys := Keys}) -> Keys =:= Shown end, Links)
       end) || Node <- Nodes].

own_marks(Node) ->
    {ok, #{mesh_keys := Marks}} = mesh:call(Node, tacit, info, []),
    [binary_to_list(Mark) || Mark <- Marks].

five() ->
    A = mesh:host("127.0.0.1"),
    Hosts = [A | [mesh:host("127.0.0." ++ [I], #{mesh => A}) || I <- "2345"]],
    [mesh:trust(X, Y) || X <- Hosts, Y <- Hosts, X =/= Y],
    [mesh:start([Letter], Host) || {Letter, Host} <- lists:zip("abcde", Hosts)].

%% --- rotation ----------------------------------------------------------------------------------

rotation() ->
    Nodes = [A | Others] = five(),
    Names = [maps:get(name, Node) || Node <- Nodes],
    [?assertEqual(pong, mesh:call(Node, net_adm, ping, [Name])) || Node <- Nodes, Name <- Names],
    [mesh:wait_until(fun() -> length(mesh:call(N, erlang, nodes, [])) =:= 4 end) || N <- Nodes],
    Handshakes = [mesh:handshakes(Node) || Node <- Nodes],
    [Old] = own_marks(A),
    Streams = [stream(A, Other) || Other <- Others],
    New = add(Nodes, new_key()),
    all_show(Nodes, [Old, New]),
    [?assertMatch({0, _}, mesh_key(Node, ["use", New])) || Node <- Nodes],
    all_show(Nodes, [New, Old]),
    {0, [Head, First, Second]} = mesh_key(A, ["list"]),
    ?assertEqual(filename:join(maps:get(dir, maps:get(host, A)), "mesh.key") ++
                     ": 1 node, 4 links", Head),
    ?assertEqual([New ++ "  seals  made 0 of the links; peers that open it 4, seal with it 4",
                  Old ++ "  opens  made 4 of the links; peers that open it 4, seal with it 0"],
                 [First, Second]),
    [?assertMatch({0, _}, mesh_key(Node, ["remove", Old])) || Node <- Nodes],
    all_show(Nodes, [New]),
    [end_stream(A, Stream) || Stream <- Streams],
    ?assertEqual(Handshakes, [mesh:handshakes(Node) || Node <- Nodes]),
    only_the_new(A, hd(Others), Old),
    lists:foreach(fun mesh:stop/1, Nodes).

%% A link that is made again is made with the new key.
only_the_new(A, B, Old) ->
    true = mesh:call(A, erlang, disconnect_node, [?B]),
    mesh:wait_until(fun() -> mesh:call(A, net_adm, ping, [?B]) =:= pong end),
    %% B may still be about to notice that the one before has ended.
    mesh:wait_until(fun() ->
                            case mesh:call(B, tacit, info, [?A]) of
                                {ok, #{state := up, mesh_key := Used}} -> Used =/= list_to_binary(Old);
                                {ok, #{state := _}} -> false
                            end
                    end).

%% Numbered messages from a process on A to one on Other.
stream(A, Other) ->
    Sink = mesh:call(Other, erlang, spawn, [fun() -> sink(0) end]),
    {mesh:call(A, erlang, spawn, [fun() -> source(Sink, 1) end]), Sink, Other}.

%% A little at a time: five nodes share the machine.
source(Sink, N) ->
    Sink ! {n, N},
    receive
        {ask, Pid} -> Sink ! {last, N}, Pid ! {answer, N}
    after N rem 50 div 49 ->
            source(Sink, N + 1)
    end.

sink(N) ->
    receive
        {n, Next} when Next =:= N + 1 -> sink(Next);
        {n, Next} -> exit({lost, N, Next});
        {last, N} -> receive {ask, Pid} -> Pid ! {answer, N} end
    end.

end_stream(A, {Source, Sink, Other}) ->
    Sent = mesh:on(A, fun() -> ask(Source) end),
    ?assert(Sent > 1000),
    ?assertEqual(Sent, mesh:on(Other, fun() -> ask(Sink) end)).

ask(Pid) ->
    Monitor = monitor(process, Pid),
    Pid ! {ask, self()},
    receive
        {answer, N} -> N;
        {'DOWN', Monitor, process, Pid, Reason} -> {died, Reason}
    end.

%% --- what is refused ---------------------------------------------------------------------------

too_early() ->
    {A, B} = mesh:pair(),
    Key = new_key(),
    [Old] = own_marks(A),
    New = add([A], Key),
    %% No link is up: nobody knows what B has.
    ?assertMatch({1, ["tacit: [peer *@127.0.0.2]: no link is up" ++ _,
                      "tacit: nothing was changed" ++ _]}, mesh_key(A, ["use", New])),
    ?assertEqual(pong, mesh:call(A, net_adm, ping, [?B])),
    Missing = "tacit: b@127.0.0.2 has not shown that it has " ++ New,
    ?assertMatch({1, [Missing | _]}, mesh_key(A, ["use", New])),
    ?assertEqual([Old, New], own_marks(A)),
    New = add([B], Key),
    mesh:wait_until(fun() -> element(1, mesh_key(A, ["use", New])) =:= 0 end),
    Seals = "tacit: b@127.0.0.2 still seals with " ++ Old,
    ?assertMatch({1, [Seals | _]}, mesh_key(A, ["remove", Old])),
    ?assertMatch({0, _}, mesh_key(A, ["remove", "--force", Old])),
    ?assertEqual([New], own_marks(A)),
    ?assertMatch({0, _}, mesh_key(B, ["use", New])),
    {0, _} = mesh_key(B, ["use", "--force", Old]),
    ?assertEqual([Old, New], own_marks(B)),
    mesh:stop_pair({A, B}).

refused() ->
    Host = mesh:host("127.0.0.1"),
    Node = #{host => Host},
    Before = keyring(Node),
    File = filename:join(maps:get(dir, Host), "mesh.key"),
    {0, [_, Line]} = mesh_key(Node, ["list"]),
    [Mark | _] = string:lexemes(Line, " "),
    InUse = "tacit: " ++ Mark ++ " is the key in use, expected another: 'tacit mesh-key use' one "
        "first",
    [?assertEqual({1, [InUse]}, mesh_key(Node, ["remove" | Args])) ||
        Args <- [[Mark], ["--force", Mark], [string:slice(Mark, 0, 8)]]],
    [?assertMatch({1, [_]}, mesh_key(Node, Args)) ||
        Args <- [["use", "nosuch"], ["use", ""], ["remove", "nosuch"],
                 ["add", "--key", File], ["add", "--key", "/nowhere"]]],
    [?assertMatch({2, _}, mesh_key(Node, Args)) ||
        Args <- [[], ["frobnicate"], ["use"], ["list", "x"], ["list", "--force"],
                 ["use", "--key", "x", "y"]]],
    ?assertEqual(Before, keyring(Node)),
    [?assertMatch({0, _}, mesh_key(Node, ["add"])) || _ <- "234"],
    Four = keyring(Node),
    ?assertEqual(length("# tacit mesh key\n") + 4 * 45, byte_size(Four)),
    ?assertMatch({1, ["tacit: " ++ _]}, mesh_key(Node, ["add"])),
    ?assertEqual(Four, keyring(Node)),
    {ok, Info} = file:read_file_info(File),
    ?assertEqual(8#600, element(8, Info) band 8#777).

bad_news() ->
    {A, B} = mesh:pair(),
    ?assertEqual(pong, mesh:call(A, net_adm, ping, [?B])),
    Marks = own_marks(A),
    Gossip = mesh:call(B, erlang, whereis, [tacit_gossip]),
    Good = binary:copy(<<"A">>, 32),
    [mesh:call(A, erlang, send, [{tacit_gossip, ?B}, News]) ||
        News <- [{tacit_mesh_keys, ?A}, {tacit_mesh_keys, ?A, [Good]}, {tacit_mesh_keys, ?B},
                 {tacit_mesh_keys, "a"}, {tacit_mesh_keys, nobody@nowhere}]],
    ?assertEqual({ok, #{dropped => []}}, mesh:call(B, tacit, reload, [])),
    {ok, #{peer_mesh_keys := Shown}} = mesh:call(B, tacit, info, [?A]),
    ?assertEqual(Marks, [binary_to_list(Mark) || Mark <- Shown]),
    ?assertEqual(Gossip, mesh:call(B, erlang, whereis, [tacit_gossip])),
    mesh:stop_pair({A, B}).
