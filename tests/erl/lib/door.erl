%% The real secure-epmd for the tests, and what a node says to it over the Unix socket,
%% written from src/door/PROTOCOL.md.
-module(door).

-export([host/1, host/2, start/1, start/2, stop/1, kill/1, signal/2, log/1, events/2,
         address/1]).
-export([open/1, send/2, frame/2, recv/1, register/2, register/3, registered/2, passed/1,
         command/2, show/1, counter/2]).
-export([play/1, called/1, welcome/0, welcome/1, start_node/3, hand/3]).

-export_type([door/0]).

-type door() :: #{host := mesh:host(), pid := pid(), os_pid := string(),
                  socket := file:filename(), epmd := inet:port_number()}.

-define(DEADLINE, 60000).

%% --- the daemon ----------------------------------------------------------------------------

%% A host as mesh:host/2 makes it, with a door beside its tacit.conf, where any plain node may
%% register.
-spec host(string()) -> mesh:host().
host(Ip) -> host(Ip, #{}).

-spec host(string(), map()) -> mesh:host().
host(Ip, Options) ->
    Conf = maps:get(conf, Options, ""),
    mesh:host(Ip, Options#{conf => ["door = door.sock\nplain-nodes = *\n", Conf]}).

-spec start(mesh:host()) -> door().
start(Host) -> start(Host, #{}).

%% Starts it and waits until it is ready. Options: args; exec, what runs it (a list of words
%% before its own); env; epmd, the port of the legacy protocol; socket, its path; ready =>
%% false: waits for its end instead, which gives {exit, Status, Lines}.
-spec start(mesh:host(), map()) -> door() | {exit, non_neg_integer(), [string()]}.
start(#{conf := Conf, dir := Dir} = Host, Options) ->
    Epmd = maps:get(epmd, Options, mesh:free_port("127.0.0.1")),
    Words = maps:get(exec, Options, []) ++
        [filename:join(os:getenv("TACIT_BUILD", "build"), "secure-epmd"), "--conf", Conf,
         "--epmd-port", integer_to_list(Epmd)] ++ maps:get(args, Options, []),
    Self = self(),
    Pid = spawn(fun() -> run(Self, Words, maps:get(env, Options, [])) end),
    case maps:get(ready, Options, true) of
        true ->
            receive
                {Pid, ready, OsPid} ->
                    #{host => Host, pid => Pid, os_pid => OsPid, epmd => Epmd,
                      socket => maps:get(socket, Options, filename:join(Dir, "door.sock"))};
                {Pid, ended, Status, Lines} -> error({not_ready, Status, Lines})
            after ?DEADLINE -> error({not_ready, log(#{pid => Pid})})
            end;
        false ->
            receive {Pid, ended, Status, Lines} -> {exit, Status, Lines}
            after ?DEADLINE -> error({not_ended, log(#{pid => Pid})})
            end
    end.

run(Owner, [Exe | Args], Env) ->
    _ = monitor(process, Owner),
    Port = open_port({spawn_executable, os:find_executable(Exe)},
                     [{args, Args}, {env, Env}, exit_status, stderr_to_stdout,
                      {line, 4096}, hide]),
    {os_pid, OsPid} = erlang:port_info(Port, os_pid),
    follow(Owner, Port, integer_to_list(OsPid), []).

follow(Owner, Port, OsPid, Lines) ->
    receive
        {Port, {data, {_, "event=ready " ++ _ = Line}}} ->
            Owner ! {self(), ready, OsPid},
            follow(Owner, Port, OsPid, [Line | Lines]);
        {Port, {data, {_, Line}}} ->
            follow(Owner, Port, OsPid, [Line | Lines]);
        {Port, {exit_status, Status}} ->
            Owner ! {self(), ended, Status, lists:reverse(Lines)},
            serve_log(lists:reverse(Lines));
        {From, log} ->
            From ! {self(), lists:reverse(Lines)},
            follow(Owner, Port, OsPid, Lines);
        {'DOWN', _, process, Owner, _} ->
            os:cmd("kill -9 " ++ OsPid)
    end.

serve_log(Lines) ->
    receive
        {From, log} -> From ! {self(), Lines}, serve_log(Lines);
        {'DOWN', _, process, _, _} -> ok
    end.

%% Ends it as a service manager would: its exit status.
-spec stop(door()) -> non_neg_integer().
stop(Door) ->
    signal(Door, "TERM"),
    ended(Door).

-spec kill(door()) -> non_neg_integer().
kill(Door) ->
    signal(Door, "KILL"),
    ended(Door).

ended(#{pid := Pid} = Door) ->
    receive {Pid, ended, Status, _} -> Status
    after ?DEADLINE -> error({not_ended, log(Door)})
    end.

-spec signal(door(), string()) -> ok.
signal(#{os_pid := OsPid}, Signal) ->
    "" = os:cmd("kill -" ++ Signal ++ " " ++ OsPid),
    ok.

%% Its lines so far.
-spec log(#{pid := pid(), _ => _}) -> [string()].
log(#{pid := Pid}) ->
    Pid ! {self(), log},
    receive {Pid, Lines} when is_list(Lines) -> Lines end.

%% Those of one event.
-spec events(door(), string()) -> [string()].
events(Door, Event) ->
    [Line || Line <- log(Door), lists:prefix("event=" ++ Event ++ " ", Line)].

%% Where strangers and friends connect to.
-spec address(door()) -> {inet:ip_address(), inet:port_number()}.
address(#{host := #{ip := Ip, port := Port}}) ->
    {ok, Address} = inet:parse_address(Ip),
    {Address, Port}.

%% --- the Unix socket -----------------------------------------------------------------------

-spec open(door()) -> socket:socket().
open(#{socket := Path}) ->
    {ok, Socket} = socket:open(local, stream),
    ok = socket:connect(Socket, #{family => local, path => Path}),
    Socket.

-spec frame(byte(), iodata()) -> binary().
frame(Type, Body) ->
    Bytes = iolist_to_binary([Type, Body]),
    <<(byte_size(Bytes)):16, Bytes/binary>>.

-spec send(socket:socket(), iodata()) -> ok.
send(Socket, Bytes) ->
    ok = socket:send(Socket, iolist_to_binary(Bytes)).

%% The next frame; closed: there is none.
-spec recv(socket:socket()) -> {byte(), binary()} | closed.
recv(Socket) ->
    case socket:recv(Socket, 2, ?DEADLINE) of
        {ok, <<Size:16>>} ->
            {ok, <<Type, Body/binary>>} = socket:recv(Socket, Size, ?DEADLINE),
            {Type, Body};
        {error, _} -> closed
    end.

-spec registered(string(), non_neg_integer()) -> binary().
registered(Name, Creation) ->
    frame(1, [1, 1, <<Creation:32>>, length(Name), Name, 5, "0.0.0", <<0:16>>]).

-spec register(door(), string()) -> {ok, socket:socket(), integer()} | {refused, byte(), string()}.
register(Door, Name) -> register(Door, Name, 0).

-spec register(door(), string(), non_neg_integer()) ->
          {ok, socket:socket(), integer()} | {refused, byte(), string()}.
register(Door, Name, Creation) ->
    Socket = open(Door),
    send(Socket, registered(Name, Creation)),
    case recv(Socket) of
        {2, <<1, Given:32, _/binary>>} -> {ok, Socket, Given};
        {3, <<Reason, Size, Text:Size/binary>>} ->
            closed = recv(Socket),
            ok = socket:close(Socket),
            {refused, Reason, binary_to_list(Text)}
    end.

%% The next connection that is passed: its socket, the time of accept, the peer's address and
%% what was read of it.
-spec passed(socket:socket()) -> #{socket := socket:socket(), _ => _}.
passed(Socket) ->
    {ok, #{iov := Iov, ctrl := Control}} = socket:recvmsg(Socket, 2, 100, [], ?DEADLINE),
    [#{level := socket, type := rights, data := <<Fd:32/native>>}] = Control,
    <<Size:16>> = iolist_to_binary(Iov),
    {ok, <<4, Accepted:64, Family, Address:16/binary, Port:16, 0:32, 0:16, First/binary>>} =
        socket:recv(Socket, Size, ?DEADLINE),
    {ok, Passed} = socket:open(Fd, #{dup => false}),
    #{socket => Passed, accepted => Accepted, first => First, port => Port,
      ip => case Family of
                4 -> list_to_tuple(binary_to_list(binary:part(Address, 0, 4)));
                6 -> Address
            end}.

%% The text of the answer to show (5) or reload (6), or why there is none.
-spec command(door(), byte()) -> {ok, string()} | {refused, byte(), string()}.
command(Door, Type) ->
    Socket = open(Door),
    send(Socket, frame(Type, "")),
    Answer = report(Socket, []),
    ok = socket:close(Socket),
    Answer.

report(Socket, Text) ->
    case recv(Socket) of
        {7, Piece} -> report(Socket, [Text, Piece]);
        {8, <<>>} -> {ok, unicode:characters_to_list(Text)};
        {3, <<Reason, Size, Why:Size/binary>>} -> {refused, Reason, binary_to_list(Why)}
    end.

%% What `tacit show' is told: a list of fields a line.
-spec show(door()) -> [[string()]].
show(Door) ->
    {ok, Text} = command(Door, 5),
    [string:split(Line, "\t", all) || Line <- string:lexemes(Text, "\n")].

-spec counter(door(), string()) -> non_neg_integer().
counter(Door, Name) ->
    [Value] = [V || ["counter", N, V] <- show(Door), N =:= Name],
    list_to_integer(Value).

%% --- a door that the test plays ------------------------------------------------------------

%% Listens where the host's door would.
-spec play(mesh:host()) -> socket:socket().
play(#{dir := Dir}) ->
    {ok, Listener} = socket:open(local, stream),
    ok = socket:bind(Listener, #{family => local, path => filename:join(Dir, "door.sock")}),
    ok = socket:listen(Listener),
    Listener.

%% The next node that comes, with its registration read.
-spec called(socket:socket()) -> socket:socket().
called(Listener) ->
    {ok, Socket} = socket:accept(Listener, ?DEADLINE),
    {1, _} = recv(Socket),
    Socket.

%% The answer to a registration.
-spec welcome() -> binary().
welcome() ->
    frame(2, [1, <<7:32>>, 5, "0.0.0", <<0:16>>]).

-spec welcome(socket:socket()) -> socket:socket().
welcome(Socket) ->
    send(Socket, welcome()),
    Socket.

%% A node that was registered: it does not start before.
-spec start_node(string(), mesh:host(), socket:socket()) -> {mesh:node_ref(), socket:socket()}.
start_node(Name, Host, Listener) ->
    Self = self(),
    {Pid, Monitor} = spawn_monitor(fun() ->
                                           Self ! {self(), mesh:start(Name, Host)},
                                           receive stop -> ok end
                                   end),
    Conn = welcome(called(Listener)),
    receive
        {Pid, Node} -> {Node, Conn};
        {'DOWN', Monitor, process, Pid, Why} -> error(Why)
    end.

%% Sends bytes with sockets, of which the test keeps none.
-spec hand(socket:socket(), iodata(), [socket:socket()]) -> ok.
hand(To, Bytes, Sockets) ->
    Fds = [begin {ok, Fd} = socket:getopt(S, otp, fd), <<Fd:32/native>> end || S <- Sockets],
    ok = socket:sendmsg(To, #{iov => [Bytes],
                              ctrl => [#{level => socket, type => rights,
                                         data => iolist_to_binary(Fds)}]}),
    [ok = socket:close(S) || S <- Sockets],
    ok.
