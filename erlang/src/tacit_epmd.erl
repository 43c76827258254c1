%% For `-epmd_module tacit_epmd'. Tacit needs no epmd: a node is reached at its host's one
%% port and named inside the channel. This module answers those who ask an epmd module all
%% the same, and passes a plain carrier's registration on to OTP's own (erl_epmd), where
%% that runs.
-module(tacit_epmd).

-export([start_link/0, stop/0, open/0, open/1, open/2]).
-export([register_node/2, register_node/3]).
-export([port_please/2, port_please/3, names/0, names/1]).

%% The version of the distribution protocol that erl_epmd reports for a live node.
-define(DIST_VERSION, 6).

%% Not called under -no_epmd.
-spec start_link() -> {ok, pid()} | ignore | {error, term()}.
start_link() ->
    erl_epmd:start_link().

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
    case whereis(erl_epmd) of
        undefined -> {ok, -1}; % -no_epmd: nobody to register with, net_kernel makes one up
        _ -> erl_epmd:register_node(Name, Port, Family)
    end.

-spec port_please(atom() | string(), inet:ip_address() | string()) ->
          {port, inet:port_number(), pos_integer()} | noport | {error, term()}.
port_please(Name, Host) ->
    port_please(Name, Host, infinity).

%% A plain carrier's node is asked of epmd; where none runs, the port is Tacit's.
-spec port_please(atom() | string(), inet:ip_address() | string(), timeout()) ->
          {port, inet:port_number(), pos_integer()} | noport | {error, term()}.
port_please(Name, Host, Timeout) ->
    case whereis(erl_epmd) of
        undefined -> tacit_port(Name, Host);
        _ -> erl_epmd:port_please(Name, Host, Timeout)
    end.

tacit_port(Name, Host) when is_tuple(Host) ->
    tacit_port(Name, inet:ntoa(Host));
tacit_port(Name, Host) ->
    try tacit_drv:endpoint(lists:concat([Name, "@", Host])) of
        {ok, {_, Port}} -> {port, Port, ?DIST_VERSION};
        {error, _} -> noport
    catch
        error:badarg -> noport % distribution was never started: no driver
    end.

-spec names() -> {ok, [{string(), inet:port_number()}]} | {error, address}.
names() ->
    {ok, Host} = inet:gethostname(),
    names(Host).

%% This host's nodes, as far as they are known here: this one. Another host's are not told
%% to anybody who merely asks.
-spec names(atom() | string() | inet:ip_address()) ->
          {ok, [{string(), inet:port_number()}]} | {error, address}.
names(Host) ->
    case {whereis(erl_epmd), is_local(Host)} of
        {undefined, true} -> {ok, own_name()};
        {undefined, false} -> {error, address};
        _ -> erl_epmd:names(Host)
    end.

%% The port is that of the first address, as in #net_address{}.
own_name() ->
    case is_alive() andalso tacit_drv:info(host) of
        {ok, #{listen := [Address | _]}} ->
            [_, Port] = string:split(Address, ":", trailing),
            [{hd(string:split(atom_to_list(node()), "@")), binary_to_integer(Port)}];
        _ ->
            []
    end.

is_local(Host) when is_tuple(Host) ->
    {ok, Interfaces} = inet:getifaddrs(),
    lists:any(fun({_, Options}) -> lists:member({addr, Host}, Options) end, Interfaces);
is_local(Host) when is_atom(Host) ->
    is_local(atom_to_list(Host));
is_local(Host) ->
    {ok, Own} = inet:gethostname(),
    Node = atom_to_list(node()),
    Host =:= "localhost" orelse Host =:= Own orelse lists:suffix("@" ++ Host, Node)
        orelse case inet:getaddr(Host, inet) of
                   {ok, Ip} -> is_local(Ip);
                   {error, _} -> false
               end.
