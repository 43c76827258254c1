%% Stock Erlang beside Tacit: OTP's own epmd on a free port of loopback addresses, and
%% plain nodes with nothing of Tacit's about them.
-module(stock).

-export([with_epmd/2, node/3, interface/1]).

-type env() :: [{string(), string()}].

%% Runs Test with the environment in which an epmd of the test's own listens on Ips.
-spec with_epmd([string()], fun((env()) -> Result)) -> Result.
with_epmd(Ips, Test) ->
    Env = [{"ERL_EPMD_PORT", integer_to_list(mesh:free_port("127.0.0.1"))},
           {"ERL_EPMD_ADDRESS", lists:flatten(lists:join($,, Ips))}],
    Epmd = open_port({spawn_executable, "/bin/sh"},
                     [{args, ["-c", "exec \"$0\" 2> /dev/null", epmd()]}, {env, Env},
                      exit_status]),
    {os_pid, Pid} = erlang:port_info(Epmd, os_pid),
    try
        mesh:wait_until(fun() -> answers(Env) end),
        Test(Env)
    after
        os:cmd("kill " ++ integer_to_list(Pid)),
        receive {Epmd, {exit_status, _}} -> ok end
    end.

%% It may be in Erlang's own folder only.
epmd() ->
    case os:find_executable("epmd") of
        false -> filename:join([code:root_dir(), "bin", "epmd"]);
        Found -> Found
    end.

answers([{_, Port} | _]) ->
    case gen_tcp:connect("127.0.0.1", list_to_integer(Port), []) of
        {ok, Socket} -> gen_tcp:close(Socket) =:= ok;
        {error, _} -> false
    end.

%% A node over plain TCP.
-spec node(string(), string(), env()) -> mesh:node_ref().
node(Name, Ip, Env) ->
    mesh:start(Name, #{ip => Ip, conf => "none"},
               #{proto => "-proto_dist inet_tcp", env => Env, flags => "-start_epmd false",
                 args => interface(Ip)}).

%% Or inet_tcp listens on every address.
-spec interface(string()) -> [string()].
interface(Ip) ->
    {ok, Address} = inet:parse_address(Ip),
    ["-kernel", "inet_dist_use_interface", lists:flatten(io_lib:format("~w", [Address]))].
