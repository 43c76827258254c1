%% A sample of the decision's table (src/policy/DECISIONS.md) through two real nodes: a's
%% line for b gets another condition, a reloads, and one of the two dials.
-module(rules_tests).

-include_lib("eunit/include/eunit.hrl").

-define(A, 'a@127.0.0.1').
-define(B, 'b@127.0.0.2').

rules_test_() ->
    [{Title, {timeout, 180, Test}} || {Title, Test} <- tests()].

tests() ->
    [{"each kind of rule allows and denies in both directions, and both sides say why",
      fun ipv4/0},
     {"over IPv6, networks and directions allow and deny as over IPv4", fun ipv6/0},
     {"a rule may want a hidden node, or a visible one", fun visibility/0},
     {"a faulty rule keeps the node from starting, with file, line and value", fun fault/0}].

%% Who dials, what is added to a's line for b (or to [mesh], behind '!'), what comes of it.
rows() ->
    [{b, "", allowed},
     {a, "", allowed},
     {b, "from = 127.0.0.2", allowed},
     {b, "from = 192.0.2.0/24, 127.0.0.0/30", allowed},
     {b, "from = 192.0.2.0/24\nfrom = ::ffff:127.0.0.2", allowed},
     {b, "from = 127.0.0.4/30", {address, "does not allow the address"}},
     {b, "from = ::/0", {address, "does not allow the address"}},
     {a, "from = 192.0.2.0/24", allowed}, % it is for those who come
     {b, "direction = in", allowed},
     {a, "direction = in", {refused, "is for the other direction"}},
     {b, "direction = out", {direction, "is for the other direction"}},
     {a, "direction = out", allowed},
     {b, "expires = 2999-01-01", allowed},
     {b, "expires = 2020-01-01", {expired, "has expired"}},
     {b, "[peer b@127.0.0.2]\npublic-key = KEY\ndirection = in", allowed},
     {b, "[peer b@127.0.0.2]\npublic-key = KEY\ndirection = out",
      {direction, "is for the other direction"}},
     {b, "!revoked = FINGERPRINT", {revoked, "the key is revoked"}}].

rows_ipv6() ->
    [{b, "from = ::1", allowed},
     {b, "from = 2001:db8::/32, ::/127", allowed},
     {b, "from = 2001:db8::/32, 0.0.0.0/0", {address, "does not allow the address"}},
     {b, "direction = out", {direction, "is for the other direction"}}].

%% --- help ------------------------------------------------------------------------------------

nodes_at(IpA, IpB, ConfB) ->
    HostA = mesh:host(IpA),
    HostB = mesh:host(IpB, #{mesh => HostA}),
    in_section(HostB, "[host]\n", ConfB),
    mesh:trust(HostB, HostA),
    mesh:trust(HostA, HostB),
    {start("a", HostA, []), start("b", HostB, [])}.

%% Nothing dials but the test: what global still has to say would undo a parting.
start(Name, Host, Args) ->
    mesh:start(Name, Host, #{args => ["-kernel", "dist_auto_connect", "never" | Args]}).

in_section(#{conf := Conf}, Section, Text) ->
    {ok, Before} = file:read_file(Conf),
    ok = file:write_file(Conf, string:replace(Before, Section, [Section, Text, "\n"])).

%% a's tacit.conf with the row's text in place of whatever the row before had.
set(#{host := #{conf := Conf} = Host} = A, Before, Text) ->
    ok = file:write_file(Conf, Before),
    case Text of
        "!" ++ Line -> in_section(Host, "[mesh]\n", Line);
        _ -> mesh:append(Host, [Text, "\n"])
    end,
    ?assertEqual({Text, ok}, {Text, reloaded(mesh:call(A, tacit, reload, []))}).

reloaded({error, _} = Error) -> Error;
reloaded(_) -> ok.

nodes_of(Node) -> mesh:call(Node, erlang, nodes, [connected]).

name(#{name := Name}) -> Name.

check({Dialler, Text, Expected}, A, B, Fill, Before) ->
    mesh:part(A, B),
    set(A, Before, Fill(Text)),
    {From, To} = case Dialler of a -> {A, B}; b -> {B, A} end,
    Got = mesh:call(From, net_kernel, connect_node, [name(To)]),
    ?assertEqual({Text, Expected =:= allowed}, {Text, Got}),
    told(Expected, Dialler, Text, A, B).

%% What a, whose rule it is, has in its log; and what b heard, if it was b who dialled.
told(allowed, _, _, _, _) ->
    ok;
told({Reason, Said}, a, Text, A, B) ->
    {ok, #{reason := Got, text := Why}} = mesh:call(A, tacit, info, [name(B)]),
    ?assertMatch({_, Reason, [_ | _]}, {Text, Got, string:find(Why, Said)});
told({Reason, Said}, b, Text, A, B) ->
    mesh:logged(A, ["direction=in", "reason=" ++ atom_to_list(Reason) ++ " ", Said]),
    {ok, #{state := down, text := Why}} = mesh:call(B, tacit, info, [name(A)]),
    Heard = "the peer closed: " ++ atom_to_list(Reason),
    ?assertEqual({Text, Heard}, {Text, lists:sublist(Why, length(Heard))}).

run(A, B, Rows) ->
    {ok, #{public_key := Key, fingerprint := Fingerprint}} = who(B),
    Fill = fun(Text) ->
                   With = string:replace(Text, "KEY", Key),
                   lists:flatten(string:replace(With, "FINGERPRINT", Fingerprint))
           end,
    #{host := #{conf := Conf}} = A,
    {ok, Before} = file:read_file(Conf),
    [check(Row, A, B, Fill, Before) || Row <- Rows],
    mesh:stop_pair({A, B}).

who(#{host := #{public_key := Key}} = Node) ->
    {ok, #{fingerprint := Fingerprint}} = mesh:call(Node, tacit, info, []),
    {ok, #{public_key => Key, fingerprint => binary_to_list(Fingerprint)}}.

%% --- tests -----------------------------------------------------------------------------------

ipv4() ->
    {A, B} = nodes_at("127.0.0.1", "127.0.0.2", "source = 127.0.0.2"),
    run(A, B, rows()).

ipv6() ->
    {A, B} = nodes_at("::1", "127.0.0.2", "source = ::1"),
    run(A, B, rows_ipv6()).

visibility() ->
    {A, B} = nodes_at("127.0.0.1", "127.0.0.2", ""),
    Refused = fun(Said) -> {visibility, Said} end,
    {#{host := #{conf := Conf}}, #{host := HostB}} = {A, B},
    {ok, Before} = file:read_file(Conf),
    Fill = fun(Text) -> Text end,
    [check(Row, A, B, Fill, Before)
     || Row <- [{b, "visibility = visible", allowed},
                {a, "visibility = visible", allowed},
                {b, "visibility = hidden", Refused("wants a hidden node, it is visible")},
                {a, "visibility = hidden", Refused("wants a hidden node, it is visible")}]],
    mesh:part(A, B),
    mesh:stop(B),
    Hidden = start("b", HostB, ["-hidden"]),
    [check(Row, A, Hidden, Fill, Before)
     || Row <- [{b, "visibility = visible", Refused("wants a visible node, it is hidden")},
                {b, "visibility = hidden", allowed},
                {a, "visibility = hidden", allowed}]],
    %% And a reload cuts a link that it makes wrong.
    set(A, Before, "visibility = visible"),
    mesh:wait_until(fun() -> nodes_of(A) =:= [] end),
    mesh:stop_pair({A, Hidden}).

fault() ->
    #{conf := Conf} = Host = mesh:host("127.0.0.1"),
    mesh:trust(Host, Host),
    mesh:append(Host, "from = 198.51.100.1/24\n"),
    #{status := 1, err := Err} =
        mesh:erl(mesh:start_link_args("a@127.0.0.1", #{host => Host}), []),
    {match, _} = re:run(Err, "tacit: " ++ Conf ++ ":\\d+: from: got '198.51.100.1/24', expected").
