%% What this host's door, secure-epmd, says on its Unix socket to any who ask: the report
%% of src/door/PROTOCOL.md. (A node's registration is the driver's business.)
-module(tacit_door).

-export([names/1, port/1]).

-define(SHOW, 5).
-define(REPORT, 7).
-define(END, 8).
-define(TIMEOUT, 5000). % ms

%% The nodes that are registered, as net_adm:names/1 has them; [] where the door is away.
-spec names(file:filename_all()) -> [{string(), inet:port_number()}].
names(Path) ->
    Lines = [binary:split(Line, <<"\t">>, [global]) ||
                Line <- binary:split(report(Path), <<"\n">>, [global])],
    Port = case [Address || [<<"listen">>, Address | _] <- Lines] of
               [Address | _] -> port(Address);
               [] -> 0
           end,
    [{binary_to_list(hd(binary:split(Name, <<"@">>))), Port} ||
        [<<"node">>, Name | _] <- Lines].

%% Of an address such as <<"192.0.2.10:4370">>.
-spec port(binary()) -> inet:port_number().
port(Address) ->
    [_, Port] = string:split(Address, ":", trailing),
    binary_to_integer(Port).

report(Path) ->
    Options = [binary, {packet, 2}, {active, false}],
    case gen_tcp:connect({local, Path}, 0, Options, ?TIMEOUT) of
        {ok, Socket} ->
            Report = case gen_tcp:send(Socket, <<?SHOW>>) of
                         ok -> lines(Socket, []);
                         {error, _} -> <<>>
                     end,
            ok = gen_tcp:close(Socket),
            Report;
        {error, _} ->
            <<>>
    end.

%% One without its end is not to be used.
lines(Socket, Lines) ->
    case gen_tcp:recv(Socket, 0, ?TIMEOUT) of
        {ok, <<?REPORT, Bytes/binary>>} -> lines(Socket, [Lines, Bytes]);
        {ok, <<?END>>} -> iolist_to_binary(Lines);
        _ -> <<>>
    end.
