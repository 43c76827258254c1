%% The pictures of a report, as gnuplot's commands. One is drawn if its figures were measured.
-module(bench_pictures).

-export([all/1]).

-type picture() :: {Name :: string(), {Width :: pos_integer(), Height :: pos_integer()},
                    Body :: iodata()}.

-spec all(bench_report:report()) -> [picture()].
all(#{results := Results} = Report) ->
    [Picture || {Measurement, Draw} <- drawings(), lists:keymember(Measurement, 1, Results),
                Picture <- [Draw(Report)], Picture =/= none].

drawings() ->
    [{roundtrip, fun roundtrip/1}, {stream, fun throughput/1}, {stream, fun cost/1},
     {connect, fun connect/1}, {memory, fun memory/1}, {load, fun load/1}, {mesh, fun mesh/1},
     {pi, fun pi/1}].

%% ---- round trips ---------------------------------------------------------------------------

roundtrip(Report) ->
    Cases = [{[alone], "1 process"}, {[hundred], "100 processes"},
             {[bulk, 65536], "1 process,\\nduring 64 KiB bulk"},
             {[bulk, 16#100000], "1 process,\\nduring 1 MiB bulk"}],
    Rows = [[{X, Shift, [value(Report, roundtrip, Key ++ [P], C) || P <- [p50, p99, p999]]}
             || {X, {Key, _}} <- numbered(Cases)]
            || {C, Shift} <- shifts()],
    {"roundtrip", {900, 500},
     [[block(C, [[io_lib:format("~.2f", [X + Shift]), [[" ", V] || V <- Values]]
                 || {X, Shift, Values} <- Row]) || {C, Row} <- zip_carriers(Rows)],
      title("Round trip of a small message"),
      "set logscale y\nset ytics ('10 us' 10, '100 us' 100, '1 ms' 1e3, '10 ms' 1e4, '100 ms' 1e5, "
      "'1 s' 1e6, '10 s' 1e7)\nset ylabel 'there and back (log)'\n"
      "set bmargin 6\nset key at graph 0.5, screen 0.02 bottom center horizontal noenhanced\n",
      xtics([Text || {_, Text} <- Cases]),
      "set xrange [0.5:", integer_to_list(length(Cases)), ".5]\n",
      "plot ",
      comma([[io_lib:format("$~s using 1:2:2:4 with yerrorbars pt 7 ps 1.3 lw 2 lc rgb '~s' "
                            "title '~s: p50, bar to p99.9', ", [C, colour(C), C]),
              io_lib:format("$~s using 1:3 with points pt 2 ps 1.2 lw 2 lc rgb '~s' "
                            "title 'p99'", [C, colour(C)])]
             || C <- bench_carrier:all()]), "\n"]}.

%% ---- throughput ----------------------------------------------------------------------------

throughput(Report) ->
    Sizes = [Size || [1, one_way, Size, rate] <- keys(Report, stream)],
    Row = fun(C, Size) ->
                  Rate = bench_report:value(Report, stream, [1, one_way, Size, rate], C),
                  io_lib:format("~b ~.4f ~.4f", [Size, Rate, Rate * Size / 1000])
          end,
    {"throughput", {1000, 460},
     [[block(C, [Row(C, Size) || Size <- Sizes]) || C <- bench_carrier:all()],
      "set multiplot layout 1,2 margins 0.09,0.97,0.18,0.88 spacing 0.11,0\n",
      "set logscale x 2\nset logscale y\nset xlabel 'size of a message (log)'\n",
      size_tics(Sizes),
      title("Messages a second"),
      "set ylabel 'thousands a second (log)' offset 1\nset key bottom left\n",
      lines(2), "\n", title("Bytes a second"),
      "set ylabel 'MB/s (log)' offset 1\nset key bottom right\n",
      lines(3), "\n"]}.

lines(Column) ->
    ["plot ", comma([io_lib:format("$~s using 1:~b with linespoints pt 7 ps 0.9 lw 2.5 "
                                   "lc rgb '~s' title '~s'", [C, Column, colour(C), C])
                     || C <- bench_carrier:all()])].

size_tics(Sizes) ->
    ["set xtics (", comma([io_lib:format("'~s' ~b", [bench_report:size(S), S])
                           || S <- Sizes]), ") rotate by -30\n",
     io_lib:format("set xrange [~b:~b]\n", [hd(Sizes) div 2, lists:last(Sizes) * 2])].

%% ---- processor time ------------------------------------------------------------------------

cost(Report) ->
    Large = [65536, 16#100000],
    Small = [16, 1024],
    {"cpu", {1000, 420},
     [bars_data(large, Report, stream, [{[1, one_way, S, cpu_gb], bench_report:size(S)}
                                        || S <- Large]),
      bars_data(small, Report, stream, [{[1, one_way, S, cpu_million], bench_report:size(S)}
                                        || S <- Small]),
      "set multiplot layout 1,2 margins 0.08,0.98,0.12,0.86 spacing 0.10,0\n",
      title("Processor time of both nodes"),
      "set ylabel 'seconds a GB (log)'\nset logscale y\nset yrange [0.1:*]\n", bars(large), "\n",
      title("and of small messages"), "set ylabel 'seconds a million (log)'\n", bars(small), "\n"]}.

%% ---- connecting ----------------------------------------------------------------------------

connect(Report) ->
    {"connect", {700, 420},
     [bars_data(connect, Report, connect, [{[What, p50], Text}
                                           || {What, Text} <- [{connect, "connect"},
                                                               {disconnect, "disconnect"},
                                                               {both, "both"}]]),
      title("Connect, and disconnect until both sides know: median"),
      "set ylabel 'milliseconds'\nset yrange [0:*]\n", bars(connect)]}.

%% ---- memory --------------------------------------------------------------------------------

memory(Report) ->
    Links = lists:usort([N || [N | _] <- keys(Report, memory)]),
    Panel = fun(Name, Title) ->
                    [title(Title), "set ylabel 'KiB a link'\nset yrange [0:*]\n"
                     "set xlabel 'links of the node'\n", bars(Name), "\n"]
            end,
    {"memory", {1000, 440},
     [[bars_data(Kind, Report, memory, [{[N, idle, Kind], integer_to_list(N)} || N <- Links])
       || Kind <- [erlang, resident]],
      "set multiplot layout 1,2 margins 0.08,0.98,0.18,0.86 spacing 0.10,0\n",
      Panel(erlang, "Erlang memory of an idle link"),
      Panel(resident, "Resident memory of an idle link")]}.

%% ---- schedulers ----------------------------------------------------------------------------

load(Report) ->
    {"load", {1000, 440},
     [bars_data(busy, Report, load, [{[Side, busy], atom_to_list(Side)}
                                     || Side <- [sender, receiver]]),
      bars_data(delay, Report, load, [{[Side, delay, P], io_lib:format("~s\\n~s", [Side, P])}
                                      || Side <- [sender, receiver], P <- [p50, p99]]),
      "set multiplot layout 1,2 margins 0.08,0.98,0.14,0.86 spacing 0.10,0\n",
      title("Schedulers during 64 KiB bulk"), "set ylabel 'busy, %'\nset yrange [0:100]\n",
      bars(busy), "\n",
      title("Wait of a process that could run"),
      "set ylabel 'microseconds (log)'\nset logscale y\nset yrange [1:*]\n", bars(delay), "\n"]}.

%% ---- a full mesh ---------------------------------------------------------------------------

mesh(Report) ->
    Sizes = lists:usort([N || [N | _] <- keys(Report, mesh)]),
    {"mesh", {700, 420},
     [[block(C, [[integer_to_list(N), " ", value(Report, mesh, [N, mesh], C)] || N <- Sizes])
       || C <- bench_carrier:all()],
      title("Time until a mesh of N nodes is full"),
      "set ylabel 'seconds'\nset yrange [0:*]\nset xlabel 'nodes, all on one machine'\n",
      io_lib:format("set xtics (~s)\nset xrange [0:~b]\n",
                    [comma([integer_to_list(N) || N <- Sizes]), lists:max(Sizes) + 1]),
      lines(2)]}.

%% ---- pi ------------------------------------------------------------------------------------

pi(Report) ->
    {"pi", {900, 420},
     [bars_data(pi, Report, pi, [{Key, lists:flatten(pi_text(Key))} || Key <- keys(Report, pi)]),
      title("Pi of a million points by rpc, P pieces"),
      "set ylabel 'seconds'\nset yrange [0:*]\nset bmargin 4\n", bars(pi)]}.

pi_text([Nodes, P]) ->
    io_lib:format("~s,\\nP = ~b", [case Nodes of 1 -> "one node"; 2 -> "two nodes" end, P]).

%% ---- what pictures share -------------------------------------------------------------------

keys(#{results := Results}, Measurement) ->
    #{keys := Keys} = proplists:get_value(Measurement, Results),
    Keys.


%% Groups of three bars: a row a group.
bars_data(Name, Report, Measurement, Rows) ->
    ["$", atom_to_list(Name), " << EOD\n",
     [["\"", Text, "\"", [[" ", value(Report, Measurement, Key, C)] || C <- bench_carrier:all()],
       "\n"] || {Key, Text} <- Rows],
     "EOD\n"].

bars(Name) ->
    ["set style data histograms\nset style histogram clustered gap 1\n"
     "set style fill solid 0.9 noborder\nset boxwidth 0.9\nset key top left\n"
     "set offsets 0.2, 0.2, graph 0.3, 0\n",
     "plot ", comma([io_lib:format("$~s using ~b~s lc rgb '~s' title '~s'",
                                   [Name, Column, [":xtic(1)" || Column =:= 2], colour(C), C])
                     || {Column, C} <- lists:zip([2, 3, 4], bench_carrier:all())])].

block(Carrier, Rows) ->
    ["$", atom_to_list(Carrier), " << EOD\n", [[Row, "\n"] || Row <- Rows], "EOD\n"].

value(Report, Measurement, Key, Carrier) ->
    case bench_report:value(Report, Measurement, Key, Carrier) of
        none -> "?";
        V -> float_to_list(float(V), [{decimals, 4}])
    end.

title(Text) -> ["set title '", Text, "' font ',14'\n"].

xtics(Texts) ->
    ["set xtics (", comma([io_lib:format("\"~s\" ~b", [T, X]) || {X, T} <- numbered(Texts)]),
     ")\n"].

numbered(List) -> lists:zip(lists:seq(1, length(List)), List).

shifts() -> lists:zip(bench_carrier:all(), [-0.2, 0.0, 0.2]).

zip_carriers(Rows) -> lists:zip(bench_carrier:all(), Rows).

colour(inet_tcp) -> "#808080";
colour(inet_tls) -> "#d95f02";
colour(tacit) -> "#1b6ca8".

comma(Parts) -> lists:join(", ", Parts).
