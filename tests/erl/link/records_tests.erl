%% Somebody on the wire between two nodes alters, drops, repeats, swaps or cuts records: the
%% link ends at once on both sides, nothing of the record is delivered, every whole message
%% before it is, and the nodes link again.
-module(records_tests).

-include_lib("eunit/include/eunit.hrl").

-define(A, 'a@127.0.0.1').
-define(B, 'b@127.0.0.2').
-define(MARKED, 3000). % bytes of the message that is tampered with: no other is as long
-define(LONG, 300000). % of one that crosses records
-define(TICK, 4).      % bytes of data in a tick's record
-define(CLOSE, 1).     % and in that of a close without text

records_test_() ->
    {setup, fun start/0, fun stop/1,
     fun(World) ->
             [{Title ++ how(Way), {timeout, 90, fun() -> ends_the_link(Way, Case, World) end}} ||
                 {Title, Case} <- cases(World), Way <- [there, back]] ++
                 [{Title, {timeout, 90, fun() -> Test(World) end}} || {Title, Test} <- tests()]
     end}.

how(there) -> " ends the link, to the node that was dialled";
how(back) -> " ends the link, from the node that was dialled".

%% {what is sent, which record is meant, what is done with it, what is delivered of
%% [before, marked, later], the reasons that the receiver may give}.
cases(#{tag := Tag}) ->
    [{"a flipped bit in " ++ Where, {marked, large(), flip(At, Bit), [before], Reasons}} ||
        {Where, At, Bit, Reasons} <-
            [{"a record's length", 0, 128, [auth]},
             {"the first byte of a record", 2, 1, [auth]},
             {"the middle of a record", 1500, 64, [auth]},
             {"the last byte of a record's data", -Tag - 1, 1, [auth]},
             {"a record's tag", -Tag, 128, [auth]},
             {"the last byte of a record", -1, 1, [auth]}]] ++
    [{"a record that says it is a byte longer", {marked, large(), longer(1), [before], [auth]}},
     {"a record that says it is a byte shorter", {marked, large(), longer(-1), [before], [auth]}},
     {"a flipped bit in a record of a long message",
      {long, huge(), flip(1000, 1), [before], [auth]}},
     {"a flipped bit in a tick", {tick, sized(?TICK, Tag), flip(3, 1), [before], [auth]}},
     {"a flipped bit in a close", {part, sized(?CLOSE, Tag), flip(2, 2), [before], [auth]}},
     {"a record that is too short", {marked, large(), with(foreign:frame(<<1>>)), [before],
                                     [format]}},
     {"a record of nothing", {marked, large(), with(<<0:16>>), [before], [format]}},
     {"a record of random bytes", {marked, large(), with(foreign:frame(rand(500))), [before],
                                   [auth]}},
     {"a record that comes twice",
      {marked, large(), fun(F) -> {replace, [F, F]} end, [before, marked], [auth]}},
     {"a record that overtakes another", {marked, large(), fun(_) -> hold end, [before], [auth]}},
     {"a record that is left out", {marked, large(), with(<<>>), [before], [auth]}},
     {"a cut in the middle of a record", {marked, large(), cut_half(fin), [before], [truncated]}},
     {"a reset in the middle of a record",
      {marked, large(), cut_half(rst), [before], [truncated, econnreset]}},
     {"a cut in the middle of a long message", {long, huge(), cut_half(fin), [before], [truncated]}},
     {"a cut between two records",
      {marked, large(), fun(F) -> {cut, F, fin} end, [before, marked], [truncated]}},
     {"a reset between two records",
      {marked, large(), fun(_) -> {cut, <<>>, rst} end, [before], [truncated, econnreset]}}].

tests() ->
    [{"a record of an earlier link ends the link", fun earlier_link/1},
     {"a record that is sent back to its sender ends the link", fun reflected/1},
     {"an altered length on an idle link ends it by net_ticktime, though ticks keep coming",
      fun stalled/1},
     {"a flipped bit in the second or third handshake message: no link, and the next dial links",
      fun handshake_altered/1}].

large() -> fun(Frame) -> byte_size(Frame) > ?MARKED andalso byte_size(Frame) < 2 * ?MARKED end.

huge() -> fun(Frame) -> byte_size(Frame) > 10 * ?MARKED end.

sized(Data, Tag) -> fun(Frame) -> byte_size(Frame) =:= 2 + Data + Tag end.

with(Bytes) -> fun(_) -> {replace, Bytes} end.

cut_half(How) -> fun(F) -> {cut, binary:part(F, 0, byte_size(F) div 2), How} end.

%% At counts from the record's end where it is negative.
flip(At, Bit) ->
    fun(Frame) ->
            Size = (byte_size(Frame) + At) rem byte_size(Frame),
            <<Start:Size/binary, Byte, Rest/binary>> = Frame,
            {replace, <<Start/binary, (Byte bxor Bit), Rest/binary>>}
    end.

longer(By) -> fun(<<Size:16, Body/binary>>) -> {replace, <<(Size + By):16, Body/binary>>} end.

rand(Size) -> crypto:strong_rand_bytes(Size).

%% --- two nodes and a relay -------------------------------------------------------------------

%% Only a dials, and through the relay: b looks for a where nobody listens.
start() ->
    HostA = mesh:host("127.0.0.1"),
    HostB = mesh:host("127.0.0.2", #{mesh => HostA}),
    Relay = relay:start({127, 0, 0, 2}),
    relay:forward_to(Relay, {{127, 0, 0, 2}, maps:get(port, HostB)}),
    mesh:trust(HostA, HostB#{port => relay:port(Relay)}),
    mesh:trust(HostB, HostA#{port => mesh:free_port("127.0.0.1")}),
    %% Nothing dials but the test: what global still has to say would undo a cut.
    Args = #{args => ["-kernel", "dist_auto_connect", "never"]},
    World = #{a => mesh:start("a", HostA, Args), b => mesh:start("b", HostB, Args),
              relay => Relay},
    World#{tag => tag(World)}.

stop(#{a := A, b := B, relay := Relay}) ->
    mesh:stop_pair({A, B}),
    relay:stop(Relay).

%% Bytes that the seal adds, by the suite that the two have chosen.
tag(#{a := A} = World) ->
    ?assert(mesh:call(A, net_kernel, connect_node, [?B])),
    {ok, #{suite := Suite}} = mesh:call(A, tacit, info, [?B]),
    part(World),
    case Suite of
        'aegis-256' -> 32;
        _ -> 16
    end.

%% {who sends, its name, who receives, its name}
roles(there, #{a := A, b := B}) -> {A, ?A, B, ?B};
roles(back, #{a := A, b := B}) -> {B, ?B, A, ?A}.

%% A process on the node that keeps, in order, what it is sent and when a node goes.
collect(Node) ->
    mesh:on(Node, fun() ->
                          [ended(Old) || Old <- [whereis(collector)], Old =/= undefined],
                          Self = self(),
                          spawn(fun() ->
                                        register(collector, self()),
                                        ok = net_kernel:monitor_nodes(true),
                                        Self ! ready,
                                        collector([])
                                end),
                          receive ready -> ok end
                  end).

ended(Pid) ->
    Ref = monitor(process, Pid),
    exit(Pid, kill),
    receive {'DOWN', Ref, process, Pid, _} -> ok end.

collector(Seen) ->
    receive
        {message, Name, _} -> collector([Name | Seen]);
        {nodedown, _} -> collector([nodedown | Seen]);
        {nodeup, _} -> collector(Seen);
        {seen, From} -> From ! {seen, lists:reverse(Seen)}, collector(Seen)
    end.

seen(Node) ->
    mesh:on(Node, fun() -> collector ! {seen, self()}, receive {seen, Seen} -> Seen end end).

%% Never opens a link by itself.
send(Node, To, Name, Size) ->
    mesh:call(Node, erlang, send, [{collector, To}, {message, Name, rand(Size)}, [noconnect]]).

%% A link on which something was said already, and a collector at each end.
link_up({From, FromName, To, ToName}, #{a := A, relay := Relay} = World) ->
    _ = relay:disarm(Relay),
    part(World), % where a test before did not come to its end
    [collect(Node) || Node <- [From, To]],
    ?assert(mesh:call(A, net_kernel, connect_node, [?B])),
    mesh:wait_until(fun() -> mesh:call(To, erlang, nodes, []) =:= [FromName] end),
    send(From, ToName, before, 10),
    mesh:wait_until(fun() -> seen(To) =:= [before] end).

%% Whether both saw the link's end, and what the receiver got until then.
link_ended({From, FromName, To, _}, Delivered, Reasons) ->
    [mesh:wait_until(fun() -> lists:member(nodedown, seen(Node)) end, 10000) ||
        Node <- [From, To]],
    {ok, #{state := down, reason := Reason}} = mesh:call(To, tacit, info, [FromName]),
    ?assertEqual({Delivered ++ [nodedown], [nodedown]}, {seen(To), seen(From)}),
    ?assertEqual({true, Reason}, {lists:member(Reason, Reasons), Reason}).

%% --- what is done, and what holds ------------------------------------------------------------

ends_the_link(Way, {What, Which, Deed, Delivered, Reasons}, #{relay := Relay} = World) ->
    Roles = roles(Way, World),
    link_up(Roles, World),
    relay:arm(Relay, fun(Direction, Frame) ->
                             case Direction =:= Way andalso Which(Frame) of
                                 true -> Deed(Frame);
                                 false -> pass
                             end
                     end),
    say(What, Roles),
    link_ended(Roles, Delivered, Reasons),
    ?assertEqual(done, relay:disarm(Relay)),
    link_again(World).

link_again(#{a := A} = World) ->
    ?assert(mesh:call(A, net_kernel, connect_node, [?B])),
    part(World).

part(#{a := A, b := B}) ->
    mesh:part(A, B).

%% What comes behind also fills a record whose length was altered.
say(marked, {From, _, _, ToName}) ->
    send(From, ToName, marked, ?MARKED),
    send(From, ToName, later, 10),
    send(From, ToName, later, 70000);
say(long, {From, _, _, ToName}) ->
    send(From, ToName, marked, ?LONG),
    send(From, ToName, later, 10);
say(tick, {From, _, _, ToName}) ->
    mesh:on(From, fun() -> [tacit_drv:tick(Port) || {Port, _} <- tacit_drv:links()] end),
    send(From, ToName, later, 10);
say(part, {From, _, _, ToName}) ->
    mesh:call(From, erlang, disconnect_node, [ToName]).

%% Both links begin alike, so that the old record stands about where it once stood.
earlier_link(#{relay := Relay} = World) ->
    Roles = {From, _, To, ToName} = roles(there, World),
    link_up(Roles, World),
    send(From, ToName, marked, ?MARKED),
    mesh:wait_until(fun() -> seen(To) =:= [before, marked] end),
    Earlier = lists:last([F || {_, there, F} <- relay:frames(Relay), (large())(F)]),
    ends_the_link(there, {marked, large(), with(Earlier), [before], [auth]}, World).

%% The very frame that goes there is what comes back instead of the next answer.
reflected(#{relay := Relay} = World) ->
    Roles = {From, _, _, ToName} = roles(back, World),
    link_up(Roles, World),
    {N, _, _} = lists:last(relay:frames(Relay)),
    There = [F || {C, there, F} <- relay:frames(Relay), C =:= N],
    Index = length([F || {C, back, F} <- relay:frames(Relay), C =:= N]),
    %% Two handshake messages went there, one came back: the same count of records.
    Own = lists:nth(min(Index + 2, length(There)), There),
    relay:arm(Relay, fun(back, Frame) -> case (large())(Frame) of
                                             true -> {replace, Own};
                                             false -> pass
                                         end;
                        (there, _) -> pass
                     end),
    send(From, ToName, marked, ?MARKED),
    link_ended(Roles, [before], [auth]),
    link_again(World).

%% The record that never comes to its end takes all ticks in: their bytes are no sign of life.
stalled(#{relay := Relay, tag := Tag} = World) ->
    Roles = {From, _, To, _} = roles(there, World),
    Ticktime = fun(Seconds) ->
                       [mesh:call(N, net_kernel, set_net_ticktime, [Seconds, 0]) || N <- [From, To]]
               end,
    Ticktime(4),
    link_up(Roles, World),
    Tick = sized(?TICK, Tag),
    Longer = flip(0, 128),
    relay:arm(Relay, fun(there, Frame) -> case Tick(Frame) of
                                              true -> Longer(Frame);
                                              false -> pass
                                          end;
                        (back, _) -> pass
                     end),
    [mesh:wait_until(fun() -> lists:member(nodedown, seen(N)) end, 60000) || N <- [From, To]],
    Ticktime(60),
    link_again(World).

handshake_altered(#{a := A, relay := Relay} = World) ->
    [begin
         relay:arm(Relay, fun(Direction, Frame) ->
                                  case {Direction, byte_size(Frame)} of
                                      {Way, Size} -> (flip(600, 1))(Frame);
                                      _ -> pass
                                  end
                          end),
         ?assertNot(mesh:call(A, net_kernel, connect_node, [?B])),
         ?assertMatch({ok, #{reason := Reason}}, mesh:call(A, tacit, info, [?B])),
         ?assertEqual(done, relay:disarm(Relay)),
         link_again(World)
     end || {Way, Size, Reason} <- [{back, 1122, auth}, {there, 1090, unconfirmed}]].
