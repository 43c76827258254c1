%% What Tacit means to reach beside OTP's carriers on the same machine, and whether it does.
-module(bench_targets).

-export([of_report/1, bound/1]).

-export_type([target/0]).

-type bound() :: {at_least | at_most, number()}.
-type target() :: #{text := string(), measured := float(), bound := bound(),
                    verdict := string()}.

%% Those whose figures were measured.
-spec of_report(bench_report:report()) -> [target()].
of_report(Report) ->
    [#{text => Text, measured => Measured, bound => Bound, verdict => verdict(Measured, Bound)}
     || {Text, Figure, Bound} <- targets(release()) ++ memory(Report), Measured <- [figure(Report, Figure)],
        Measured =/= none].

-spec bound(bound()) -> string().
bound({at_least, V}) -> ">= " ++ bench_report:short(V);
bound({at_most, V}) -> "<= " ++ bench_report:short(V).

verdict(Measured, {at_least, Bound}) when Measured >= Bound -> "met";
verdict(Measured, {at_most, Bound}) when Measured =< Bound -> "met";
verdict(_, _) -> "missed".

release() -> list_to_integer(erlang:system_info(otp_release)).

%% From OTP 29 on, whose TLS is faster, beside a libsodium that has AEGIS.
targets(Release) when Release >= 29 ->
    [throughput(65536, inet_tls, 2.4), throughput(65536, inet_tcp, 0.75),
     throughput(1024, inet_tls, 1.8), throughput(1024, inet_tcp, 4.0) | common()];
targets(_) ->
    [throughput(65536, inet_tls, 12), throughput(16#100000, inet_tls, 12),
     throughput(65536, inet_tcp, 0.40), throughput(16#100000, inet_tcp, 0.30),
     throughput(16, inet_tcp, 3.5), throughput(16, inet_tls, 1.9),
     throughput(1024, inet_tcp, 3.2) | common()].

common() ->
    [{"round trip, p50, divided by inet_tcp's", {ratio, roundtrip, [alone, p50], inet_tcp},
      {at_most, 1.05}},
     {"round trip during 64 KiB bulk, p99, divided by inet_tcp's",
      {ratio, roundtrip, [bulk, 65536, p99], inet_tcp}, {at_most, 1}},
     {"round trips to connect", {value, trips, [count], tacit}, {at_most, 4.0}},
     {"connect and disconnect, divided by inet_tcp's with epmd",
      {ratio, connect, [both, p50], inet_tcp}, {at_most, 1.4}},
     {"connect and disconnect, divided by inet_tls's",
      {ratio, connect, [both, p50], inet_tls}, {at_most, 0.35}},
     {"CPU a GB at 64 KiB, divided by 1.5 x the cipher's + inet_tcp's", cpu, {at_most, 1}},
     {"start of a node with 10,000 peers, ms", {value, rules, [10000, start], tacit},
      {at_most, 1000}},
     {"reload of 10,000 peers, ms", {value, rules, [10000, reload], tacit}, {at_most, 1000}},
     {"a decision among 10,000 peers, us", {value, rules, [10000, decision], tacit},
      {at_most, 20}}].

%% Of as many links as were measured.
memory(#{results := Results}) ->
    case proplists:get_value(memory, Results) of
        undefined -> [];
        #{keys := Keys} -> memory_of(lists:max([N || [N | _] <- Keys]))
    end.

memory_of(N) ->
    Idle = fun(Format) -> lists:flatten(io_lib:format(Format, [N])) end,
    [{Idle("Erlang memory of an idle link (~b), divided by inet_tcp's"),
      {ratio, memory, [N, idle, erlang], inet_tcp}, {at_most, 1}},
     {Idle("resident memory of an idle link (~b), divided by inet_tcp's"),
      {ratio, memory, [N, idle, resident], inet_tcp}, {at_most, 1}},
     {Idle("the driver's own state of an idle link (~b), KiB"),
      {value, memory, [N, idle, driver], tacit}, {at_most, 8}}].

throughput(Size, Other, Bound) ->
    {lists:flatten(io_lib:format("~s, 1 pair one way, divided by ~s's",
                                 [bench_report:size(Size), Other])),
     {ratio, stream, [1, one_way, Size, rate], Other}, {at_least, Bound}}.

figure(Report, {ratio, Measurement, Key, Other}) ->
    bench_report:ratio(Report, Measurement, Key, Other);
figure(Report, {value, Measurement, Key, Carrier}) ->
    bench_report:value(Report, Measurement, Key, Carrier);
figure(Report, cpu) ->
    Key = [1, one_way, 65536, cpu_gb],
    case {bench_report:value(Report, stream, Key, tacit),
          bench_report:value(Report, stream, Key, inet_tcp),
          bench_report:value(Report, cipher, [best, both], tacit)} of
        {Own, Plain, Cipher} when is_float(Own), is_float(Plain), is_float(Cipher) ->
            Own / (1.5 * Cipher + Plain);
        _ ->
            none
    end.
