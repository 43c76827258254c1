%% Every rule of tacit.conf holds for C nodes as it does for nodes: what they may call, and
%% who may call them, with a real node at the other end.
-module(ei_rules_tests).

-include_lib("eunit/include/eunit.hrl").

-define(DEADLINE, 60000).
-define(A, 'a@127.0.0.1').

ei_rules_test_() ->
    {setup, fun start/0, fun stop/1,
     fun(World) -> [{Title, {timeout, 180, fun() -> Test(World) end}} || {Title, Test} <- tests()]
     end}.

tests() ->
    [{"certificates in place of keys: a C node and a node that know no more of each other than "
      "the authority link, no matter who dials", fun certificates/1},
     {"a certificate that ran out, or of a foreign authority, is refused by and to a C node",
      fun bad_certificates/1},
     {"a pair key that both have is used, no matter who dials; with another, or with one that the "
      "other side does not have, there is no link", fun pair_keys/1},
     {"over IPv6, as a literal address and as a host part, no matter who dials", fun ipv6/1},
     {"a host's name with several addresses is dialled until one answers, IPv6 too", fun named/1},
     {"a line that wants a visible node refuses a C node, and one that wants a hidden node takes "
      "it; a C node's lines ask the same of nodes", fun visibility/1},
     {"a C node's link is cut when the line's expires comes, also while it only waits, or only "
      "sends; then neither may call the other", fun expires/1},
     {"the lines of a signed policy let in and out", fun signed_policy/1},
     {"a revoked node is refused, no matter who dials, be it tacit:revoke's file or a 'revoked' "
      "line", fun revoked/1},
     {"a node that revokes a C node's key cuts its link, and the C node hears why",
      fun revoked_there/1},
     {"who may dial is asked of 'direction' and 'from', on both sides", fun direction/1}].

%% The node a, which listens over IPv6, too. Each promise has a host of its own for its C
%% node, told to the node by a reload.
start() ->
    Authority = filename:join(mesh:dir(), "authority.key"),
    {0, Public} = mesh:tacit(["authority", "new", Authority]),
    Main = ["\n[authority main]\npublic-key = ", Public, "\nnames = *@127.0.0.*\n"],
    Host = mesh:host("127.0.0.1", #{conf => [Main, "[group *]\n"]}),
    ok = certify(Host, Authority, "2099-01-01"),
    Port6 = mesh:free_port("::1"),
    replace(Host, "\nlisten = ", io_lib:format("~nlisten = [::1]:~b~nlisten = ", [Port6])),
    #{authority => Authority, main => Main, host => Host, port6 => Port6,
      node => mesh:start("a", Host, #{args => ["-kernel", "dist_auto_connect", "never"]})}.

stop(#{node := Node}) ->
    mesh:stop(Node).

%% --- help ------------------------------------------------------------------------------------

%% A host of the node's mesh that knows the node's key.
host(Ip, #{host := A} = World) ->
    Host = stranger(Ip, World),
    ok = mesh:trust(Host, A),
    Host.

stranger(Ip, #{host := A}) ->
    mesh:host(Ip, #{mesh => A}).

replace(#{conf := Conf}, Old, New) ->
    {ok, Before} = file:read_file(Conf),
    After = iolist_to_binary(string:replace(Before, Old, New)),
    ?assertNotEqual(Before, After),
    ok = file:write_file(Conf, After).

certify(#{dir := Dir, ip := Ip, public_key := Key} = Host, Authority, NotAfter) ->
    {0, _} = mesh:tacit(["cert", "sign", "--authority", Authority, "--public-key", Key, "--name",
                         "*@" ++ Ip, "--not-before", "2020-01-01", "--not-after", NotAfter,
                         filename:join(Dir, "my.cert")]),
    replace(Host, "[host]\n", "[host]\ncertificate = my.cert\n").

%% Where it is, and no key.
endpoint(Host, #{ip := Ip, port := Port}, Name) ->
    mesh:append(Host, io_lib:format("[peer ~s]~nendpoint = ~s:~b~n", [Name, Ip, Port])).

%% The node gets more lines.
tell(#{node := Node, host := Host}, Lines) ->
    ok = mesh:append(Host, Lines),
    {ok, _} = mesh:call(Node, tacit, reload, []),
    ok.

%% A line for the host, and what else is to stand in it.
trust(#{node := Node, host := A}, Host, Lines) ->
    ok = mesh:trust(A, Host),
    ok = mesh:append(A, Lines),
    {ok, _} = mesh:call(Node, tacit, reload, []),
    ok.

%% The C node and its listener.
listening(Name, Host) ->
    C = cnode:start(Name, Host),
    "listening " ++ Fd = cnode:call(C, [listen]),
    {C, Fd}.

%% A link made by the C node, used and ended; then one made by the node.
links(#{node := Node} = World, C, Fd) ->
    called(World, C, Fd),
    Out = cnode:connect(C, Node),
    used(C, Out),
    cnode:close(C, Out),
    cnode:part(Node, C).

called(#{node := Node}, C, Fd) ->
    {"accepted " ++ Accepted, true} = cnode:called(C, Fd, Node),
    [In, "a@127.0.0.1", _] = string:lexemes(Accepted, " "),
    used(C, In),
    cnode:part(Node, C),
    cnode:close(C, In).

used(C, Fd) ->
    ?assertEqual("reply 3", cnode:call(C, [rpc, Fd, erlang, abs, "[-3]"])).

%% What each hears whose dialling is refused: the C node, and the node.
no_links(#{node := Node}, #{name := Name} = C, Fd, ToC, ToNode) ->
    says(ToC, cnode:connect(C, Node)),
    ok = cnode:called_in_vain(C, Fd, Node),
    {ok, #{text := Text}} = mesh:call(Node, tacit, info, [Name]),
    says(ToNode, Text).

says(Pattern, Line) ->
    ?assertMatch({match, _}, re:run(Line, Pattern), lists:flatten(Line)).

%% --- the promises ----------------------------------------------------------------------------

certificates(#{authority := Authority, main := Main, host := A} = World) ->
    Host = stranger("127.0.0.11", World),
    ok = mesh:append(Host, [Main, "[group *]\n"]),
    ok = endpoint(Host, A, "a@127.0.0.1"),
    ok = certify(Host, Authority, "2099-01-01"),
    ok = endpoint(A, Host, "c@127.0.0.11"),
    ok = tell(World, ""),
    {C, Fd} = listening("c", Host),
    links(World, C, Fd),
    cnode:stop(C).

bad_certificates(#{authority := Authority, main := Main, host := A} = World) ->
    %% The C node's has run out.
    Late = stranger("127.0.0.12", World),
    ok = mesh:append(Late, [Main, "[group *]\n"]),
    ok = endpoint(Late, A, "a@127.0.0.1"),
    ok = certify(Late, Authority, "2020-02-01"),
    ok = endpoint(A, Late, "c@127.0.0.12"),
    ok = tell(World, ""),
    {C, Fd} = listening("c", Late),
    no_links(World, C, Fd, "^failed eio .*the peer closed: expired: the certificate has run out",
             "the certificate has run out"),
    cnode:stop(C),
    %% The node's is of an authority that the C node does not know.
    Foreign = stranger("127.0.0.13", World),
    Key = filename:join(mesh:dir(), "foreign.key"),
    {0, Public} = mesh:tacit(["authority", "new", Key]),
    ok = mesh:append(Foreign, ["\n[authority main]\npublic-key = ", Public,
                               "\nnames = *@127.0.0.*\n[group *]\n"]),
    ok = endpoint(Foreign, A, "a@127.0.0.1"),
    ok = trust(World, Foreign, ""),
    {F, FdF} = listening("c", Foreign),
    no_links(World, F, FdF, "^failed refused .*no \\[authority\\] that may sign for the name",
             "the peer closed: refused: no \\[peer\\] line allows it"),
    cnode:stop(F).

pair_keys(#{host := A} = World) ->
    Host = host("127.0.0.14", World),
    Files = [filename:join(maps:get(dir, H), "pair.key") || H <- [Host, A]],
    {0, _} = mesh:tacit(["psk", hd(Files)]),
    {ok, _} = file:copy(hd(Files), lists:last(Files)),
    [ok = file:change_mode(File, 8#600) || File <- Files],
    ok = mesh:append(Host, "pair-key = pair.key\n"),
    ok = trust(World, Host, "pair-key = pair.key\n"),
    {C, Fd} = listening("c", Host),
    links(World, C, Fd),
    cnode:stop(C),
    %% Another one; then none.
    ok = file:delete(hd(Files)),
    {0, _} = mesh:tacit(["psk", hd(Files)]),
    no_pair(World, Host, "d"),
    replace(Host, "pair-key = pair.key\n", ""),
    no_pair(World, Host, "e").

no_pair(#{node := Node}, Host, Name) ->
    {C, Fd} = listening(Name, Host),
    says("^failed ", cnode:connect(C, Node)),
    ok = cnode:called_in_vain(C, Fd, Node),
    cnode:stop(C).

ipv6(#{host := A, port6 := Port} = World) ->
    %% Its name has the address, as a node's can. The node's has not: its line has an endpoint.
    Host = stranger("::1", World),
    ok = mesh:trust(Host, A#{ip := "::1", port := Port}, "*@127.0.0.1"),
    ok = trust(World, Host, ""),
    {C, Fd} = listening("c", Host),
    links(World, C, Fd),
    cnode:stop(C).

%% The C node sees a file of hosts of its own.
named(#{host := A, port6 := Port, node := Node} = World) ->
    Host = stranger("127.0.0.15", World),
    Hosts = filename:join(mesh:dir(), "hosts"),
    ok = file:write_file(Hosts, "127.0.0.99 a.test\n::1 a.test\n127.0.0.98 a.test\n"),
    Inside = ["unshare", "--mount", "sh", "-c",
              "mount --bind '" ++ Hosts ++ "' /etc/hosts && exec \"$@\"", "sh"],
    os:cmd(lists:join(" ", ["'" ++ Word ++ "'" || Word <- lists:droplast(Inside)]) ++
               " sh echo inside") =:= "inside\n" orelse throw({skip, "no namespaces here"}),
    ok = mesh:trust(Host, A#{ip := "a.test", port := Port}, "*@127.0.0.1"),
    ok = trust(World, Host, ""),
    C = cnode:start("c", Host, #{exec => Inside}),
    Fd = cnode:connect(C, Node),
    used(C, Fd),
    {ok, #{peer_address := Address}} = mesh:call(Node, tacit, info, [maps:get(name, C)]),
    ?assertMatch(<<"[::1]:", _/binary>>, Address),
    cnode:close(C, Fd),
    cnode:part(Node, C),
    cnode:stop(C).

visibility(#{host := A} = World) ->
    Host = host("127.0.0.16", World),
    ok = trust(World, Host, "visibility = hidden\n"),
    ok = mesh:append(Host, "visibility = visible\n"),
    {C, Fd} = listening("c", Host),
    links(World, C, Fd),
    cnode:stop(C),
    %% The C node wants a hidden node, and a is visible.
    replace(Host, "visibility = visible", "visibility = hidden"),
    Wrong = "the rule for it wants a hidden node, it is visible",
    {D, FdD} = listening("d", Host),
    refused_in_greeting(World, D, FdD, "^failed eio .*" ++ Wrong,
                        "the peer closed: visibility: " ++ Wrong),
    cnode:stop(D),
    %% The node wants a visible one, and a C node is hidden.
    replace(Host, "visibility = hidden", "visibility = visible"),
    replace(A, "visibility = hidden", "visibility = visible"),
    ok = tell(World, ""),
    {E, FdE} = listening("e", Host),
    refused_in_greeting(World, E, FdE,
                        "^failed eio .*the peer closed: visibility: the rule for it wants a "
                        "visible node, it is hidden",
                        "the rule for it wants a visible node, it is hidden"),
    cnode:stop(E).

%% It is refused only when Erlang's handshake tells what it is: accept hears it, too.
refused_in_greeting(#{node := Node}, #{name := Name} = C, Fd, ToC, ToNode) ->
    says(ToC, cnode:connect(C, Node)),
    {Line, Result} = cnode:called(C, Fd, Node),
    ?assertEqual(false, Result),
    says(ToC, Line),
    mesh:wait_until(fun() ->
                            {ok, #{text := Text}} = mesh:call(Node, tacit, info, [Name]),
                            re:run(Text, ToNode) =/= nomatch
                    end).

expires(#{node := Node, host := A} = World) ->
    Host = host("127.0.0.17", World),
    ok = trust(World, Host, ""),
    {C, Fd} = listening("c", Host),
    Link = cnode:connect(C, Node),
    used(C, Link),
    "started " ++ Waits = cnode:call(C, ["&receive", Link, 90000]),
    S = cnode:start("s", Host),
    Only = cnode:connect(S, Node),
    End = os:system_time(second) + 4,
    ok = mesh:append(Host, ["expires = ", calendar:system_time_to_rfc3339(End, [{offset, "Z"}]), "\n"]),
    ["reloaded " ++ _ = cnode:call(Each, [reload]) || Each <- [C, S]],
    says("^failed eio .*the line that decides has expired", cnode:call(C, [await, Waits])),
    mesh:wait_until(fun() -> cnode:call(S, [send, Only, nobody, "1"]) =/= "sent" end),
    ?assert(os:system_time(second) >= End),
    says("^failed eio .*the line that decides has expired",
         cnode:call(S, [send, Only, nobody, "1"])),
    cnode:close(S, Only),
    cnode:stop(S),
    mesh:wait_until(fun() -> mesh:call(Node, erlang, nodes, [hidden]) =:= [] end),
    cnode:close(C, Link),
    no_links(World, C, Fd, "^failed refused .*the line that decides has expired",
             "the peer closed: expired: the line that decides has expired"),
    cnode:stop(C),
    %% The other way round: the node's line for the C node has.
    Past = host("127.0.0.18", World),
    ok = mesh:trust(A, Past),
    ok = tell(World, "expires = 2020-01-01\n"),
    {P, FdP} = listening("p", Past),
    no_links(World, P, FdP, "^failed eio .*the peer closed: expired: the line that decides",
             "the line that decides has expired"),
    cnode:stop(P).

signed_policy(#{authority := Authority, main := Main, host := A} = World) ->
    #{dir := Dir} = Host = stranger("127.0.0.19", World),
    ok = mesh:append(Host, [Main, "policy = main.policy\n"]),
    #{ip := Ip, port := Port, public_key := Key} = A,
    Line = io_lib:format("[peer *@~s]~npublic-key = ~s~nendpoint = ~s:~b~n", [Ip, Key, Ip, Port]),
    ok = trust(World, Host, ""),
    sign(Authority, 1, "", Dir),
    {N, FdN} = listening("n", Host),
    ok = cnode:called_in_vain(N, FdN, maps:get(node, World)),
    cnode:stop(N),
    sign(Authority, 2, Line, Dir),
    {C, Fd} = listening("c", Host),
    links(World, C, Fd),
    cnode:stop(C).

sign(Authority, Serial, Rules, Dir) ->
    [From, To] = [filename:join(Dir, Name) || Name <- ["rules", "main.policy"]],
    ok = file:write_file(From, Rules),
    _ = file:delete(To),
    {0, _} = mesh:tacit(["policy", "sign", "--authority", Authority, "--serial",
                         integer_to_list(Serial), From, To]),
    ok.

%% As it stands in the file: while the C node lives; then as a line that it starts with.
revoked(#{node := Node} = World) ->
    #{dir := Dir} = Host = host("127.0.0.20", World),
    ok = trust(World, Host, ""),
    {C, Fd} = listening("c", Host),
    links(World, C, Fd),
    {ok, #{fingerprint := Fingerprint}} = mesh:call(Node, tacit, info, []),
    File = filename:join(Dir, "revoked"),
    ok = file:write_file(File, [Fingerprint, "\n"]),
    ToC = "^failed refused .*the key is revoked",
    ToNode = "the peer closed: revoked: the key is revoked",
    no_links(World, C, Fd, ToC, ToNode),
    ok = file:delete(File),
    links(World, C, Fd),
    cnode:stop(C),
    ok = mesh:in_mesh(Host, ["revoked = ", Fingerprint, "\n"]),
    {D, FdD} = listening("d", Host),
    no_links(World, D, FdD, ToC, ToNode),
    cnode:stop(D).

revoked_there(#{node := Node} = World) ->
    Host = host("127.0.0.21", World),
    ok = trust(World, Host, ""),
    {#{name := Name} = C, Fd} = listening("c", Host),
    Link = cnode:connect(C, Node),
    used(C, Link),
    {ok, #{dropped := [_]}} = mesh:call(Node, tacit, revoke, [Name]),
    says("^failed eio .*the peer closed: revoked: the key is revoked",
         cnode:call(C, ["receive", Link, ?DEADLINE])),
    cnode:close(C, Link),
    mesh:wait_until(fun() -> mesh:call(Node, erlang, nodes, [hidden]) =:= [] end),
    no_links(World, C, Fd, "^failed eio .*the peer closed: revoked: the key is revoked",
             "the key is revoked"),
    {ok, _} = mesh:call(Node, tacit, unrevoke, [Name]),
    links(World, C, Fd),
    cnode:stop(C).

direction(World) ->
    In = host("127.0.0.22", World),
    ok = trust(World, In, ""),
    ok = mesh:append(In, "direction = in\nfrom = 127.0.0.1\n"),
    {C, Fd} = listening("c", In),
    called(World, C, Fd),
    says("^failed refused .*the line that decides is for the other direction",
         cnode:connect(C, ?A, ?DEADLINE)),
    cnode:stop(C),
    replace(In, "from = 127.0.0.1\n", "from = 127.0.0.2\n"),
    {D, FdD} = listening("d", In),
    no_links(World, D, FdD, "^failed refused ",
             "the peer closed: address: the line that decides does not allow the address"),
    cnode:stop(D).
