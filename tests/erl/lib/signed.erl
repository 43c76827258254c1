%% Policies that an authority signs, for the suites that put them on hosts.
-module(signed).

-export([authority/0, policy/3, section/1, path/1, put_file/2, serial/1, has/2]).

%% An authority: its key, and what hosts have in tacit.conf of it.
-spec authority() -> {file:filename(), iodata()}.
authority() ->
    Key = filename:join(mesh:dir(), "authority.key"),
    {0, Public} = mesh:tacit(["authority", "new", Key]),
    {Key, ["\n[authority main]\npublic-key = ", Public, "\nnames = *@127.0.0.*\n",
           "policy = main.policy\n"]}.

%% Rules, signed: the path of the file.
-spec policy(file:filename(), pos_integer(), iodata()) -> file:filename().
policy(Key, Serial, Rules) ->
    Dir = mesh:dir(),
    [From, To] = [filename:join(Dir, Name) || Name <- ["rules", "policy"]],
    ok = file:write_file(From, Rules),
    {0, _} = mesh:tacit(["policy", "sign", "--authority", Key, "--serial",
                         integer_to_list(Serial), From, To]),
    To.

%% A [peer] line for a host.
-spec section(mesh:host()) -> iolist().
section(#{ip := Ip, public_key := Key, port := Port}) ->
    io_lib:format("[peer *@~s]~npublic-key = ~s~nendpoint = ~s:~b~n", [Ip, Key, Ip, Port]).

%% Where a host, or a node's, has the policy.
-spec path(mesh:host() | mesh:node_ref()) -> file:filename().
path(#{host := Host}) -> path(Host);
path(#{dir := Dir}) -> filename:join(Dir, "main.policy").

%% At one stroke, as people should.
-spec put_file(mesh:host() | mesh:node_ref(), file:filename()) -> ok.
put_file(Place, File) ->
    New = path(Place) ++ ".new",
    {ok, _} = file:copy(File, New),
    ok = file:rename(New, path(Place)).

%% Which one is in force.
-spec serial(mesh:node_ref()) -> non_neg_integer().
serial(Node) ->
    {ok, #{policies := [#{serial := Serial}]}} = mesh:call(Node, tacit, info, []),
    Serial.

-spec has(mesh:node_ref(), pos_integer()) -> ok.
has(Node, Serial) ->
    mesh:wait_until(fun() -> serial(Node) =:= Serial end, 60000).
