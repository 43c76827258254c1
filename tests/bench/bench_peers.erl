%% Many peers of one node without an emulator each: processes that speak the carrier's own
%% protocol from the first byte on. Once up they take what comes and say nothing more.
-module(bench_peers).

-export([node/2, dial/2, stop/1]).

-export_type([dial/0]).

-type dial() :: fun((Name :: string()) -> gen_tcp:socket() | ssl:sslsocket()).

-define(IP, "127.0.0.1"). % in the names; inet_tls wants it to be in the certificate

%% A node for many peers, and how one of them connects.
-spec node(bench_carrier:carrier(), bench_carrier:context()) -> {mesh:node_ref(), dial()}.
node(tacit, Context) ->
    Identity = foreign:identity(),
    Section = foreign:peer_section("*@" ++ ?IP, Identity, ""),
    [Node] = nodes(tacit, Context, #{conf => Section}),
    #{host := #{port := Port} = Host, name := Wanted} = Node,
    Options = #{mesh_key => foreign:mesh_key(Host), identity => Identity,
                wanted => atom_to_list(Wanted)},
    {Node, fun(Name) ->
                   {ok, Channel} = foreign:connect({{127, 0, 0, 1}, Port}, Options#{name => Name}),
                   #{socket := Socket} = up(Name, Channel),
                   ok = inet:setopts(Socket, [{active, true}]),
                   Socket
           end};
node(inet_tcp, Context) ->
    {Node, Port} = stock_node(inet_tcp, Context),
    {Node, fun(Name) ->
                   {ok, Socket} = gen_tcp:connect("127.0.0.1", Port, stock_options(2)),
                   _ = up(Name, foreign:stock(gen_tcp, Socket)),
                   ok = inet:setopts(Socket, [{packet, raw}, {active, true}]),
                   Socket
           end};
node(inet_tls, Context) ->
    {ok, _} = application:ensure_all_started(ssl),
    {Node, Port} = stock_node(inet_tls, Context),
    Options = stock_options(4) ++ bench_carrier:tls_options(Context),
    {Node, fun(Name) ->
                   {ok, Socket} = ssl:connect("127.0.0.1", Port, Options),
                   _ = up(Name, foreign:stock(ssl, Socket)),
                   ok = ssl:setopts(Socket, [{packet, raw}, {active, true}]),
                   Socket
           end}.

%% Its ticks are far apart: nobody answers them.
nodes(Carrier, Context, Options) ->
    bench_carrier:nodes(Carrier, Context, [{"s", "127.0.0.1"}],
                        Options#{args => ["-kernel", "net_ticktime", "1200"]}).

stock_node(Carrier, Context) ->
    [Node] = nodes(Carrier, Context, #{}),
    {port, Port, _} = mesh:call(Node, erl_epmd, port_please, ["s", {127, 0, 0, 1}]),
    {Node, Port}.

%% inet_tls has 4 bytes of length from the start.
stock_options(Length) -> [binary, {packet, Length}, {active, false}, {nodelay, true}].

up(Name, Channel) ->
    {ok, Up} = foreign:dial_node(Name, bench_carrier:cookie(), Channel),
    Up.

%% Peers of these numbers, all connected.
-spec dial(dial(), [non_neg_integer()]) -> [pid()].
dial(_Dial, []) ->
    [];
dial(Dial, Numbers) ->
    {Some, More} = lists:split(min(8, length(Numbers)), Numbers),
    Self = self(),
    Peers = [spawn_monitor(fun() ->
                                   Socket = Dial("p" ++ integer_to_list(N) ++ "@" ++ ?IP),
                                   Self ! {self(), up},
                                   absorb(Socket)
                           end) || N <- Some],
    [receive
         {Peer, up} -> demonitor(Ref, [flush]);
         {'DOWN', Ref, process, Peer, Reason} -> error(Reason)
     end || {Peer, Ref} <- Peers],
    [Peer || {Peer, _} <- Peers] ++ dial(Dial, More).

absorb(Socket) ->
    receive
        stop when is_port(Socket) -> gen_tcp:close(Socket);
        stop -> ssl:close(Socket);
        _Data -> absorb(Socket)
    end.

-spec stop([pid()]) -> ok.
stop(Peers) ->
    [P ! stop || P <- Peers],
    ok.
