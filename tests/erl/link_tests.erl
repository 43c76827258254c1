%% What two nodes may do over a link: everything that distribution does.
-module(link_tests).

-include_lib("eunit/include/eunit.hrl").

pair_test_() ->
    {setup, fun mesh:pair/0, fun mesh:stop_pair/1,
     fun({A, B}) ->
             [{"net_adm:ping answers pong",
               ?_assertEqual(pong, mesh:call(A, net_adm, ping, [maps:get(name, B)]))},
              {"tacit:info/1 shows the peer, its key, the suite and the traffic",
               fun() -> info_is_whole(A, B) end}]
     end}.

info_is_whole(A, #{name := Name}) ->
    {ok, Info} = mesh:call(A, tacit, info, [Name]),
    ?assertMatch(#{node := Name, state := up, direction := out}, Info),
    [?assert(maps:get(Key, Info) > 0) || Key <- [received_bytes, sent_bytes,
                                                 received_messages, sent_messages]],
    ?assertEqual(43, byte_size(maps:get(fingerprint, Info))).
