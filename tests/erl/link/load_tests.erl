%% What a link carries: messages by the million, of every size, both ways at once; and a
%% receiver that does not read.
-module(load_tests).

-include_lib("eunit/include/eunit.hrl").

-export([exchange/3]). % these are called on the nodes
-export([blob_exchange/3, swarm/2]).
-export([shouter/2, flood/3, absorb/1, watch_busy/0, busy_seen/0, footprint/0]).

-define(MESSAGES, 1000000). % in all, half of them each way
-define(PROCESSES, 10000).
-define(BLOB, 400000).
-define(LARGEST, 200000).

pair_test_() ->
    {setup, fun mesh:pair/0, fun mesh:stop_pair/1,
     fun({A, B}) -> [{Title, {timeout, 300, fun() -> Test(A, B) end}} ||
                        {Title, Test} <- tests()] end}.

tests() ->
    [{"a million messages of 0 B to 200 kB, both ways at once, arrive in order and unaltered",
      fun million/2},
     {"10 MB and 100 MB cross both ways at once, and small calls pass meanwhile",
      fun large_both_ways/2},
     {"10,000 processes on each node talk at once, to their partners over there",
      fun swarms/2}].

%% --- a million messages --------------------------------------------------------------------

million(A, B) ->
    Half = ?MESSAGES div 2,
    [OfA, OfB] = both([fun() -> mesh:call(N, ?MODULE, exchange, [O, 1, Half], 240000) end
                             || {N, #{name := O}} <- [{A, B}, {B, A}]]),
    %% Each side's sum over what it received is the other's over what it sent.
    {SentA, ReceivedA} = OfA,
    {SentB, ReceivedB} = OfB,
    ?assertEqual({SentA, SentB}, {ReceivedB, ReceivedA}).

%% Sends a stream to the other node and receives its: the checksums of both.
exchange(Other, From, To) ->
    register(load_sink, self()),
    wait_for({load_sink, Other}),
    Self = self(),
    spawn_link(fun() -> Self ! {sent, send_stream({load_sink, Other}, From, To)} end),
    Received = receive_stream(From, To),
    Sent = receive {sent, Sum} -> Sum end,
    unregister(load_sink),
    {Sent, Received}.

wait_for({Name, Node} = Where) ->
    case rpc:call(Node, erlang, whereis, [Name]) of
        undefined -> timer:sleep(20), wait_for(Where);
        Pid when is_pid(Pid) -> ok
    end.

send_stream(To, First, Last) ->
    Blob = blob(),
    lists:foldl(fun(N, Sum) ->
                        Piece = piece(Blob, N),
                        To ! {N, Piece},
                        erlang:crc32(Sum, [<<N:32>>, Piece])
                end, 0, lists:seq(First, Last)).

%% Every next message must be the next of the stream, and what it should be.
receive_stream(First, Last) ->
    Blob = blob(),
    lists:foldl(fun(N, Sum) ->
                        Expected = {N, piece(Blob, N)},
                        receive
                            Expected -> ok;
                            {M, _} when is_integer(M) -> error({expected, N, got, M})
                        end,
                        erlang:crc32(Sum, [<<N:32>>, element(2, Expected)])
                end, 0, lists:seq(First, Last)).

%% Random bytes, the same on every node.
blob() ->
    {Bytes, _} = rand:bytes_s(?BLOB, rand:seed_s(exsss, 4369)),
    Bytes.

%% The N-th message's: mostly small, a few large, of any alignment.
piece(Blob, N) ->
    Hash = erlang:phash2(N),
    Size = case erlang:phash2({size, N}, 10000) of
               0 -> ?LARGEST - Hash rem 1000;
               S when S < 20 -> Hash rem ?LARGEST;
               S when S < 1000 -> Hash rem 2000;
               S when S < 1500 -> 0;
               _ -> Hash rem 100
           end,
    binary:part(Blob, Hash rem (?BLOB - Size), Size).

%% --- large messages ------------------------------------------------------------------------

large_both_ways(A, #{name := NameB} = B) ->
    [begin
         [R1, R2, Calls] =
             both([fun() -> mesh:call(N, ?MODULE, blob_exchange, [O, Size, Seed], 120000) end
                   || {N, #{name := O}, Seed} <- [{A, B, 1}, {B, A, 2}]] ++
                      [fun() -> [mesh:call(A, rpc, call, [NameB, erlang, node, []])
                                 || _ <- lists:seq(1, 20)] end]),
         ?assertEqual([same, same], [R1, R2]),
         ?assertEqual([NameB], lists:usort(Calls))
     end || Size <- [10000000, 100000000]].

%% There and back: what comes back must be what went.
blob_exchange(Other, Size, Seed) ->
    {Part, _} = rand:bytes_s(1000000, rand:seed_s(exsss, Seed)),
    Bytes = binary:copy(Part, Size div 1000000),
    Self = self(),
    Mirror = spawn_link(Other, fun() -> receive {From, Got} -> From ! {Self, Got} end end),
    Mirror ! {Self, Bytes},
    receive
        {Self, Bytes} -> same;
        {Self, Else} -> {differs, byte_size(Else)}
    end.

%% --- processes -----------------------------------------------------------------------------

swarms(A, B) ->
    Results = both([fun() -> mesh:call(N, ?MODULE, swarm, [O, ?PROCESSES], 120000) end
                    || {N, #{name := O}} <- [{A, B}, {B, A}]]),
    ?assertEqual([?PROCESSES, ?PROCESSES], Results),
    [?assert(mesh:call(N, erlang, system_info, [process_count]) < ?PROCESSES) || N <- [A, B]].

%% Count processes here, each with a partner there that doubles what it is told, three times.
swarm(Other, Count) ->
    Self = self(),
    Blob = blob(),
    Pids = [spawn_link(fun() -> Self ! {self(), talk(Other, Blob, N)} end)
            || N <- lists:seq(1, Count)],
    length([ok || Pid <- Pids, receive {Pid, Answer} -> Answer =:= ok end]).

talk(Other, Blob, N) ->
    Partner = spawn_link(Other, fun() -> double(3) end),
    [begin
         Piece = piece(Blob, N * 3 + K),
         Partner ! {self(), K, Piece},
         receive {Partner, K, <<Piece:(byte_size(Piece))/binary, Piece/binary>>} -> ok end
     end || K <- [1, 2, 3]],
    ok.

double(0) -> ok;
double(Left) -> receive {From, K, P} -> From ! {self(), K, <<P/binary, P/binary>>} end,
                double(Left - 1).

%% --- a receiver that does not read ---------------------------------------------------------

-define(SENDERS, 20).
-define(EACH, 200).
-define(BODY, 100000). % 400 MB in all
-define(WHOLE, 100000000).
-define(BOUND, 60000000). % of which this much may wait in the sender

stalled_test_() ->
    %% No message dials a node that is gone again, and waits for it.
    [{setup, fun() -> mesh:pair(#{args => ["-kernel", "dist_auto_connect", "never",
                                           "net_ticktime" | Ticktime]}) end,
      fun({A, B}) -> mesh:thaw(B), mesh:stop_pair({A, B}) end,
      fun({A, B}) -> {Title, {timeout, 180, fun() -> Test(A, B) end}} end}
     || {Title, Ticktime, Test} <-
            [{"a receiver that stops reading leaves the sender's memory bounded; once it "
              "reads again everything arrives, in order", ["60"], fun bounded/2},
             {"ticks pass a busy port: a receiver that never reads again is given up, and "
              "blocked senders go on", ["4"], fun given_up/2}]].

%% Erlang's own nodes get a large message in pieces; a C node has it whole.
whole_test_() ->
    {"a message of 100 MB to a C node that does not read takes no second copy of it",
     {timeout, 120, fun whole/0}}.

whole() ->
    {A, B} = mesh:pair(),
    C = cnode:start("c", maps:get(host, B)),
    _Fd = cnode:connect(C, A),
    Sender = mesh:call(A, ?MODULE, shouter, [maps:get(name, C), ?WHOLE]),
    {Memory, Rss} = mesh:call(A, ?MODULE, footprint, []),
    mesh:on(A, fun() -> Sender ! shout, ok end),
    mesh:wait_until(fun() -> statuses(A, [Sender]) =:= [{status, suspended}] end),
    {M, R} = mesh:call(A, ?MODULE, footprint, []),
    ?assert(M - Memory < ?WHOLE div 10),
    ?assert(R - Rss < ?WHOLE div 10),
    cnode:stop(C),
    mesh:stop_pair({A, B}).

shouter(Name, Size) ->
    Parent = self(),
    Pid = spawn(fun() ->
                        Message = binary:copy(<<"0123456789">>, Size div 10),
                        Parent ! ready,
                        receive shout -> {any, Name} ! Message end,
                        {any, Name} ! again,
                        receive never -> Message end
                end),
    receive ready -> Pid end.

%% B stands still, and all of A's senders are suspended.
stall(A, #{name := NameB} = B) ->
    true = mesh:call(A, net_kernel, connect_node, [NameB]),
    Sink = mesh:on(A, fun() -> spawn(NameB, ?MODULE, absorb, [?SENDERS * ?EACH]) end),
    ok = mesh:call(A, ?MODULE, watch_busy, []),
    mesh:freeze(B),
    Senders = mesh:on(A, fun() -> [spawn(?MODULE, flood, [Sink, ?EACH, ?BODY])
                                   || _ <- lists:seq(1, ?SENDERS)] end),
    mesh:wait_until(fun() -> statuses(A, Senders) =:= [{status, suspended}] end),
    ?assert(mesh:call(A, ?MODULE, busy_seen, []) > 0),
    {Sink, Senders}.

statuses(A, Pids) ->
    mesh:on(A, fun() -> lists:usort([process_info(Pid, status) || Pid <- Pids]) end).

bounded(A, B) ->
    {Memory, Rss} = mesh:call(A, ?MODULE, footprint, []),
    {Sink, Senders} = stall(A, B),
    [begin
         {M, R} = mesh:call(A, ?MODULE, footprint, []),
         ?assert(M - Memory < ?BOUND),
         ?assert(R - Rss < ?BOUND),
         timer:sleep(100)
     end || _ <- lists:seq(1, 10)],
    ?assertEqual([{status, suspended}], statuses(A, Senders)),
    mesh:thaw(B),
    Report = mesh:on(A, fun() -> Sink ! {report, self()}, receive {report, R} -> R end end),
    ?assertEqual(lists:sort([{Pid, ?EACH} || Pid <- Senders]), lists:sort(Report)).

given_up(A, #{name := NameB} = B) ->
    {_Sink, Senders} = stall(A, B),
    [{Port, #{sent_messages := Before}}] = mesh:call(A, tacit_drv, links, []),
    ?assertEqual(ok, mesh:call(A, tacit_drv, tick, [Port])),
    [{Port, #{sent_messages := After}}] = mesh:call(A, tacit_drv, links, []),
    ?assert(After > Before),
    mesh:wait_until(fun() -> statuses(A, Senders) =:= [undefined] end, 60000),
    ?assertEqual([], mesh:call(A, erlang, nodes, [])),
    mesh:thaw(B),
    mesh:wait_until(fun() -> mesh:call(B, erlang, nodes, []) =:= [] end),
    ?assert(mesh:call(A, net_kernel, connect_node, [NameB])).

flood(Sink, Count, Size) ->
    [Sink ! {self(), K, body(K, Size)} || K <- lists:seq(1, Count)].

body(K, Size) ->
    binary:copy(<<K:32>>, Size div 4).

%% Takes so many messages, each sender's in order, and then tells how many each sent.
absorb(Count) ->
    absorb(Count, #{}).

absorb(0, Seen) ->
    receive {report, To} -> To ! {report, maps:to_list(Seen)} end;
absorb(Left, Seen) ->
    receive
        {From, K, Body} ->
            K = maps:get(From, Seen, 0) + 1,
            true = Body =:= body(K, byte_size(Body)),
            absorb(Left - 1, Seen#{From => K})
    end.

watch_busy() ->
    Self = self(),
    Watcher = spawn(fun() ->
                            erlang:system_monitor(self(), [busy_dist_port]),
                            register(busy_watcher, self()),
                            Self ! watching,
                            count_busy(0)
                    end),
    receive watching -> true = is_process_alive(Watcher), ok end.

count_busy(N) ->
    receive
        {monitor, _, busy_dist_port, _} -> count_busy(N + 1);
        {count, To} -> To ! {busy, N}, count_busy(N)
    end.

busy_seen() ->
    busy_watcher ! {count, self()},
    receive {busy, N} -> N end.

%% Bytes that the emulator counts, and those that the system counts for it.
footprint() ->
    {ok, Statm} = file:read_file("/proc/self/statm"),
    [_, Resident | _] = binary:split(Statm, <<" ">>, [global]),
    {try erlang:memory(total) catch error:notsup -> 0 end, % not under tests/asan
     binary_to_integer(Resident) * 4096}.

%% Runs the funs at the same time: their results.
both(Funs) ->
    Self = self(),
    Pids = [spawn_link(fun() -> Self ! {self(), Fun()} end) || Fun <- Funs],
    [receive {Pid, Result} -> Result end || Pid <- Pids].
