%% secure-epmd in the place of OTP's epmd, on loopback: the same bytes go to both, and plain
%% nodes and OTP's own tools find each other through it.
-module(door_epmd_tests).

-include_lib("eunit/include/eunit.hrl").

-define(DEADLINE, 60000).

both_test_() ->
    {setup, fun start/0, fun stop/1,
     fun(World) -> [{Title, {timeout, 120, fun() -> Test(World) end}} || {Title, Test} <- tests()]
     end}.

tests() ->
    [{"whatever is asked, whole or broken, is answered as OTP's epmd answers it",
      fun same_answers/1},
     {"a name that is taken, freed and taken again goes as with OTP's epmd", fun same_names/1},
     {"its lists are OTP's epmd's, byte by byte", fun same_lists/1},
     {"a kill or a stop is refused, and nothing stops", fun no_kill/1},
     {"it listens on 127.0.0.1 and ::1 and on no other address", fun loopback_only/1},
     {"plain nodes, erl_call and epmd -names work with it", fun plain_nodes/1}].

start() ->
    Host = door:host("127.0.0.1"),
    Ours = mesh:free_port("127.0.0.1"),
    Otp = mesh:free_port("127.0.0.1"),
    Epmd = open_port({spawn_executable, os:find_executable("epmd")},
                     [{args, ["-address", "127.0.0.1", "-port", integer_to_list(Otp)]},
                      exit_status, hide]),
    {os_pid, Pid} = erlang:port_info(Epmd, os_pid),
    Door = door:start(Host, #{epmd => Ours}),
    mesh:wait_until(fun() ->
                            case gen_tcp:connect({127, 0, 0, 1}, Otp, []) of
                                {ok, Socket} -> gen_tcp:close(Socket), true;
                                {error, _} -> false
                            end
                    end),
    #{door => Door, ours => Ours, otp => Otp, epmd => Pid}.

stop(#{door := Door, epmd := Pid}) ->
    0 = door:stop(Door),
    os:cmd("kill " ++ integer_to_list(Pid)).

%% --- the same bytes to both ----------------------------------------------------------------

alive(Name, High, Extra) ->
    request([$x, <<4711:16, $M, 0, High:16, 5:16, (length(Name)):16>>, Name,
             <<(length(Extra)):16>>, Extra]).

request(Bytes) ->
    Packet = iolist_to_binary(Bytes),
    <<(byte_size(Packet)):16, Packet/binary>>.

dial(Port) ->
    {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, false}]),
    Socket.

%% All that comes back until the end.
answer(Port, Bytes) ->
    Socket = dial(Port),
    ok = gen_tcp:send(Socket, Bytes),
    Answer = all(Socket, <<>>),
    ok = gen_tcp:close(Socket),
    Answer.

all(Socket, Got) ->
    case gen_tcp:recv(Socket, 0, ?DEADLINE) of
        {ok, More} -> all(Socket, <<Got/binary, More/binary>>);
        {error, timeout} -> {open, Got};
        {error, _} -> {closed, Got} % a close or a reset: epmd leaves bytes unread
    end.

same_answers(#{ours := Ours, otp := Otp}) ->
    Long = lists:duplicate(1021, $x),
    Broken = [<<0, 0>>, <<16#ffff:16>>, <<3058:16>>, <<1:16, $n, $n>>, <<1:16, $?>>, <<1:16, 0>>,
              request("x"), request(["x", <<0:(12 * 8)>>]), <<5:16, $z, "app", 0, 0>>,
              binary:replace(alive("app", 6, ""), <<3:16>>, <<999:16>>),
              binary:replace(alive("app", 6, "e"), <<1:16>>, <<999:16>>),
              alive("a\0b", 6, ""), request("z"), request("z\0"), request("za\0b"),
              request("za\0\0"), request(["z", <<16#ff>>]), request(["z", <<16#c0, 16#80>>]),
              request(["z", <<16#ed, 16#a0, 16#80>>]), request(["z", lists:duplicate(255, $x)]),
              request("s"), request("snobody")],
    Asked = [request("znobody"), request("znobody\0"), request(["z", lists:duplicate(254, $x)]),
             request(["z", <<"\x{e4}\x{20ac}\x{1f600}"/utf8>>]), request("n"),
             request("n and more"), request("d")],
    lists:foreach(
      fun(Bytes) ->
              {closed, Theirs} = answer(Otp, Bytes),
              ?assertEqual({Bytes, {closed, with_port(Theirs, Otp, Ours)}},
                           {Bytes, answer(Ours, Bytes)})
      end, Broken ++ Asked),
    %% Cut short, and gone: nothing is kept of it.
    Whole = alive("cut", 6, "extra"),
    [begin S = dial(Ours), ok = gen_tcp:send(S, binary:part(Whole, 0, Size)),
           ok = gen_tcp:close(S) end || Size <- lists:seq(0, byte_size(Whole) - 1)],
    {closed, <<"w", 1>>} = answer(Ours, request("zcut")),
    %% A registration that fails is answered, too, in either form.
    lists:foreach(
      fun(Bytes) ->
              [Theirs, Mine] = [begin S = dial(P), ok = gen_tcp:send(S, Bytes),
                                      {ok, A} = gen_tcp:recv(S, 0, ?DEADLINE),
                                      ok = gen_tcp:close(S), A end || P <- [Otp, Ours]],
              ?assertEqual(Theirs, Mine)
      end, [alive(Long, 6, ""), alive(Long, 5, ""), alive(lists:duplicate(256, $x), 6, ""),
            alive([16#ff], 6, ""), alive("x", 6, Long)]).

%% NAMES and DUMP begin with the port of the epmd that answers.
with_port(<<Port:32, Rest/binary>>, Port, Ours) -> <<Ours:32, Rest/binary>>;
with_port(Answer, _, _) -> Answer.

%% Registers: the connection and the answer.
register_at(Port, Bytes) ->
    Socket = dial(Port),
    ok = gen_tcp:send(Socket, Bytes),
    {ok, Answer} = gen_tcp:recv(Socket, 0, ?DEADLINE),
    {Socket, Answer}.

known(Port, Name) ->
    {closed, Answer} = answer(Port, request(["z", Name])),
    Answer.

same_names(#{ours := Ours, otp := Otp}) ->
    [Otp1, Ours1] =
        [begin
             {S1, <<"v", 0, C1:32>>} = register_at(Port, alive("app", 6, "ext")),
             Known = known(Port, "app"),
             {S2, Taken} = register_at(Port, alive("app", 6, "")),
             ok = gen_tcp:close(S2),
             Known = known(Port, "app"), % who was refused takes nothing along
             ok = gen_tcp:close(S1),
             mesh:wait_until(fun() -> known(Port, "app") =:= <<"w", 1>> end),
             {S3, <<"v", 0, C3:32>>} = register_at(Port, alive("app", 6, "")),
             {S4, <<"y", 0, C4:16>>} = register_at(Port, alive("old", 5, "")),
             ok = gen_tcp:send(S4, "?"), % any byte ends a registration
             mesh:wait_until(fun() -> known(Port, "old") =:= <<"w", 1>> end),
             {S5, <<"y", 0, C5:16>>} = register_at(Port, alive("old", 5, "")),
             [ok = gen_tcp:close(S) || S <- [S3, S4, S5]],
             mesh:wait_until(fun() -> known(Port, "old") =:= <<"w", 1>> end),
             {Known, Taken, C1 > 3, C3 - C1, (C4 >= 1) and (C4 =< 3), C5 =/= C4}
         end || Port <- [Otp, Ours]],
    ?assertEqual(Otp1, Ours1).

same_lists(#{ours := Ours, otp := Otp}) ->
    Lists = fun(Port) ->
                    {closed, Names} = answer(Port, request("n")),
                    {closed, Dump} = answer(Port, request("d")),
                    %% Descriptors are each one's own.
                    {with_port(Names, Port, 0),
                     re:replace(with_port(Dump, Port, 0), "fd = [0-9]+", "fd = N", [global])}
            end,
    Names = ["a", "b", "old", "\x{e4}"],
    Utf8 = fun(Name) -> binary_to_list(unicode:characters_to_binary(Name)) end,
    Registered = [register_at(Port, alive(Utf8(Name), 6, ""))
                  || Port <- [Otp, Ours], Name <- Names],
    ?assertEqual(Lists(Otp), Lists(Ours)),
    [ok = gen_tcp:close(S) || {S, _} <- Registered].

no_kill(#{door := Door, ours := Ours}) ->
    {closed, <<"NO">>} = answer(Ours, request("k")),
    {S, _} = register_at(Ours, alive("stays", 6, "")),
    {closed, <<"NO">>} = answer(Ours, request("k")),
    {closed, <<>>} = answer(Ours, request("sstays")),
    ?assertMatch(<<"w", 0, _/binary>>, known(Ours, "stays")),
    ok = gen_tcp:close(S),
    ?assert(door:counter(Door, "epmd_requests") > 0).

loopback_only(#{door := #{os_pid := OsPid}, ours := Ours}) ->
    Listening = os:cmd("ss -Hltnp | grep 'pid=" ++ OsPid ++ ",'"),
    Suffix = ":" ++ integer_to_list(Ours),
    Here = [A || Line <- string:lexemes(Listening, "\n"),
                 [_, _, _, A | _] <- [string:lexemes(Line, " ")], lists:suffix(Suffix, A)],
    Wanted = [A ++ Suffix || A <- ["127.0.0.1", "[::1]"]],
    ?assert(lists:member(hd(Wanted), Here)),
    ?assertEqual([], Here -- Wanted).

%% --- OTP's own -----------------------------------------------------------------------------

plain_nodes(#{ours := Ours}) ->
    Port = integer_to_list(Ours),
    Env = [{"ERL_EPMD_PORT", Port}],
    Start = fun(Name) ->
                    {ok, Peer, Node} =
                        peer:start(#{name => Name, host => "localhost", connection => standard_io,
                                     wait_boot => 30000, env => Env,
                                     args => ["-start_epmd", "false", "-setcookie", "plain"]}),
                    {Peer, Node}
            end,
    {P1, N1} = Start("p1"),
    {P2, N2} = Start("p2"),
    pong = peer:call(P1, net_adm, ping, [N2]),
    [N1] = peer:call(P2, erlang, nodes, []),
    {ok, Names} = peer:call(P1, net_adm, names, []),
    ?assertEqual(["p1", "p2"], lists:sort([N || {N, _} <- Names])),
    Tool = os:cmd("ERL_EPMD_PORT=" ++ Port ++ " epmd -names"),
    {match, _} = re:run(Tool, "name p2 at port [0-9]+\nname p1 at port"),
    case os:find_executable("erl_call") of
        false -> ok;
        Call ->
            "p1@localhost" = string:trim(
                               os:cmd("ERL_EPMD_PORT=" ++ Port ++ " " ++ Call ++ " -c plain "
                                      "-n p1@localhost -a 'erlang node'"), both, "'\n")
    end,
    [peer:stop(P) || {P, _} <- [{P1, N1}, {P2, N2}]],
    mesh:wait_until(fun() -> known(Ours, "p1") =:= <<"w", 1>> end).
