%% Holders of an allowed key who do not have the cookie: how many links they may have half
%% set up, and what is left of those for good.
-module(unfinished_tests).

-include_lib("eunit/include/eunit.hrl").

-define(AT_ONCE, 256). % of one key
-define(NAMES, 1000).  % that never become links, of one key
-define(BUSY, 14).
-define(COOKIE, "tacittest").

unfinished_test_() ->
    {setup, fun start/0, fun stop/1,
     fun(World) -> [{Title, {timeout, 300, fun() -> Test(World) end}} || {Title, Test} <- tests()]
     end}.

tests() ->
    [{"who has a key but not the cookie has so many links set up at once; the others hear why, no "
      "port and no atom is made for them, and other keys get in", fun at_once/1},
     {"names that never become links make so many atoms and no more; those that do, do not count",
      fun names/1}].

start() ->
    Host = mesh:host("127.0.0.1"),
    B = mesh:host("127.0.0.2", #{mesh => Host}),
    [Identity, Other] = [foreign:identity(), foreign:identity()],
    mesh:append(Host, foreign:peer_section("*@127.0.0.9", Identity, "")),
    mesh:append(Host, foreign:peer_section("*@127.0.0.8", Other, "")),
    ok = mesh:trust(Host, B),
    ok = mesh:trust(B, Host),
    %% Long enough for all of them to be there at once.
    Args = ["-kernel", "net_setuptime", "100", "-kernel", "dist_auto_connect", "never"],
    #{a => mesh:start("a", Host, #{args => Args}), b => mesh:start("b", B),
      address => {{127, 0, 0, 1}, maps:get(port, Host)}, other => Other, host => "127.0.0.9",
      options => #{mesh_key => foreign:mesh_key(Host), identity => Identity,
                   wanted => "a@127.0.0.1"}}.

stop(#{a := A, b := B}) -> mesh:stop_pair({A, B}).

name(N, #{host := Host}) -> lists:concat(["f", N, "@", Host]).

%% The node asks for the cookie, or has closed with a reason.
half_way(N, #{address := Address, options := Options} = World) ->
    {ok, Channel} = foreign:connect(Address, Options#{name => name(N, World)}),
    case foreign:recv_message(foreign:send_name(name(N, World), 0, Channel)) of
        {ok, <<"sok">>, Up} -> {open, Up};
        {close, Why} -> foreign:stop(Channel), {close, Why}
    end.

atoms(#{a := A}) -> mesh:call(A, erlang, system_info, [atom_count]).
ports(#{a := A}) -> length(mesh:call(A, erlang, ports, [])).

%% A link of another key, and what that takes of modules and names.
friend(#{a := A, b := #{name := Name} = B}) ->
    mesh:wait_until(fun() -> mesh:call(A, net_kernel, connect_node, [Name]) end),
    mesh:part(A, B),
    true = mesh:call(B, net_kernel, connect_node, [maps:get(name, A)]),
    mesh:part(B, A).

at_once(World) ->
    friend(World),
    {open, First} = half_way(0, World),
    foreign:stop(First),
    mesh:wait_until(fun() -> half_set_up(World) =:= 0 end),
    {Atoms, Ports} = {atoms(World), ports(World)},
    All = [half_way(N, World) || N <- lists:seq(1, ?AT_ONCE + 40)],
    {Open, Refused} = lists:partition(fun({What, _}) -> What =:= open end, All),
    ?assertEqual(?AT_ONCE, length(Open)),
    [?assertMatch({close, {?BUSY, "as many links of this key" ++ _}}, R) || R <- Refused],
    ?assert(ports(World) - Ports =< ?AT_ONCE + 1),
    ?assert(atoms(World) - Atoms =< ?AT_ONCE + 10),
    friend(World),
    [foreign:stop(Channel) || {open, Channel} <- Open],
    mesh:wait_until(fun() -> half_set_up(World) =:= 0 end),
    {open, Again} = half_way(1, World),
    foreign:stop(Again).

half_set_up(#{a := A}) ->
    length([x || {_, #{state := passive}} <- mesh:call(A, tacit_drv, links, [])]).

%% With a key of their own; the bucket fills by one a minute.
names(#{address := Address, options := Options, other := Identity} = World0) ->
    World = World0#{options := Options#{identity => Identity}, host => "127.0.0.8"},
    [begin
         {ok, Channel} = foreign:connect(Address, (maps:get(options, World))#{name => name(N, World)}),
         {ok, Up} = foreign:dial_node(name(N, World), ?COOKIE, Channel),
         foreign:stop(Up)
     end || N <- lists:seq(1, 20)],
    Before = atoms(World),
    Brought = bring(1000, World),
    ?assert(Brought >= ?NAMES andalso Brought < ?NAMES + 10),
    ?assert(atoms(World) - Before =< Brought + 10),
    {close, {?BUSY, "its key has brought too many names" ++ _}} = half_way(20000, World),
    {open, Known} = half_way(1000, World), % there is an atom of it already
    foreign:stop(Known),
    friend(World).

bring(N, _) when N > 3 * ?NAMES -> 0;
bring(N, World) ->
    case half_way(N, World) of
        {open, Channel} -> foreign:stop(Channel), 1 + bring(N + 1, World);
        {close, {?BUSY, _}} -> 0
    end.
