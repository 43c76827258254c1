%% A wall clock that is set while something runs: what counts since the start goes on.
-module(clock_tests).

-include_lib("eunit/include/eunit.hrl").

-define(B, 'b@127.0.0.2').

clock_test_() ->
    [{Title, {timeout, 60, Test}} || {Title, Test} <- tests()].

tests() ->
    [{"a clock that is put back makes nothing of a link's age", fun age/0},
     {"nor of the daemon's uptime", fun uptime/0},
     {"after it, too, the refusal that is forgotten is the oldest", fun refusals/0}].

%% What has its clock off by the seconds that Step writes.
stepped() ->
    os:getenv("TACIT_NODE_PRELOAD", "") =:= "" orelse
        throw({skip, "another library is loaded into the nodes"}),
    File = filename:join(mesh:dir(), "step"),
    Env = [{"LD_PRELOAD", filename:absname(filename:join([os:getenv("TACIT_BUILD", "build"),
                                                          "tests", "stepped.so"]))},
           {"TACIT_CLOCK_STEP", File}],
    {Env, fun(Seconds) ->
                  ok = file:write_file(File, integer_to_list(Seconds)),
                  Shown = list_to_integer(string:trim(date(Env))),
                  ?assert(abs(Shown - os:system_time(second) - Seconds) < 600)
          end}.

%% What the time is where the clock is off.
date(Env) ->
    Port = open_port({spawn_executable, "/bin/date"}, [{args, ["+%s"]}, {env, Env}, exit_status]),
    receive {Port, {data, Text}} -> receive {Port, {exit_status, 0}} -> Text end end.

age() ->
    {Env, Step} = stepped(),
    {A, B} = mesh:pair(#{env => Env}),
    ?assertEqual(pong, mesh:call(A, net_adm, ping, [?B])),
    Step(-3600),
    {ok, #{age := Age}} = mesh:call(A, tacit, info, [?B]),
    ?assert(Age < 600),
    mesh:stop_pair({A, B}).

uptime() ->
    {Env, Step} = stepped(),
    Host = door:host("127.0.0.1"),
    Door = door:start(Host, #{env => Env, args => ["--unconfined"]}),
    Step(-3600),
    ?assert(door:counter(Door, "uptime") < 600),
    door:stop(Door).

%% There is room for 64 names.
refusals() ->
    {Env, Step} = stepped(),
    A = mesh:start("a", mesh:host("127.0.0.1"), #{env => Env}),
    Dial = fun(Numbers) ->
                   mesh:on(A, fun() -> [false = net_kernel:connect_node(name(N)) || N <- Numbers] end)
           end,
    Dial(lists:seq(1, 64)),
    Step(-3600),
    Dial([65, 66]),
    Known = mesh:on(A, fun() -> [element(1, tacit:info(name(N))) || N <- [1, 2, 3, 65, 66]] end),
    ?assertEqual([error, error, ok, ok, ok], Known),
    mesh:stop(A).

%% Nobody listens there.
name(N) ->
    list_to_atom("x" ++ integer_to_list(N) ++ "@127.0.0.9").
