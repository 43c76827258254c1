%% The distribution carrier: `-proto_dist tacit'.
%%
%% A thin module in the manner of inet_tcp_dist. Any peer that arrives here has been
%% authenticated by the driver: accept, Noise handshake, deadlines and limits happen there,
%% and nothing of Erlang's exists for a stranger. The distribution handshake of dist_util
%% then runs inside the channel, and must claim the very name that the channel proved.
%%
%% Beside a plain carrier (`-proto_dist inet_tcp tacit') this module also stands before it:
%% net_kernel looks a carrier up by family and protocol, the last named first, so that a
%% listener that says inet and tcp receives inet_tcp's connections, too. Only names on a
%% [plain] line are then passed on to inet_tcp_dist.
-module(tacit_dist).

-export([childspecs/0, listen/1, listen/2, accept/1, accept_connection/5, setup/5,
         close/1, select/1, address/0, address/1, is_node_name/1]).
-export([setopts/2, getopts/2]).
%% Exported for spawn and for the funs in #hs_data{}, which must not pin old code.
-export([accept_loop/2, announce_loop/3, do_accept/8, do_setup/6]).
-export([send/2, recv/3, getll/1, remote_address/2, pre_nodeup/1, post_nodeup/1, tick/1,
         getstat/1]).

-include_lib("kernel/include/dist.hrl").
-include_lib("kernel/include/dist_util.hrl").
-include_lib("kernel/include/net_address.hrl").

%% When net_kernel hears that a process could not be made, ms.
-define(NO_PROCESS, 200).
-define(WATCH_RETRY, 1000). % ms

-type ctrl() :: {tacit, port(), Name :: string(), Dynamic :: boolean()}.

%% --- listening -----------------------------------------------------------------------------

%% Before net_kernel: it tells tacit_sup when a configuration is in force.
%% Asked once for each carrier of -proto_dist: two of one name would end the kernel before
%% anybody has said what is wrong.
-spec childspecs() -> {ok, [supervisor:child_spec()]}.
childspecs() ->
    {ok, [tacit_sup:childspec() || tacit_flags:check() =:= ok]}.

-spec listen(atom()) -> {ok, {port(), #net_address{}, integer()}} | {error, term()}.
listen(Name) ->
    {ok, Host} = inet:gethostname(),
    listen(Name, Host).

%% Reads the configuration and listens on its addresses, or registers with the door. A node
%% that was started with -name or -sname does not start with a wrong one: see
%% tacit_boot:guard/1.
-spec listen(atom(), string()) -> {ok, {port(), #net_address{}, integer()}} | {error, term()}.
listen(Name, Host) ->
    tacit_boot:guard(
      fun() ->
              ok = tacit_boot:start(true),
              case tacit_drv:open() of
                  {ok, Port} -> listen(Port, Name, Host);
                  {error, Text} -> throw({tacit, ["cannot listen: ", Text]})
              end
      end).

listen(Port, Name, Host) ->
    case tacit_drv:listen(Port, atom_to_list(Name) ++ "@" ++ Host) of
        {ok, Address, Creation} -> % -1: net_kernel makes a random one
            {ok, {Port, (net_address(Host))#net_address{address = Address}, Creation}};
        {error, Text} ->
            tacit_drv:close(Port),
            throw({tacit, Text})
    end.

-spec address() -> #net_address{}.
address() ->
    {ok, Host} = inet:gethostname(),
    address(Host).

%% Called instead of listen where the node does not listen. net_kernel knows no error here.
-spec address(string()) -> #net_address{}.
address(Host) ->
    case tacit_boot:guard(fun() -> tacit_boot:start(false) end) of
        ok -> net_address(Host);
        {error, _} -> tacit_boot:end_net_kernel()
    end.

net_address(Host) ->
    {Family, Protocol} = tacit_boot:family(),
    #net_address{host = Host, family = Family, protocol = Protocol}.

-spec close(port()) -> ok.
close(Listener) ->
    tacit_drv:close(Listener).

%% --- accepting -----------------------------------------------------------------------------

-spec accept(port()) -> pid().
accept(Listener) ->
    in_process(fun() ->
                       spawn_opt(?MODULE, accept_loop, [self(), Listener],
                                 [link, {priority, max}])
               end).

%% What raises in net_kernel ends the node. Where no process can be made net_kernel gets one
%% that has ended, and soon hears so; then it does what it does then, and what is at work goes
%% on.
in_process(Spawn) ->
    try
        Spawn()
    catch
        error:system_limit ->
            Ended = ended_process(),
            _ = erlang:send_after(?NO_PROCESS, self(), {'EXIT', Ended, system_limit}),
            Ended
    end.

%% No two alike, and none that there ever was: the last of all serial numbers.
ended_process() ->
    Number = erlang:unique_integer([positive]) band 16#7fff,
    list_to_pid(lists:concat(["<0.", Number, ".8191>"])).

-spec accept_loop(pid(), port()) -> no_return().
accept_loop(Kernel, Listener) ->
    case tacit_drv:accept(Listener) of
        ok -> tacit_watch:keep(), wait(Kernel, Listener, tacit_boot:family());
        {error, Reason} -> exit(Reason)
    end.

%% Who waits in a function would keep its module's old code from being purged, and end with it.
-spec wait(pid(), port(), {atom(), atom()}) -> no_return().
wait(Kernel, Listener, FamilyProtocol) ->
    erlang:hibernate(?MODULE, announce_loop, [Kernel, Listener, FamilyProtocol]).

-spec announce_loop(pid(), port(), {atom(), atom()}) -> no_return().
announce_loop(Kernel, Listener, {Family, Protocol} = FamilyProtocol) ->
    receive
        {tacit_accept, Listener, Port, Name, Dynamic} ->
            Ctrl = {tacit, Port, binary_to_list(Name), Dynamic},
            Kernel ! {accept, self(), Ctrl, Family, Protocol},
            controller(Kernel, Port);
        {tacit_event, Listener, Reason, Name, Fingerprint, Address, Line, Text} ->
            tacit_log:refused(#{direction => in, name => Name, fingerprint => Fingerprint,
                                address => Address, line => Line}, Reason, Text);
        {tacit_door, Listener, keys, _} ->
            tacit_gossip:door_keys();
        {tacit_door, Listener, What, Text} ->
            tacit_log:door(What, Text);
        {'DOWN', _, process, {tacit_watch, _}, _} ->
            _ = erlang:send_after(?WATCH_RETRY, self(), watch);
        watch ->
            tacit_watch:keep();
        _ ->
            ok
    end,
    wait(Kernel, Listener, FamilyProtocol).

%% Gives the port to the process that net_kernel started for it. Unlinked, or the end of
%% one link would be the end of all accepting.
controller(Kernel, Port) ->
    receive
        {Kernel, controller, Pid} ->
            try
                erlang:port_connect(Port, Pid),
                unlink(Port)
            catch
                error:badarg -> tacit_drv:close(Port) % or Pid, or the link, is no more
            end,
            Pid ! {self(), controller},
            ok;
        {Kernel, unsupported_protocol} ->
            exit(unsupported_protocol)
    end.

-spec accept_connection(pid(), ctrl() | term(), node(), list(), non_neg_integer()) -> pid().
accept_connection(AcceptPid, {tacit, Port, Name, Dynamic}, MyNode, Allowed, SetupTime) ->
    in_process(
      fun() ->
              spawn_opt(?MODULE, do_accept,
                        [self(), AcceptPid, Port, Name, Dynamic, MyNode, Allowed, SetupTime],
                        spawn_options())
      end);
accept_connection(AcceptPid, Socket, MyNode, Allowed, SetupTime) ->
    Plain = tacit_boot:plain_allowed(Allowed),
    Module = tacit_boot:plain_module(),
    in_process(fun() ->
                       Module:accept_connection(AcceptPid, Socket, MyNode, Plain, SetupTime)
               end).

-spec do_accept(pid(), pid(), port(), string(), boolean(), node(), list(),
                non_neg_integer()) -> no_return().
do_accept(Kernel, AcceptPid, Port, Name, Dynamic, MyNode, Allowed, SetupTime) ->
    receive
        {AcceptPid, controller} ->
            Timer = dist_util:start_timer(SetupTime),
            put(tacit_claim, {in, Name, Dynamic}),
            put(tacit_peer, tacit_log:who(in, Name, Port)),
            HSData = hs_data(Kernel, MyNode, Port, Timer),
            dist_util:handshake_other_started(
              HSData#hs_data{allowed = allowed(Name, Allowed)})
    end.

%% Exactly the name that the channel proved, if net_kernel:allow/1 does not forbid it.
allowed(Name, []) -> [Name];
allowed(_Name, Allowed) -> Allowed. % recv/3 holds the peer to its name

%% --- dialling ------------------------------------------------------------------------------

-spec setup(node(), term(), node(), longnames | shortnames, non_neg_integer()) -> pid().
setup(Node, Type, MyNode, LongOrShortNames, SetupTime) ->
    in_process(fun() ->
                       spawn_opt(?MODULE, do_setup,
                                 [self(), Node, Type, MyNode, LongOrShortNames, SetupTime],
                                 spawn_options())
               end).

%% What little a link's process has is not to be put onto a second heap, unless the
%% kernel's configuration says otherwise: the last one counts.
spawn_options() ->
    [{fullsweep_after, 0} | dist_util:net_ticker_spawn_options()].

-spec do_setup(pid(), node(), term(), node(), longnames | shortnames,
               non_neg_integer()) -> no_return().
do_setup(Kernel, Node, Type, MyNode, LongOrShortNames, SetupTime) ->
    Timer = dist_util:start_timer(SetupTime),
    case tacit_dial:dial(Node, MyNode, LongOrShortNames, SetupTime) of
        {ok, Port} ->
            dist_util:reset_timer(Timer),
            put(tacit_claim, {out, atom_to_list(Node), false}),
            put(tacit_peer, tacit_log:who(out, atom_to_list(Node), Port)),
            HSData = hs_data(Kernel, MyNode, Port, Timer),
            dist_util:handshake_we_started(
              HSData#hs_data{other_node = Node, request_type = Type, other_version = 6});
        {error, Reason} ->
            ?shutdown2(Node, {tacit, Reason})
    end.

%% Every node is ours, but those on a [plain] line: denial happens inside, so that nothing
%% falls back to plain text.
-spec select(node()) -> boolean().
select(Node) ->
    is_node_name(Node) andalso not tacit_drv:is_plain(atom_to_list(Node)).

-spec is_node_name(node()) -> boolean().
is_node_name(Node) ->
    dist_util:is_node_name(atom_to_list(Node)).

%% --- what dist_util calls ------------------------------------------------------------------

hs_data(Kernel, MyNode, Port, Timer) ->
    #hs_data{kernel_pid = Kernel,
             this_node = MyNode,
             socket = Port,
             timer = Timer,
             this_flags = 0,
             f_send = fun ?MODULE:send/2,
             f_recv = fun ?MODULE:recv/3,
             f_setopts_pre_nodeup = fun ?MODULE:pre_nodeup/1,
             f_setopts_post_nodeup = fun ?MODULE:post_nodeup/1,
             f_getll = fun ?MODULE:getll/1,
             f_address = fun ?MODULE:remote_address/2,
             mf_tick = fun ?MODULE:tick/1,
             mf_getstat = fun ?MODULE:getstat/1,
             mf_setopts = fun ?MODULE:setopts/2,
             mf_getopts = fun ?MODULE:getopts/2}.

-spec send(port(), iodata()) -> ok | {error, closed}.
send(Port, Data) ->
    tacit_drv:send(Port, Data).

%% One message. The one that names the peer must claim what the channel proved: to the side
%% that accepts it is the first, and dist_util makes an atom of the name that it has; to the
%% side that dials it is the challenge.
-spec recv(port(), 0, infinity) -> {ok, [byte()]} | {error, term()}.
recv(Port, 0, infinity) ->
    case tacit_drv:recv(Port) of
        {ok, Message} = Received ->
            check_claim(Port, get(tacit_claim), Message, Received);
        {error, {Reason, Text}} = Error ->
            tacit_log:lost_handshake(get(tacit_peer), Reason, Text),
            Error;
        {error, _} = Error ->
            Error
    end.

check_claim(_Port, undefined, _Message, Received) ->
    Received;
check_claim(_Port, {out, _, _}, [Kind | _], Received) when Kind =/= $N ->
    Received; % the status, which comes before
check_claim(Port, {Direction, Name, Dynamic}, Message, Received) ->
    erase(tacit_claim),
    case claimed(Direction, Message) of
        {{Name, Dynamic}, Published} ->
            case check_visibility(Port, Published, Received) of
                Received when Direction =:= in -> check_atom(Port, Name, Dynamic, Received);
                Other -> Other
            end;
        Other ->
            refuse(Port, name_mismatch, ["authenticated as ", claim_text({Name, Dynamic}),
                                         ", but claims ", claim_text(Other)])
    end.

%% dist_util makes an atom of the name, or net_kernel of the one that it gives, before there is
%% a word of the cookie.
check_atom(Port, Name, Dynamic, Received) ->
    case not Dynamic andalso is_atom_there(Name) orelse tacit_drv:new_name(Port) of
        true -> Received;
        ok -> Received;
        {error, "closed"} -> {error, closed};
        {error, Text} -> refuse(Port, busy, Text)
    end.

is_atom_there(Name) ->
    try
        is_atom(list_to_existing_atom(Name))
    catch
        error:badarg -> false
    end.

%% Whether the peer is the hidden node, or the visible one, that the rule for it wants.
check_visibility(Port, Published, Received) ->
    case tacit_drv:seen(Port, Published) of
        ok -> Received;
        {error, "closed"} -> {error, closed};
        {error, Text} -> refuse(Port, visibility, Text)
    end.

refuse(Port, Reason, Chars) ->
    Text = lists:flatten(Chars),
    tacit_log:refused(get(tacit_peer), Reason, Text),
    tacit_drv:refuse(Port, Reason, Text),
    {error, Reason}.

%% The name in the distribution handshake's first message, or in its challenge, as a
%% string, and whether the node is visible.
claimed(in, [$N, F7, F6, F5, F4, F3, F2, F1, F0, _, _, _, _, L1, L0 | Rest])
  when length(Rest) >= (L1 bsl 8 bor L0) ->
    <<Flags:64>> = <<F7, F6, F5, F4, F3, F2, F1, F0>>,
    {{lists:sublist(Rest, L1 bsl 8 bor L0), Flags band ?DFLAG_NAME_ME =/= 0},
     Flags band ?DFLAG_PUBLISHED =/= 0};
claimed(out, [$N, _, _, _, _, _, _, _, F0, _, _, _, _, _, _, _, _, L1, L0 | Rest])
  when length(Rest) >= (L1 bsl 8 bor L0) ->
    {{lists:sublist(Rest, L1 bsl 8 bor L0), false}, F0 band ?DFLAG_PUBLISHED =/= 0};
claimed(_, _) ->
    malformed.

claim_text({{Name, Dynamic}, _Published}) -> claim_text({Name, Dynamic});
claim_text({Name, false}) -> Name;
claim_text({Host, true}) -> "a dynamic name at " ++ Host;
claim_text(malformed) -> "nothing that can be read".

-spec getll(port()) -> {ok, port()}.
getll(Port) ->
    {ok, Port}.

-spec remote_address(port(), node()) -> #net_address{}.
remote_address(Port, Node) ->
    case {inet:peername(Port), dist_util:split_node(Node)} of
        {{ok, Address}, {node, _, Host}} ->
            #net_address{address = Address, host = Host, protocol = tacit, family = tacit};
        _ ->
            ?shutdown(Node)
    end.

-spec pre_nodeup(port()) -> ok.
pre_nodeup(_Port) ->
    ok.

-spec post_nodeup(port()) -> ok | {error, term()}.
post_nodeup(Port) ->
    Active = tacit_drv:active(Port),
    tacit_log:accepted(get(tacit_peer)),
    %% What the handshake left on the heap would stay as long as the link: it idles. The
    %% first collection still makes a heap that would take all that it found.
    true = erlang:garbage_collect(),
    true = erlang:garbage_collect(),
    Active.

-spec tick(port()) -> ok | {error, closed}.
tick(Port) ->
    case tacit_drv:tick(Port) of
        ok ->
            ok;
        {error, closed} = Error ->
            self() ! {tcp_closed, Port},
            Error
    end.

-spec getstat(port()) -> {ok, integer(), integer(), integer()} | {error, term()}.
getstat(Port) ->
    ok = tacit_watch:ensure(), % each tick comes by here
    case inet:getstat(Port, [recv_cnt, send_cnt, send_pend]) of
        {ok, [{recv_cnt, Recv}, {send_cnt, Send}, {send_pend, Pend}]} ->
            {ok, Recv, Send, Pend};
        {error, _} = Error ->
            Error
    end.

%% The driver sets its sockets' options itself.
-spec setopts(port(), list()) -> ok | {error, term()}.
setopts(_Port, []) -> ok;
setopts(_Port, Opts) -> {error, {badopts, Opts}}.

-spec getopts(port(), list()) -> {ok, list()} | {error, term()}.
getopts(Port, Opts) ->
    inet:getopts(Port, Opts).
