%% The tests' C node (tests/ei): a program of libtacit_ei's, steered by lines.
-module(cnode).

-export([start/2, start/3, fails/2, call/2, stop/1]).

-export_type([cnode/0]).

-type cnode() :: #{pid := pid(), name := node()}.

-define(DEADLINE, 90000).

%% Name@IP-of-host, with the host's configuration and the tests' cookie.
-spec start(string(), mesh:host()) -> cnode().
start(Name, Host) ->
    start(Name, Host, #{}).

%% Options: cookie; node, the full name. Any process may call it, one at a time.
-spec start(string(), mesh:host(), map()) -> cnode().
start(Name, #{ip := Ip, conf := Conf}, Options) ->
    Node = maps:get(node, Options, Name ++ "@" ++ Ip),
    Pid = open(Conf, Node, maps:get(cookie, Options, "tacittest")),
    "ready" = answer(Pid),
    #{pid => Pid, name => list_to_atom(Node)}.

%% One that does not come up: what it says.
-spec fails(string(), file:filename()) -> string().
fails(Node, Conf) ->
    Pid = open(Conf, Node, "tacittest"),
    Line = answer(Pid),
    receive {Pid, {exit_status, 1}} -> Line after ?DEADLINE -> error(still_there) end.

%% A process has the port: the program ends with it, and it with who started it.
open(Conf, Node, Cookie) ->
    Exe = filename:join([os:getenv("TACIT_BUILD", "build"), "tests", "ei", "cnode"]),
    Self = self(),
    spawn(fun() ->
                  _ = monitor(process, Self),
                  Port = open_port({spawn_executable, Exe},
                                   [{args, [Conf, Node, Cookie]}, exit_status, {line, 65536},
                                    hide]),
                  relay(Port, Self)
          end).

relay(Port, To) ->
    receive
        {Port, What} -> To ! {self(), What}, relay(Port, To);
        {command, From, Bytes} -> true = port_command(Port, Bytes), relay(Port, From);
        stop -> true = port_close(Port);
        {'DOWN', _, process, _, _} -> ok
    end.

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
    Pid ! stop,
    ok.
