%% ejabberd: a cluster of two hosts over Tacit, used by clients that know nothing of it. It runs
%% as the package has it run: by ejabberdctl, as a user of its own.
-module(ejabberd_tests).

-include_lib("eunit/include/eunit.hrl").

-define(DEADLINE, 60000).

ejabberd_test_() ->
    {setup, fun start/0, fun stop/1,
     fun(World) -> [{Title, {timeout, 300, fun() -> Test(World) end}} ||
                       {Title, Test} <- tests()] end}.

tests() ->
    [{"ejabberdctl reaches a server over Tacit, and makes two of them a cluster", fun cluster/1},
     {"no server listens but for clients and Tacit's peers: the cluster port answers no stranger",
      fun closed/1},
     {"who registers at one server logs in at the other, and a message of a client at one "
      "comes to a client at the other", fun message/1},
     {"a server that was killed comes back to the cluster, and its clients get messages again",
      fun come_back/1}].

start() ->
    A = mesh:host("127.0.0.1"),
    B = mesh:host("127.0.0.2", #{mesh => A}),
    [ok = mesh:trust(X, Y) || X <- [A, B], Y <- [A, B]],
    Hosts = [prepared(Host) || Host <- [A, B]],
    #{hosts => Hosts, servers => [server(Host) || Host <- Hosts]}.

stop(#{hosts := Hosts, servers := Servers}) ->
    [ended(Host, Server) || {Host, Server} <- lists:zip(Hosts, Servers)].

%% ejabberdctl does not pass signals on.
ended(Host, Server) ->
    _ = try_ctl(Host, ["stop"]),
    try mesh:wait_until(fun() -> not mesh:runs(Server) end, ?DEADLINE)
    catch error:waited_in_vain -> mesh:kill(emulator(Host))
    end.

%% --- a server ------------------------------------------------------------------------------

%% What ejabberd's own user reads is its own: tacit.conf and keys, a copy of Tacit, and a place
%% for its database.
prepared(#{dir := Dir, ip := Ip, conf := Conf, port := Port} = Host0) ->
    #{build := Build} = mesh:release(Ip),
    "" = os:cmd(["cp -R ", Build, "/lib/tacit ", Dir]),
    File = fun(Name) -> filename:join(Dir, Name) end,
    Host = Host0#{clients => mesh:free_port(Ip), ctl => File("ejabberdctl.cfg"),
                  yml => File("ejabberd.yml")},
    ok = file:write_file(maps:get(yml, Host), yml(Host)),
    ok = file:write_file(maps:get(ctl, Host),
                         ["ERLANG_NODE=", node_name(Host), "\n"
                          "ERL_DIST_PORT=", integer_to_list(Port), "\n"
                          "ERL_OPTIONS=\"-proto_dist tacit -no_epmd -epmd_module tacit_epmd "
                          "-tacit_conf ", Conf, " -pa ", File("tacit/ebin"), " -setcookie tacittest\"\n"
                          "EJABBERD_CONFIG_PATH=", maps:get(yml, Host), "\n"
                          "SPOOL_DIR=", File("spool"), "\nLOGS_DIR=", File("logs"), "\n"]),
    [ok = file:make_dir(File(Name)) || Name <- ["spool", "logs"]],
    {0, ""} = daemon:command(Host, ["chown", "-R", "ejabberd:", Dir], []),
    Host.

yml(#{ip := Ip, clients := Port}) ->
    ["hosts: [localhost]\nauth_method: internal\nmodules: {}\n"
     "listen:\n  - {port: ", integer_to_list(Port), ", ip: \"", Ip, "\", module: ejabberd_c2s}\n"].

node_name(#{ip := Ip}) -> "ejabberd@" ++ Ip.

words(#{ctl := Ctl}, Words) -> ["ejabberdctl", "--ctl-config", Ctl | Words].

server(Host) ->
    daemon:start(Host, words(Host, ["foreground"]), []).

try_ctl(Host, Words) ->
    daemon:command(Host, words(Host, Words), []).

ctl(Host, Words) ->
    case try_ctl(Host, Words) of
        {0, Text} -> Text;
        Failed -> error({ejabberdctl, Words, Failed})
    end.

await(Host) ->
    mesh:wait_until(fun() -> element(1, try_ctl(Host, ["status"])) =:= 0 end, ?DEADLINE).

%% The emulator's process, by the port that it has for clients.
emulator(#{clients := Port} = Host) ->
    [Pid] = [Pid || {Pid, {_, P}} <- listening(), P =:= Port],
    Host#{os_pid => Pid}.

%% The TCP addresses on which processes listen.
listening() ->
    [begin
         [_, _, _, Address | _] = string:lexemes(Line, " "),
         [Ip, Port] = string:split(Address, ":", trailing),
         {match, [Pid]} = re:run(Line, "pid=([0-9]+)", [{capture, [1], list}]),
         {Pid, {Ip, list_to_integer(Port)}}
     end || Line <- string:lexemes(os:cmd("ss -Hltnp"), "\n"),
            string:find(Line, "pid=") =/= nomatch].

%% --- the promises --------------------------------------------------------------------------

cluster(#{hosts := [A, B]}) ->
    [await(Host) || Host <- [A, B]],
    ctl(B, ["join_cluster", node_name(A)]),
    [mesh:wait_until(fun() ->
                             {_, Text} = try_ctl(Host, ["list_cluster"]),
                             [N || N <- [A, B], string:find(Text, node_name(N)) =:= nomatch] =:= []
                     end, ?DEADLINE) || Host <- [A, B]].

closed(#{hosts := Hosts}) ->
    [begin
         #{os_pid := Pid} = emulator(Host),
         ?assertEqual(lists:sort([{Ip, Port}, {Ip, Clients}]),
                      lists:sort([Address || {P, Address} <- listening(), P =:= Pid])),
         {ok, Socket} = gen_tcp:connect(Ip, Port, [binary, {active, false}]),
         ok = gen_tcp:send(Socket, plain_name(node_name(Host))),
         ?assertEqual({error, closed}, gen_tcp:recv(Socket, 0, ?DEADLINE))
     end || #{ip := Ip, port := Port, clients := Clients} = Host <- Hosts].

%% The first message of the distribution handshake, as a plain node sends it.
plain_name(Name) ->
    Body = <<$N, 16#7df7fbd:64, 1:32, (length(Name)):16, (list_to_binary(Name))/binary>>,
    <<(byte_size(Body)):16, Body/binary>>.

message(#{hosts := [A, B]}) ->
    ctl(A, ["register", "alice", "localhost", "secret"]),
    ctl(A, ["register", "bob", "localhost", "secret"]),
    Alice = client(A, "alice"),
    Bob = client(B, "bob"),
    tell(Alice, "bob", Bob, "are you there, behind the wire?"),
    tell(Bob, "alice", Alice, "I am."),
    [ok = gen_tcp:close(Socket) || Socket <- [Alice, Bob]].

come_back(#{hosts := [A, B], servers := [_, Server]} = World) ->
    mesh:kill(emulator(B)),
    mesh:wait_until(fun() -> not mesh:runs(Server) end, ?DEADLINE),
    Again = server(B),
    try
        await(B),
        message_again(A, B),
        closed(World)
    after
        ended(B, Again)
    end.

message_again(A, B) ->
    Alice = client(A, "alice"),
    Bob = client(B, "bob"),
    mesh:wait_until(fun() -> string:find(ctl(A, ["list_cluster"]), node_name(B)) =/= nomatch end,
                    ?DEADLINE),
    tell(Alice, "bob", Bob, "back again?").

%% --- XMPP, as much as it takes -------------------------------------------------------------

client(#{ip := Ip, clients := Port}, User) ->
    {ok, Socket} = gen_tcp:connect(Ip, Port, [binary, {active, false}]),
    stream(Socket),
    ask(Socket, ["<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>",
                 base64:encode("\0" ++ User ++ "\0secret"), "</auth>"], "<success"),
    stream(Socket),
    ask(Socket, "<iq type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>", "</iq>"),
    ask(Socket, "<presence/>", "<presence"),
    Socket.

stream(Socket) ->
    ask(Socket, "<stream:stream to='localhost' version='1.0' xmlns='jabber:client' "
        "xmlns:stream='http://etherx.jabber.org/streams'>", "</stream:features>").

%% Said again until it is heard: a server learns a little later who has come to the other.
tell(From, Name, To, Text) ->
    mesh:wait_until(fun() ->
                            ok = gen_tcp:send(From, ["<message type='chat' to='", Name,
                                                     "@localhost'><body>", Text,
                                                     "</body></message>"]),
                            heard(To, Text, "", 1000)
                    end).

ask(Socket, Text, Answer) ->
    ok = gen_tcp:send(Socket, Text),
    ?assert(heard(Socket, Answer, "", ?DEADLINE)).

heard(Socket, Text, Before, Timeout) ->
    case gen_tcp:recv(Socket, 0, Timeout) of
        {ok, Bytes} ->
            Heard = Before ++ binary_to_list(Bytes),
            string:find(Heard, Text) =/= nomatch orelse heard(Socket, Text, Heard, Timeout);
        {error, timeout} ->
            false
    end.
