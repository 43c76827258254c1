%% Where it was measured, which the figures mean nothing without.
-module(bench_machine).

-export([facts/1]).

-spec facts(file:filename()) -> [{binary(), binary()}].
facts(Build) ->
    [{<<"date">>, now_utc()},
     {<<"otp">>, <<(otp())/binary, ", erts ", (version())/binary>>},
     {<<"libsodium">>, sodium(Build)},
     {<<"openssl">>, openssl()},
     {<<"processor">>, processor()},
     {<<"cores">>, integer_to_binary(erlang:system_info(logical_processors_available))},
     {<<"system">>, system()}].

now_utc() ->
    list_to_binary(calendar:system_time_to_rfc3339(os:system_time(second),
                                                   [{offset, "Z"}])).

otp() -> list_to_binary(erlang:system_info(otp_release)).

version() -> list_to_binary(erlang:system_info(version)).

sodium(Build) ->
    list_to_binary(string:trim(os:cmd(filename:join([Build, "tests", "bench", "bench-cipher"]) ++
                                          " --version"))).

openssl() -> list_to_binary(string:trim(os:cmd("openssl version"))).

processor() ->
    case file:read_file("/proc/cpuinfo") of
        {ok, Text} ->
            case re:run(Text, "model name\\s*: (.*)", [{capture, [1], binary}]) of
                {match, [Name]} -> Name;
                nomatch -> <<"unknown">>
            end;
        {error, _} -> <<"unknown">>
    end.

system() -> list_to_binary(string:trim(os:cmd("uname -srm"))).
