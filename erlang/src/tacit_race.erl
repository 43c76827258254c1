%% From a host to a TCP connection, by whichever of its addresses answers first: RFC 8305.
%%
%% Both families are asked for at once, each by a process of its own, and the addresses are
%% tried one beside the other: a new one every ?STAGGER ms, or as soon as one has failed.
%% Nothing is said on a connection before it has won: of two first messages both might count.
-module(tacit_race).

-export([start/4, next/1, is_over/1, stop/1]).
-export([ask/3]). % for spawn

-export_type([race/0]).

-define(STAGGER, 250). % ms, "Connection Attempt Delay"
-define(RESOLUTION_DELAY, 50). % ms that IPv4's addresses wait for IPv6's
-define(ADDRESSES_MAX, 16). % of a family that are tried
-define(AT_ONCE, -(1 bsl 50)). % before any moment of erlang:monotonic_time/1

-record(race, {claim :: map(),
               tcp_port :: inet:port_number(),
               until :: integer(),
               asked = [] :: [pid()], % who have not answered yet
               v6 = [] :: [inet:ip6_address()], % not tried yet
               v4 = [] :: [inet:ip4_address()],
               last = v4 :: v4 | v6, % the family that was tried last
               hold = ?AT_ONCE :: integer(), % no IPv4 before this
               next_at = ?AT_ONCE :: integer(), % no other beside those tried before this
               trying = [] :: [{port(), inet:ip_address()}],
               error = nxdomain :: atom()}). % of the last that failed
-opaque race() :: #race{}.

%% Claim is what tacit_drv:connect/2 takes, but for address and timeout. Until: a moment of
%% erlang:monotonic_time(millisecond).
-spec start(string(), inet:port_number(), map(), integer()) -> race().
start(Host, TcpPort, Claim, Until) ->
    Race = #race{claim = Claim, tcp_port = TcpPort, until = Until},
    case inet:parse_address(Host) of
        {ok, Ip} ->
            add([Ip], Race);
        {error, _} ->
            Race#race{asked = [spawn_link(?MODULE, ask, [self(), Host, Family]) ||
                                  Family <- [inet6, inet]]}
    end.

%% The next connection, on which nothing was said. The error is the last address's;
%% nxdomain: there is none.
-spec next(race()) -> {ok, {port(), tacit_drv:address()}, race()} | {error, atom()}.
next(#race{asked = [], v6 = [], v4 = [], trying = [], error = Error}) ->
    {error, Error};
next(#race{until = Until, trying = Trying} = Race) ->
    Now = now_ms(),
    case {earliest(Race) =< Now, Now >= Until} of
        {_, true} when Trying =:= [] -> stop(Race), {error, late(Race)};
        {true, false} -> next(connect(Now, Race));
        _ -> await(Race, Now)
    end.

late(#race{error = nxdomain}) -> timeout; % of the resolver
late(#race{error = Error}) -> Error.

%% Whether no address is left that was not tried to the end.
-spec is_over(race()) -> boolean().
is_over(#race{asked = Asked, v6 = V6, v4 = V4}) ->
    {Asked, V6, V4} =:= {[], [], []}.

%% Nothing of it comes later.
-spec stop(race()) -> ok.
stop(#race{asked = Asked, trying = Trying}) ->
    lists:foreach(fun(Pid) ->
                          unlink(Pid),
                          exit(Pid, kill),
                          receive {?MODULE, Pid, _} -> ok after 0 -> ok end
                  end, Asked),
    lists:foreach(fun({Port, _}) -> close(Port) end, Trying).

%% --- resolving ---------------------------------------------------------------------------------

%% A process of its own: a family that is never answered keeps nobody waiting.
-spec ask(pid(), string(), inet | inet6) -> ok.
ask(Racer, Host, Family) ->
    Ips = case inet:getaddrs(Host, Family) of
              {ok, Found} -> Found;
              {error, _} -> []
          end,
    Racer ! {?MODULE, self(), Ips},
    ok.

%% An IPv4 address is tried as such: the system's resolver gives it as IPv6, too, where there
%% is no other.
add(Ips, #race{v6 = V6, v4 = V4} = Race) ->
    New6 = [Ip || Ip <- Ips, tuple_size(Ip) =:= 8, not is_mapped(Ip)],
    New4 = [Ip || Ip <- Ips, tuple_size(Ip) =:= 4],
    Race#race{v6 = lists:sublist(New6 ++ V6, ?ADDRESSES_MAX),
              v4 = lists:sublist(New4 ++ V4, ?ADDRESSES_MAX)}.

is_mapped({0, 0, 0, 0, 0, 16#ffff, _, _}) -> true;
is_mapped(_) -> false.

answered(Pid, Ips, #race{asked = Asked} = Race) ->
    Next = add(Ips, Race#race{asked = Asked -- [Pid], hold = ?AT_ONCE}),
    case Next of
        #race{asked = [_], v6 = []} -> Next#race{hold = now_ms() + ?RESOLUTION_DELAY};
        #race{} -> Next
    end.

%% --- connecting --------------------------------------------------------------------------------

%% When the next address is to be tried.
earliest(#race{v6 = [], v4 = []}) -> infinity;
earliest(#race{v6 = [], trying = [], hold = Hold}) -> Hold;
earliest(#race{v6 = [], next_at = At, hold = Hold}) -> max(At, Hold);
earliest(#race{trying = []}) -> ?AT_ONCE;
earliest(#race{next_at = At}) -> At.

%% The families in turn.
connect(Now, #race{v6 = [Ip | V6], v4 = V4, last = Last} = Race) when Last =:= v4; V4 =:= [] ->
    connect(Now, Ip, Race#race{v6 = V6, last = v6});
connect(Now, #race{v4 = [Ip | V4]} = Race) ->
    connect(Now, Ip, Race#race{v4 = V4, last = v4}).

connect(Now, Ip, Race) ->
    case tacit_drv:open() of
        {ok, Port} -> connect(Now, Ip, Port, Race);
        {error, _} -> Race#race{error = system_limit, next_at = ?AT_ONCE}
    end.

connect(Now, Ip, Port, #race{claim = Claim, tcp_port = TcpPort, until = Until} = Race) ->
    Args = Claim#{address => {Ip, TcpPort}, timeout => Until - Now},
    case tacit_drv:connect(Port, Args) of
        ok ->
            Race#race{trying = [{Port, Ip} | Race#race.trying], next_at = Now + ?STAGGER};
        {error, Reason} ->
            tacit_drv:close(Port),
            Race#race{error = list_to_atom(Reason), next_at = ?AT_ONCE}
    end.

%% An answer, a connection, the end of one, or the time of the next.
await(#race{asked = Asked, trying = Trying} = Race, Now) ->
    Wake = wake(Race, Now),
    receive
        {?MODULE, Pid, Ips} ->
            true = lists:member(Pid, Asked),
            next(answered(Pid, Ips, Race));
        {tacit_connected, Port} ->
            {Port, Ip} = lists:keyfind(Port, 1, Trying),
            won(Port, Ip, Race);
        {tacit_down, Port, Reason, _Text, _Fingerprint, _Line} ->
            next(Race#race{trying = lists:keydelete(Port, 1, Trying), error = Reason,
                           next_at = ?AT_ONCE})
    after
        case Wake of infinity -> infinity; _ -> max(0, Wake - Now) end -> next(Race)
    end.

%% The driver ends each connection at its time.
wake(#race{trying = [], until = Until} = Race, _Now) -> min(earliest(Race), Until);
wake(#race{until = Until}, Now) when Now >= Until -> infinity;
wake(Race, _Now) -> earliest(Race).

%% The others are left, and come after it should nobody be there who knows us.
won(Port, Ip, #race{trying = Trying, tcp_port = TcpPort} = Race) ->
    Others = lists:keydelete(Port, 1, Trying),
    lists:foreach(fun({Other, _}) -> close(Other) end, Others),
    {ok, {Port, {Ip, TcpPort}},
     add([Other || {_, Other} <- Others], Race#race{trying = [], next_at = ?AT_ONCE})}.

%% What it has said already is not to stay.
close(Port) ->
    tacit_drv:close(Port),
    receive
        {tacit_connected, Port} -> ok;
        {tacit_down, Port, _, _, _, _} -> ok
    after 0 ->
        ok
    end.

now_ms() ->
    erlang:monotonic_time(millisecond).
