%% The tests' C node (tests/ei): a program of libtacit_ei's, steered by lines.
-module(cnode).

-export([start/2, start/3, fails/2, call/2, os_pid/1, stop/1]).
-export([connect/2, connect/3, called/3, called/4, called_in_vain/3, close/2, part/2]).

-export_type([cnode/0]).

-type cnode() :: #{pid := pid(), name := node()}.

-define(DEADLINE, 90000).

%% Name@IP-of-host, with the host's configuration and the tests' cookie.
-spec start(string(), mesh:host()) -> cnode().
start(Name, Host) ->
    start(Name, Host, #{}).

%% Options: cookie; node, the full name; exec, the command that runs it. Any process may call
%% it, one at a time.
-spec start(string(), mesh:host(), map()) -> cnode().
start(Name, #{ip := Ip, conf := Conf}, Options) ->
    Node = maps:get(node, Options, Name ++ "@" ++ Ip),
    Pid = open(Conf, Node, maps:get(cookie, Options, "tacittest"), maps:get(exec, Options, [])),
    "ready" = answer(Pid),
    #{pid => Pid, name => list_to_atom(Node)}.

%% One that does not come up: what it says.
-spec fails(string(), file:filename()) -> string().
fails(Node, Conf) ->
    Pid = open(Conf, Node, "tacittest", []),
    Line = answer(Pid),
    receive {Pid, {exit_status, 1}} -> Line after ?DEADLINE -> error(still_there) end.

%% TACIT_CNODE_BUILD: the C nodes, and nothing else, are of another build, such as one under
%% ThreadSanitizer that tests/sanitize has left. A process has the port: the program ends with it, and it with who started it.
open(Conf, Node, Cookie, Exec) ->
    Build = os:getenv("TACIT_BUILD", "build"),
    Program = filename:join([os:getenv("TACIT_CNODE_BUILD", Build), "tests", "ei", "cnode"]),
    [Exe | Args] = Exec ++ [Program, Conf, Node, Cookie],
    Self = self(),
    spawn(fun() ->
                  _ = monitor(process, Self),
                  Port = open_port({spawn_executable, os:find_executable(Exe)},
                                   [{args, Args}, exit_status, {line, 65536}, hide]),
                  relay(Port, Self)
          end).

relay(Port, To) ->
    receive
        {Port, What} -> To ! {self(), What}, relay(Port, To);
        {command, From, Bytes} -> true = port_command(Port, Bytes), relay(Port, From);
        {os_pid, From} -> From ! {self(), erlang:port_info(Port, os_pid)}, relay(Port, To);
        stop -> close_port(Port, erlang:port_info(Port, os_pid));
        {'DOWN', _, process, _, _} -> ok
    end.

%% The program is gone afterwards, and what it listened on.
close_port(_, undefined) -> ok;
close_port(Port, {os_pid, Process}) ->
    true = port_close(Port),
    Proc = "/proc/" ++ integer_to_list(Process),
    mesh:wait_until(fun() -> not filelib:is_dir(Proc) end, ?DEADLINE).

%% The program's process.
-spec os_pid(cnode()) -> pos_integer().
os_pid(#{pid := Pid}) ->
    Pid ! {os_pid, self()},
    receive {Pid, {os_pid, Process}} -> Process after ?DEADLINE -> error(no_answer) end.

%% A command and its arguments: the line that it answers.
-spec call(cnode(), [iodata() | atom() | integer()]) -> string().
call(#{pid := Pid}, Command) ->
    Pid ! {command, self(), [lists:join("\t", [word(Word) || Word <- Command]), "\n"]},
    answer(Pid).

word(Word) when is_atom(Word); is_integer(Word) -> io_lib:format("~w", [Word]);
word(Word) -> Word.

answer(Pid) ->
    receive
        {Pid, {data, {eol, Line}}} -> Line;
        {Pid, {exit_status, Status}} -> error({ended, Status})
    after ?DEADLINE -> error(no_answer)
    end.

%% Its input ends, and with it the program.
-spec stop(cnode()) -> ok.
stop(#{pid := Pid}) ->
    Ref = monitor(process, Pid),
    Pid ! stop,
    receive {'DOWN', Ref, process, Pid, _} -> ok end.

%% --- links -----------------------------------------------------------------------------------

%% It dials the node: the link's descriptor, or what it says.
-spec connect(cnode(), mesh:node_ref()) -> string().
connect(C, #{name := Node}) ->
    connect(C, Node, 60000).

-spec connect(cnode(), node(), non_neg_integer()) -> string().
connect(C, Node, Ms) ->
    case call(C, [connect, atom_to_list(Node), Ms]) of
        "connected " ++ Fd -> Fd;
        Other -> Other
    end.

%% The node dials while the C node waits at its listener Fd, at most so many ms: what accept
%% says, and what the node gets.
-spec called(cnode(), string(), mesh:node_ref()) -> {string(), boolean()}.
called(C, Fd, Node) ->
    called(C, Fd, Node, 60000).

-spec called(cnode(), string(), mesh:node_ref(), non_neg_integer()) -> {string(), boolean()}.
called(C, Fd, Node, Ms) ->
    Dialler = dial(C, Node),
    Line = call(C, [accept, Fd, Ms]),
    receive {Dialler, Result} -> {Line, Result} end.

%% It dials in vain: accept waits on for as long as that takes.
-spec called_in_vain(cnode(), string(), mesh:node_ref()) -> ok.
called_in_vain(C, Fd, Node) ->
    in_vain(C, Fd, dial(C, Node)).

in_vain(C, Fd, Dialler) ->
    "failed timeout" ++ _ = call(C, [accept, Fd, 300]),
    receive {Dialler, Result} -> false = Result, ok after 0 -> in_vain(C, Fd, Dialler) end.

dial(#{name := Name}, Node) ->
    Self = self(),
    spawn_link(fun() -> Self ! {self(), mesh:call(Node, net_kernel, connect_node, [Name])} end).

-spec close(cnode(), string()) -> ok.
close(C, Fd) ->
    "closed" = call(C, [close, Fd]),
    ok.

%% The node has no link with it any more.
-spec part(mesh:node_ref(), cnode()) -> ok.
part(Node, #{name := Name}) ->
    mesh:wait_until(fun() ->
                            _ = mesh:call(Node, erlang, disconnect_node, [Name]),
                            not lists:member(Name, mesh:call(Node, erlang, nodes, [connected]))
                    end).
