%% A second implementation of the channel (foreign.erl) against real nodes, in both roles.
-module(foreign_tests).

-include_lib("eunit/include/eunit.hrl").

-define(NAME, "f@127.0.0.9").
-define(NODE, 'f@127.0.0.9').
-define(COOKIE, "tacittest").
-define(DONE, 1).
-define(REFUSED, 2).
-define(PROTOCOL, 6).
-define(TOO_BIG, 7).
-define(MAX_MESSAGE, 262144).

foreign_test_() ->
    {setup, fun start/0, fun stop/1,
     fun(World) -> [{Title, {timeout, 60, fun() -> Test(World) end}} ||
                       {Title, Test} <- tests()] end}.

tests() ->
    [{"a foreign peer dials a node: " ++ Text, fun(W) -> dials(Suite, W) end}
     || {Suite, Text} <- suites()] ++
    [{"a node dials a foreign peer: " ++ Text, fun(W) -> is_dialled(Suite, W) end}
     || {Suite, Text} <- suites()] ++
    [{"the best suite that both have is chosen", fun best_suite/1},
     {"a first message tells the name wanted, the suites and the time", fun first_message/1},
     {"a handshake and records that come a byte at a time are as good", fun byte_by_byte/1},
     {"records of every size up to the largest are taken", fun sizes/1},
     {"a close of the peer's ends the link, with its reason and text", fun closes/1},
     {"a record of a type that is none ends the link", fun unknown_type/1},
     {"a record without room for a tag ends the link", fun no_tag/1},
     {"a message of max-message bytes arrives; a longer one ends the link as soon as its length "
      "is there, and both sides know why", fun max_message/1},
     {"a message of the distribution handshake over 65535 bytes ends the link at its length",
      fun long_handshake/1},
     {"a peer whose line goes while its handshake is under way gets no link",
      fun line_goes_meanwhile/1},
     {"a peer for whom no version was left cannot go on", fun no_version/1},
     {"a peer cannot go on with a suite that was not chosen", fun other_suite/1},
     {"a peer whose claim is not strictly what the protocol says cannot go on", fun odd_claim/1}].

suites() ->
    [{1, "chacha20-poly1305"}, {2, "aes-256-gcm"}].

start() ->
    {Listener, Port} = foreign:listen({127, 0, 0, 9}),
    Identity = foreign:identity(),
    Host = mesh:host("127.0.0.1", #{conf => "max-message = 256K\n"}),
    Endpoint = io_lib:format("endpoint = 127.0.0.9:~b", [Port]),
    mesh:append(Host, foreign:peer_section("*@127.0.0.9", Identity, Endpoint)),
    #{node => mesh:start("a", Host), listener => Listener,
      address => {{127, 0, 0, 1}, maps:get(port, Host)},
      options => #{mesh_key => foreign:mesh_key(Host), identity => Identity, name => ?NAME,
                   wanted => "a@127.0.0.1"}}.

stop(#{node := Node, listener := Listener}) ->
    mesh:stop(Node),
    gen_tcp:close(Listener).

connect(#{address := Address, options := Options}, More) ->
    foreign:connect(Address, maps:merge(Options, More)).

%% A whole link, with the foreign peer as a hidden node.
link_up(World, More) ->
    {ok, Channel} = connect(World, More),
    {ok, Up} = foreign:dial_node(?NAME, ?COOKIE, Channel),
    wait_for_link(World, [?NODE]),
    Up.

wait_for_link(#{node := Node}, Nodes) ->
    mesh:wait_until(fun() -> mesh:call(Node, erlang, nodes, [hidden]) =:= Nodes end).

dials(Suite, #{node := Node} = World) ->
    Up = link_up(World, #{suites => [Suite]}),
    ?assertMatch(#{peer := #{suite := Suite, version := 1, flags := 0, name := "a@127.0.0.1"}},
                 Up),
    ?assertEqual(node_key(Node), maps:get(peer_key, Up)),
    {ok, Info} = mesh:call(Node, tacit, info, [?NODE]),
    ?assertMatch(#{direction := in, state := up}, Info),
    ?assertEqual(proplists:get_value(Suite, suites()), atom_to_list(maps:get(suite, Info))),
    talk(World, Up).

is_dialled(Suite, #{node := Node, listener := Listener, options := Options} = World) ->
    Self = self(),
    Dialling = spawn_link(fun() -> Self ! {self(), mesh:call(Node, net_kernel, connect_node,
                                                             [?NODE])} end),
    {ok, Channel} = foreign:accept(Listener, Options#{suites => [Suite]}),
    {ok, Up} = foreign:accept_node(?NAME, ?COOKIE, Channel),
    receive {Dialling, Connected} -> ?assert(Connected) end,
    ?assertMatch(#{peer := #{suite := Suite, flags := 0, name := "a@127.0.0.1"},
                   first := #{wanted := ?NAME, versions := {1, 1}}}, Up),
    ?assertEqual(node_key(Node), maps:get(peer_key, Up)),
    ?assertMatch({ok, #{direction := out, state := up}}, mesh:call(Node, tacit, info, [?NODE])),
    talk(World, Up).

%% A message each way, and an end that both agree on.
talk(#{node := Node} = World, Up) ->
    Pid = collector(Node),
    Up2 = foreign:send_to(?NAME, foreign_collector, {hello, <<"there">>}, Up),
    mesh:wait_until(fun() -> mesh:call(Node, erlang, process_info, [Pid, message_queue_len]) =:=
                                 {message_queue_len, 1} end),
    ?assertEqual({messages, [{hello, <<"there">>}]},
                 mesh:call(Node, erlang, process_info, [Pid, messages])),
    mesh:call(Node, erlang, send, [{somebody, ?NODE}, {hello, <<"back again">>}]),
    Up3 = wait_for_bytes(<<"back again">>, Up2),
    mesh:call(Node, erlang, exit, [Pid, kill]),
    mesh:call(Node, erlang, disconnect_node, [?NODE]),
    ?assertEqual({close, {?DONE, ""}}, last_word(Up3)),
    foreign:stop(Up3),
    wait_for_link(World, []).

%% A process of the node's that keeps what it gets.
collector(Node) ->
    mesh:on(Node, fun() ->
                          Pid = spawn(fun() -> receive {never, _, _} -> ok end end),
                          register(foreign_collector, Pid),
                          Pid
                  end).

wait_for_bytes(Bytes, Channel) ->
    {ok, Message, Channel2} = foreign:recv_message(Channel),
    case binary:match(Message, Bytes) of
        nomatch -> wait_for_bytes(Bytes, Channel2);
        _ -> Channel2
    end.

%% What the node says at the end, after all its messages.
last_word(Channel) ->
    case foreign:recv_message(Channel) of
        {ok, _, Channel2} -> last_word(Channel2);
        Last -> Last
    end.

node_key(Node) ->
    {ok, #{public_key := Text}} = mesh:call(Node, tacit, info, []),
    base64:decode(Text).

best_suite(World) ->
    [begin
         {ok, Channel} = connect(World, #{suites => Offered}),
         ?assertMatch(#{peer := #{suite := Best}}, Channel),
         foreign:stop(Channel)
     end || {Offered, Best} <- [{[1, 2], 2}, {[1], 1}, {[2], 2}, {[1, 2, 9, 14], 2}, {[15], 0},
                                {[], 0}]].

first_message(#{node := Node, listener := Listener, options := Options}) ->
    Before = os:system_time(second),
    Self = self(),
    spawn_link(fun() -> Self ! {ping, mesh:call(Node, net_adm, ping, [?NODE])} end),
    {ok, #{first := First} = Channel} = foreign:accept(Listener, Options),
    foreign:stop(Channel),
    receive {ping, Answer} -> ?assertEqual(pang, Answer) end,
    #{wanted := Wanted, time := Time, suites := Suites} = First,
    ?assertEqual({?NAME, []}, {Wanted, [1, 2] -- Suites}),
    ?assert(Time >= Before andalso Time =< os:system_time(second)).

byte_by_byte(#{node := Node} = World) ->
    Up = link_up(World, #{pieces => 1}),
    talk(World, Up),
    ?assertEqual([], mesh:call(Node, erlang, nodes, [hidden])).

%% One message that is cut into records of all kinds of sizes, ticks between.
sizes(#{node := Node} = World) ->
    Up = link_up(World, #{}),
    Pid = collector(Node),
    Term = crypto:strong_rand_bytes(200000),
    Message = foreign:message_to(?NAME, foreign_collector, Term),
    Stream = <<0:32, (byte_size(Message)):32, Message/binary, 0:32>>,
    Up2 = send_cut(Stream, [1, 2, 3, 5, 0, 4096, 16000, 65535 - 16, 65535 - 16], Up),
    mesh:wait_until(fun() -> mesh:call(Node, erlang, process_info, [Pid, messages]) =:=
                                 {messages, [Term]} end),
    mesh:call(Node, erlang, exit, [Pid, kill]),
    foreign:stop(foreign:send_record(close, [?DONE], Up2)),
    wait_for_link(World, []).

send_cut(Stream, [Size | Sizes], Channel) ->
    <<Piece:Size/binary, Rest/binary>> = Stream,
    send_cut(Rest, Sizes, foreign:send_record(data, Piece, Channel));
send_cut(Rest, [], Channel) ->
    foreign:send_record(data, Rest, Channel).

closes(#{node := Node} = World) ->
    Up = link_up(World, #{}),
    Up2 = foreign:send_record(close, [?PROTOCOL, "a text for people", 7], Up),
    wait_for_link(World, []),
    ?assertMatch({ok, #{state := down, reason := protocol,
                        text := "the peer closed: protocol: a text for people?"}},
                 mesh:call(Node, tacit, info, [?NODE])),
    foreign:stop(Up2).

unknown_type(World) -> [ends(Type, <<0:32>>, World) || Type <- [0, 4, 255]].

%% Of a whole tick in a record of no type nothing is delivered either: the link just ends.
ends(Type, Data, #{node := Node} = World) ->
    Up = link_up(World, #{}),
    Up2 = foreign:send_record(Type, Data, Up),
    wait_for_link(World, []),
    ?assertMatch({ok, #{state := down, reason := auth}},
                 mesh:call(Node, tacit, info, [?NODE])),
    ?assertEqual({error, closed}, last_word(Up2)),
    foreign:stop(Up2).

no_tag(#{node := Node} = World) ->
    Up = #{socket := Socket} = link_up(World, #{}),
    ok = gen_tcp:send(Socket, foreign:frame(crypto:strong_rand_bytes(15))),
    wait_for_link(World, []),
    ?assertMatch({ok, #{reason := format}}, mesh:call(Node, tacit, info, [?NODE])),
    foreign:stop(Up).

max_message(#{node := Node} = World) ->
    Up = link_up(World, #{}),
    Pid = collector(Node),
    Most = ?MAX_MESSAGE - byte_size(foreign:message_to(?NAME, foreign_collector, <<>>)),
    Term = binary:copy(<<"x">>, Most),
    Message = foreign:message_to(?NAME, foreign_collector, Term),
    ?assertEqual(?MAX_MESSAGE, byte_size(Message)),
    Stream = <<?MAX_MESSAGE:32, Message/binary>>,
    Up2 = send_cut(Stream, [60000, 60000, 60000, 60000], Up),
    mesh:wait_until(fun() -> mesh:call(Node, erlang, process_info, [Pid, message_queue_len]) =:=
                                 {message_queue_len, 1} end),
    ?assertEqual({messages, [Term]}, mesh:call(Node, erlang, process_info, [Pid, messages])),
    mesh:call(Node, erlang, exit, [Pid, kill]),
    Up3 = foreign:send_record(data, <<(?MAX_MESSAGE + 1):32>>, Up2),
    wait_for_link(World, []),
    ?assertMatch({ok, #{state := down, reason := too_big}},
                 mesh:call(Node, tacit, info, [?NODE])),
    ?assertMatch({close, {?TOO_BIG, "a message of 262145 bytes, over " ++ _}}, last_word(Up3)),
    foreign:stop(Up3).

long_handshake(#{node := Node} = World) ->
    {ok, Channel} = connect(World, #{}),
    Channel2 = foreign:send_record(data, <<65536:32>>, Channel),
    ?assertMatch({close, {?PROTOCOL, _}}, last_word(Channel2)),
    foreign:stop(Channel2),
    ?assertEqual([], mesh:call(Node, erlang, nodes, [hidden])).

line_goes_meanwhile(#{node := #{host := #{conf := Conf}} = Node} = World) ->
    {ok, Text} = file:read_file(Conf),
    [Without, _] = string:split(Text, "[peer *@127.0.0.9]"),
    Reload = fun(Conf2) ->
                     ok = file:write_file(Conf, Conf2),
                     ?assertMatch({ok, _}, mesh:call(Node, tacit, reload, []))
             end,
    {ok, Channel} = connect(World, #{half_way => fun() -> Reload(Without) end}),
    ?assertMatch({close, {?REFUSED, _}}, last_word(foreign:send_name(?NAME, 0, Channel))),
    foreign:stop(Channel),
    ?assertEqual([], mesh:call(Node, erlang, nodes, [hidden])),
    Reload(Text).

%% What it says behind message 3 is heard by nobody: neither a word nor a link comes back.
no_version(World) ->
    cannot_go_on(World, #{versions => {2, 9}}, #{version => 0}),
    cannot_go_on(World, #{versions => {2, 9}, lies => #{version => 1}}, #{version => 0}),
    cannot_go_on(World, #{lies => #{version => 2}}, #{version => 1}).

other_suite(World) ->
    cannot_go_on(World, #{suites => [2], lies => #{suite => 1}}, #{suite => 2}),
    cannot_go_on(World, #{suites => [1], lies => #{suite => 2}}, #{suite => 1}),
    cannot_go_on(World, #{suites => [], lies => #{suite => 1}}, #{suite => 0}).

odd_claim(World) ->
    [cannot_go_on(World, Odd, #{version => 1}) ||
        Odd <- [#{name_flags => 2}, #{name_flags => 255}, #{name => "f@127.0.0.9\0"},
                #{name => "f @127.0.0.9"}, #{name => "f@127.0.0.9\n"}, #{lies => #{padding => <<1>>}}]].

cannot_go_on(#{node := Node} = World, Lie, Answered) ->
    {ok, #{peer := Peer} = Channel} = connect(World, Lie),
    ?assertEqual(Answered, maps:with(maps:keys(Answered), Peer)),
    Channel2 = foreign:send_name(?NAME, 0, Channel),
    ?assertEqual({error, closed}, last_word(Channel2)),
    foreign:stop(Channel2),
    ?assertEqual([], mesh:call(Node, erlang, nodes, [hidden])).
