%% Projects with Tacit as a path dependency, which they build: those of tests/interop/projects,
%% each beside a copy of this source.
-module(project).

-export([copy/1, run/4, speaks/3, env/1]).

-define(SECONDS, 480). % for a build of the driver, on a busy machine

-type env() :: [{string(), string() | false}].

%% A new directory with the project Name; Tacit's source is tacit/ beside it.
-spec copy(string()) -> file:filename().
copy(Name) ->
    Dir = mesh:dir(),
    Source = os:getenv("TACIT_SOURCE"),
    "" = os:cmd(["cd '", Source, "' && mkdir '", Dir, "/tacit' && ",
                 "cp -R src include erlang certs tests meson.build meson_options.txt '", Dir,
                 "/tacit' && cd '", Dir, "' && rm -rf tacit/erlang/_build tacit/erlang/priv && ",
                 "cp -R tacit/tests/interop/projects/", Name, " ", Name]),
    filename:join(Dir, Name).

%% Runs Words in Dir on the host: what they print, if they end well.
-spec run(mesh:host(), file:filename(), [string()], env()) -> string().
run(Host, Dir, Words, Env) ->
    case daemon:command(Host, ["sh", "-c", "cd \"$0\" && exec \"$@\"", Dir | Words],
                        env(Host) ++ Env, ?SECONDS) of
        {0, Text} -> Text;
        Failed -> error({Words, Failed})
    end.

%% No Tacit but the project's own is to be found, and no network is asked for anything.
-spec env(mesh:host()) -> env().
env(#{conf := Conf}) ->
    [{"ERL_LIBS", false}, {"TACIT_CONF", Conf}, {"LANG", "C.UTF-8"},
     {"MIX_REBAR3", "/usr/bin/rebar3"}].

%% A plain erl with the code path Libs has the Tacit that is there, and meets the node.
-spec speaks(mesh:host(), file:filename(), mesh:node_ref()) -> ok.
speaks(Host, Libs, #{name := Other}) ->
    Node = mesh:start("x", Host, #{env => [{"ERL_LIBS", Libs}]}),
    try
        true = lists:prefix(Libs, mesh:call(Node, code, which, [tacit_dist])),
        true = lists:prefix(Libs, mesh:call(Node, code, priv_dir, [tacit])),
        pong = mesh:call(Node, net_adm, ping, [Other]),
        {ok, #{state := up}} = mesh:call(Node, tacit, info, [Other]),
        ok
    after
        mesh:stop(Node)
    end.
