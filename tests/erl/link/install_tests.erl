%% What meson install puts where.
-module(install_tests).

-include_lib("eunit/include/eunit.hrl").

install_test_() ->
    {setup, fun install/0,
     fun(Root) ->
             [{"meson install puts the application into Erlang's library folder, whole",
               fun() -> application_is_whole(Root) end},
              {"an installed node starts; command, door, service and manual are installed with it",
               {timeout, 60, fun() -> node_starts(Root) end}},
              {"installed on a machine as the README has it, all is found there: the command, the "
               "application, the library for compiler and program",
               {timeout, 120, fun newcomer/0}},
              {"the example of tacit_ei(3) compiles against what is installed, shared and "
               "static, and calls a node",
               {timeout, 120, fun() -> example_runs(Root) end}}]
     end}.

install() ->
    Root = mesh:dir(),
    Build = filename:absname(os:getenv("TACIT_BUILD", "build")),
    Printed = os:cmd("DESTDIR='" ++ Root ++ "' meson install --no-rebuild -C '" ++ Build
                     ++ "' 2>&1"),
    {Root, Printed}.

%% Where erl itself looks, below Root.
library({Root, _}) ->
    Root ++ code:lib_dir().

application_is_whole({_, Printed} = Installed) ->
    [App] = filelib:wildcard(filename:join(library(Installed), "tacit-*/ebin/tacit.app")),
    {ok, [{application, tacit, Keys}]} = file:consult(App),
    Ebin = filename:dirname(App),
    Beams = [filename:join(Ebin, lists:concat([M, ".beam"]))
             || M <- proplists:get_value(modules, Keys)],
    Driver = filename:join(filename:dirname(Ebin), "priv/tacit_drv.so"),
    [?assert(filelib:is_regular(File), {File, Printed}) || File <- [Driver | Beams]],
    %% and every module is in the list, or a release would leave it out
    ?assertEqual(lists:sort(Beams),
                 lists:sort(filelib:wildcard(filename:join(Ebin, "*.beam")))).

%% erl finds the application in its own folder; this one is below Root, so it is named.
node_starts({Root, _} = Installed) ->
    [_] = filelib:wildcard(Root ++ "/**/bin/tacit"),
    [[_] = filelib:wildcard(Root ++ "/**/" ++ File)
     || File <- ["sbin/secure-epmd", "man8/secure-epmd.8", "man5/tacit.conf.5",
                 "systemd/system/secure-epmd.service",
                 "systemd/system/secure-epmd.socket", "sysusers.d/secure-epmd.conf"]],
    A = mesh:start("a", mesh:host("127.0.0.1"), #{env => [{"ERL_LIBS", library(Installed)}]}),
    try
        Which = mesh:call(A, code, which, [tacit_dist]),
        ?assert(lists:prefix(Root, Which), Which)
    after
        mesh:stop(A)
    end.

%% In a copy of this machine: nothing says there where things are.
newcomer() ->
    Tests = os:getenv("TACIT_TEST_DIR"),
    File = proplists:get_value(source, ?MODULE:module_info(compile)), % tests/erl/link/...
    Up = fun filename:dirname/1,
    Source = Up(Up(Up(Up(File)))),
    Build = filename:absname(os:getenv("TACIT_BUILD", "build")),
    Root = filename:join(Source, "tests/interop/root"),
    Shared = lists:concat([Source, ":", Build, ":", Tests]),
    os:cmd(Root ++ " copy '' echo made") =:= "made\n"
        orelse throw({skip, "no copy of this machine: that takes root, and overlays"}),
    Dir = mesh:dir(),
    Page = filename:join(Source, "src/ei/tacit_ei.3"),
    ok = file:write_file(filename:join(Dir, "example.c"), example(Page)),
    Told = os:cmd(
             [Root, " copy ", Shared, " env -u ERL_LIBS -u LD_LIBRARY_PATH -u PKG_CONFIG_PATH "
              "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin sh -ec '",
              "meson install --no-rebuild -C ", Build, " >", Dir, "/log 2>&1; cd ", Dir, ";"
              "cc -o example example.c $(pkg-config --cflags --libs tacit_ei);"
              "./example || echo $?; tacit --version; secure-epmd --version;"
              "erl -noinput -eval \"io:put_chars(code:which(tacit_dist)), halt().\"' 2>&1"]),
    {0, ["tacit " ++ Release]} = mesh:tacit(["--version"]),
    ?assertEqual(["usage: ./example OWN-NAME NODE", "2", "tacit " ++ Release,
                  "secure-epmd " ++ Release,
                  code:lib_dir() ++ "/tacit-" ++ Release ++ "/ebin/tacit_dist.beam"],
                 string:split(Told, "\n", all)).

%% The manual's example, as it stands there.
example(Page) ->
    {ok, Text} = file:read_file(Page),
    {match, [Example]} = re:run(Text, "\\.EX\n(#include.*?)\\.EE", [dotall, {capture, [1], binary}]),
    lists:foldl(fun({From, To}, T) -> string:replace(T, From, To, all) end,
                Example, [{"\\-", "-"}, {"\\\\", "\\"}]).

%% By pkg-config's words for it.
example_runs({Root, _}) ->
    Dir = mesh:dir(),
    Source = filename:join(Dir, "example.c"),
    [Page] = filelib:wildcard(Root ++ "/**/man3/tacit_ei.3"),
    ok = file:write_file(Source, example(Page)),
    [Pc] = filelib:wildcard(Root ++ "/**/pkgconfig/tacit_ei.pc"),
    Prefix = Root ++ string:trim(os:cmd(["pkg-config --variable=prefix ", Pc])),
    Config = ["pkg-config --define-variable=prefix=", Prefix, " ", Pc, " --cflags --libs"],
    Libs = filename:dirname(filename:dirname(Pc)),
    A = mesh:host("127.0.0.1"),
    B = mesh:host("127.0.0.2", #{mesh => A}),
    ok = mesh:trust(A, B),
    ok = mesh:trust(B, A),
    ok = file:write_file(filename:join(Dir, ".erlang.cookie"), "tacittest"),
    ok = file:change_mode(filename:join(Dir, ".erlang.cookie"), 8#400),
    Node = mesh:start("a", A),
    try
        [begin
             Exe = filename:join(Dir, Name),
             ?assertEqual("", os:cmd(["cc -Wall -Wextra -Werror -o ", Exe, " ", Source, " ", Link])),
             ?assertEqual(lists:concat(["\"", mesh:call(Node, erlang, system_info, [otp_release]),
                                        "\"\n"]),
                          os:cmd(["TACIT_CONF=", maps:get(conf, B), " LD_LIBRARY_PATH=", Libs,
                                  " HOME=", Dir, " ", Exe, " example@127.0.0.2 a@127.0.0.1 2>&1"]))
         end || {Name, Link} <- [{"shared", ["$(", Config, ")"]},
                                 %% the same words, with the archive in the library's place
                                 {"static", ["$(", Config, " --static | sed 's|-ltacit_ei|",
                                             filename:join(Libs, "libtacit_ei.a"), "|')"]}]]
    after
        mesh:stop(Node)
    end.
