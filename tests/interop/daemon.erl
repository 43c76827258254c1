%% Programs of a root for the tests: servers that are ended by the id of their own process, and
%% commands that come to an end.
-module(daemon).

-export([start/3, stop/1, log/1, command/3, command/4, erl_flags/1]).

-export_type([daemon/0]).

-type daemon() :: #{port := port(), os_pid := string(), log := file:filename()}.
-type env() :: [{string(), string() | false}].

%% Runs Words on the host, in its root; what they print goes to a file. They must exec: the
%% process that is started is the one that is ended.
-spec start(mesh:host(), [string()], env()) -> daemon().
start(Host, Words, Env) ->
    Log = filename:join(mesh:dir(), "log"),
    Script = "exec \"$@\" > '" ++ Log ++ "' 2>&1 < /dev/null",
    Port = open_port({spawn_executable, "/bin/sh"},
                     [{args, ["-c", Script, "sh" | words(Host, Words)]},
                      {env, env(Host, Env)}, exit_status]),
    {os_pid, Pid} = erlang:port_info(Port, os_pid),
    #{port => Port, os_pid => integer_to_list(Pid), log => Log}.

words(#{ip := Ip}, Words) -> maps:get(run, mesh:release(Ip), []) ++ Words.

env(#{ip := Ip}, Env) -> maps:get(release_env, mesh:release(Ip), []) ++ Env.

%% By SIGTERM, and SIGKILL if it has not heard after a minute.
-spec stop(daemon()) -> ok.
stop(#{os_pid := Pid} = Daemon) ->
    _ = os:cmd("kill " ++ Pid),
    try
        mesh:wait_until(fun() -> not mesh:runs(Daemon) end, 60000)
    catch
        error:waited_in_vain ->
            _ = os:cmd("kill -9 " ++ Pid),
            mesh:wait_until(fun() -> not mesh:runs(Daemon) end)
    end.

-spec log(daemon()) -> string().
log(#{log := Log}) ->
    {ok, Bytes} = file:read_file(Log),
    binary_to_list(Bytes).

%% Runs Words on the host to their end, at most two minutes: status and all they printed.
-spec command(mesh:host(), [string()], env()) -> {non_neg_integer(), string()}.
command(Host, Words, Env) ->
    command(Host, Words, Env, 120).

%% At most so many seconds.
-spec command(mesh:host(), [string()], env(), pos_integer()) -> {non_neg_integer(), string()}.
command(Host, Words, Env, Seconds) ->
    [Exe | Args] = ["/usr/bin/timeout", integer_to_list(Seconds) | words(Host, Words)],
    Port = open_port({spawn_executable, Exe},
                     [{args, Args}, {env, env(Host, Env)}, {cd, mesh:dir()}, exit_status,
                      stderr_to_stdout, binary]),
    collect(Port, <<>>).

collect(Port, Text) ->
    receive
        {Port, {data, Data}} -> collect(Port, <<Text/binary, Data/binary>>);
        {Port, {exit_status, Status}} -> {Status, binary_to_list(Text)}
    end.

%% What makes any erl of the host speak Tacit, on one line; the name is its own affair. The
%% port is for those who ask OTP's erl_epmd itself, past `-epmd_module': RabbitMQ does.
-spec erl_flags(mesh:host()) -> string().
erl_flags(#{ip := Ip, port := Port, conf := Conf}) ->
    #{build := Build} = maps:merge(#{build => os:getenv("TACIT_BUILD")}, mesh:release(Ip)),
    "-proto_dist tacit -no_epmd -epmd_module tacit_epmd -tacit_conf " ++ Conf ++
        " -erl_epmd_port " ++ integer_to_list(Port) ++ " -pa " ++ Build ++ "/lib/tacit/ebin".
