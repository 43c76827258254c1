%% For `-epmd_module tacit_epmd'. Tacit needs no epmd: a node is reached at its host's one
%% port and named inside the channel. This module answers those who ask an epmd module all
%% the same, and passes a plain carrier's registration on to OTP's own (erl_epmd), where
%% that runs. It is also who notices that OTP has taken plain inet_tcp where Tacit was meant.
-module(tacit_epmd).

-export([start_link/0, stop/0, open/0, open/1, open/2]).
-export([register_node/2, register_node/3]).
-export([port_please/2, port_please/3, names/0, names/1]).

%% The version of the distribution protocol that erl_epmd reports for a live node.
-define(DIST_VERSION, 6).

%% Not called under -no_epmd.
-spec start_link() -> {ok, pid()} | ignore | {error, term()}.
start_link() ->
    case tacit_flags:check() of
        ok -> erl_epmd:start_link();
        {error, Text} -> tacit_boot:refuse(Text)
    end.

-spec stop() -> term().
stop() ->
    erl_epmd:stop().

-spec open() -> term().
open() -> erl_epmd:open().
-spec open(inet:ip_address() | string()) -> term().
open(Host) -> erl_epmd:open(Host).
-spec open(inet:ip_address() | string(), timeout()) -> term().
open(Host, Timeout) -> erl_epmd:open(Host, Timeout).

%% A plain carrier registers here; Tacit itself never does.
-spec register_node(atom() | string(), inet:port_number()) -> {ok, integer()} | {error, term()}.
register_node(Name, Port) ->
    register_node(Name, Port, inet).

-spec register_node(atom() | string(), inet:port_number(), atom()) ->
          {ok, integer()} | {error, term()}.
register_node(Name, Port, Family) ->
    case {tacit_flags:check(), whereis(erl_epmd)} of
        {{error, Text}, _} -> tacit_boot:refuse(Text);
        {ok, undefined} -> {ok, -1}; % -no_epmd: nobody to register with, net_kernel makes one up
        {ok, _} -> erl_epmd:register_node(Name, Port, Family)
    end.

-spec port_please(atom() | string(), inet:ip_address() | string()) ->
          {port, inet:port_number(), pos_integer()} | noport | {error, term()}.
port_please(Name, Host) ->
    port_please(Name, Host, infinity).

%% A plain carrier's node is asked of epmd; where none runs, the port is Tacit's.
-spec port_please(atom() | string(), inet:ip_address() | string(), timeout()) ->
          {port, inet:port_number(), pos_integer()} | noport | {error, term()}.
port_please(Name, Host, Timeout) ->
    case {tacit_flags:check(), whereis(erl_epmd)} of
        {{error, Text}, _} -> tacit_boot:refuse(Text, false); % never to be dialled in plain
        {ok, undefined} -> tacit_port(Name, Host);
        {ok, _} -> erl_epmd:port_please(Name, Host, Timeout)
    end.

tacit_port(Name, Host) when is_tuple(Host) ->
    tacit_port(Name, inet:ntoa(Host));
tacit_port(Name, Host) ->
    case tacit_drv:endpoint(lists:concat([Name, "@", Host])) of
        {ok, {_, Port}} -> {port, Port, ?DIST_VERSION};
        {error, _} -> noport % or distribution was never started: no driver
    end.

-spec names() -> {ok, [{string(), inet:port_number()}]} | {error, address}.
names() ->
    {ok, Host} = inet:gethostname(),
    names(Host).

%% This host's nodes, or those of another whose door this one may ask: `tacit names HOST'.
-spec names(atom() | string() | inet:ip_address()) ->
          {ok, [{string(), inet:port_number()}]} | {error, address}.
names(Host) when is_tuple(Host) ->
    names(inet:ntoa(Host));
names(Host) ->
    case whereis(erl_epmd) of
        undefined -> tacit_names(lists:concat([Host]));
        _ -> erl_epmd:names(Host)
    end.

%% A door that a [peer] line knows is asked, wherever it is.
tacit_names(Host) ->
    case {tacit_dial:knows_door(Host), is_local(Host)} of
        {true, _} -> door_names(tacit_dial:names(Host));
        {false, true} -> {ok, own_names()};
        {false, false} -> {error, address}
    end.

door_names({ok, {Names, Port}}) -> {ok, [{name_part(Name), Port} || Name <- Names]};
door_names({error, _}) -> {error, address}.

%% The port is that of the first address, as in #net_address{}.
own_names() ->
    case is_alive() andalso tacit_drv:info(host) of
        {ok, #{door := #{socket := Door}}} when Door =/= <<>> ->
            tacit_door:names(Door);
        {ok, #{listen := [Address | _]}} ->
            [{name_part(atom_to_list(node())), tacit_door:port(Address)}];
        _ ->
            []
    end.

name_part(Name) ->
    hd(string:split(Name, "@")).

is_local({127, _, _, _}) ->
    true;
is_local(Ip) when is_tuple(Ip) ->
    {ok, Interfaces} = inet:getifaddrs(),
    lists:any(fun({_, Options}) -> lists:member({addr, Ip}, Options) end, Interfaces);
is_local(Host) ->
    {ok, Own} = inet:gethostname(),
    Node = atom_to_list(node()),
    Host =:= "localhost" orelse Host =:= Own orelse lists:suffix("@" ++ Host, Node)
        orelse case inet:getaddr(Host, inet) of
                   {ok, Ip} -> is_local(Ip);
                   {error, _} -> false
               end.
