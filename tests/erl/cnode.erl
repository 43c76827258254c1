%% The tests' C node (tests/ei): a program of libtacit_ei's, steered by lines.
-module(cnode).

-export([start/2, start/3, fails/2, call/2, call/3, stop/1]).

-export_type([cnode/0]).

-type cnode() :: #{port := port(), name := node()}.

-define(DEADLINE, 90000).

%% Name@IP-of-host, with the host's configuration and the tests' cookie.
-spec start(string(), mesh:host()) -> cnode().
start(Name, Host) ->
    start(Name, Host, #{}).

%% Options: cookie; node, the full name.
-spec start(string(), mesh:host(), map()) -> cnode().
start(Name, #{ip := Ip, conf := Conf}, Options) ->
    Node = maps:get(node, Options, Name ++ "@" ++ Ip),
    Port = open(Conf, Node, maps:get(cookie, Options, "tacittest")),
    "ready" = answer(Port, ?DEADLINE),
    #{port => Port, name => list_to_atom(Node)}.

%% One that does not come up: what it says.
-spec fails(string(), file:filename()) -> string().
fails(Node, Conf) ->
    Port = open(Conf, Node, "tacittest"),
    Line = answer(Port, ?DEADLINE),
    receive {Port, {exit_status, 1}} -> Line after ?DEADLINE -> error(still_there) end.

open(Conf, Node, Cookie) ->
    Exe = filename:join([os:getenv("TACIT_BUILD", "build"), "tests", "ei", "cnode"]),
    open_port({spawn_executable, Exe},
              [{args, [Conf, Node, Cookie]}, exit_status, {line, 65536}, hide]).

%% A command and its arguments: the line that it answers.
-spec call(cnode(), [iodata() | atom() | integer()]) -> string().
call(CNode, Command) ->
    call(CNode, Command, ?DEADLINE).

-spec call(cnode(), [iodata() | atom() | integer()], timeout()) -> string().
call(#{port := Port}, Command, Timeout) ->
    true = port_command(Port, [lists:join("\t", [word(Word) || Word <- Command]), "\n"]),
    answer(Port, Timeout).

word(Word) when is_atom(Word); is_integer(Word) -> io_lib:format("~w", [Word]);
word(Word) -> Word.

answer(Port, Timeout) ->
    receive
        {Port, {data, {eol, Line}}} -> Line;
        {Port, {exit_status, Status}} -> error({ended, Status})
    after Timeout -> error(no_answer)
    end.

%% Its input ends, and with it the program.
-spec stop(cnode()) -> ok.
stop(#{port := Port}) ->
    true = port_close(Port),
    ok.
