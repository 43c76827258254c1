%% The program of "Application Security of Erlang Concurrent System" (2008): pi as the mean of
%% 4 / (1 + y^2), y = (x + 0.5) / N, by a parallel map through rpc.
-module(bench_pi).
-behaviour(bench_measurement).

-export([title/0, about/0, plan/1, start/3, round/2, stop/1, label/1]).
-export([seconds/3, piece/2]). % called on the nodes

-define(N, 1000000).

title() -> "Pi, by the paper's program".

about() ->
    "The mean of 4 / (1 + ((x + 0.5) / N)^2) for x = 0..N-1, N = 1,000,000: the list is cut into "
        "P pieces, a process each hands its piece to rpc:call, to its own node (one node) or to "
        "either node in turn (two nodes). One node needs no carrier, and shows what is noise. The "
        "paper's seconds (875 MHz, 100 Mbit/s, no encryption), P = 1,000, 10,000, 100,000: one "
        "node 19.82, 7.44, 9.92; two nodes 14.83, 7.00, 21.75.".

plan(quick) -> #{rounds => 1, pieces => [1000, 10000]};
plan(full) -> #{rounds => 3, pieces => [1000, 10000, 100000]}.

%% Warm: a process's first large heap costs more than the work.
start(Carrier, Context, _Plan) ->
    {A, B} = Pair = bench_carrier:linked_pair(Carrier, Context),
    _ = mesh:call(A, ?MODULE, seconds, [?N, 1000, [maps:get(name, N) || N <- [A, B]]]),
    Pair.

stop(Pair) -> mesh:stop_pair(Pair).

round({#{name := NameA} = A, #{name := NameB}}, #{pieces := Pieces}) ->
    [{[length(Nodes), P], mesh:call(A, ?MODULE, seconds, [?N, P, Nodes], 300000)}
     || Nodes <- [[NameA], [NameA, NameB]], P <- Pieces].

label([Nodes, P]) ->
    {io_lib:format("~s, P = ~b", [case Nodes of 1 -> "one node"; 2 -> "two nodes" end, P]),
     "s", less}.

%% ---- on the nodes ------------------------------------------------------------------------

-spec seconds(pos_integer(), pos_integer(), [node()]) -> float().
seconds(N, P, Nodes) ->
    Xs = lists:seq(0, N - 1),
    Start = erlang:monotonic_time(),
    Pi = lists:sum(parallel_map(Xs, N, N div P, Nodes)) / N,
    Micros = bench_stats:micros(erlang:monotonic_time() - Start),
    true = abs(Pi - math:pi()) < 1.0e-9,
    Micros / 1.0e6.

parallel_map(Xs, N, Size, Nodes) ->
    Pids = spawn_pieces(Xs, N, Size, Nodes, Nodes),
    [receive {Pid, Sum} -> Sum end || Pid <- Pids].

spawn_pieces([], _N, _Size, _Nodes, _All) ->
    [];
spawn_pieces(Xs, N, Size, [], All) ->
    spawn_pieces(Xs, N, Size, All, All);
spawn_pieces(Xs, N, Size, [Node | Nodes], All) ->
    {Piece, Rest} = lists:split(Size, Xs),
    Self = self(),
    Pid = spawn_link(fun() -> Self ! {self(), rpc:call(Node, ?MODULE, piece, [Piece, N])} end),
    [Pid | spawn_pieces(Rest, N, Size, Nodes, All)].

-spec piece([integer()], pos_integer()) -> float().
piece(Xs, N) ->
    lists:sum([begin
                   Y = (X + 0.5) / N,
                   4 / (1 + Y * Y)
               end || X <- Xs]).
