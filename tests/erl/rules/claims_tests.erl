%% A foreign peer whose key is known, but who claims what it should not: in the channel, and
%% in Erlang's distribution handshake inside of it. Nothing is believed that was not proved.
-module(claims_tests).

-include_lib("eunit/include/eunit.hrl").
-include_lib("kernel/include/dist.hrl").

-define(REFUSED, 2).
-define(NAME, 3).
-define(NAME_MISMATCH, 4).

claims_test_() ->
    {setup, fun start/0, fun stop/1,
     fun(World) -> [{Title, {timeout, 60, fun() -> Test(World) end}} ||
                       {Title, Test} <- tests()] end}.

tests() ->
    [{"a distribution handshake that claims " ++ What ++ " is refused, with both names in the log",
      fun(W) -> mismatch(Proved, Claimed, W) end} || {What, Proved, Claimed} <- mismatches()] ++
    [{"a distribution handshake that begins with no name is refused", fun no_name/1},
     {"a bare host is given a name, where the channel proved it", fun dynamic/1},
     {"a node that answers our dial with another name in its challenge is not linked",
      fun other_in_challenge/1},
     {"a key that is known is told why its name is refused", fun known_key/1},
     {"a key that is not known is told the same, whatever it claims", fun unknown_key/1},
     {"this node's own name cannot be claimed from outside", fun own_name/1},
     {"who wants another node of this host is sent off at once, without a byte, and the log "
      "says so", fun other_wanted/1},
     {"a bare host cannot be claimed with a key that is good for one name only",
      fun narrow_dynamic/1},
     {"where an allowed peer came from is known, until one from there is refused", fun known/1},
     {"no name that was refused has become an atom", fun no_atoms/1},
     {"who is refused leaves no process, port or link", fun no_traces/1}].

%% Both as {Name, whether it is a bare host that wants to be given a name}.
mismatches() ->
    [{"another name that its key may have", {"f@127.0.0.9", false}, {"g@127.0.0.9", false}},
     {"the name of another identity", {"f@127.0.0.9", false}, {"known@127.0.0.8", false}},
     {"this node's own name", {"f@127.0.0.9", false}, {"a@127.0.0.1", false}},
     {"its bare host, for the name that it proved", {"f@127.0.0.9", false}, {"127.0.0.9", true}},
     {"the name that it proved, but as one to be given", {"f@127.0.0.9", false},
      {"f@127.0.0.9", true}},
     {"a name, for the bare host that it proved", {"127.0.0.9", true}, {"h@127.0.0.9", false}},
     {"the bare host of another", {"127.0.0.9", true}, {"127.0.0.8", true}},
     {"a longer name that begins with its own", {"f@127.0.0.9", false}, {"f@127.0.0.99", false}},
     {"nothing at all", {"f@127.0.0.9", false}, {"", false}}].

start() ->
    Host = mesh:host("127.0.0.1"),
    {Listener, Port} = foreign:listen({127, 0, 0, 9}),
    Wide = foreign:identity(),
    Narrow = foreign:identity(),
    Endpoint = io_lib:format("endpoint = 127.0.0.9:~b", [Port]),
    mesh:append(Host, [foreign:peer_section("*@127.0.0.9", Wide, Endpoint),
                       foreign:peer_section("known@127.0.0.8", Narrow, "")]),
    Node = mesh:start("a", Host),
    World = #{node => Node, narrow => Narrow, listener => Listener,
              address => {{127, 0, 0, 1}, maps:get(port, Host)},
              options => #{mesh_key => foreign:mesh_key(Host), identity => Wide,
                           name => "f@127.0.0.9", wanted => "a@127.0.0.1"}},
    World#{before => traces(Node)}.

stop(#{node := Node, listener := Listener}) ->
    mesh:stop(Node),
    gen_tcp:close(Listener).

traces(Node) ->
    [mesh:call(Node, erlang, system_info, [What]) || What <- [process_count, port_count]].

connect(#{address := Address, options := Options}, More) ->
    {ok, Channel} = foreign:connect(Address, maps:merge(Options, More)),
    Channel.

%% What the node says to a peer that sends nothing.
answer(World, More) ->
    Channel = connect(World, More),
    Answer = foreign:recv_message(Channel),
    foreign:stop(Channel),
    Answer.

flag(true) -> 1;
flag(false) -> 0.

dist_flag(true) -> ?DFLAG_NAME_ME;
dist_flag(false) -> 0.

no_link(Node) ->
    ?assertEqual([], mesh:call(Node, erlang, nodes, [connected])).

%% --- in the distribution handshake -----------------------------------------------------------

mismatch({Name, Dynamic}, {Claimed, ClaimedDynamic}, #{node := Node} = World) ->
    Channel = connect(World, #{name => Name, name_flags => flag(Dynamic)}),
    Channel2 = foreign:send_name(Claimed, dist_flag(ClaimedDynamic), Channel),
    {close, {?NAME_MISMATCH, Text}} = foreign:recv_message(Channel2),
    Said = "authenticated as " ++ text(Name, Dynamic) ++ ", but claims " ++
        text(Claimed, ClaimedDynamic),
    ?assertEqual(Said, Text),
    mesh:logged(Node, ["direction=in", "reason=name_mismatch", "name=" ++ Name ++ " ", Said]),
    no_link(Node),
    foreign:stop(Channel2).

text(Name, false) -> Name;
text(Host, true) -> "a dynamic name at " ++ Host.

no_name(#{node := Node} = World) ->
    [begin
         Channel = foreign:send_message(Message, connect(World, #{})),
         ?assertMatch({close, {?NAME_MISMATCH, _}}, foreign:recv_message(Channel)),
         foreign:stop(Channel)
     end || Message <- ["N", "n", "nf@127.0.0.9", ["n", <<5:16, 0:32>>, "f@127.0.0.9"],
                        [$N, <<0:64, 0:32, 12:16>>, "f@127.0.0.9"], "sok", <<255>>]],
    no_link(Node).

dynamic(#{node := Node} = World) ->
    Channel = connect(World, #{name => "127.0.0.9", name_flags => 1}),
    Channel2 = foreign:send_name("127.0.0.9", ?DFLAG_NAME_ME, Channel),
    {ok, <<"snamed:", Size:16, Name:Size/binary, _/binary>>, Channel3} =
        foreign:recv_message(Channel2),
    ?assertMatch([_, <<"127.0.0.9">>], binary:split(Name, <<"@">>)),
    foreign:stop(Channel3),
    no_link(Node).

other_in_challenge(#{node := Node, listener := Listener, options := Options}) ->
    Self = self(),
    [begin
         spawn_link(fun() -> Self ! {ping, mesh:call(Node, net_adm, ping, ['f@127.0.0.9'])} end),
         {ok, Channel} = foreign:accept(Listener, Options),
         {ok, _, Channel2} = foreign:recv_message(Channel),
         Channel3 = foreign:send_message("sok", Channel2),
         Channel4 = foreign:send_challenge(Other, Channel3),
         ?assertMatch({close, {?NAME_MISMATCH, _}}, foreign:recv_message(Channel4)),
         receive {ping, Answer} -> ?assertEqual(pang, Answer) end,
         mesh:logged(Node, ["direction=out", "reason=name_mismatch", "name=f@127.0.0.9", Other]),
         ?assertMatch({ok, #{state := down, reason := name_mismatch}},
                      mesh:call(Node, tacit, info, ['f@127.0.0.9'])),
         no_link(Node),
         foreign:stop(Channel4)
     end || Other <- ["i@127.0.0.9", "f@127.0.0.99"]].

%% --- in the channel --------------------------------------------------------------------------

known_key(#{node := Node} = World) ->
    ?assertEqual({close, {?NAME, "the key is not good for the name j@127.0.0.7"}},
                 answer(World, #{name => "j@127.0.0.7"})),
    ?assertEqual({close, {?NAME, "the key is not good for the name known@127.0.0.8"}},
                 answer(World, #{name => "known@127.0.0.8"})),
    mesh:logged(Node, ["reason=name", "name=j@127.0.0.7", "the key is not good for"]).

unknown_key(#{node := Node} = World) ->
    Answers = [answer(World, #{identity => foreign:identity(), name => Name}) ||
                  Name <- ["f@127.0.0.9", "known@127.0.0.8", "k@127.0.0.6", "a@127.0.0.1"]],
    ?assertEqual([{close, {?REFUSED, "no [peer] line allows it"}}], lists:usort(Answers)),
    mesh:logged(Node, ["reason=refused", "name=k@127.0.0.6", "no [peer] line allows it"]).

own_name(#{node := Node} = World) ->
    ?assertMatch({close, {?NAME, _}}, answer(World, #{name => "a@127.0.0.1"})),
    no_link(Node).

%% At once: on the way to this host nobody has seen a message that is as new as that.
other_wanted(#{node := Node, address := Address, options := Options}) ->
    ?assertEqual({error, closed}, foreign:connect(Address, Options#{wanted => "l@127.0.0.1"})),
    mesh:logged(Node, ["direction=in", "reason=name",
                       "it wants l@127.0.0.1, which this node is not"]),
    ?assertMatch({ok, #{unauthenticated_bytes := 0}}, mesh:call(Node, tacit, info, [])),
    no_link(Node).

narrow_dynamic(#{narrow := Narrow} = World) ->
    ?assertMatch({close, {?NAME, _}}, answer(World, #{identity => Narrow, name_flags => 1,
                                                      name => "127.0.0.8"})).

%% It is the only source here.
known(#{node := Node} = World) ->
    Known = fun() -> {ok, #{known := Count}} = mesh:call(Node, tacit, info, []), Count end,
    foreign:stop(connect(World, #{})),
    mesh:wait_until(fun() -> Known() =:= 1 end),
    {close, {?REFUSED, _}} = answer(World, #{identity => foreign:identity()}),
    ?assertEqual(0, Known()),
    {close, {?REFUSED, _}} = answer(World, #{identity => foreign:identity()}),
    ?assertEqual(0, Known()).

%% --- what remains ----------------------------------------------------------------------------

%% The names of mismatches/0 too. Asked without a fun of this module.
no_atoms(#{node := Node}) ->
    Names = ["known@127.0.0.8", "j@127.0.0.7", "k@127.0.0.6", "l@127.0.0.1", "i@127.0.0.9"] ++
        [Claimed || {_, _, {[_ | _] = Claimed, _}} <- mismatches(), Claimed =/= "f@127.0.0.9",
                    Claimed =/= "a@127.0.0.1"],
    [?assertError(badarg, mesh:call(Node, erlang, list_to_existing_atom, [Name])) ||
        Name <- Names].

no_traces(#{node := Node, before := Before}) ->
    mesh:wait_until(fun() -> traces(Node) =:= Before end),
    %% A refused peer has its reason first; the connection goes when it has read that.
    mesh:wait_until(fun() ->
                            {ok, Info} = mesh:call(Node, tacit, info, []),
                            maps:with([links, pending], Info) =:= #{links => [], pending => 0}
                    end).
