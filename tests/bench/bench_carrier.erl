%% The carriers under comparison, each as its own manual sets it up, on loopback.
-module(bench_carrier).

-export([all/0, with_context/1, nodes/4, pair/2, pair/3, one/3, cookie/0, tls_options/1]).
-export([linked_pair/2, connected/1, cpu_ms/0, together/1]).

-export_type([carrier/0, context/0]).

-type carrier() :: inet_tcp | inet_tls | tacit.
%% The environment in which each carrier's own epmd is found; tls: the option file.
-type context() :: #{inet_tcp := [{string(), string()}], inet_tls := [{string(), string()}],
                     tls := file:filename()}.

-spec all() -> [carrier()].
all() -> [inet_tcp, inet_tls, tacit].

%% The cookie that mesh:start/3 gives.
-spec cookie() -> string().
cookie() -> "tacittest".

-spec with_context(fun((context()) -> Result)) -> Result.
with_context(Fun) ->
    Tls = tls_file(mesh:dir()),
    Ips = ["127.0.0.1"],
    stock:with_epmd(
      Ips, fun(Tcp) ->
                   stock:with_epmd(
                     Ips, fun(OfTls) ->
                                  Fun(#{inet_tcp => Tcp, inet_tls => OfTls, tls => Tls})
                          end)
           end).

%% Nodes that may connect to each other, not connected yet: [{Name, Ip}]. Options as of
%% mesh:start/3; conf => more text for each tacit.conf; endpoints => #{Name => {Ip, Port}}:
%% where the others look for it over tacit instead.
-spec nodes(carrier(), context(), [{string(), string()}], map()) -> [mesh:node_ref()].
nodes(tacit, _Context, Names, Options) ->
    [{_, FirstIp} | Rest] = Names,
    Extra = #{conf => maps:get(conf, Options, "")},
    First = mesh:host(FirstIp, Extra),
    Hosts = [First | [mesh:host(Ip, Extra#{mesh => First}) || {_, Ip} <- Rest]],
    Known = [endpoint(Name, Host, Options) || {{Name, _}, Host} <- lists:zip(Names, Hosts)],
    [ok = mesh:append(Host, peers(Host, Known)) || Host <- Hosts],
    start_all([fun() -> mesh:start(Name, Host, Options) end
               || {{Name, _}, Host} <- lists:zip(Names, Hosts)]);
nodes(Carrier, Context, Names, Options) ->
    Epmd = maps:get(Carrier, Context),
    start_all([fun() ->
                       mesh:start(Name, #{ip => Ip, conf => "none"},
                                  Options#{proto => proto(Carrier, Context),
                                           flags => "-start_epmd false",
                                           env => maps:get(env, Options, []) ++ Epmd,
                                           args => stock:interface(Ip) ++
                                               maps:get(args, Options, [])})
               end || {Name, Ip} <- Names]).

proto(inet_tcp, _Context) -> "-proto_dist inet_tcp";
proto(inet_tls, #{tls := File}) -> "-proto_dist inet_tls -ssl_dist_optfile " ++ File.

endpoint(Name, #{ip := Ip} = Host, #{endpoints := Endpoints}) when is_map_key(Name, Endpoints) ->
    {_, Port} = maps:get(Name, Endpoints),
    {Name ++ "@" ++ Ip, Host#{port := Port}};
endpoint(Name, #{ip := Ip} = Host, _Options) ->
    {Name ++ "@" ++ Ip, Host}.

peers(#{dir := Own}, Known) ->
    [io_lib:format("~n[peer ~s]~npublic-key = ~s~nendpoint = ~s:~b~n", [Name, Key, Ip, Port])
     || {Name, #{dir := Dir, ip := Ip, port := Port, public_key := Key}} <- Known, Dir =/= Own].

%% A few at a time: starting an emulator keeps a core busy.
start_all(Starts) when length(Starts) > 4 ->
    {Some, More} = lists:split(4, Starts),
    together(Some) ++ start_all(More);
start_all(Starts) ->
    together(Starts).

%% Runs all at once: their results, in order.
-spec together([fun(() -> Result)]) -> [Result].
together(Funs) ->
    Pids = [spawn_monitor(fun() -> exit({result, F()}) end) || F <- Funs],
    [receive
         {'DOWN', Ref, process, Pid, {result, Result}} -> Result;
         {'DOWN', Ref, process, Pid, Reason} -> error(Reason)
     end || {Pid, Ref} <- Pids].

-spec pair(carrier(), context()) -> {mesh:node_ref(), mesh:node_ref()}.
pair(Carrier, Context) ->
    pair(Carrier, Context, #{}).

%% a and b, that only connect when they are told to, and that no global server disturbs.
-spec pair(carrier(), context(), map()) -> {mesh:node_ref(), mesh:node_ref()}.
pair(Carrier, Context, Options) ->
    [A, B] = nodes(Carrier, Context, [{"a", "127.0.0.1"}, {"b", "127.0.0.1"}],
                   Options#{args => quiet() ++ maps:get(args, Options, [])}),
    {A, B}.

%% One of such nodes alone.
-spec one(string(), carrier(), context()) -> mesh:node_ref().
one(Name, Carrier, Context) ->
    [Node] = nodes(Carrier, Context, [{Name, "127.0.0.1"}], #{args => quiet()}),
    Node.

quiet() -> ["-connect_all", "false", "-kernel", "dist_auto_connect", "never"].

-spec linked_pair(carrier(), context()) -> {mesh:node_ref(), mesh:node_ref()}.
linked_pair(Carrier, Context) ->
    connected(pair(Carrier, Context)).

-spec connected({mesh:node_ref(), mesh:node_ref()}) -> {mesh:node_ref(), mesh:node_ref()}.
connected({A, #{name := Name}} = Pair) ->
    true = mesh:call(A, net_kernel, connect_node, [Name]),
    Pair.

%% What this emulator's threads have used so far. Called on the nodes.
-spec cpu_ms() -> non_neg_integer().
cpu_ms() ->
    {Total, _} = erlang:statistics(runtime),
    Total.

%% ---- inet_tls: the option file of OTP's guide, both sides verified ----------------------

tls_file(Dir) ->
    File = filename:join(Dir, "inet_tls.conf"),
    Options = tls_certificate(Dir),
    Server = [{fail_if_no_peer_cert, true} | Options],
    ok = file:write_file(File, io_lib:format("~p.~n", [[{server, Server}, {client, Options}]])),
    File.

%% What a client of ours says: for peers that are no emulators.
-spec tls_options(context()) -> [{atom(), term()}].
tls_options(#{tls := File}) ->
    {ok, [[_, {client, Options}]]} = file:consult(File),
    Options.

tls_certificate(Dir) ->
    [Ca, Key, Cert, Request, Names] =
        [filename:join(Dir, F) || F <- ["ca.pem", "key.pem", "cert.pem", "csr.pem", "names"]],
    CaKey = filename:join(Dir, "ca-key.pem"),
    ok = file:write_file(Names, "subjectAltName=IP:127.0.0.1,DNS:127.0.0.1\n"),
    New = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
    openssl(["req", "-x509", "-subj", "/CN=bench CA", "-days", "2", "-keyout", CaKey,
             "-out", Ca | New]),
    openssl(["req", "-subj", "/CN=127.0.0.1", "-keyout", Key, "-out", Request | New]),
    openssl(["x509", "-req", "-in", Request, "-CA", Ca, "-CAkey", CaKey, "-CAcreateserial",
             "-days", "2", "-extfile", Names, "-out", Cert]),
    [{certfile, Cert}, {keyfile, Key}, {cacertfile, Ca}, {verify, verify_peer},
     {versions, ['tlsv1.3']}].

openssl(Args) ->
    Exe = case os:find_executable("openssl") of
              false -> throw("openssl is not installed, and inet_tls needs certificates");
              Found -> Found
          end,
    Port = open_port({spawn_executable, Exe}, [{args, Args}, exit_status, stderr_to_stdout]),
    wait_openssl(Port, []).

wait_openssl(Port, Said) ->
    receive
        {Port, {data, Data}} -> wait_openssl(Port, [Said, Data]);
        {Port, {exit_status, 0}} -> ok;
        {Port, {exit_status, _}} -> throw(lists:flatten(["openssl: ", Said]))
    end.
