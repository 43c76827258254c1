%% What the suites about reload and mesh-key share: the command, and hosts with doors.
-module(reach).

-include_lib("eunit/include/eunit.hrl").

-export([tacit/1, reload/1, set/3, two_hosts/0, control_sockets/1, answers/2,
         door_keys/1, own_folder/2, mesh_key/2]).

%% Its status, the lines of its standard output, and those of the error output, without "tacit: ".
tacit(Args) ->
    {Status, Text} = mesh:tacit(Args),
    Lines = string:lexemes(lists:flatten(Text), "\n"),
    Faults = [F || L <- Lines, F <- [string:prefix(L, "tacit: ")], F =/= nomatch],
    {Status, lists:sort([L || L <- Lines, string:prefix(L, "tacit: ") =:= nomatch]), Faults}.

reload(#{conf := Conf}) ->
    tacit(["reload", "--conf", Conf]).

mesh_key(#{conf := Conf}, Args) ->
    tacit(["mesh-key" | Args] ++ ["--conf", Conf]).

set(#{conf := Conf}, From, To) ->
    {ok, Text} = file:read_file(Conf),
    New = iolist_to_binary(re:replace(Text, From, To)),
    ?assertNotEqual(Text, New),
    ok = file:write_file(Conf, New),
    Text.

two_hosts() ->
    A = door:host("127.0.0.1"),
    B = mesh:host("127.0.0.2", #{mesh => A}),
    ok = mesh:trust(A, B),
    ok = mesh:trust(B, A),
    {A, B}.

%% A door's, with copies of these key files, and the socket of the host's nodes.
own_folder(#{dir := Dir, conf := Conf} = Host, Keys) ->
    Own = mesh:dir(),
    {ok, Text} = file:read_file(Conf),
    [begin
         {ok, _} = file:copy(filename:join(Dir, Key), filename:join(Own, Key)),
         ok = file:change_mode(filename:join(Own, Key), 8#600)
     end || Key <- Keys],
    OwnConf = filename:join(Own, "tacit.conf"),
    ok = file:write_file(OwnConf, re:replace(Text, "door = .*",
                                             ["door = ", filename:join(Dir, "door.sock")])),
    Host#{conf := OwnConf, dir := Own}.

door_keys(Door) ->
    [Mark || ["mesh-key", Mark] <- door:show(Door)].

control_sockets(#{dir := Dir}) ->
    lists:sort(filelib:wildcard("*", filename:join(Dir, "run"))).

answers(Host, Count) ->
    mesh:wait_until(fun() -> length(control_sockets(Host)) =:= Count end).
