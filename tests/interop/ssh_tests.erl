%% Nodes that start nodes on another host through ssh, as OTP's peer and slave do: the command
%% goes by ssh, all that follows over Tacit.
-module(ssh_tests).

-include_lib("eunit/include/eunit.hrl").

ssh_test_() ->
    {setup, fun start/0, fun stop/1,
     fun(World) -> [{Title, {timeout, 120, fun() -> Test(World) end}} ||
                       {Title, Test} <- tests()] end}.

tests() ->
    [{"peer:start through ssh starts a node on another host, which reports over Tacit",
      fun peer_start/1},
     {"slave:start does", fun slave_start/1},
     {"a peer on another host that is cut off from its starter ends", fun cut_off/1}].

start() ->
    A = mesh:host("127.0.0.1"),
    B = door:host("127.0.0.2", #{mesh => A}),
    ok = mesh:trust(A, B),
    ok = mesh:trust(B, A),
    Door = door:start(B),
    {Sshd, Ssh} = sshd(B),
    #{node => mesh:start("a", A, #{args => ["-rsh", Ssh]}), door => Door, sshd => Sshd, ssh => Ssh,
      args => mesh:start_link_args(none, #{host => B})}.

stop(#{node := Node, door := Door, sshd := Sshd}) ->
    mesh:stop(Node),
    daemon:stop(Sshd),
    0 = door:stop(Door).

%% --- ssh -----------------------------------------------------------------------------------

%% An sshd of our own at the host, with keys of its own, and the ssh that knows it.
sshd(#{ip := Ip} = Host) ->
    Dir = mesh:dir(),
    Port = integer_to_list(mesh:free_port(Ip)),
    File = fun(Name) -> filename:join(Dir, Name) end,
    [{0, _} = daemon:command(Host, ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", File(Key)],
                             []) || Key <- ["host", "user"]],
    {ok, HostKey} = file:read_file(File("host.pub")),
    ok = file:write_file(File("known_hosts"), ["[", Ip, "]:", Port, " ", HostKey]),
    ok = file:write_file(File("sshd_config"), sshd_config(Host, Port, File)),
    ok = file:write_file(File("ssh_config"), ["Port ", Port, "\nUser root\n"
                                              "IdentityFile ", File("user"), "\n"
                                              "UserKnownHostsFile ", File("known_hosts"), "\n"
                                              "BatchMode yes\nLogLevel ERROR\n"]),
    ok = file:write_file(File("ssh"), ["#!/bin/sh\nexec ssh -F ", File("ssh_config"), " \"$@\"\n"]),
    ok = file:change_mode(File("ssh"), 8#755),
    Sshd = daemon:start(Host, ["sh", "-c", "mkdir -p /run/sshd && exec /usr/sbin/sshd -D -e -f $0",
                               File("sshd_config")], []),
    Listens = fun() -> string:find(daemon:log(Sshd), "Server listening") =/= nomatch end,
    mesh:wait_until(fun() -> filelib:is_file(maps:get(log, Sshd)) andalso Listens() end),
    {Sshd, File("ssh")}.

%% The nodes' environment is the session's; the test's directory is in it, as everywhere.
sshd_config(#{ip := Ip}, Port, File) ->
    Env = maps:get(release_env, mesh:release(Ip), []) ++
        [{"TACIT_TEST_DIR", os:getenv("TACIT_TEST_DIR")}],
    ["ListenAddress ", Ip, ":", Port, "\nHostKey ", File("host"), "\n"
     "AuthorizedKeysFile ", File("user.pub"), "\nStrictModes no\n" % /tmp is everybody's
     "PermitRootLogin prohibit-password\nUsePAM no\nPidFile none\n"
     "SetEnv", [[" ", Name, "=", Value] || {Name, Value} <- Env], "\n"].

%% --- nodes ---------------------------------------------------------------------------------

peer_start(#{node := Node} = World) ->
    {Pid, Name} = start_peer(p1, World),
    ?assertEqual('p1@127.0.0.2', Name),
    came_by_ssh(Node, Name),
    ok = mesh:call(Node, peer, stop, [Pid]),
    mesh:wait_until(fun() -> mesh:call(Node, erlang, nodes, []) =:= [] end).

start_peer(Name, #{node := Node, ssh := Ssh, args := Args}) ->
    mesh:on(Node, fun() ->
                          {ok, Pid, Peer} =
                              peer:start(#{name => Name, host => "127.0.0.2", args => Args,
                                           exec => {Ssh, ["127.0.0.2", "erl"]},
                                           wait_boot => 60000}),
                          {Pid, Peer}
                  end, 90000).

came_by_ssh(Node, Name) ->
    ?assertEqual([Name], mesh:call(Node, erlang, nodes, [])),
    ?assertMatch({ok, #{state := up}}, mesh:call(Node, tacit, info, [Name])),
    ?assertEqual(Name, mesh:call(Node, rpc, call, [Name, erlang, node, []])),
    ?assertMatch([_ | _], mesh:call(Node, rpc, call, [Name, os, getenv, ["SSH_CONNECTION", ""]])).

slave_start(#{node := Node, args := Args}) ->
    {ok, Name} = mesh:call(Node, slave, start, ['127.0.0.2', s1, lists:flatten(lists:join($\s, Args))]),
    ?assertEqual('s1@127.0.0.2', Name),
    came_by_ssh(Node, Name),
    ok = mesh:call(Node, slave, stop, [Name]),
    mesh:wait_until(fun() -> mesh:call(Node, erlang, nodes, []) =:= [] end).

cut_off(#{node := Node} = World) ->
    {_, Name} = start_peer(p2, World),
    OsPid = mesh:call(Node, rpc, call, [Name, os, getpid, []]),
    mesh:wait_until(fun() ->
                            _ = mesh:call(Node, erlang, disconnect_node, [Name]),
                            not mesh:runs(#{os_pid => OsPid})
                    end).
