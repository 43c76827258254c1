%% A node whose flags name Tacit runs with it or not at all, however they are written: OTP
%% passes over most mistakes, and takes plain inet_tcp then.
-module(flags_tests).

-include_lib("eunit/include/eunit.hrl").

-define(FLAGS, "-proto_dist tacit -no_epmd -epmd_module tacit_epmd").
%% So that the port of the door's own protocol for plain nodes is known to both.
-define(EPMD_FLAGS, "-proto_dist tacit -epmd_module tacit_epmd -start_epmd false").

flags_test_() ->
    [{Title, {timeout, 240, Test}} || {Title, Test} <- tests()].

tests() ->
    [{"flags that are given twice, misspelt or left over start no node, and a line says why; with "
      "Tacit's door as epmd, too", fun no_node/0},
     {"nor does a node without a listener dial in plain then", fun no_dialling/0},
     {"net_kernel:start at run time fails then, says why, and leaves the node running; so it does "
      "where the kernel was told not to start distribution", fun run_time/0},
     {"a release with Tacit in it stops where its flags name Tacit and its distribution is another",
      fun release/0},
     {"where OTP calls nothing of Tacit's, a door that does not name the plain node keeps it from "
      "starting", fun plain_nodes/0},
     {"what the kernel is told about sockets of OTP's own is named as not used, once, on one line",
      fun unused/0},
     {"without any flag of Tacit's it is none of its business", fun other_nodes/0}].

%% Ways to name Tacit and not to get it, and what the line has in it: flags of the command
%% line, and of ERL_ZFLAGS.
wrong() ->
    [{?FLAGS, ?FLAGS, "-proto_dist is given twice"},
     {?EPMD_FLAGS, ?EPMD_FLAGS, "-proto_dist is given twice"},
     {?FLAGS, "-proto_dist inet_tls", "-proto_dist is given twice"},
     {"-proto_dist inet_tls", ?FLAGS, "-proto_dist is given twice"},
     {"-proto_dist inet_tcp tacit -epmd_module tacit_epmd -start_epmd false",
      "-proto_dist inet_tcp tacit", "-proto_dist is given twice"},
     {"-proto-dist tacit -epmd_module tacit_epmd -start_epmd false", "",
      "no -proto_dist: expected -proto_dist tacit"},
     {"-proto_dist=tacit -epmd_module tacit_epmd -start_epmd false", "",
      "no -proto_dist: expected -proto_dist tacit"},
     {"-proto_dist inet_tcp -epmd_module tacit_epmd -start_epmd false", "",
      "-proto_dist inet_tcp: expected tacit alone"},
     {"-proto_dist inet_tcp -no_epmd -epmd_module tacit_epmd", "",
      "-proto_dist inet_tcp: expected tacit alone"},
     {"-proto_dist tacit inet_tcp -epmd_module tacit_epmd -start_epmd false", "",
      "-proto_dist tacit inet_tcp: expected tacit alone"},
     {"-proto_dist -epmd_module tacit_epmd -start_epmd false", "", "expected tacit alone"},
     {"-proto_dist inet_tls -epmd_module tacit_epmd -start_epmd false", "",
      "-proto_dist inet_tls: expected tacit alone"},
     {"-proto_dist Tacit -epmd_module tacit_epmd -start_epmd false", "",
      "-proto_dist Tacit: expected tacit alone"},
     {"-proto_dist tacit tacit -epmd_module tacit_epmd -start_epmd false", "",
      "-proto_dist tacit tacit: expected tacit alone"},
     {"-proto_dist tacit tacit -no_epmd -epmd_module tacit_epmd", "",
      "-proto_dist tacit tacit: expected tacit alone"}].

%% Runs erl to its end, on a host whose epmd is Tacit's door.
erl(Flags, Zflags, #{epmd := Epmd, host := #{conf := Conf}}, Args) ->
    mesh:erl(string:lexemes(Flags, " ") ++
                 ["-tacit_conf", Conf, "-setcookie", "tacittest" | Args],
             [{"ERL_ZFLAGS", Zflags}, {"ERL_EPMD_PORT", integer_to_list(Epmd)}]).

with_door(Test) ->
    Host = door:host("127.0.0.1"),
    Door = door:start(Host),
    Result = Test(Door),
    0 = door:stop(Door),
    Result.

no_node() ->
    with_door(
      fun(Door) ->
              [begin
                   #{status := Status, out := Out, err := Err} =
                       erl(Flags, Zflags, Door,
                           ["-name", "a@127.0.0.1", "-eval",
                            "io:put_chars(\"alive\"), halt(0)."]),
                   ?assertMatch({Flags, Zflags, 1, nomatch, {match, _}, _},
                                {Flags, Zflags, Status, re:run(Out, "alive"),
                                 re:run(Err, "tacit: .*" ++ Line), Err})
               end || {Flags, Zflags, Line} <- wrong()],
              ?assertEqual([], door:events(Door, "epmd_registered"))
      end).

%% A plain node with the same cookie, on a port that epmd knows.
no_dialling() ->
    with_door(
      fun(#{epmd := Epmd} = Door) ->
              Old = stock:node("old", "127.0.0.1", [{"ERL_EPMD_PORT", integer_to_list(Epmd)}]),
              [begin
                   #{out := Out} =
                       erl(Flags, Zflags, Door,
                           ["-name", "a@127.0.0.1", "-dist_listen", "false", "-eval",
                            "io:put_chars(atom_to_list(net_adm:ping('old@127.0.0.1'))), halt(0)."]),
                   ?assertNotEqual({Flags, Zflags, "pong"}, {Flags, Zflags, Out})
               end || {Flags, Zflags, _} <- wrong()],
              mesh:stop(Old)
      end).

run_time() ->
    with_door(
      fun(Door) ->
              Start = fun(More) ->
                              "{error, _} = net_kernel:start(['a@127.0.0.1', longnames]), "
                                  "nonode@nohost = node(), timer:sleep(200), "
                                  "io:put_chars(\"lives\"), halt(" ++ More ++ ")."
                      end,
              [begin
                   #{status := Status, out := Out} =
                       erl(Flags, Zflags, Door, ["-eval", Start("7")] ++ More),
                   ?assertMatch({Flags, Zflags, More, 7, {match, _}, {match, _}, _},
                                {Flags, Zflags, More, Status, re:run(Out, Line),
                                 re:run(Out, "lives"), Out})
               end || {Flags, Zflags, Line} <- wrong(),
                      More <- [[], ["-name", "b@127.0.0.1", "-kernel", "start_distribution",
                                    "false"]]]
      end).

%% As a boot script of a release starts it.
release() ->
    with_door(
      fun(#{epmd := Epmd, host := #{conf := Conf}}) ->
              Boot = boot_script(),
              Run = fun(Flags) ->
                            mesh:erl(string:lexemes(Flags, " ") ++
                                         ["-boot", Boot, "-name",
                                          "a@127.0.0.1", "-start_epmd", "false", "-eval",
                                          "io:put_chars(\"alive\"), halt(0)."],
                                     [{"ERL_EPMD_PORT", integer_to_list(Epmd)}])
                    end,
              [begin
                   #{status := Status, out := Out, err := Err} = Run(Flags),
                   ?assertMatch({Flags, 1, nomatch, {match, _}, _},
                                {Flags, Status, re:run(Out, "alive"),
                                 re:run(Err, "tacit: .*" ++ Line), Err})
               end || {Flags, Line} <-
                          [{"-proto-dist tacit", "no -proto_dist"},
                           {"--proto_dist tacit", "no -proto_dist"},
                           {"-proto_dist=tacit", "no -proto_dist"},
                           {"-tacit_conf " ++ Conf, "no -proto_dist"},
                           {"-proto_dist inet_tcp tacit -proto_dist inet_tcp tacit", "given twice"}]],
              ?assertMatch(#{status := 0, out := "alive"}, Run("")),
              ?assertMatch(#{status := 0, out := "alive"}, Run("-proto_dist inet_tcp"))
      end).

boot_script() ->
    Dir = mesh:dir(),
    Version = fun(App) ->
                      _ = application:load(App),
                      {ok, V} = application:get_key(App, vsn),
                      {App, V}
              end,
    Rel = {release, {"flags", "1"}, {erts, erlang:system_info(version)},
           [Version(App) || App <- [kernel, stdlib, tacit]]},
    ok = file:write_file(filename:join(Dir, "flags.rel"), io_lib:format("~p.~n", [Rel])),
    {ok, systools_make, _} =
        systools:make_script(filename:join(Dir, "flags"),
                             [silent, {outdir, Dir}, local, {path, code:get_path()}]),
    filename:join(Dir, "flags").

%% The flags of Tacit's that are left say nothing that OTP asks about.
plain_nodes() ->
    #{conf := Conf} = Host = mesh:host("127.0.0.1", #{conf => "door = door.sock\n"}),
    #{epmd := Epmd} = Door = door:start(Host),
    Run = fun(Name, Flags, Zflags) ->
                  mesh:erl(string:lexemes(Flags, " ") ++
                               ["-name", Name ++ "@127.0.0.1", "-start_epmd", "false", "-eval",
                                "io:put_chars(\"alive\"), halt(0)."],
                           [{"ERL_ZFLAGS", Zflags}, {"ERL_EPMD_PORT", integer_to_list(Epmd)}])
          end,
    Both = "-proto_dist inet_tcp tacit",
    [begin
         #{status := Status, out := Out} = Run("a", Flags, Zflags),
         ?assertEqual({Flags, 1, nomatch}, {Flags, Status, re:run(Out, "alive")})
     end || {Flags, Zflags} <- [{Both, Both}, {"-proto-dist tacit", ""}, {"", ""}]],
    ?assertMatch(["event=epmd_refused name=\"a\" text=\"no plain-nodes of [host] names it\"" | _],
                 door:events(Door, "epmd_refused")),
    ?assertEqual([], door:events(Door, "epmd_registered")),
    {ok, Text} = file:read_file(Conf),
    ok = file:write_file(Conf, [Text, "plain-nodes = a, b*\n"]),
    {ok, _} = door:command(Door, 6),
    [?assertMatch(#{status := 0, out := "alive"}, Run("a", "", "")) || _ <- [1, 2]],
    ?assertMatch(#{status := 0}, Run("bb", "", "")),
    ?assertMatch(#{status := 1}, Run("c", "", "")),
    0 = door:stop(Door).

unused() ->
    Host = mesh:host("127.0.0.1"),
    Kernel = ["-kernel", "inet_dist_listen_min", "9100", "-kernel", "inet_dist_listen_max", "9105",
              "-kernel", "inet_dist_use_interface", "{127,0,0,9}", "-kernel",
              "inet_dist_listen_options", "[{nodelay,true}]", "-kernel",
              "inet_dist_connect_options", "[{nodelay,true}]"],
    Line = "tacit: not used, since tacit.conf has [host] listen and source instead: "
        "inet_dist_use_interface, inet_dist_listen_min, inet_dist_listen_max, "
        "inet_dist_listen_options, inet_dist_connect_options\n",
    Run = fun(More) ->
                  #{status := 0, err := Err} =
                      mesh:erl(mesh:start_link_args("a@127.0.0.1", #{host => Host, args => More}) ++
                                   ["-eval", "halt(0)."], []),
                  Err
          end,
    ?assertEqual(Line, Run(Kernel)),
    ?assertEqual("", Run([])),
    %% A broker starts distribution twice.
    #{status := 0, out := Out} =
        mesh:erl(mesh:start_link_args(none, #{host => Host, args => Kernel}) ++
                     ["-eval", "[begin {ok, _} = net_kernel:start(['a@127.0.0.1', longnames]), "
                      "ok = net_kernel:stop() end || _ <- [1, 2]], timer:sleep(200), halt(0)."],
                 []),
    ?assertMatch({match, [_]}, re:run(Out, "not used, since", [global])).

other_nodes() ->
    with_door(
      fun(#{epmd := Epmd}) ->
              #{status := Status, out := Out} =
                  mesh:erl(["-name", "a@127.0.0.1", "-start_epmd", "false", "-eval",
                            "{ok, _} = application:ensure_all_started(tacit), "
                            "io:put_chars(atom_to_list(node())), halt(0)."],
                           [{"ERL_EPMD_PORT", integer_to_list(Epmd)}]),
              ?assertEqual({0, "a@127.0.0.1"}, {Status, Out})
      end).
