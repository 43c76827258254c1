%% Messages between nodes of which every single one is checked: its place in the sequence
%% and its bytes. What a node is told holds while links come and go: Erlang promises that a
%% process sees nodeup before what comes over a link and nodedown after it, so in between
%% not one number may be left out, come twice or come late. Called on the nodes.
-module(traffic).

-export([listen/0, unlisten/0, faults/0, heard/0, wait_for_heard/2]).
-export([burst/2, start_talking/2, stop_talking/1, pause/1, resume/1]).

-export_type([plan/0, outcome/0]).

%% How many messages (of talkers: infinity), of which sizes, each of them as likely; how
%% many may be on their way, and what a talker waits in between, ms.
-type plan() :: #{count => pos_integer() | infinity, sizes => [non_neg_integer()],
                  window => pos_integer(), pause => non_neg_integer()}.
%% delivered: the other side has acknowledged all; down: the link ended; hang: neither.
-type outcome() :: {delivered | down | hang, Sent :: non_neg_integer()}.

-define(SINK, traffic_sink).
-define(PATIENCE, 60000). % ms without an acknowledgement over a link that is up

%% --- who listens ---------------------------------------------------------------------------

%% From now on this node checks what others say to it.
-spec listen() -> ok.
listen() ->
    Self = self(),
    spawn(fun() ->
                  register(?SINK, self()),
                  ok = net_kernel:monitor_nodes(true, [{node_type, all}]),
                  Links = maps:from_list([{N, make_ref()} || N <- nodes(connected)]),
                  Self ! {?SINK, ready},
                  sink(#{links => Links, last => #{}, faults => [], heard => #{}})
          end),
    receive {?SINK, ready} -> ok end.

-spec unlisten() -> ok.
unlisten() ->
    Ref = monitor(process, ?SINK),
    exit(whereis(?SINK), kill),
    receive {'DOWN', Ref, process, _, _} -> ok end.

%% What went wrong so far, oldest first. There is only one right answer.
-spec faults() -> [term()].
faults() -> ask(faults).

%% How many messages came from each node, all of them good.
-spec heard() -> #{node() => pos_integer()}.
heard() -> ask(heard).

%% Waits until the node was heard to say so many.
-spec wait_for_heard(node(), non_neg_integer()) -> ok.
wait_for_heard(Node, Count) ->
    case maps:get(Node, heard(), 0) >= Count of
        true -> ok;
        false -> timer:sleep(50), wait_for_heard(Node, Count)
    end.

ask(What) ->
    Ref = monitor(process, ?SINK),
    ?SINK ! {ask, What, self(), Ref},
    receive
        {Ref, Answer} -> demonitor(Ref, [flush]), Answer;
        {'DOWN', Ref, process, _, Reason} -> error({no_sink, Reason})
    end.

sink(#{links := Links, heard := Heard} = State) ->
    receive
        {nodeup, Node, _} ->
            sink(State#{links := Links#{Node => make_ref()}});
        {nodedown, Node, _} ->
            sink(State#{links := maps:remove(Node, Links)});
        {say, From, Run, First, N, Digest, Bytes} ->
            Node = node(From),
            Judged = judge(Node, {Run, First, N}, erlang:md5(Bytes) =:= Digest, State),
            _ = erlang:send(From, {heard, N}, [noconnect]),
            sink(Judged#{heard := maps:update_with(Node, fun(C) -> C + 1 end, 1, Heard)});
        {hello, From, Ref} ->
            _ = erlang:send(From, {welcome, Ref}, [noconnect]),
            sink(State);
        {ask, What, From, Ref} ->
            From ! {Ref, answer(What, State)},
            sink(State)
    end.

answer(faults, #{faults := Faults}) -> lists:reverse(Faults);
answer(heard, #{heard := Heard}) -> Heard.

%% Of each talker is known: the last number, over which of the links with its node, and what
%% is doubtful. First is the number of the first message that the talker said since it saw
%% the link come up. One that is too high for that may have been said just before: then the
%% talker begins again with the next one.
judge(Node, {Run, First, N} = Said, Good, #{links := Links, last := Lasts} = State) ->
    Link = maps:get(Node, Links, down),
    {Last, LastLink, Doubt} = maps:get({Node, Run}, Lasts, {0, none, none}),
    Next = State#{last := Lasts#{{Node, Run} => {N, Link, none}}},
    Wrong = {out_of_order, Node, {'after', Last}, Said},
    if
        not Good -> fault({altered, Node, Said}, Next);
        Link =:= down -> fault({without_link, Node, Said}, Next);
        Doubt =/= none, Link =:= LastLink, First =/= Last + 1 -> fault({Doubt, Said}, Next);
        N =:= Last + 1 -> Next;
        Link =:= LastLink; N < Last -> fault(Wrong, Next);
        N =:= First; First =< Last -> Next;
        true -> Next#{last := Lasts#{{Node, Run} => {N, Link, Wrong}}}
    end.

fault(Fault, #{faults := Faults} = State) -> State#{faults := [Fault | Faults]}.

%% --- who talks -----------------------------------------------------------------------------

%% Says all of the plan's messages to Node's listener over the link that is there now.
-spec burst(node(), plan()) -> outcome().
burst(Node, Plan) ->
    Self = self(),
    Ref = make_ref(),
    spawn_link(fun() ->
                       ok = net_kernel:monitor_nodes(true, [{node_type, all}]),
                       Self ! {Ref, talk(talker(Node, Plan))}
               end),
    receive {Ref, Outcome} -> Outcome end.

talker(Node, Plan) ->
    {Blob, _} = rand:bytes_s(1 bsl 16, rand:seed_s(exsss, erlang:phash2({node(), Node}))),
    Defaults = #{count => 100, sizes => [10], window => 50, pause => 0},
    (maps:merge(Defaults, Plan))#{node => Node, blob => Blob, run => run(), first => 1, n => 0,
                                  acked => 0, up => lists:member(Node, nodes(connected))}.

%% No two talkers of a name have the same, in whatever emulator.
run() -> {erlang:system_time(), erlang:unique_integer()}.

%% Goes on until all is said and heard, or the link ends.
talk(#{up := false, n := N}) -> {down, N};
talk(#{count := N, n := N, acked := N}) -> {delivered, N};
talk(#{count := Count, n := N, acked := Acked, window := Window} = T)
  when N =:= Count; N - Acked >= Window ->
    case wait(?PATIENCE, T) of
        timeout -> {hang, N};
        T2 -> talk(T2)
    end;
talk(T) ->
    case wait(0, T) of
        timeout -> talk(say(T));
        T2 -> talk(T2)
    end.

wait(Timeout, #{node := Node, up := Up, acked := Acked, n := Said} = T) ->
    receive
        {heard, N} when N > Acked -> T#{acked := N};
        {heard, _} -> wait(Timeout, T); % over a link that is gone
        {nodedown, Node, _} -> T#{up := false};
        {nodeup, Node, _} -> greet(T#{up := make_ref()});
        {welcome, Ref} when Ref =:= Up -> T#{up := true, first := Said + 1, acked := Said};
        {welcome, _} -> wait(Timeout, T);
        {nodeup, _, _} -> wait(Timeout, T);
        {nodedown, _, _} -> wait(Timeout, T);
        {pause, From} -> T#{paused => From}
    after Timeout -> timeout
    end.

%% A node may be up for a while before its listener is.
greet(#{node := Node, up := Ref} = T) ->
    _ = erlang:send({?SINK, Node}, {hello, self(), Ref}, [noconnect]),
    T.

say(#{node := Node, n := N0, run := Run, first := First} = T) ->
    N = N0 + 1,
    Bytes = bytes(N, T),
    _ = erlang:send({?SINK, Node}, {say, self(), Run, First, N, erlang:md5(Bytes), Bytes},
                    [noconnect]),
    T#{n := N}.

%% Of a size that is drawn, and different each time.
bytes(N, #{sizes := Sizes, blob := Blob}) ->
    Size = lists:nth(rand:uniform(length(Sizes)), Sizes),
    Piece = binary:part(Blob, N rem 1000, min(Size, byte_size(Blob) - 1000)),
    case Size > byte_size(Piece) of
        false -> Piece;
        true -> binary:copy(Piece, Size div byte_size(Piece))
    end.

%% Says one message after the other whenever Node is connected, until it is stopped.
-spec start_talking(node(), plan()) -> pid().
start_talking(Node, Plan) ->
    spawn(fun() ->
                  ok = net_kernel:monitor_nodes(true, [{node_type, all}]),
                  case talker(Node, Plan#{count => infinity}) of
                      #{up := true} = T -> keep_talking(greet(T#{up := make_ref()}));
                      T -> keep_talking(T)
                  end
          end).

%% A link that ends while it waits is none that hangs.
keep_talking(#{paused := From, up := Up, n := N, acked := Acked} = T)
  when Up =:= false; Up =:= true, N =:= Acked ->
    From ! {paused, self(), {delivered, N}},
    rest(T);
keep_talking(#{up := false} = T) ->
    keep_talking(wait(infinity, T));
keep_talking(#{up := true, n := N, acked := Acked, window := Window, pause := Pause} = T) ->
    Waits = is_map_key(paused, T) orelse N - Acked >= Window,
    case wait(case Waits of true -> ?PATIENCE; false -> Pause end, T) of
        timeout when Waits -> hung(T);
        timeout -> keep_talking(say(T));
        T2 -> keep_talking(T2)
    end;
keep_talking(T) ->
    case wait(200, T) of
        timeout -> keep_talking(greet(T));
        T2 -> keep_talking(T2)
    end.

rest(T) ->
    receive resume -> keep_talking(maps:remove(paused, T)) end.

hung(#{paused := From, n := N}) -> From ! {paused, self(), {hang, N}};
hung(T) -> receive {pause, From} -> hung(T#{paused => From}) end.

%% What it said so far, if all of it that went over a link that is up was heard.
-spec pause(pid()) -> outcome().
pause(Talker) ->
    Ref = monitor(process, Talker),
    Talker ! {pause, self()},
    receive
        {paused, Talker, Outcome} -> demonitor(Ref, [flush]), Outcome;
        {'DOWN', Ref, process, _, Reason} -> error({talker, Reason})
    end.

-spec resume(pid()) -> ok.
resume(Talker) ->
    Talker ! resume,
    ok.

-spec stop_talking(pid()) -> outcome().
stop_talking(Talker) ->
    Outcome = pause(Talker),
    exit(Talker, kill),
    Outcome.
