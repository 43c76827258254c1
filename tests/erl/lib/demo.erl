%% What tests/demo shows: two real nodes that mesh over Tacit, and who is kept out.
%%
%% A step that does not do what its line says fails, and the demo with it.
-module(demo).

-export([main/1]).

-define(MB, 1000000).
%% Longer than Tacit's deadline for a handshake (10 s), with room for a slow machine.
-define(STRANGER_TIMEOUT, 60000).

-spec main([string()]) -> no_return().
main([Colour]) ->
    put(colour, Colour =:= "colour"),
    Status = try
                 show(),
                 0
             catch
                 throw:{failed, Text} -> failed(Text);
                 _:Reason:Stack -> failed(io_lib:format("~p~n~p", [Reason, Stack]))
             end,
    halt(Status).

failed(Text) ->
    io:format("~n  ~ts ~ts~n", [paint(31, "failed:"), Text]),
    1.

show() ->
    head("Two hosts, a new identity each, one mesh key"),
    HostA = new_host("127.0.0.1", #{}),
    HostB = new_host("127.0.0.2", #{mesh => HostA}),
    ok = mesh:trust(HostA, HostB),
    ok = mesh:trust(HostB, HostA),
    said("each has the other's public key as a [peer] in its tacit.conf"),

    head("Two nodes: erl -proto_dist tacit -no_epmd -epmd_module tacit_epmd -name ..."),
    A = started("a", HostA),
    B = started("b", HostB),
    Strangers = [{What, stranger(HostB, Bytes)} || {What, Bytes} <- hellos()],

    head("They mesh, and do what Erlang nodes do"),
    pings(A, B),
    calls(A, B),
    sends(A, B),
    link_info(A, B),
    ports([A, B]),

    head("A stranger meets silence, a wrong key is refused"),
    wrong_key(HostA, B),
    lists:foreach(fun silence/1, Strangers),
    counted(B, length(Strangers)),

    mesh:stop_pair({A, B}),
    io:format("~n  ~ts~n", [paint(32, "Everything went as shown; nothing is left running.")]).

%% --- two hosts, two nodes ----------------------------------------------------------------

new_host(Ip, Options) ->
    #{port := Port, public_key := Key} = Host = mesh:host(Ip, Options),
    said("tacit init --listen ~s:~b  made  ~s", [Ip, Port, Key]),
    Host.

started(Name, Host) ->
    #{name := Node, os_pid := Pid} = Ref = mesh:start(Name, Host),
    said("~s runs (process ~s)", [Node, Pid]),
    Ref.

%% --- what nodes do -----------------------------------------------------------------------

pings(#{name := NameA} = A, #{name := NameB}) ->
    pong = expect(pong, "ping", mesh:call(A, net_adm, ping, [NameB])),
    said("~s pings ~s: pong", [NameA, NameB]).

calls(#{name := NameA} = A, #{name := NameB}) ->
    Answer = mesh:call(A, rpc, call, [NameB, erlang, node, []]),
    NameB = expect(NameB, "the call", Answer),
    said("~s calls erlang:node() on ~s: ~s", [NameA, NameB, Answer]).

%% There and back, and what comes back must be what went there.
sends(#{name := NameA} = A, #{name := NameB}) ->
    Bytes = rand:bytes(10 * ?MB),
    Back = mesh:call(A, erpc, call, [NameB, lists, last, [[Bytes]]]),
    true = expect(true, "10 MB there and back the same", Back =:= Bytes),
    <<Start:8/binary, _/binary>> = crypto:hash(sha256, Back),
    said("~s sends 10 MB to ~s and back: the same bytes (sha256 ~s...)",
         [NameA, NameB, string:lowercase(binary:encode_hex(Start))]).

link_info(A, #{name := NameB}) ->
    {ok, #{suite := Suite, fingerprint := Fingerprint, sent_bytes := Sent}} =
        mesh:call(A, tacit, info, [NameB]),
    true = expect(true, "10 MB on the wire", Sent > 10 * ?MB),
    said("tacit:info('~s'): suite ~s, ~b bytes sent, peer's fingerprint~n      ~s",
         [NameB, Suite, Sent, Fingerprint]).

%% Linux tells which sockets a process listens on; elsewhere this line is left out.
ports(Nodes) ->
    case file:read_file("/proc/net/tcp") of
        {ok, _} -> lists:foreach(fun one_port/1, Nodes);
        {error, _} -> ok
    end.

one_port(#{name := Name, os_pid := Pid, host := #{ip := Ip, port := Port}}) ->
    Listening = listening(Pid),
    [_] = expect([Ip ++ ":" ++ integer_to_list(Port)], "one listening port", Listening),
    said("~s listens on ~s and on no other TCP port (/proc/~s)", [Name, Listening, Pid]).

%% The addresses on which a process listens, by the kernel's tables.
listening(Pid) ->
    {ok, Fds} = file:list_dir("/proc/" ++ Pid ++ "/fd"),
    Links = [file:read_link("/proc/" ++ Pid ++ "/fd/" ++ Fd) || Fd <- Fds],
    Inodes = [lists:droplast(Inode) || {ok, "socket:[" ++ Inode} <- Links],
    [address(Local) || Table <- ["tcp", "tcp6"],
                       [_, Local, _, "0A", _, _, _, _, _, Inode | _] <- table(Pid, Table),
                       lists:member(Inode, Inodes)].

table(Pid, Table) ->
    case file:read_file("/proc/" ++ Pid ++ "/net/" ++ Table) of
        {ok, Text} -> [string:lexemes(L, " ") || L <- string:lexemes(binary_to_list(Text), "\n")];
        {error, _} -> []
    end.

%% "0100007F:1112" is 127.0.0.1:4370 on a little-endian machine.
address(Hex) ->
    [Ip, Port] = string:lexemes(Hex, ":"),
    Shown = case binary:decode_unsigned(<<(list_to_integer(Ip, 16)):32/native>>) of
                V4 when length(Ip) =:= 8 ->
                    <<A, B, C, D>> = <<V4:32>>,
                    inet:ntoa({A, B, C, D});
                _ ->
                    "[" ++ Ip ++ "]"
            end,
    Shown ++ ":" ++ integer_to_list(list_to_integer(Port, 16)).

%% --- who is kept out ---------------------------------------------------------------------

%% An epmd client's NAMES request, the first bytes of a TLS ClientHello, and noise.
hellos() ->
    [{"an epmd client", <<1:16, $n>>},
     {"a TLS hello", <<22, 3, 1, 250:16, 1, 246:24, 3, 3, (rand:bytes(246))/binary>>},
     {"1,000 random bytes", rand:bytes(1000)}].

%% Connects, says Bytes, and collects what comes until the other side closes.
stranger(#{ip := Ip, port := Port}, Bytes) ->
    {ok, Address} = inet:parse_address(Ip),
    Self = self(),
    Ref = make_ref(),
    spawn_link(fun() ->
                       {ok, Socket} = gen_tcp:connect(Address, Port, [binary, {active, false}]),
                       ok = gen_tcp:send(Socket, Bytes),
                       Self ! {Ref, gen_tcp:recv(Socket, 0, ?STRANGER_TIMEOUT)}
               end),
    Ref.

silence({What, Ref}) ->
    receive
        {Ref, Answer} ->
            {error, closed} = expect({error, closed}, What, Answer),
            said("~s got 0 bytes back, then the connection was closed", [What])
    end.

counted(#{name := Name} = Node, Count) ->
    {ok, #{strangers := Strangers}} = mesh:call(Node, tacit, info, []),
    Count = expect(Count, "strangers counted", Strangers),
    said("tacit:info() on ~s counts ~b strangers", [Name, Strangers]).

%% It has the mesh key and knows everybody, but nobody has it as a [peer].
wrong_key(HostA, #{name := NameB, host := HostB} = B) ->
    HostC = mesh:host("127.0.0.3", #{mesh => HostA}),
    ok = mesh:trust(HostC, HostB),
    C = #{name := NameC} = mesh:start("c", HostC),
    pang = expect(pang, "the wrong key", mesh:call(C, net_adm, ping, [NameB])),
    {ok, #{reason := refused, text := Text}} = mesh:call(C, tacit, info, [NameB]),
    mesh:stop(C),
    said("~s has the mesh key but is no [peer] of ~s: pang", [NameC, NameB]),
    said("tacit:info('~s') there: refused, ~s", [NameB, Text]),
    said("the log of ~s:~n~s", [NameB, indent(log_line(B))]).

log_line(Node) ->
    %% The node writes it after the refusal has gone out.
    mesh:wait_until(fun() -> string:find(mesh:log(Node), "link refused") =/= nomatch end),
    Lines = [L || L <- string:lexemes(mesh:log(Node), "\n"),
                  string:find(L, "link refused") =/= nomatch],
    [Line] = expect([hd(Lines ++ [none])], "one line in the log", Lines),
    Line.

%% --- what is said ------------------------------------------------------------------------

expect(Expected, _What, Expected) ->
    Expected;
expect(Expected, What, Got) ->
    throw({failed, io_lib:format("~s: expected ~p, got ~p", [What, Expected, Got])}).

head(Text) ->
    io:format("~n  ~ts~n", [paint(1, Text)]).

said(Text) ->
    said(Text, []).

said(Format, Args) ->
    io:format("    ~ts~n", [io_lib:format(Format, Args)]).

paint(Code, Text) ->
    case get(colour) of
        true -> io_lib:format("\e[~bm~ts\e[0m", [Code, Text]);
        false -> Text
    end.

indent(Line) ->
    wrap(string:lexemes(Line, " "), "      ", 6).

%% Words on lines of at most 92 columns.
wrap([], _Glue, _Column) ->
    [];
wrap([Word | Words], Glue, Column) ->
    case Column + length(Word) + 1 of
        Next when Next > 92 -> ["\n      ", Word | wrap(Words, " ", 6 + length(Word))];
        Next -> [Glue, Word | wrap(Words, " ", Next)]
    end.
