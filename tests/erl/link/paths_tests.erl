%% Where a configuration is: any bytes may be on the way to it, and a path that starts from
%% where the node was started is that for as long as it lives.
-module(paths_tests).

-include_lib("eunit/include/eunit.hrl").

paths_test_() ->
    [{Title, {timeout, 120, Test}} || {Title, Test} <- tests()].

tests() ->
    [{"a path with a letter beyond ASCII is found under each locale, and so is what lies beside "
      "it: by -tacit_conf and TACIT_CONF; nodes are reloaded and reached there", fun letters/0},
     {"a fault there is told with the path", fun fault_told/0},
     {"so is what is wrong with a signed policy there, and the node goes on: one that is stale, one "
      "that is not taken; in bytes of another encoding, too", fun policy_told/0},
     {"a path that the locale has no text for is told as that", fun other_encoding/0},
     {"a path from the folder where the node was started holds when it works elsewhere, for reload "
      "and revoke", fun relative/0},
     {"so it does for a C node", fun relative_c_node/0}].

%% The host of Host, in a folder with such a name.
move(#{dir := Dir} = Host, Name) ->
    Above = filename:dirname(Dir),
    New = <<(list_to_binary(Above))/binary, "/", Name/binary>>,
    ok = file:rename(Dir, New),
    Host#{dir := New, conf := <<New/binary, "/tacit.conf">>}.

%% As this emulator says these bytes in an environment.
text(Bytes) ->
    case file:native_name_encoding() of
        utf8 -> unicode:characters_to_list(Bytes);
        latin1 -> binary_to_list(Bytes)
    end.

%% Runs Code on a node with this configuration, to its end.
run(Flags, Env, Code) ->
    mesh:erl(["-proto_dist", "tacit", "-no_epmd", "-epmd_module", "tacit_epmd", "-name",
              "a@127.0.0.1", "-setcookie", "tacittest", "-eval", Code | Flags], Env).

letters() ->
    Code = "{ok, _} = tacit:reload(), "
        "{ok, #{lasts := true}} = tacit:revoke(binary:copy(<<\"A\">>, 43)), "
        "{ok, #{configuration := C}} = tacit:info(), "
        "io:put_chars([\"reloaded \", integer_to_list(byte_size(C))]), "
        "T = os:getenv(\"TACIT\"), "
        "[] = os:cmd(\"LC_ALL=C \" ++ T ++ \" reload --conf \\\"$CONF\\\" > /dev/null || echo no\"), "
        "halt(0).",
    [begin
         #{conf := Conf, dir := Dir} = move(mesh:host("127.0.0.1"), Name),
         Env = [{"LC_ALL", Locale}, {"TACIT", filename:join(os:getenv("TACIT_BUILD"), "tacit")},
                {"CONF", text(Conf)}],
         [begin
              Result = run(Flags, Env ++ More, Code),
              ?assertMatch({Locale, Name, #{status := 0}}, {Locale, Name, Result}),
              ?assertEqual("reloaded " ++ integer_to_list(byte_size(Conf)),
                           maps:get(out, Result)),
              {ok, _} = file:read_file(<<Dir/binary, "/revoked">>),
              ok = file:delete(<<Dir/binary, "/revoked">>)
          end || {Flags, More} <- [{["-tacit_conf", Conf], []}, {[], [{"TACIT_CONF", text(Conf)}]}]]
     end || Locale <- ["C", "C.UTF-8"],
            Name <- [<<195, 188, "x">>, <<"with a blank ", 206, 177>>]].

fault_told() ->
    [begin
         #{conf := Conf} = move(mesh:host("127.0.0.1"), <<195, 188, "x">>),
         ok = file:write_file(Conf, "nonsense\n", [append]),
         #{status := 1, err := Err} = run(["-tacit_conf", Conf], [{"LC_ALL", Locale}], "halt(0)."),
         ?assertMatch({Locale, {match, _}, _},
                      {Locale, re:run(Err, [$/, 252, "x/tacit.conf:[0-9]+: got 'nonsense'"],
                                      [unicode]), Err})
     end || Locale <- ["C", "C.UTF-8"]].

%% The second authority's is no policy, and the one before is kept.
policy_told() ->
    [begin
         #{conf := Conf, dir := Dir} = Host = move(mesh:host("127.0.0.1"), Name),
         signed(Host, Dir, "stale", "stale"),
         signed(Host, Dir, "broken", "broken.kept"),
         ok = file:write_file(filename:join(Dir, "broken"), "no policy"),
         #{status := Status, out := Said} =
             run(["-tacit_conf", Conf], [{"LC_ALL", Locale}],
                 "{ok, _} = tacit:reload(), timer:sleep(500), {ok, _} = tacit:reload(), halt(3)."),
         %% A log may have bytes of any encoding.
         Out = case Said of {error, Text, Rest} -> Text ++ binary_to_list(Rest); _ -> Said end,
         ?assertMatch({Locale, Name, 3, {match, _}, {match, _}, nomatch, _},
                      {Locale, Name, Status, re:run(Out, "/stale: serial [0-9]+ is stale", [unicode]),
                       re:run(Out, "/broken: not a signed policy", [unicode]),
                       re:run(Out, "terminating|CRASH|FORMATTER", [unicode]), Out})
     end || {Locale, Name} <- [{"C", <<206, 177>>}, {"C.UTF-8", <<206, 177>>},
                               {"C.UTF-8", <<195, 188>>}, {"C", <<252, "x">>}]].

other_encoding() ->
    #{conf := Conf} = move(mesh:host("127.0.0.1"), <<252, "x">>),
    #{status := 1, err := Err} = run(["-tacit_conf", Conf], [{"LC_ALL", "C.UTF-8"}], "halt(0)."),
    ?assertEqual("tacit: the path of tacit.conf: not in the locale's encoding, expected UTF-8 or "
                 "LC_ALL=C\n", Err),
    #{status := 0} = run(["-tacit_conf", Conf], [{"LC_ALL", "C"}], "halt(0).").

%% An authority whose policy file is called that, and one of its that is stale.
signed(Host, Dir, Called, File) ->
    [Key, Rules, Policy] = [filename:join(mesh:dir(), N) || N <- ["key", "rules", "policy"]],
    {0, Public} = mesh:tacit(["authority", "new", Key]),
    ok = file:write_file(Rules, ""),
    {0, _} = mesh:tacit(["policy", "sign", "--authority", Key, "--fresh-until", "2020-01-01",
                         Rules, Policy]),
    {ok, _} = file:copy(Policy, filename:join(Dir, File)),
    mesh:append(Host, ["\n[authority ", Called, "]\npublic-key = ", Public,
                       "\nnames = *@*\npolicy = ", Called, "\n"]).

relative() ->
    #{dir := Dir} = Host = mesh:host("127.0.0.1"),
    B = mesh:host("127.0.0.2", #{mesh => Host}),
    ok = mesh:trust(Host, B),
    ok = mesh:trust(B, Host),
    Other = mesh:start("b", B),
    Code = lists:flatten(io_lib:format(
        "{ok, Above} = file:get_cwd(), ok = file:set_cwd(\"/\"), "
        "pong = net_adm:ping('b@127.0.0.2'), "
        "{ok, _} = tacit:reload(), "
        "{ok, #{lasts := true}} = tacit:revoke('b@127.0.0.2'), "
        "pang = net_adm:ping('b@127.0.0.2'), "
        "{ok, #{configuration := <<~p>>}} = tacit:info(), "
        "io:put_chars(\"all held\"), halt(0).", [filename:join(filename:dirname(Dir),
                                                          "./host/tacit.conf")])),
    Script = "cd \"$ABOVE\" && exec erl -noinput -proto_dist tacit -no_epmd -epmd_module "
        "tacit_epmd -name a@127.0.0.1 -setcookie tacittest -tacit_conf ./host/tacit.conf "
        "-eval \"$CODE\"",
    {Status, Said} = sh(Script, [{"ABOVE", filename:dirname(Dir)}, {"CODE", Code}]),
    ?assertMatch({0, {match, _}, _}, {Status, re:run(Said, "all held"), Said}), % among the log's lines
    {ok, <<_:43/binary, "\n">>} = file:read_file(filename:join(Dir, "revoked")),
    mesh:stop(Other).

sh(Script, Env) ->
    Port = open_port({spawn_executable, "/bin/sh"},
                     [{args, ["-c", Script ++ " 2>&1"]}, {env, mesh:node_env() ++ Env}, exit_status,
                      binary]),
    collect(Port, <<>>).

collect(Port, Text) ->
    receive
        {Port, {data, More}} -> collect(Port, <<Text/binary, More/binary>>);
        {Port, {exit_status, Status}} -> {Status, binary_to_list(Text)}
    end.

%% Its program goes elsewhere once it has started.
relative_c_node() ->
    #{dir := Dir} = mesh:host("127.0.0.1"),
    Above = filename:dirname(Dir),
    Program = filename:join([os:getenv("TACIT_BUILD", "build"), "tests", "ei", "cnode"]),
    Script = "cd \"$ABOVE\" && printf 'chdir\\t/\\nreload\\n' | "
        "\"$PROGRAM\" ./host/tacit.conf c@127.0.0.1 tacittest",
    {_, Said} = sh(Script, [{"ABOVE", Above}, {"PROGRAM", filename:absname(Program)}]),
    ?assertMatch({{match, _}, _}, {re:run(Said, "reloaded 0"), Said}).
