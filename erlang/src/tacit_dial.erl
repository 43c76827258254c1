%% Dialling: from a node's name to an authenticated channel, within the setup time.
-module(tacit_dial).

-export([dial/4, knows_door/1, names/1]).

%% Nothing is gained by less than this for one address.
-define(SHARE_MIN, 500).
%% What a door may take to be reached, and again to answer, ms.
-define(ASK_TIMEOUT, 10000).

%% Resolves and dials Node; the port that comes back belongs to the calling process, and
%% its peer has proved to be Node. Reason says at which stage it failed. SetupTime, ms, is
%% net_kernel's: what is tried here ends a little earlier, so that the reason is told.
-spec dial(node(), node(), longnames | shortnames, non_neg_integer()) ->
          {ok, port()} | {error, atom()}.
dial(Node, MyNode, LongOrShortNames, SetupTime) ->
    Name = atom_to_list(Node),
    Until = erlang:monotonic_time(millisecond) + SetupTime * 9 div 10,
    case host_fits(Name, LongOrShortNames) andalso tacit_drv:endpoint(Name) of
        {ok, {Host, TcpPort}} ->
            Claim = (claim(MyNode))#{node => Name},
            try_families(families(Host), TcpPort, Claim, Until, {error, nxdomain});
        {error, _} ->
            fail(Name, name, "not a node name that Tacit takes");
        false ->
            fail(Name, name, "its host part does not fit this node's " ++
                     atom_to_list(LongOrShortNames))
    end.

%% Whether a [peer] line has the door-key of Host (a name's host part).
-spec knows_door(string()) -> boolean().
knows_door(Host) ->
    element(1, tacit_drv:endpoint("@" ++ Host)) =:= ok.

%% Asks the door of Host (a name's host part) which nodes are there, and at which port. The
%% reason of an error is in the log.
-spec names(string()) -> {ok, {[string()], inet:port_number()}} | {error, atom()}.
names(Host) ->
    Self = self(),
    {Pid, Monitor} = spawn_monitor(fun() -> Self ! {names, self(), ask(Host)} end),
    receive
        {names, Pid, Result} ->
            demonitor(Monitor, [flush]),
            Result;
        {'DOWN', Monitor, process, Pid, _} ->
            {error, closed}
    after 2 * ?ASK_TIMEOUT ->
        exit(Pid, kill),
        demonitor(Monitor, [flush]),
        {error, timeout}
    end.

ask(Host) ->
    Name = "@" ++ Host,
    Until = erlang:monotonic_time(millisecond) + ?ASK_TIMEOUT,
    case tacit_drv:endpoint(Name) of
        {ok, {Address, TcpPort}} ->
            Claim = #{own => "", dynamic => false, node => Name},
            case try_families(families(Address), TcpPort, Claim, Until, {error, nxdomain}) of
                {ok, Port} -> question(Name, Port, TcpPort);
                Error -> Error
            end;
        {error, _} ->
            {error, unknown}
    end.

%% src/channel/PROTOCOL.md, "Directory". Whoever answers has proved to be that door.
question(Name, Port, TcpPort) ->
    _ = tacit_drv:send(Port, <<1>>), % where the door is gone, the answer says why
    case answer(Port, []) of
        {ok, Names} -> {ok, {Names, TcpPort}};
        {error, {Reason, Text}} -> fail(Name, Reason, Text)
    end.

answer(Port, Names) ->
    case tacit_drv:recv(Port) of
        {ok, [2 | Bytes]} ->
            answer(Port, lists:reverse([binary_to_list(Name) ||
                                           <<Len, Name:Len/binary>> <= list_to_binary(Bytes)],
                                       Names));
        {ok, [3 | Count]} ->
            Complete = <<(length(Names)):32>> =:= list_to_binary(Count),
            case Complete of
                true -> {ok, lists:reverse(Names)};
                false -> {error, {protocol, "not all names came"}}
            end;
        {ok, _} ->
            {error, {protocol, "not an answer"}};
        {error, closed} ->
            {error, {closed, "the door closed"}};
        Error ->
            Error
    end.

%% Who we say we are: a dynamic node does not know its name yet.
claim(MyNode) ->
    case {node(), string:split(atom_to_list(MyNode), "@")} of
        {nonode@nohost, [_, Host]} -> #{own => Host, dynamic => true};
        _ -> #{own => atom_to_list(MyNode), dynamic => false}
    end.

%% As inet_tcp_dist: long names have a dot or are an address, short names have none.
host_fits(Name, LongOrShortNames) ->
    case string:split(Name, "@") of
        [_, Host] ->
            Dots = lists:member($., Host),
            case LongOrShortNames of
                longnames -> Dots orelse element(1, inet:parse_address(Host)) =:= ok;
                shortnames -> not Dots
            end;
        _ ->
            false
    end.

%% One look-up a family, and the second only if the first led nowhere.
families(Host) ->
    case inet:parse_address(Host) of
        {ok, Ip} -> [fun() -> [Ip] end];
        {error, _} -> [fun() -> resolve(Host, Family) end || Family <- [inet, inet6]]
    end.

resolve(Host, Family) ->
    case inet:getaddrs(Host, Family) of
        {ok, Ips} -> Ips;
        {error, _} -> []
    end.

try_families([], _TcpPort, #{node := Name}, _Until, {error, nxdomain}) ->
    fail(Name, nxdomain, "no address for its host, and no [peer] endpoint");
try_families([], _TcpPort, _Claim, _Until, Error) ->
    Error;
try_families([Ips | Families], TcpPort, Claim, Until, Error) ->
    case try_addresses(Ips(), TcpPort, Claim, Until, Error) of
        {next, NextError} -> try_families(Families, TcpPort, Claim, Until, NextError);
        Result -> Result
    end.

try_addresses([], _TcpPort, _Claim, _Until, Error) ->
    {next, Error};
try_addresses([Ip | Ips], TcpPort, Claim, Until, _Error) ->
    Left = Until - erlang:monotonic_time(millisecond),
    Share = max(?SHARE_MIN, Left div (length(Ips) + 1)),
    case connect(Claim#{address => {Ip, TcpPort}, timeout => Share}) of
        {error, {tcp, Reason}} -> try_addresses(Ips, TcpPort, Claim, Until, {error, Reason});
        Result -> Result
    end.

%% One address. {tcp, _}: nobody answered there, another address may do.
connect(#{node := Name} = Args) ->
    case tacit_drv:open() of
        {ok, Port} -> connect(Port, Args);
        {error, Text} -> fail(Name, system_limit, Text)
    end.

connect(Port, #{node := Name, address := Address} = Args) ->
    case tacit_drv:connect(Port, Args) of
        ok ->
            receive
                {tacit_up, Port, _Name, _Fingerprint} -> {ok, Port};
                {tacit_down, Port, Reason, Text, Fingerprint, Line} ->
                    down(#{direction => out, name => Name, address => address_text(Address),
                           fingerprint => Fingerprint, line => Line}, Reason, Text)
            end;
        {error, Reason} ->
            tacit_drv:close(Port),
            {error, {tcp, list_to_atom(Reason)}}
    end.

down(Who, Reason, Text) ->
    case lists:member(Reason, [econnrefused, ehostunreach, enetunreach, etimedout, timeout,
                               enetdown, ehostdown, eaddrnotavail, econnreset]) of
        true ->
            {error, {tcp, Reason}};
        false ->
            tacit_log:refused(Who, Reason, Text),
            {error, Reason}
    end.

fail(Name, Reason, Text) ->
    tacit_log:refused(#{direction => out, name => Name, address => <<>>, fingerprint => <<>>,
                        line => <<>>}, Reason, Text),
    {error, Reason}.

address_text({Ip, TcpPort}) ->
    [inet:ntoa(Ip), $:, integer_to_list(TcpPort)].
