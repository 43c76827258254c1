%% Real nodes for the tests: each in an emulator of its own, with its own directory,
%% identity and tacit.conf, on loopback addresses. The test's own emulator is not
%% distributed: it steers the nodes over their standard input and output (peer).
-module(mesh).

-export([dir/0, tacit/1, tacit/2, free_port/1, patience/0]).
-export([host/1, host/2, trust/2, trust/3, in_mesh/2, append/2]).
-export([start/2, start/3, start_link_args/2, node_env/0, release/1, stop/1, call/4, call/5]).
-export([log/1]).
-export([kill/1, freeze/1, thaw/1, runs/1]).
-export([on/2, on/3, erl/2]).
-export([logged/2, nodes_of/1, handshakes/1]).
-export([pair/0, pair/1, part/2, stop_pair/1, wait_until/1, wait_until/2]).

-export_type([host/0, node_ref/0]).

%% A host: a directory with tacit.conf and keys.
-type host() :: #{dir := file:filename(), conf := file:filename(), ip := string(),
                  port := inet:port_number(), public_key := string()}.
-type node_ref() :: #{peer := pid(), name := node(), host := host(), os_pid := string(),
                      log := file:filename()}.

%% A new empty directory; tests/run removes them all.
-spec dir() -> file:filename().
dir() ->
    Base = case os:getenv("TACIT_TEST_DIR") of
               false -> "/tmp/tacit-test." ++ os:getpid();
               Set -> Set
           end,
    Dir = filename:join(Base, integer_to_list(erlang:unique_integer([positive]))),
    ok = filelib:ensure_path(Dir),
    Dir.

%% Runs the built command: its exit status and what it printed (both streams).
-spec tacit([string()]) -> {non_neg_integer(), string()}.
tacit(Args) ->
    tacit(Args, []).

-spec tacit([string()], [{string(), string()}]) -> {non_neg_integer(), string()}.
tacit(Args, Env) ->
    Exe = filename:join(build(), "tacit"),
    Port = open_port({spawn_executable, Exe},
                     [{args, Args}, {env, Env}, exit_status, stderr_to_stdout, {line, 4096}, hide]),
    collect(Port, []).

collect(Port, Lines) ->
    receive
        {Port, {data, {_, Line}}} -> collect(Port, [Line | Lines]);
        {Port, {exit_status, Status}} -> {Status, lists:join($\n, lists:reverse(Lines))}
    end.

%% Where meson built everything: TACIT_BUILD, set by tests/run.
build() ->
    case os:getenv("TACIT_BUILD") of
        false -> "build";
        Set -> Set
    end.

%% By how much time limits grow where everything is slower than usual: see run_suite.
-spec patience() -> pos_integer().
patience() ->
    list_to_integer(os:getenv("TACIT_PATIENCE", "1")).

-spec free_port(string()) -> inet:port_number().
free_port(Ip) ->
    {ok, Address} = inet:parse_address(Ip),
    Family = case Address of {_, _, _, _} -> inet; _ -> inet6 end,
    {ok, Socket} = gen_tcp:listen(0, [Family, {ip, Address}]),
    {ok, Port} = inet:port(Socket),
    ok = gen_tcp:close(Socket),
    %% The system may give it twice, where the first who is to have it has not begun to listen.
    Given = persistent_term:get({?MODULE, ports}, []),
    case lists:member(Port, Given) of
        true ->
            free_port(Ip);
        false ->
            persistent_term:put({?MODULE, ports}, [Port | Given]),
            Port
    end.

%% A host that listens on Ip, made by `tacit init'. Options: mesh => host() whose mesh key
%% it shares (else a new mesh), port, conf => more text for tacit.conf.
-spec host(string()) -> host().
host(Ip) ->
    host(Ip, #{}).

-spec host(string(), map()) -> host().
host(Ip, Options) ->
    Dir = filename:join(dir(), "host"),
    Port = maps:get(port, Options, free_port(Ip)),
    Mesh = case Options of
               #{mesh := #{dir := Other}} -> ["--mesh-key", filename:join(Other, "mesh.key")];
               _ -> []
           end,
    Listen = case lists:member($:, Ip) of
                 true -> "[" ++ Ip ++ "]";
                 false -> Ip
             end ++ ":" ++ integer_to_list(Port),
    {0, _} = tacit(["init", "--dir", Dir, "--listen", Listen | Mesh]),
    {0, Key} = tacit(["pubkey", filename:join(Dir, "identity.key")]),
    Host = #{dir => Dir, conf => filename:join(Dir, "tacit.conf"), ip => Ip, port => Port,
             public_key => lists:flatten(Key)},
    append(Host, maps:get(conf, Options, "")),
    Host.

%% Host's tacit.conf gets a [peer *@IP] section for Peer.
-spec trust(host(), host()) -> ok.
trust(Host, #{ip := Ip} = Peer) ->
    trust(Host, Peer, "*@" ++ Ip).

-spec trust(host(), host(), string()) -> ok.
trust(Host, #{ip := Ip, port := Port, public_key := Key}, Glob) ->
    Endpoint = case lists:member($:, Ip) of true -> ["[", Ip, "]"]; false -> Ip end,
    append(Host, io_lib:format("~n[peer ~s]~npublic-key = ~s~nendpoint = ~s:~b~n",
                               [Glob, Key, Endpoint, Port])).

%% Lines for Host's [mesh] section, at its start.
-spec in_mesh(host(), iodata()) -> ok.
in_mesh(#{conf := Conf}, Lines) ->
    {ok, Text} = file:read_file(Conf),
    [Before, After] = string:split(Text, "[mesh]\n"),
    ok = file:write_file(Conf, [Before, "[mesh]\n", Lines, After]).

%% More text at the end of Host's tacit.conf.
-spec append(host(), iodata()) -> ok.
append(#{conf := Conf}, Text) ->
    ok = file:write_file(Conf, Text, [append]).

%% Starts a node called Name@IP-of-host over Tacit.
-spec start(string(), host()) -> node_ref().
start(Name, Host) ->
    start(Name, Host, #{}).

%% Options: args (more of erl's), name_flag ("-name"), node (the full name; none: an
%% emulator without distribution), proto ("-proto_dist tacit"), flags (those that the
%% README recommends), cookie, env, exec (peer's own: what runs erl).
-spec start(string(), host(), map()) -> node_ref().
start(Name, #{ip := Ip} = Host, Options0) ->
    Options = maps:merge(release(Ip), Options0),
    Node = maps:get(node, Options, Name ++ "@" ++ Ip),
    Log = filename:join(dir(), "log"),
    Args = start_link_args(Node, maps:put(host, Host, Options)) ++ logger_args(Log),
    Peer0 = maps:with([exec], Options),
    Env = node_env() ++ maps:get(release_env, Options, []) ++ maps:get(env, Options, []),
    {ok, Peer, _} = peer:start(Peer0#{connection => standard_io,
                                      wait_boot => 60000 * patience(),
                                      env => Env,
                                      args => Args}),
    #{peer => Peer, name => peer:call(Peer, erlang, node, []), host => Host, log => Log,
      os_pid => peer:call(Peer, os, getpid, [])}.

%% For tests that run erl themselves. tests/asan has the nodes, and nothing else, load a
%% library first. It sees what malloc gives: with that flag the emulator's own allocators
%% pass everything on to it.
-spec node_env() -> [{string(), string()}].
node_env() ->
    case os:getenv("TACIT_NODE_PRELOAD", "") of
        "" -> [];
        Library -> [{"LD_PRELOAD", Library}, {"ERL_AFLAGS", "+Mea min"}]
    end.

%% tests/interop/run has the nodes at some addresses run in other releases of Erlang. A file
%% of {Ip, #{run, build, release_env}} says which: the command that runs another there, where
%% that release's Tacit was built, and more for the environment.
-spec release(string()) -> map().
release(Ip) ->
    case os:getenv("TACIT_RELEASES") of
        false ->
            #{};
        File ->
            {ok, Releases} = file:consult(File),
            case proplists:get_value(Ip, Releases, #{}) of
                #{run := [Command | Args]} = Release ->
                    Release#{exec => {Command, Args ++ ["erl"]}};
                #{} ->
                    #{}
            end
    end.

%% The arguments that start/3 gives to erl, for tests that run it themselves.
-spec start_link_args(string() | none, map()) -> [string()].
start_link_args(Node, #{host := #{conf := Conf}} = Options) ->
    string:lexemes(maps:get(proto, Options, "-proto_dist tacit"), " ") ++
        string:lexemes(maps:get(flags, Options, "-no_epmd -epmd_module tacit_epmd"), " ") ++
        [Arg || Node =/= none, Arg <- [maps:get(name_flag, Options, "-name"), Node]] ++
        ["-setcookie", maps:get(cookie, Options, "tacittest"), "-tacit_conf", Conf,
         "-pa", filename:dirname(code:which(?MODULE))] ++
        maps:get(args, Options, []).

%% What the node logs goes to a file: see log/1.
logger_args(Log) ->
    ["-kernel", "logger",
     lists:flatten(io_lib:format("[{handler,default,logger_std_h,"
                                 "#{config=>#{type=>file,file=>~p}}}]", [Log]))].

%% Waits for the process's end: under tests/asan it reports as it ends.
-spec stop(node_ref()) -> ok.
stop(#{peer := Peer} = Node) ->
    try peer:stop(Peer) catch exit:_ -> ok end,
    wait_until(fun() -> not runs(Node) end, 60000).

-spec call(node_ref(), module(), atom(), list()) -> term().
call(Node, M, F, A) ->
    call(Node, M, F, A, 60000).

-spec call(node_ref(), module(), atom(), list(), timeout()) -> term().
call(#{peer := Peer}, M, F, A, infinity) ->
    peer:call(Peer, M, F, A, infinity);
call(#{peer := Peer}, M, F, A, Timeout) ->
    peer:call(Peer, M, F, A, Timeout * patience()).

%% What Fun gives on the node, which has the tests' own modules, too.
-spec on(node_ref(), fun(() -> Result)) -> Result.
on(Node, Fun) ->
    on(Node, Fun, 60000).

-spec on(node_ref(), fun(() -> Result), timeout()) -> Result.
on(Node, Fun, Timeout) ->
    call(Node, erlang, apply, [Fun, []], Timeout).

%% Runs erl with Args to its end, without a terminal, in an empty directory: for nodes that
%% do not start, and for those whose Args end them. A crash dump would be in files.
-spec erl([string()], [{string(), string()}]) ->
          #{status := non_neg_integer(), out := string(), err := string(),
            files := [string()]}.
erl(Args, Env) ->
    Dir = dir(),
    Script = "exec erl -noinput \"$@\" > out 2> err < /dev/null",
    Port = open_port({spawn_executable, "/bin/sh"},
                     [{args, ["-c", Script, "sh" | Args]}, {cd, Dir}, exit_status,
                      {env, node_env() ++ [{"ERL_CRASH_DUMP", "erl_crash.dump"} | Env]}]),
    Status = receive {Port, {exit_status, S}} -> S end,
    [Out, Err] = [begin
                      {ok, Bytes} = file:read_file(filename:join(Dir, Name)),
                      unicode:characters_to_list(Bytes)
                  end || Name <- ["out", "err"]],
    {ok, Files} = file:list_dir(Dir),
    #{status => Status, out => Out, err => Err, files => Files -- ["out", "err"]}.

%% Signals: to the process whose id the emulator itself told us. This one is kill -9.
-spec kill(node_ref()) -> ok.
kill(Node) ->
    signal("KILL", Node).

%% The whole emulator stands still, its sockets stay: a node that does not answer.
-spec freeze(node_ref()) -> ok.
freeze(Node) ->
    signal("STOP", Node).

-spec thaw(node_ref()) -> ok.
thaw(Node) ->
    signal("CONT", Node).

signal(Name, #{os_pid := Pid}) ->
    [] = os:cmd("kill -" ++ Name ++ " " ++ Pid),
    ok.

%% Whether the emulator's process is still there.
-spec runs(node_ref()) -> boolean().
runs(#{os_pid := Pid}) ->
    os:cmd("kill -0 " ++ Pid ++ " 2>/dev/null && ps -o stat= -p " ++ Pid ++
               " | grep -v Z") =/= "".

%% What the node has logged so far.
-spec log(node_ref()) -> string().
log(#{log := Log} = Node) ->
    _ = try call(Node, logger_std_h, filesync, [default]) catch _:_ -> ended end,
    case file:read_file(Log) of
        {ok, Bytes} -> binary_to_list(Bytes);
        {error, enoent} -> ""
    end.

%% Waits for a line of the node's log with all these in it.
-spec logged(node_ref(), [string()]) -> ok.
logged(Node, Parts) ->
    Has = fun(Line) -> lists:all(fun(P) -> string:find(Line, P) =/= nomatch end, Parts) end,
    try
        wait_until(fun() -> lists:any(Has, string:lexemes(log(Node), "\n")) end, 60000)
    catch
        error:waited_in_vain -> error({not_logged, Parts, log(Node)})
    end.

%% The visible nodes that it has links with, in order.
-spec nodes_of(node_ref()) -> [node()].
nodes_of(Node) ->
    lists:sort(call(Node, erlang, nodes, [])).

%% How many handshakes it has had: tells a link from one made again in its place.
-spec handshakes(node_ref()) -> non_neg_integer().
handshakes(Node) ->
    {ok, #{handshakes := Count}} = call(Node, tacit, info, []),
    Count.

%% Two nodes, a@127.0.0.1 and b@127.0.0.2, that trust each other and are not connected yet.
-spec pair() -> {node_ref(), node_ref()}.
pair() ->
    pair(#{}).

%% Options as of start/3, for both; a_conf and b_conf: more text for the tacit.conf of each.
-spec pair(map()) -> {node_ref(), node_ref()}.
pair(Options) ->
    A = host("127.0.0.1", #{conf => maps:get(a_conf, Options, "")}),
    B = host("127.0.0.2", #{mesh => A, conf => maps:get(b_conf, Options, "")}),
    ok = trust(A, B),
    ok = trust(B, A),
    {start("a", A, Options), start("b", B, Options)}.

%% No link between A and B, on either side. Cut again as long as it takes: a link that is up
%% at one end may not be yet at the other, where disconnecting then does nothing; and what
%% OTP's own servers (rex, global) still had to say to a node that just came up dials again,
%% unless the nodes run with dist_auto_connect never.
-spec part(node_ref(), node_ref()) -> ok.
part(#{name := NameA} = A, #{name := NameB} = B) ->
    wait_until(fun() ->
                       _ = call(A, erlang, disconnect_node, [NameB]),
                       not (lists:member(NameB, call(A, erlang, nodes, [connected]))
                            orelse lists:member(NameA, call(B, erlang, nodes, [connected])))
               end).

-spec stop_pair({node_ref(), node_ref()}) -> ok.
stop_pair({A, B}) ->
    stop(A),
    stop(B).

%% Waits until Fun gives true, at most 30 s or Timeout ms: for what has no event of its own.
-spec wait_until(fun(() -> boolean())) -> ok.
wait_until(Fun) ->
    wait_until(Fun, 30000).

-spec wait_until(fun(() -> boolean()), timeout()) -> ok.
wait_until(Fun, Timeout) ->
    wait(Fun, Timeout * patience()).

wait(Fun, Timeout) when Timeout > 0 ->
    case Fun() of
        true -> ok;
        false -> timer:sleep(50), wait(Fun, Timeout - 50)
    end;
wait(_Fun, _Timeout) ->
    error(waited_in_vain).
