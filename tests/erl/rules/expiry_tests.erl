%% What is allowed until a moment ends at that moment by itself: nobody reloads, nobody asks.
-module(expiry_tests).

-include_lib("eunit/include/eunit.hrl").

%% From the reload that sets the moment, s: it must be over by then, and nothing be cut yet.
-define(LEFT, 20).

expiry_test_() ->
    [{"a link whose line expires and one whose certificate runs out are cut by themselves; a "
      "third stays, and the two are not let in again", {timeout, 300, fun by_itself/0}},
     {"as time passes only links are asked that are allowed up to a moment, and not before it",
      {timeout, 60, fun only_due/0}}].

by_itself() ->
    Authority = filename:join(mesh:dir(), "authority.key"),
    {0, Public} = mesh:tacit(["authority", "new", Authority]),
    A = mesh:host("127.0.0.1", #{conf => ["\n[authority main]\npublic-key = ", Public,
                                          "\nnames = *@127.0.0.*\n[group *]\n"]}),
    [B, C, D] = Others = [mesh:host(Ip, #{mesh => A}) ||
                             Ip <- ["127.0.0.2", "127.0.0.3", "127.0.0.4"]],
    [mesh:trust(Host, A) || Host <- Others],
    NotAfter = os:system_time(second) + 5,
    certify(C, Authority, NotAfter),
    mesh:trust(A, D),
    in_mesh(A, "clock-grace = 86400\n"),
    mesh:trust(A, B),
    [NodeA | Peers] = Nodes = [start(Name, Host) || {Name, Host} <- [{"a", A}, {"b", B},
                                                                   {"c", C}, {"d", D}]],
    %% They dial, so that a needs no line for c.
    [?assert(mesh:call(Node, net_kernel, connect_node, ['a@127.0.0.1'])) || Node <- Peers],
    mesh:wait_until(fun() -> length(mesh:nodes_of(NodeA)) =:= 3 end),
    Handshakes = mesh:handshakes(NodeA),

    End = max(os:system_time(second), NotAfter) + ?LEFT,
    replace(A, "clock-grace = 86400", ["clock-grace = ", integer_to_list(End - NotAfter)]),
    mesh:append(A, ["expires = ", calendar:system_time_to_rfc3339(End, [{offset, "Z"}]), "\n"]),
    ?assertEqual({ok, #{dropped => []}}, mesh:call(NodeA, tacit, reload, [])),
    ?assertEqual(3, length(mesh:nodes_of(NodeA))),
    mesh:wait_until(fun() -> mesh:nodes_of(NodeA) =:= ['d@127.0.0.4'] end, 90000),
    ?assert(os:system_time(second) >= End),
    [mesh:wait_until(fun() -> mesh:nodes_of(Node) =:= [] end) || Node <- lists:droplast(Peers)],
    mesh:logged(NodeA, ["link dropped", "name=b@127.0.0.2", "the line that decides has expired"]),
    mesh:logged(NodeA, ["link dropped", "name=c@127.0.0.3", "the certificate has run out"]),
    ?assertEqual(Handshakes, mesh:handshakes(NodeA)),
    [?assertNot(mesh:call(Node, net_kernel, connect_node, ['a@127.0.0.1'])) ||
        Node <- lists:droplast(Peers)],
    lists:foreach(fun mesh:stop/1, Nodes).

%% b's line expires in a year.
only_due() ->
    {#{host := Host} = A, B} = mesh:pair(),
    Year = 365 * 24 * 3600,
    mesh:append(Host, ["expires = ", calendar:system_time_to_rfc3339(
                                       os:system_time(second) + Year, [{offset, "Z"}]), "\n"]),
    ?assertMatch({ok, _}, mesh:call(A, tacit, reload, [])),
    ?assertEqual(pong, mesh:call(A, net_adm, ping, ['b@127.0.0.2'])),
    ?assertEqual([tacit_drv], mesh:on(A, fun() -> asked_by(whereis(tacit_control), 12000) end)),
    mesh:stop_pair({A, B}).

%% The ports that the process asks meanwhile.
asked_by(Pid, Time) ->
    1 = erlang:trace(Pid, true, [call]),
    _ = erlang:trace_pattern({erlang, port_control, 3}, true, []),
    timer:sleep(Time),
    1 = erlang:trace(Pid, false, [call]),
    lists:usort(asked()).

asked() ->
    receive {trace, _, call, {erlang, port_control, [Port | _]}} -> [Port | asked()]
    after 0 -> []
    end.

%% Nothing dials or parts but the test: not global.
start(Name, Host) ->
    mesh:start(Name, Host, #{args => ["-kernel", "dist_auto_connect", "never",
                                      "-kernel", "prevent_overlapping_partitions", "false"]}).

certify(#{dir := Dir, ip := Ip, public_key := Key} = Host, Authority, NotAfter) ->
    {0, _} = mesh:tacit(["cert", "sign", "--authority", Authority, "--public-key", Key, "--name",
                         "*@" ++ Ip, "--not-after",
                         calendar:system_time_to_rfc3339(NotAfter, [{offset, "Z"}]),
                         filename:join(Dir, "my.cert")]),
    replace(Host, "[host]\n", "[host]\ncertificate = my.cert\n").

in_mesh(Host, Line) ->
    replace(Host, "[mesh]\n", ["[mesh]\n", Line]).

replace(#{conf := Conf}, Old, New) ->
    {ok, Before} = file:read_file(Conf),
    After = iolist_to_binary(string:replace(Before, Old, New)),
    ?assertNotEqual(Before, After),
    ok = file:write_file(Conf, After).
