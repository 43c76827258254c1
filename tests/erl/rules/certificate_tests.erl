%% Certificates in place of [peer] lines, with the test identities of certs/test: a host
%% that holds a good one needs no line on any other host, and each bad one is refused with its
%% own reason.
-module(certificate_tests).

-include_lib("eunit/include/eunit.hrl").

-define(A, 'a@127.0.0.1').
-define(B, 'b@127.0.0.2').

certificate_test_() ->
    [{Title, {timeout, 180, Test}} || {Title, Test} <- tests()].

tests() ->
    [{"two hosts that know no more than the authority link, no matter who dials", fun both_ways/0},
     {"a certificate that ran out is refused, and both sides say so",
      refused("expired", expired, "the certificate has run out")},
     {"a certificate that is not valid yet is refused, and both sides say so",
      refused("not-yet", certificate, "the certificate is not valid yet")},
     {"a certificate for another name is refused, and both sides say so",
      refused("wrong-name", name, "the key is not good for the name b@127.0.0.2")},
     {"a revoked key is refused whatever its certificate says, and both sides say so",
      refused("revoked", revoked, "the key is revoked")},
     {"a foreign authority's certificate is refused; its holder hears no more than a stranger",
      fun foreign/0},
     {"without a certificate its holder is refused", fun none/0},
     {"another's certificate does not start a node", fun stolen/0},
     {"a certificate's holder in no [group] of ours is refused", fun no_group/0},
     {"check says what certificate, authorities and groups there are; a certificate of this host "
      "that does not hold now is told by check, by reload and in the log", fun own/0},
     {"a [peer] with a public-key looks at no certificate", fun peer_decides/0},
     {"the test identities are what their names say, and no other", fun identities/0}].

%% --- help ------------------------------------------------------------------------------------

%% A file of the repository: this suite is compiled with the path of its source.
source(Name) ->
    Up = fun filename:dirname/1,
    Tests = Up(Up(proplists:get_value(source, ?MODULE:module_info(compile)))),
    filename:join([Tests, "..", "..", "certs", "test", Name]).

contents(Name) ->
    {ok, Bytes} = file:read_file(source(Name)),
    string:trim(binary_to_list(Bytes)).

%% What every host has that goes by certificates.
authority() ->
    ["\n[authority test]\npublic-key = ", contents("authority.pub"),
     "\nnames = *@127.0.0.*\n"].

authority_and_group() ->
    [authority(), "[group test]\n"].

%% A host with one of the identities, which shows its certificate.
host(Ip, Identity, Options) ->
    #{dir := Dir} = Host = with_key(Ip, Identity, Options),
    {ok, _} = file:copy(source(Identity ++ ".cert"), filename:join(Dir, "my.cert")),
    in_host(Host, "certificate = my.cert\n"),
    Host.

with_key(Ip, Identity, Options) ->
    #{dir := Dir} = Host = mesh:host(Ip, Options),
    Key = filename:join(Dir, "identity.key"),
    {ok, _} = file:copy(source(Identity ++ ".key"), Key),
    ok = file:change_mode(Key, 8#600),
    {0, Public} = mesh:tacit(["pubkey", Key]),
    Host#{public_key := lists:flatten(Public)}.

%% More text in [host].
in_host(#{conf := Conf}, Text) ->
    {ok, Before} = file:read_file(Conf),
    ok = file:write_file(Conf, string:replace(Before, "[host]\n", ["[host]\n", Text])).

endpoint(Host, #{ip := Ip, port := Port}, Name) ->
    mesh:append(Host, io_lib:format("[peer ~s]~nendpoint = ~s:~b~n", [Name, Ip, Port])).

%% a goes by certificates; b has the identity, and knows a by a line.
pair(Identity, Conf) ->
    HostA = mesh:host("127.0.0.1", #{conf => Conf}),
    HostB = host("127.0.0.2", Identity, #{mesh => HostA}),
    mesh:trust(HostB, HostA),
    {mesh:start("a", HostA), mesh:start("b", HostB)}.

ping(From, Name) ->
    mesh:call(From, net_adm, ping, [Name]).

refused(Identity, Reason, Text) ->
    fun() ->
            HostA = mesh:host("127.0.0.1", #{conf => authority_and_group()}),
            in_mesh(HostA, ["revoked = ", contents("revoked.fingerprint"), "\n"]),
            HostB = host("127.0.0.2", Identity, #{mesh => HostA}),
            mesh:trust(HostB, HostA),
            {A, B} = {mesh:start("a", HostA), mesh:start("b", HostB)},
            ?assertEqual(pang, ping(B, ?A)),
            mesh:logged(A, ["direction=in", "reason=" ++ atom_to_list(Reason), "name=b@127.0.0.2",
                       Text]),
            {ok, #{state := down, text := Told}} = mesh:call(B, tacit, info, [?A]),
            ?assertEqual("the peer closed: " ++ atom_to_list(Reason) ++ ": " ++ Text, Told),
            mesh:stop_pair({A, B})
    end.

in_mesh(#{conf := Conf}, Text) ->
    {ok, Before} = file:read_file(Conf),
    ok = file:write_file(Conf, string:replace(Before, "[mesh]\n", ["[mesh]\n", Text])).

%% A host with one that ran out: nothing that it serves for stops.
own() ->
    Good = host("127.0.0.2", "good", #{conf => authority_and_group()}),
    {0, Said} = mesh:tacit(["check", "--conf", maps:get(conf, Good)]),
    [?assertMatch({P, {match, _}}, {P, re:run(Said, P, [multiline])}) ||
        P <- ["^certificate  for .*@127.0.0.2.*  until 2[0-9-]+T", "^authority    test  for \\*@127",
              "^group        test$"]],
    lists:foreach(
      fun({Identity, Fault}) ->
              Host = #{conf := Conf} = host("127.0.0.2", Identity, #{conf => authority_and_group()}),
              Pattern = "^tacit: " ++ Conf ++ ": \\[host\\] certificate: " ++ Fault ++ " 2[0-9-]+T",
              Node = mesh:start("b", Host),
              {1, Check} = mesh:tacit(["check", "--conf", Conf]),
              {0, Reload} = mesh:tacit(["reload", "--conf", Conf]),
              [?assertMatch({Text, {match, _}}, {Text, re:run(Text, Pattern, [multiline])}) ||
                  Text <- [lists:flatten(Check), lists:flatten(Reload)]],
              ?assertEqual(nomatch, string:find(Check, ": OK")),
              mesh:logged(Node, [Conf, "[host] certificate: " ++ Fault]),
              mesh:stop(Node)
      end, [{"expired", "it ran out on"}, {"not-yet", "it is not valid before"}]).

%% --- tests -----------------------------------------------------------------------------------

both_ways() ->
    HostA = host("127.0.0.1", "other", #{conf => authority_and_group()}),
    HostB = host("127.0.0.2", "good", #{mesh => HostA, conf => authority_and_group()}),
    %% No key of the other's anywhere: only where it is, which DNS would tell.
    endpoint(HostA, HostB, "b@127.0.0.2"),
    endpoint(HostB, HostA, "a@127.0.0.1"),
    %% Nothing dials but the test: what global still has to say would undo a parting.
    Start = fun(Name, Host) ->
                    mesh:start(Name, Host, #{args => ["-kernel", "dist_auto_connect", "never"]})
            end,
    {A, B} = {Start("a", HostA), Start("b", HostB)},
    ?assert(mesh:call(A, net_kernel, connect_node, [?B])),
    mesh:part(A, B),
    ?assert(mesh:call(B, net_kernel, connect_node, [?A])),
    mesh:stop(B),
    %% By the group alone: a has no [peer] line for c.
    C = Start("c", HostB),
    ?assert(mesh:call(C, net_kernel, connect_node, [?A])),
    mesh:stop_pair({A, C}).

foreign() ->
    {A, B} = pair("foreign", authority_and_group()),
    ?assertEqual(pang, ping(B, ?A)),
    mesh:logged(A, ["direction=in", "reason=refused", "name=b@127.0.0.2",
               "no [authority] that may sign for the name signed the certificate"]),
    {ok, #{state := down, text := Told}} = mesh:call(B, tacit, info, [?A]),
    ?assertEqual("the peer closed: refused: no [peer] line allows it", Told),
    mesh:stop_pair({A, B}).

none() ->
    HostA = mesh:host("127.0.0.1", #{conf => authority_and_group()}),
    HostB = with_key("127.0.0.2", "good", #{mesh => HostA}),
    mesh:trust(HostB, HostA),
    {A, B} = {mesh:start("a", HostA), mesh:start("b", HostB)},
    ?assertEqual(pang, ping(B, ?A)),
    mesh:logged(A, ["direction=in", "reason=refused", "name=b@127.0.0.2", "no [peer] line"]),
    mesh:stop_pair({A, B}).

stolen() ->
    #{dir := Dir, conf := Conf} = Host = mesh:host("127.0.0.2"),
    {ok, _} = file:copy(source("good.cert"), filename:join(Dir, "my.cert")),
    in_host(Host, "certificate = my.cert\n"),
    #{status := 1, err := Err} =
        mesh:erl(mesh:start_link_args("b@127.0.0.2", #{host => Host}), []),
    ?assertNotEqual(nomatch, string:find(Err, "my.cert: a certificate for another key")),
    ?assertMatch({1, _}, mesh:tacit(["check", "--conf", Conf])).

no_group() ->
    {A, B} = pair("good", [authority(), "[group others]\n"]),
    ?assertEqual(pang, ping(B, ?A)),
    mesh:logged(A, ["direction=in", "reason=certificate", "name=b@127.0.0.2", "no [group] line"]),
    mesh:stop_pair({A, B}).

peer_decides() ->
    HostA = mesh:host("127.0.0.1", #{conf => authority_and_group()}),
    Expired = host("127.0.0.2", "expired", #{mesh => HostA}),
    mesh:trust(HostA, Expired),
    mesh:trust(Expired, HostA),
    {A, B} = {mesh:start("a", HostA), mesh:start("b", Expired)},
    ?assertEqual(pong, ping(B, ?A)),
    mesh:stop_pair({A, B}).

identities() ->
    #{conf := Conf} = mesh:host("127.0.0.1", #{conf => authority_and_group()}),
    Verify = fun(Name) ->
                     mesh:tacit(["cert", "verify", "--conf", Conf, source(Name ++ ".cert")])
             end,
    ?assertMatch({0, _}, Verify("good")),
    ?assertMatch({0, _}, Verify("other")),
    ?assertMatch({0, _}, Verify("revoked")), % its fingerprint is on no line here
    ?assertMatch({0, _}, Verify("wrong-name")),
    [begin
         {1, Said} = Verify(Name),
         ?assertNotEqual(nomatch, string:find(Said, Why))
     end || {Name, Why} <- [{"expired", "has run out"}, {"not-yet", "not valid yet"},
                            {"foreign", "no [authority]"}]].
