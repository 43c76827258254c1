%% build/tests/wan (tests/wan): a bad network between nodes. A node dials over it where the
%% [peer] endpoint is a route's port: mesh:trust(Host, Peer#{port => wan:port(Route)}).
-module(wan).

-export([start/0, stop/1, route/3, port/1, set/2, seed/2, stats/1, events/1, plan/2]).

-export_type([wan/0, route/0, conditions/0]).

-type wan() :: pid().
-type route() :: #{wan := wan(), number := pos_integer(), port := inet:port_number()}.
%% ms; bytes a second; bytes. What is not named is as it should be.
-type conditions() :: #{delay => non_neg_integer(), jitter => non_neg_integer(),
                        rate => non_neg_integer(), segment => non_neg_integer(),
                        fault => none | stall | half | reset | cut | flip,
                        way => there | back, 'after' => non_neg_integer()}.

-define(DEADLINE, 60000).

-spec start() -> wan().
start() ->
    spawn_link(fun() ->
                       process_flag(trap_exit, true), % of its owner's end: then it ends, too
                       Port = open_port({spawn_executable, exe()},
                                        [{line, 512}, binary, exit_status]),
                       loop(#{port => Port, asked => queue:new(), events => []})
               end).

exe() -> filename:join([os:getenv("TACIT_BUILD", "build"), "tests", "wan"]).

-spec stop(wan()) -> ok.
stop(Wan) ->
    unlink(Wan),
    Ref = monitor(process, Wan),
    exit(Wan, shutdown),
    receive {'DOWN', Ref, process, Wan, _} -> ok end.

%% What connects to the route's port on Ip reaches Port there.
-spec route(wan(), string(), inet:port_number()) -> route().
route(Wan, Ip, Port) ->
    [Number, Here] = ask(Wan, ["route ", Ip, " ", Ip, " ", integer_to_list(Port)]),
    #{wan => Wan, number => binary_to_integer(Number), port => binary_to_integer(Here)}.

-spec port(route()) -> inet:port_number().
port(#{port := Port}) -> Port.

%% From now on, for connections that are there, too.
-spec set(route(), conditions()) -> ok.
set(#{wan := Wan, number := N}, Conditions) ->
    [] = ask(Wan, ["set ", integer_to_list(N) |
                   [io_lib:format(" ~s=~p", [K, V]) || {K, V} <- maps:to_list(Conditions)]]),
    ok.

%% Connections from now on draw their conditions, and at most one fault, from the seed.
-spec seed(route(), non_neg_integer()) -> ok.
seed(#{wan := Wan, number := N}, Seed) ->
    [] = ask(Wan, ["seed ", integer_to_list(N), " ", integer_to_list(Seed)]),
    ok.

%% How many connections were accepted, how many of them are over, how many met their fault.
-spec stats(route()) -> #{accepted | closed | faults => non_neg_integer()}.
stats(#{wan := Wan, number := N}) ->
    maps:from_list([begin
                        [K, V] = binary:split(Pair, <<"=">>),
                        {binary_to_existing_atom(K), binary_to_integer(V)}
                    end || Pair <- ask(Wan, ["stats ", integer_to_list(N)])]).

%% What happened on the route since the last time, oldest first, as it prints it.
-spec events(route()) -> [string()].
events(#{wan := Wan, number := N}) ->
    Ref = make_ref(),
    Wan ! {events, integer_to_binary(N), self(), Ref},
    receive {Ref, Events} -> Events after ?DEADLINE -> error(no_answer) end.

%% What the first connections of a seed go through.
-spec plan(non_neg_integer(), pos_integer()) -> [string()].
plan(Seed, Count) ->
    Out = os:cmd(lists:join(" ", [exe(), "--plan", integer_to_list(Seed),
                                  integer_to_list(Count)])),
    string:lexemes(Out, "\n").

ask(Wan, Line) ->
    Ref = make_ref(),
    Wan ! {ask, [Line, $\n], self(), Ref},
    receive
        {Ref, [<<"ok">> | Words]} -> Words;
        {Ref, Other} -> error({wan, iolist_to_binary(Line), Other})
    after ?DEADLINE -> error(no_answer)
    end.

loop(#{port := Port, asked := Asked, events := Events} = State) ->
    receive
        {ask, Line, From, Ref} ->
            true = port_command(Port, Line),
            loop(State#{asked := queue:in({From, Ref}, Asked)});
        {Port, {data, {eol, <<"event ", Event/binary>>}}} ->
            [Route, What] = binary:split(Event, <<" ">>),
            loop(State#{events := [{Route, What} | Events]});
        {Port, {data, {eol, Line}}} ->
            {{value, {From, Ref}}, Rest} = queue:out(Asked),
            From ! {Ref, binary:split(Line, <<" ">>, [global])},
            loop(State#{asked := Rest});
        {events, Route, From, Ref} ->
            {Of, Others} = lists:partition(fun({R, _}) -> R =:= Route end, Events),
            From ! {Ref, lists:reverse([binary_to_list(What) || {_, What} <- Of])},
            loop(State#{events := Others});
        {Port, {exit_status, Status}} ->
            exit({wan_ended, Status});
        {'EXIT', _, Reason} ->
            exit(Reason)
    end.
