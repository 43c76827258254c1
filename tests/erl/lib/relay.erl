%% A relay between two nodes, on loopback: who sits on the wire. It takes what goes by
%% apart into frames (handshake messages and records alike are a 16-bit length and that many
%% bytes), records them, and does with each what a fun says.
-module(relay).

-export([start/1, stop/1, forward_to/2, port/1, arm/2, disarm/1, frames/1, connections/1]).

-export_type([relay/0, direction/0, frame/0, tamper/0]).

-type relay() :: pid().
-type direction() :: there | back. % as the dialler and the dialled node send
-type frame() :: binary().         % with its length
%% Asked for each frame until it answers something else than pass: that is done once.
%% {replace, Bytes}: these go on instead; hold: it goes behind the next frame; {cut, Bytes,
%% How}: these go on, then both sides see the connection's end.
-type tamper() :: fun((direction(), frame()) -> pass | {replace, iodata()} | hold |
                                                {cut, iodata(), fin | rst}).

%% Listens on Ip.
-spec start(inet:ip_address()) -> relay().
start(Ip) ->
    Self = self(),
    Relay = spawn_link(fun() ->
                               {ok, Listener} = gen_tcp:listen(0, [{ip, Ip}, {backlog, 64} | options()]),
                               {ok, Port} = inet:port(Listener),
                               Self ! {self(), started},
                               Server = self(),
                               spawn_link(fun() -> accept(Server, Listener) end),
                               loop(#{port => Port, to => none, tamper => none, frames => [],
                                      connections => 0})
                       end),
    receive {Relay, started} -> Relay end.

options() -> [binary, {active, false}, {nodelay, true}].

-spec stop(relay()) -> ok.
stop(Relay) ->
    unlink(Relay),
    Ref = monitor(process, Relay),
    exit(Relay, shutdown),
    receive {'DOWN', Ref, process, Relay, _} -> ok end.

%% Where connections lead that are made from now on.
-spec forward_to(relay(), {inet:ip_address(), inet:port_number()}) -> ok.
forward_to(Relay, Address) -> ask(Relay, {forward_to, Address}).

-spec port(relay()) -> inet:port_number().
port(Relay) -> ask(Relay, port).

-spec arm(relay(), tamper()) -> ok.
arm(Relay, Tamper) -> ask(Relay, {arm, Tamper}).

%% Whether the tamper had been waiting in vain.
-spec disarm(relay()) -> armed | done.
disarm(Relay) -> ask(Relay, disarm).

%% What went by so far, as it came in, oldest first, with the number of its connection.
-spec frames(relay()) -> [{pos_integer(), direction(), frame()}].
frames(Relay) -> ask(Relay, frames).

-spec connections(relay()) -> non_neg_integer().
connections(Relay) -> ask(Relay, connections).

ask(Relay, Question) ->
    Ref = make_ref(),
    Relay ! {Question, self(), Ref},
    receive {Ref, Answer} -> Answer end.

%% ---- the one who knows -------------------------------------------------------------------

loop(State) ->
    receive
        {Question, From, Ref} ->
            {Answer, Next} = answer(Question, State),
            From ! {Ref, Answer},
            loop(Next)
    end.

answer({forward_to, Address}, State) -> {ok, State#{to => Address}};
answer(port, #{port := Port} = State) -> {Port, State};
answer({arm, Tamper}, State) -> {ok, State#{tamper => Tamper}};
answer(disarm, #{tamper := none} = State) -> {done, State};
answer(disarm, State) -> {armed, State#{tamper => none}};
answer(frames, #{frames := Frames} = State) -> {lists:reverse(Frames), State};
answer(connections, #{connections := N} = State) -> {N, State};
answer(accepted, #{connections := N, to := To} = State) ->
    {{N + 1, To}, State#{connections => N + 1}};
answer({frame, N, Direction, Frame}, #{frames := Frames, tamper := Tamper} = State) ->
    Seen = State#{frames => [{N, Direction, Frame} | Frames]},
    case Tamper =:= none orelse Tamper(Direction, Frame) of
        Pass when Pass =:= true; Pass =:= pass -> {pass, Seen};
        Deed -> {Deed, Seen#{tamper => none}}
    end.

%% ---- connections -------------------------------------------------------------------------

accept(Server, Listener) ->
    {ok, Socket} = gen_tcp:accept(Listener),
    Pid = spawn_link(fun() -> receive go -> connection(Server, Socket) end end),
    ok = gen_tcp:controlling_process(Socket, Pid),
    Pid ! go,
    accept(Server, Listener).

connection(Server, Socket) ->
    case ask(Server, accepted) of
        {_, none} ->
            gen_tcp:close(Socket);
        {N, {Ip, Port}} ->
            {ok, Other} = gen_tcp:connect(Ip, Port, options()),
            Sockets = #{Socket => {there, Other}, Other => {back, Socket}},
            [ok = inet:setopts(S, [{active, once}]) || S <- [Socket, Other]],
            pass_on(#{server => Server, n => N, sockets => Sockets,
                      rest => #{there => <<>>, back => <<>>}, held => <<>>})
    end.

%% Until one side ends: then both do.
pass_on(#{sockets := Sockets, rest := Rest} = C) ->
    receive
        {tcp, Socket, Bytes} ->
            #{Socket := {Direction, Other}} = Sockets,
            #{Direction := Before} = Rest,
            case frames(<<Before/binary, Bytes/binary>>, Direction, Other, C) of
                {go_on, C2} -> ok = inet:setopts(Socket, [{active, once}]), pass_on(C2);
                stop -> ok
            end;
        {tcp_closed, Socket} ->
            #{Socket := {Direction, Other}} = Sockets,
            #{Direction := Before} = Rest,
            _ = gen_tcp:send(Other, Before), % half a frame at the end
            close(Sockets, fin);
        {tcp_error, Socket, _} ->
            receive {tcp_closed, Socket} -> close(Sockets, rst) end
    end.

frames(<<Size:16, Body:Size/binary, Rest/binary>>, Direction, Other, C) ->
    #{server := Server, n := N, held := Held, sockets := Sockets} = C,
    Frame = <<Size:16, Body/binary>>,
    case ask(Server, {frame, N, Direction, Frame}) of
        pass ->
            _ = gen_tcp:send(Other, [Frame, Held]),
            frames(Rest, Direction, Other, C#{held => <<>>});
        {replace, Bytes} ->
            _ = gen_tcp:send(Other, Bytes),
            frames(Rest, Direction, Other, C);
        hold ->
            frames(Rest, Direction, Other, C#{held => Frame});
        {cut, Bytes, How} ->
            _ = gen_tcp:send(Other, Bytes),
            close(Sockets, How),
            stop
    end;
frames(Rest, Direction, _Other, #{rest := Rests} = C) ->
    {go_on, C#{rest => Rests#{Direction => Rest}}}.

%% A socket closed before all was read from it resets the connection: that is no fin.
close(Sockets, How) ->
    [begin
         How =:= rst andalso inet:setopts(S, [{linger, {true, 0}}]),
         How =:= fin andalso gen_tcp:shutdown(S, write),
         How =:= fin orelse gen_tcp:close(S)
     end || S <- maps:keys(Sockets)],
    [drain(S) || S <- maps:keys(Sockets), How =:= fin],
    ok.

drain(S) ->
    _ = inet:setopts(S, [{active, false}]),
    case gen_tcp:recv(S, 0, 10000) of
        {ok, _} -> drain(S);
        {error, _} -> gen_tcp:close(S)
    end.
