%% What dashboards ask a link's port, and what tacit tells: inet's own functions answer as
%% for a real gen_tcp socket, and the documented keys of tacit:info are all there.
-module(inet_tests).

-include_lib("eunit/include/eunit.hrl").

-define(HOST_KEYS, [accepted, configuration, control, door, evicted, exchanges, fingerprint,
                    handshakes, known, limited, links, listen, mesh_keys, not_taken, own_fault,
                    pending, policies, public_key, refused, replays, shown_mesh_keys, strangers,
                    unauthenticated_bytes]).
-define(LINK_KEYS, [age, direction, fingerprint, line, local_address, mesh_key, node,
                    peer_address, peer_mesh_keys, received_bytes, received_messages,
                    rekeys, sent_bytes, sent_messages, state, suite]).

inet_test_() ->
    {setup, fun connected/0, fun mesh:stop_pair/1,
     fun(Nodes) -> [{Title, {timeout, 60, fun() -> Test(Nodes) end}} ||
                       {Title, Test} <- tests()] end}.

connected() ->
    {A, #{name := B}} = Nodes = mesh:pair(),
    pong = mesh:call(A, net_adm, ping, [B]),
    Nodes.

tests() ->
    [{"inet:peername and inet:sockname of a link are its two ends", fun ends/1},
     {"inet:getstat of a link has every statistic that a TCP socket has", fun stats/1},
     {"inet:getstat counts what goes over the link, both ways", fun stats_count/1},
     {"inet:getopts of a link gives each option that a TCP socket gives, of the same kind",
      fun options/1},
     {"inet:getopts of a link says what holds for it", fun options_hold/1},
     {"inet:getopts gives raw socket options", fun raw_options/1},
     {"what inet does not know is einval for a link, too", fun unknown/1},
     {"net_kernel:node_info and nodes_info tell a link's address and traffic", fun node_info/1},
     {"net_kernel:getopts asks the link, and setopts sets nothing", fun net_kernel_options/1},
     {"tacit:info/0 has every documented key", fun info_host/1},
     {"tacit:info/1 has every documented key", fun info_link/1},
     {"tacit:info/1 of a node never heard of is unknown; without Tacit, not_started",
      fun info_none/1},
     {"tacit:version/0 names the release and the protocol", fun version/1}].

%% On A, where there is one link: its port.
link_port() ->
    [Port] = [P || {P, #{state := up}} <- tacit_drv:links()],
    Port.

%% A TCP connection as inet_tcp_dist would have it, to compare with.
tcp_socket() ->
    {ok, Listener} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}}]),
    {ok, {Ip, Port}} = inet:sockname(Listener),
    {ok, Socket} = gen_tcp:connect(Ip, Port, [binary, {packet, 4}, {active, true},
                                              {deliver, port}, {nodelay, true}]),
    Socket.

ends({A, B}) ->
    {Peer, Own} = mesh:on(A, fun() -> {inet:peername(link_port()), inet:sockname(link_port())} end),
    Listen = maps:get(port, maps:get(host, B)),
    ?assertEqual({ok, {{127, 0, 0, 2}, Listen}}, Peer),
    ?assertMatch({ok, {{127, 0, 0, 1}, _}}, Own),
    {OtherPeer, OtherOwn} =
        mesh:on(B, fun() -> {inet:peername(link_port()), inet:sockname(link_port())} end),
    ?assertEqual({Peer, Own}, {OtherOwn, OtherPeer}).

stats({A, _}) ->
    {Link, Tcp} = mesh:on(A, fun() -> {inet:getstat(link_port()), inet:getstat(tcp_socket())} end),
    ?assertEqual(kind(Tcp), kind(Link)),
    ?assertMatch({ok, [_, _, _, _, _, _, _, _, _, _]}, Link).

stats_count({A, #{name := B}}) ->
    Stat = fun(What) ->
                   mesh:on(A, fun() -> {ok, [{What, N}]} = inet:getstat(link_port(), [What]), N end)
           end,
    Keys = [recv_cnt, recv_oct, send_cnt, send_oct],
    Before = [Stat(Key) || Key <- Keys],
    Bytes = crypto:strong_rand_bytes(100000),
    Bytes = mesh:call(A, rpc, call, [B, erlang, hd, [[Bytes]]]),
    [?assert(N > M) || {N, M} <- lists:zip([Stat(Key) || Key <- Keys], Before)],
    [?assert(N >= M + 100000) || {Key, M} <- lists:zip(Keys, Before),
                                 lists:member(Key, [recv_oct, send_oct]),
                                 N <- [Stat(Key)]].

%% One at a time: an answer that lacks one is no error to inet. What only datagrams have is
%% left out by both; which interface multicasts leave by is not asked of a link.
options({A, _}) ->
    Answers = mesh:on(A, fun() ->
                                 {Link, Tcp} = {link_port(), tcp_socket()},
                                 [{Option, kind(inet:getopts(Link, [Option])),
                                   kind(inet:getopts(Tcp, [Option]))}
                                  || Option <- inet:options() -- [multicast_if]]
                         end),
    ?assertEqual([], [Answer || {_, Link, Tcp} = Answer <- Answers, Link =/= Tcp]),
    ?assert(length(Answers) > 20).

%% The answer without what differs from socket to socket.
kind({ok, Values}) -> {ok, [{Key, kind_of(Value)} || {Key, Value} <- Values]};
kind({error, _} = Error) -> Error.

kind_of(Value) when is_integer(Value) -> integer;
kind_of(Value) when is_boolean(Value) -> boolean;
kind_of(Value) -> Value.

options_hold({A, _}) ->
    Options = [{active, true}, {packet, 4}, {mode, binary}, {deliver, port}, {header, 0},
               {nodelay, true}, {linger, {false, 0}}, {send_timeout, infinity}],
    ?assertEqual({ok, Options},
                 mesh:on(A, fun() -> inet:getopts(link_port(), [K || {K, _} <- Options]) end)).

%% TCP_NODELAY is 1 for level 6 everywhere.
raw_options({A, _}) ->
    Ask = fun(Socket) -> inet:getopts(Socket, [{raw, 6, 1, 4}, nodelay, {raw, 6, 1, <<0:32>>}]) end,
    {Link, Tcp} = mesh:on(A, fun() -> {Ask(link_port()), Ask(tcp_socket())} end),
    ?assertEqual(Tcp, Link),
    ?assertMatch({ok, [{raw, 6, 1, <<_:32>>}, {nodelay, true}, {raw, 6, 1, _}]}, Link),
    ?assertEqual({error, einval},
                 mesh:on(A, fun() -> inet:getopts(link_port(), [{raw, 6, 1, 100000}]) end)).

unknown({A, _}) ->
    [?assertEqual(Tcp, Link) ||
        {Link, Tcp} <- mesh:on(A, fun() ->
                                          [{Ask(link_port()), Ask(tcp_socket())}
                                           || Ask <- [fun(S) -> inet:getopts(S, [no_such]) end,
                                                      fun(S) -> inet:getstat(S, [no_such]) end]]
                                  end)],
    %% an option and a statistic that no inet has
    ?assertEqual([{error, einval}, {error, einval}],
                 mesh:on(A, fun() -> [control(link_port(), R, [200]) || R <- [8, 11]] end)).

control(Port, Request, Data) ->
    try erlang:port_control(Port, 16#03f1a300 + Request, Data) of
        [0 | Error] -> {error, list_to_atom(Error)};
        Other -> Other
    catch
        error:badarg -> {error, einval}
    end.

node_info({A, #{name := B}}) ->
    {ok, Info} = mesh:call(A, net_kernel, node_info, [B]),
    ?assertMatch(#{state := up, type := normal}, maps:from_list(Info)),
    [?assert(proplists:get_value(Key, Info) > 0) || Key <- [in, out]],
    {ok, [{B, Infos}]} = mesh:call(A, net_kernel, nodes_info, []),
    ?assertEqual({127, 0, 0, 2}, element(1, element(2, proplists:get_value(address, Infos)))).

net_kernel_options({A, #{name := B}}) ->
    ?assertEqual({ok, [{nodelay, true}]}, mesh:call(A, net_kernel, getopts, [B, [nodelay]])),
    ?assertMatch({error, {badopts, _}},
                 mesh:call(A, net_kernel, setopts, [B, [{nodelay, false}]])).

%% --- tacit -------------------------------------------------------------------------------

info_host({A, _}) ->
    {ok, Info} = mesh:call(A, tacit, info, []),
    ?assertEqual(?HOST_KEYS, lists:sort(maps:keys(Info))),
    #{dir := Dir, conf := Conf, ip := Ip, port := Port} = maps:get(host, A),
    Listen = iolist_to_binary(io_lib:format("~s:~b", [Ip, Port])),
    ?assertMatch(#{configuration := _, listen := [Listen]}, Info),
    ?assertEqual(list_to_binary(Conf), maps:get(configuration, Info)),
    {0, Key} = mesh:tacit(["pubkey", filename:join(Dir, "identity.key")]),
    ?assertEqual(list_to_binary(Key), maps:get(public_key, Info)),
    ?assertMatch([#{state := up}], maps:get(links, Info)),
    ?assertEqual([], [Key1 || {Key1, Value} <- maps:to_list(Info),
                              not is_binary(Value) and not is_integer(Value),
                              not lists:member(Key1, [control, door, links, listen, mesh_keys,
                                                      not_taken, policies, shown_mesh_keys])]).

info_link({A, B}) ->
    {ok, Out} = mesh:call(A, tacit, info, [maps:get(name, B)]),
    {ok, In} = mesh:call(B, tacit, info, [maps:get(name, A)]),
    [?assertEqual(?LINK_KEYS, lists:sort(maps:keys(Info))) || Info <- [Out, In]],
    ?assertMatch({#{direction := out}, #{direction := in}}, {Out, In}),
    [?assertEqual(maps:get(There, Out), maps:get(Here, In))
     || {There, Here} <- [{peer_address, local_address}, {local_address, peer_address},
                          {suite, suite}]],
    {ok, HostB} = mesh:call(B, tacit, info, []),
    ?assertEqual(maps:get(fingerprint, HostB), maps:get(fingerprint, Out)),
    ?assert(lists:member(maps:get(suite, Out),
                         ['aegis-256', 'aes-256-gcm', 'chacha20-poly1305'])).

info_none({A, _}) ->
    ?assertEqual({error, unknown}, mesh:call(A, tacit, info, ['never@127.0.0.9'])),
    ?assertEqual({error, not_started}, tacit:info()),
    ?assertEqual({error, not_started}, tacit:info('a@127.0.0.1')).

version(_) ->
    #{tacit := Version, protocol := 1} = tacit:version(),
    ?assertMatch({match, _}, re:run(Version, "^[0-9]+\\.[0-9]+\\.[0-9]+$")).
