%% A C node that lives long reads its configuration again with tacit_ei_reload: real nodes at
%% the other ends of its links.
-module(ei_reload_tests).

-include_lib("eunit/include/eunit.hrl").

-define(DEADLINE, 60000).

ei_reload_test_() ->
    {setup, fun start/0, fun stop/1,
     fun(World) -> [{Title, {timeout, 180, fun() -> Test(World) end}} || {Title, Test} <- tests()]
     end}.

tests() ->
    [{"without its [peer] line a node's link is cut, it hears why, and neither calls the other "
      "again; other links notice nothing, and the line given back lets it in", fun line_gone/1},
     {"a file with a fault changes nothing: the error names file and line, links stay, and the "
      "rules are the old ones", fun fault/1},
     {"a node that is new on a [peer] line is let in, and called, by a C node that was running",
      fun new_peer/1},
     {"a link is cut under a thread that waits for a message, and under one that cannot get rid "
      "of its own", fun threads/1},
     {"tacit:revoke's file, a 'revoked' line, another pair key, a visibility, a suite that is "
      "ruled out: each cuts the link", fun causes/1},
     {"tacit:revoke's file is refused where it is not understood wholly: by tacit_ei_init, and by "
      "tacit_ei_reload; meanwhile what was read before holds", fun bad_revoked/1},
     {"a link goes on under the identity and the mesh key that it was made with, fresh keys "
      "included; the next has the new ones", fun new_identity/1},
     {"a signed policy's next serial revokes, and one that goes back is refused",
      fun signed_policy/1},
     {"many reloads while messages flow, in two threads at once, lose none", fun busy/1}].

start() ->
    A = mesh:host("127.0.0.1"),
    B = mesh:host("127.0.0.3", #{mesh => A}),
    Start = fun(Name, Host) ->
                    mesh:start(Name, Host, #{args => ["-kernel", "dist_auto_connect", "never"]})
            end,
    #{host => A, other => B, node => Start("a", A), neighbour => Start("b", B)}.

stop(#{node := Node, neighbour := Neighbour}) ->
    mesh:stop(Node),
    mesh:stop(Neighbour).

%% --- help ------------------------------------------------------------------------------------

%% A C node at an address of its own, which both nodes know and which knows both.
server(Ip, World) ->
    server(Ip, World, "").

server(Ip, #{host := A, other := B, node := Node, neighbour := Neighbour}, Conf) ->
    Host = mesh:host(Ip, #{mesh => A}),
    ok = mesh:append(Host, Conf),
    ok = mesh:trust(Host, B),
    ok = mesh:trust(Host, A),
    [begin
         ok = mesh:trust(H, Host),
         {ok, _} = mesh:call(N, tacit, reload, [])
     end || {H, N} <- [{A, Node}, {B, Neighbour}]],
    C = cnode:start("c", Host),
    "listening " ++ Fd = cnode:call(C, [listen]),
    {Host, C, Fd}.

contents(#{conf := Conf}) ->
    {ok, Bytes} = file:read_file(Conf),
    Bytes.

%% What Old has, with New in place of it: the text before.
replace(#{conf := Conf} = Host, Old, New) ->
    Before = contents(Host),
    After = iolist_to_binary(string:replace(Before, Old, New)),
    ?assertNotEqual(Before, After),
    ok = file:write_file(Conf, After),
    Before.

restore(#{conf := Conf}, Text) ->
    ok = file:write_file(Conf, Text).

%% The [peer] line of the node a.
peer(#{host := #{ip := Ip}}) ->
    "[peer *@" ++ Ip ++ "]".

reload(C) ->
    cnode:call(C, [reload]).

used(C, Fd) ->
    ?assertEqual("reply 3", cnode:call(C, [rpc, Fd, erlang, abs, "[-3]"])).

is_cut(C, Fd, Why) ->
    says("^failed eio .*" ++ Why, cnode:call(C, ["receive", Fd, ?DEADLINE])),
    says("^failed ", cnode:call(C, [send, Fd, nobody, "1"])),
    cnode:close(C, Fd).

%% The node lost its link with the C node, and says that it was told so.
node_lost(Node, #{name := Name}, Why) ->
    mesh:wait_until(fun() -> not lists:member(Name, mesh:call(Node, erlang, nodes, [connected])) end),
    {ok, #{text := Text}} = mesh:call(Node, tacit, info, [Name]),
    says(Why, Text).

says(Pattern, Line) ->
    ?assertMatch({match, _}, re:run(Line, Pattern), lists:flatten(Line)).

%% --- the promises ----------------------------------------------------------------------------

line_gone(#{node := Node, neighbour := Neighbour} = World) ->
    {Host, C, Fd} = server("127.0.0.11", World),
    Link = cnode:connect(C, Node),
    {"accepted " ++ Accepted, true} = cnode:called(C, Fd, Neighbour),
    Other = hd(string:lexemes(Accepted, " ")),
    Before = replace(Host, peer(World), "[peer *@127.0.0.99]"),
    used(C, Link), % until it is told
    ?assertEqual("reloaded 1", reload(C)),
    is_cut(C, Link, "the key is not good for the name a@127.0.0.1"),
    node_lost(Node, C, "the peer closed: name: the key is not good for the name"),
    %% Its host is known by its name alone now, and that is not where it listens.
    says("^failed econnrefused ", cnode:connect(C, Node)),
    ok = cnode:called_in_vain(C, Fd, Node),
    used(C, Other),
    ?assertEqual("reloaded 0", reload(C)),
    restore(Host, Before),
    ?assertEqual("reloaded 0", reload(C)),
    Again = cnode:connect(C, Node),
    [used(C, L) || L <- [Again, Other]],
    cnode:stop(C).

fault(#{node := Node} = World) ->
    {#{conf := Conf} = Host, C, _} = server("127.0.0.12", World),
    Link = cnode:connect(C, Node),
    Before = replace(Host, peer(World), "[peer *@127.0.0.99]\ncolour = red"),
    says("^failed .*" ++ Conf ++ ":[0-9]+: unknown key 'colour' in \\[peer NAME\\]", reload(C)),
    used(C, Link),
    ok = file:delete(Conf),
    says("^failed .*" ++ Conf ++ ": No such file", reload(C)),
    restore(Host, [Before, "[test]\ndeny = a@127.0.0.1\n"]),
    says("^failed .*" ++ Conf ++ ":[0-9]+: ", reload(C)),
    used(C, Link),
    cnode:close(C, Link),
    cnode:part(Node, C),
    Next = cnode:connect(C, Node),
    used(C, Next),
    cnode:stop(C),
    %% Nor does it start with one whose own test fails.
    says(Conf ++ ":[0-9]+: ", cnode:fails("c@127.0.0.12", Conf)).

new_peer(#{node := Node} = World) ->
    {Host, C, Fd} = server("127.0.0.13", World),
    Before = replace(Host, peer(World), "[peer *@127.0.0.99]"),
    ?assertEqual("reloaded 0", reload(C)),
    ok = cnode:called_in_vain(C, Fd, Node),
    restore(Host, Before),
    ok = cnode:called_in_vain(C, Fd, Node), % until it is told
    ?assertEqual("reloaded 0", reload(C)),
    {"accepted " ++ Accepted, true} = cnode:called(C, Fd, Node),
    In = hd(string:lexemes(Accepted, " ")),
    used(C, In),
    cnode:close(C, In),
    cnode:part(Node, C),
    used(C, cnode:connect(C, Node)),
    cnode:stop(C).

threads(#{node := Node} = World) ->
    {Host, C, _} = server("127.0.0.14", World),
    Link = cnode:connect(C, Node),
    "started " ++ Waits = cnode:call(C, ["&receive", Link, ?DEADLINE]),
    Before = replace(Host, peer(World), "[peer *@127.0.0.99]"),
    ?assertEqual("reloaded 1", reload(C)),
    says("^failed eio .*the key is not good for the name a@127.0.0.1", cnode:call(C, [await, Waits])),
    cnode:close(C, Link),
    cnode:part(Node, C),
    %% A node that reads nothing: the C node cannot get rid of its message.
    restore(Host, Before),
    ?assertEqual("reloaded 0", reload(C)),
    Stuck = cnode:connect(C, Node),
    ok = mesh:freeze(Node),
    try
        "started " ++ Sends = cnode:call(C, ["&bulk", Stuck, nobody, 30_000_000, 0]),
        _ = replace(Host, peer(World), "[peer *@127.0.0.99]"),
        ?assertEqual("reloaded 1", reload(C)),
        says("^failed ", cnode:call(C, [await, Sends])),
        cnode:close(C, Stuck)
    after
        ok = mesh:thaw(Node)
    end,
    cnode:stop(C).

%% Each with what it takes, and what is said.
causes(#{node := Node} = World) ->
    {#{dir := Dir} = Host, C, _} = server("127.0.0.15", World),
    {ok, #{fingerprint := Fingerprint}} = mesh:call(Node, tacit, info, []),
    {0, _} = mesh:tacit(["psk", filename:join(Dir, "pair.key")]),
    Peer = peer(World),
    Revoked = filename:join(Dir, "revoked"),
    {ok, #{suite := Suite}} = begin
                                  L = cnode:connect(C, Node),
                                  Info = mesh:call(Node, tacit, info, [maps:get(name, C)]),
                                  cnode:close(C, L),
                                  cnode:part(Node, C),
                                  Info
                              end,
    Others = lists:join(", ", [S || S <- ["aegis-256", "aes-256-gcm", "chacha20-poly1305"],
                                    S =/= atom_to_list(Suite)]),
    [begin
         Before = contents(Host),
         Link = cnode:connect(C, Node),
         used(C, Link),
         Change(),
         ?assertEqual("reloaded 1", reload(C)),
         is_cut(C, Link, Why),
         node_lost(Node, C, "the peer closed: .*" ++ Why),
         restore(Host, Before),
         _ = file:delete(Revoked),
         ?assertEqual("reloaded 0", reload(C))
     end || {Change, Why} <-
                [{fun() -> ok = file:write_file(Revoked, [Fingerprint, "\n"]) end,
                  "the key is revoked"},
                 {fun() -> ok = mesh:in_mesh(Host, ["revoked = ", Fingerprint, "\n"]) end,
                  "the key is revoked"},
                 {fun() -> replace(Host, Peer, [Peer, "\npair-key = pair.key"]) end,
                  "the pair key has changed"},
                 {fun() -> replace(Host, Peer, [Peer, "\nvisibility = hidden"]) end,
                  "the rule for it wants a hidden node, it is visible"},
                 {fun() -> ok = mesh:in_mesh(Host, ["suites = ", Others, "\n"]) end,
                  "suites no longer has the link's"}]],
    cnode:stop(C).

bad_revoked(#{node := Node} = World) ->
    {#{dir := Dir, conf := Conf}, C, Fd} = server("127.0.0.29", World),
    {ok, #{fingerprint := Fingerprint}} = mesh:call(Node, tacit, info, []),
    File = filename:join(Dir, "revoked"),
    ok = file:write_file(File, [Fingerprint, "\n"]),
    ok = cnode:called_in_vain(C, Fd, Node), % before it is told to reload
    [begin
         ok = file:write_file(File, Bad),
         says("^failed .*" ++ File ++ ":1: got .*expected a fingerprint", reload(C)),
         says(File ++ ":1: got ", cnode:fails("d@127.0.0.29", Conf)),
         ok = cnode:called_in_vain(C, Fd, Node)
     end || Bad <- [[Fingerprint, "\r\n"], [Fingerprint, " \n"], ["# a\n", Fingerprint, "\n"]]],
    ok = file:write_file(File, ""),
    ?assertEqual("reloaded 0", reload(C)),
    used(C, cnode:connect(C, Node)),
    cnode:stop(C).

new_identity(#{node := Node, host := A} = World) ->
    {#{dir := Dir} = Host, C, _} = server("127.0.0.17", World),
    ok = mesh:in_mesh(Host, "rekey-bytes = 1M\n"),
    ?assertEqual("reloaded 0", reload(C)),
    Link = cnode:connect(C, Node),
    Key = filename:join(Dir, "identity.key"),
    ok = file:delete(Key),
    {0, _} = mesh:tacit(["keygen", Key]),
    {0, Public} = mesh:tacit(["pubkey", Key]),
    %% The mesh key that the others have comes second now.
    MeshKey = filename:join(Dir, "mesh.key"),
    {ok, Old} = file:read_file(MeshKey),
    {0, _} = mesh:tacit(["psk", MeshKey ++ ".new"]),
    {ok, New} = file:read_file(MeshKey ++ ".new"),
    ok = file:write_file(MeshKey, [New, Old]),
    ?assertEqual("reloaded 0", reload(C)),
    ok = mesh:on(Node, fun() ->
                               Pid = spawn(fun F() ->
                                                   receive {From, What} -> From ! What end,
                                                   F()
                                           end),
                               register(ei_echo, Pid),
                               ok
                       end),
    Exchanges = [begin
                       "binary " ++ _ = Sent = cnode:call(C, [bulk, Link, ei_echo, 3_000_000,
                                                              ?DEADLINE]),
                       ?assertEqual(Sent, cnode:call(C, [sink, Link, ?DEADLINE])),
                       {ok, #{rekeys := Count}} = mesh:call(Node, tacit, info, [maps:get(name, C)]),
                       Count
                   end || _ <- [1, 2, 3]],
    ?assert(lists:last(Exchanges) > hd(Exchanges)),
    cnode:close(C, Link),
    cnode:part(Node, C),
    %% The node knows neither the new key nor the new mesh key yet.
    says("^failed .*no answer", cnode:connect(C, maps:get(name, Node), 3000)),
    ok = file:write_file(MeshKey, [Old, New]),
    ?assertEqual("reloaded 0", reload(C)),
    says("^failed .*the peer closed: ", cnode:connect(C, Node)),
    _ = replace(A, maps:get(public_key, Host), Public),
    {ok, _} = mesh:call(Node, tacit, reload, []),
    Next = cnode:connect(C, Node),
    used(C, Next),
    cnode:stop(C).

signed_policy(#{node := Node} = World) ->
    Authority = filename:join(mesh:dir(), "authority.key"),
    {0, Public} = mesh:tacit(["authority", "new", Authority]),
    {#{dir := Dir}, C, Fd} =
        server("127.0.0.18", World, ["\n[authority main]\npublic-key = ", Public,
                                     "\nnames = *@127.0.0.*\npolicy = main.policy\n"]),
    {ok, #{fingerprint := Fingerprint}} = mesh:call(Node, tacit, info, []),
    Link = cnode:connect(C, Node),
    sign(Authority, 2, ["[mesh]\nrevoked = ", Fingerprint, "\n"], Dir),
    ?assertEqual("reloaded 1", reload(C)),
    is_cut(C, Link, "the key is revoked"),
    node_lost(Node, C, "the key is revoked"),
    ok = cnode:called_in_vain(C, Fd, Node),
    sign(Authority, 1, "", Dir),
    says("^failed .*serial 1", reload(C)),
    ok = cnode:called_in_vain(C, Fd, Node),
    sign(Authority, 3, "", Dir),
    ?assertEqual("reloaded 0", reload(C)),
    used(C, cnode:connect(C, Node)),
    cnode:stop(C).

sign(Authority, Serial, Rules, Dir) ->
    [From, To] = [filename:join(Dir, Name) || Name <- ["rules", "main.policy"]],
    ok = file:write_file(From, Rules),
    _ = file:delete(To),
    {0, _} = mesh:tacit(["policy", "sign", "--authority", Authority, "--serial",
                         integer_to_list(Serial), From, To]),
    ok.

busy(#{node := Node, neighbour := Neighbour} = World) ->
    {_, C, _} = server("127.0.0.19", World),
    Started = [begin
                   "started " ++ Number = cnode:call(C, Command),
                   {Number, Answer}
               end || {Command, Answer} <-
                          [{["&calls", cnode:connect(C, Node), 1000], "well 1000"},
                           {["&calls", cnode:connect(C, Neighbour), 1000], "well 1000"},
                           {["&reloads", 100], "reloaded 100 times"},
                           {["&reloads", 100], "reloaded 100 times"}]],
    [?assertEqual(Answer, cnode:call(C, [await, Number])) || {Number, Answer} <- Started],
    cnode:stop(C).
