%% Dialling: from a node's name to an authenticated channel, within the setup time.
-module(tacit_dial).

-export([dial/4, knows_door/1, names/1]).

%% What a handshake gets at least, ms, where another address could follow.
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
            race(Host, TcpPort, (claim(MyNode))#{node => Name}, Until);
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
            case race(Address, TcpPort, Claim, Until) of
                {ok, Port} -> question(Name, Port, TcpPort);
                Error -> Error
            end;
        {error, _} ->
            {error, unknown}
    end.

%% src/channel/PROTOCOL.md, "Directory". Who answers has proved to be that door.
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

%% The first of the host's addresses where somebody answers who knows us.
race(Host, TcpPort, Claim, Until) ->
    race(tacit_race:start(Host, TcpPort, Claim, Until), Claim, Until).

race(Race, #{node := Name} = Claim, Until) ->
    case tacit_race:next(Race) of
        {ok, {Port, Address}, Next} ->
            case handshake(Port, Until, tacit_race:is_over(Next)) of
                again ->
                    race(Next, Claim, Until);
                Result ->
                    tacit_race:stop(Next),
                    result(Result, Name, Address)
            end;
        {error, nxdomain} ->
            fail(Name, nxdomain, "no address for its host, and no [peer] endpoint");
        {error, timeout} ->
            fail(Name, timeout, "no answer from the resolver");
        {error, system_limit} ->
            fail(Name, system_limit, "no port is left (erl's +Q)");
        {error, _} = Error ->
            Error
    end.

%% again: what is there says nothing that Tacit would say, and another address may be left.
handshake(Port, Until, Last) ->
    Left = Until - erlang:monotonic_time(millisecond),
    Share = case Last of true -> max(Left, 1); false -> max(Left div 2, ?SHARE_MIN) end,
    _ = tacit_drv:proceed(Port, Share), % where it failed at once we are told as well
    receive
        {tacit_up, Port, _Name, _Fingerprint} ->
            {ok, Port};
        {tacit_down, Port, Reason, Text, Fingerprint, Line} ->
            Again = not Last andalso lists:member(Reason, [handshake_timeout, truncated, econnreset]),
            case Again of
                true -> again;
                false -> {down, Reason, Text, Fingerprint, Line}
            end
    end.

result({ok, Port}, _Name, _Address) ->
    {ok, Port};
result({down, econnreset, _, _, _}, _Name, _Address) ->
    {error, econnreset};
result({down, Reason, Text, Fingerprint, Line}, Name, Address) ->
    tacit_log:refused(#{direction => out, name => Name, address => address_text(Address),
                        fingerprint => Fingerprint, line => Line}, Reason, Text),
    {error, Reason}.

fail(Name, Reason, Text) ->
    tacit_log:refused(#{direction => out, name => Name, address => <<>>, fingerprint => <<>>,
                        line => <<>>}, Reason, Text),
    {error, Reason}.

address_text({Ip, TcpPort}) ->
    [inet:ntoa(Ip), $:, integer_to_list(TcpPort)].
