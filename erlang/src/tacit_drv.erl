%% The port interface of Tacit's driver (src/carrier): one function a command.
%%
%% A listener port is owned by net_kernel; a link's port by the process that sets the
%% link up, then by nobody else. What is asked of the driver itself is asked of one port more,
%% registered as tacit_drv, which is there as long as the emulator is: where no port is left
%% the answers still come. Results that take time come as messages:
%%
%%   {tacit_accept, Listener, Port, Name, Dynamic}   to the acceptor: an authenticated peer
%%   {tacit_door, Listener, registered | lost | refused | keys, Text}   to the acceptor
%%   {tacit_event, Listener, Reason, Name, Fingerprint, Address, Line, Text}   for the log
%%   {tacit_connected, Port}                to the owner: TCP's connection is there
%%   {tacit_up, Port, Name, Fingerprint}    to the owner: the dialled peer is authenticated
%%   {tacit_data, Port, Bytes}              one message that recv/1 asked for
%%   {tacit_down, Port, Reason, Text, Fingerprint, Line}   it ended before it was active
%%   {tacit_loaded, Number, Text}           a configuration was read; Text says what is wrong
%%   {tacit_due, Ports}                     to who asked: links to be reviewed
%%   {tcp_closed, Port}                     it ended while active; what dist_util expects
-module(tacit_drv).

-export([load/0, configure/1, running/0, open/0, close/1]).
-export([reload/2, policies/0, review/0, review_due/0, clock_step/0, revoked/0, revoked/1, key_of/1, peer_mesh_keys/2]).
-export([listen/2, accept/1, connect/2, proceed/2]).
-export([send/2, recv/1, active/1, tick/1, seen/2, new_name/1, refuse/3]).
-export([endpoint/1, is_plain/1, plain/0, last/1]).
-export([info/1, links/0]).

-export_type([address/0, dropped/0, last/0, link_info/0, host_info/0]).

-include("tacit_drv.hrl").

-type address() :: {inet:ip_address(), inet:port_number()}.
-type last() :: #{direction := in | out, reason := atom(), text := string(),
                  time := non_neg_integer()}.
-type dropped() :: {tacit_log:who(), Text :: binary()}.
-type link_info() :: #{atom() => term()}.
-type host_info() :: #{atom() => term()}.

-define(DRIVER, "tacit_drv").
%% The port that is always there, by its name.
-define(HOST, tacit_drv).
%% What the files of a configuration may take to be read, ms.
-define(READ_TIMEOUT, 20000).
%% What the driver may take for the first word about the door: more than its own limits.
-define(DOOR_TIMEOUT, 30000).

%% Loads the driver and keeps it: a second call does nothing. It is loaded by no process in
%% particular, or the emulator would end every link with that process.
-spec load() -> ok | {error, string()}.
load() ->
    Path = priv_dir(),
    case erl_ddll:load(Path, ?DRIVER) of
        ok ->
            open_host(Path); % the first port locks the driver in place
        {error, permanent} ->
            open_host(Path); % as it has been since an earlier start
        {error, Reason} ->
            {error, "cannot load " ++ file(Path) ++ ": " ++ erl_ddll:format_error(Reason)}
    end.

file(Path) ->
    filename:join(Path, ?DRIVER ".so").

%% Linked to nobody, so that it outlives the process that came first.
open_host(Path) ->
    case whereis(?HOST) =/= undefined orelse open() of
        true ->
            check_release(Path);
        {ok, Port} ->
            unlink(Port),
            try register(?HOST, Port)
            catch error:badarg -> close(Port) % another process was faster
            end,
            check_release(Path);
        {error, Reason} ->
            {error, "cannot open a port of " ++ file(Path) ++ ": " ++ Reason}
    end.

%% One that is loaded stays, whatever files and modules have come since.
check_release(Path) ->
    case control(?HOST, ?RELEASE, []) of
        {ok, ?VERSION} ->
            ok;
        Other ->
            Is = case Other of {ok, Release} -> Release; {error, _} -> "another" end,
            {error, "the driver of " ++ file(Path) ++ " that is loaded is of release " ++ Is ++
                 ", the modules of " ?VERSION ": install both again, and restart the node"}
    end.

priv_dir() ->
    case code:priv_dir(tacit) of
        {error, bad_name} ->
            filename:join(filename:dirname(filename:dirname(code:which(?MODULE))), "priv");
        Dir ->
            Dir
    end.

%% Reads the configuration; it holds from then on. The error is one line, with the place.
-spec configure(binary()) -> ok | {error, string()}.
configure(File) ->
    case read(File, <<>>) of
        {ok, Number} -> done(control(?HOST, ?ADOPT, <<Number:64>>));
        {error, _} = Error -> Error
    end.

%% Whether a configuration is in force.
-spec running() -> boolean().
running() ->
    element(1, info(host)) =:= ok.

%% Reads the configuration again and puts it in force, or changes nothing: not before all of
%% it is right, and all addresses that it names are listened on. With a signed policy, <<>>
%% for none, it also has to be newer than the one in force. One caller at a time: where
%% several are, the last one's is taken.
-spec reload(binary(), binary()) -> ok | {error, string()}.
reload(File, Policy) ->
    case check_release(priv_dir()) of
        ok -> reload_checked(File, Policy);
        {error, _} = Error -> Error
    end.

reload_checked(File, Policy) ->
    case read(File, Policy) of
        {ok, Number} -> put_in_force(<<Number:64>>);
        {error, _} = Error -> Error
    end.

put_in_force(Number) ->
    Listeners = [P || P <- ports(), call(P, ?CALL_LISTENER) =:= {ok, listener}],
    Adopted = case try_listeners(Listeners, Number) of
                  ok -> done(control(?HOST, ?ADOPT, Number));
                  {error, _} = Error -> _ = control(?HOST, ?GIVE_UP, Number), Error
              end,
    lists:foreach(fun(Listener) -> control(Listener, ?LISTEN_SETTLE, []) end, Listeners),
    Adopted.

try_listeners([], _Number) ->
    ok;
try_listeners([Listener | Listeners], Number) ->
    case done(control(Listener, ?LISTEN_TRY, Number)) of
        ok -> try_listeners(Listeners, Number);
        {error, "closed"} -> try_listeners(Listeners, Number); % distribution stops
        {error, _} = Error -> Error
    end.

%% Has the driver read a configuration, on a thread of its own: the number under which it
%% then offers it. Files that keep it waiting longer than ?READ_TIMEOUT are given up.
read(File, Policy) ->
    case control(?HOST, ?RELOAD, [<<(byte_size(File)):16>>, File, Policy]) of
        {ok, Reply} ->
            <<Number:64>> = list_to_binary(Reply),
            receive
                {tacit_loaded, Number, <<>>} -> {ok, Number};
                {tacit_loaded, Number, Text} -> {error, readable(Text)}
            after ?READ_TIMEOUT ->
                give_up(Number, File)
            end;
        {error, _} = Error ->
            Error
    end.

give_up(Number, File) ->
    _ = control(?HOST, ?GIVE_UP, <<Number:64>>),
    receive {tacit_loaded, Number, _} -> ok after 0 -> ok end,
    {error, lists:flatten(io_lib:format("~ts: a file that it names has kept its reader waiting "
                                        "for ~b s", [File, ?READ_TIMEOUT div 1000]))}.

%% Holds every link against the rules in force; those that they do not allow are being ended.
-spec review() -> [dropped()].
review() ->
    review(ports()).

review(Ports) ->
    [dropped(list_to_binary(Cut)) || Port <- Ports,
                                 {ok, [_ | _] = Cut} <- [control(Port, ?REVIEW, [])]].

%% The same, of those that were allowed up to a moment that has come: with the others the
%% clock changes nothing.
-spec review_due() -> [dropped()].
review_due() ->
    case due([]) of
        all -> review();
        Ports -> review(Ports)
    end.

due(Ports) ->
    case control(?HOST, ?DUE, []) of
        {ok, [1]} -> receive {tacit_due, More} -> due(More ++ Ports) end;
        {ok, [2]} -> all;
        _ -> Ports
    end.

%% By how many seconds the host's clock was set since this was asked last.
-spec clock_step() -> integer().
clock_step() ->
    case control(?HOST, ?CLOCK, []) of
        {ok, Bytes} ->
            <<Step:64/signed>> = list_to_binary(Bytes),
            Step;
        {error, _} ->
            0
    end.

%% The keys that this host revoked by itself: as they were read with the configuration in
%% force, and those that are refused now. Fingerprints.
-spec revoked() -> {Read :: [binary()], InForce :: [binary()]}.
revoked() ->
    {ok, {Read, InForce}} = call(?HOST, ?CALL_REVOKED),
    {fingerprints(Read), fingerprints(InForce)}.

fingerprints(Hashes) ->
    [base64url(Hash) || <<Hash:32/binary>> <= Hashes].

%% OTP 25 has no such mode of base64:encode/2.
base64url(Hash) ->
    << <<(case C of $+ -> $-; $/ -> $_; _ -> C end)>> ||
        <<C>> <= base64:encode(Hash), C =/= $= >>.

%% Refuses the holders of these keys from now on, and of no others: fingerprints.
-spec revoked([binary()]) -> ok.
revoked(Fingerprints) ->
    ok = done(control(?HOST, ?REVOKED, [[F, $\n] || F <- Fingerprints])).

%% The fingerprint of the key that the configuration has for the node.
-spec key_of(string()) -> {ok, binary()} | none.
key_of(Name) ->
    case control(?HOST, ?KEY_OF, Name) of
        {ok, Fingerprint} -> {ok, list_to_binary(Fingerprint)};
        {error, _} -> none
    end.

%% The peer of the link's port can open these mesh keys: their key IDs.
-spec peer_mesh_keys(port(), [binary()]) -> ok | {error, string()}.
peer_mesh_keys(Port, Marks) ->
    done(control(Port, ?PEER_KEYS, [[Mark, $\n] || Mark <- Marks])).

dropped(<<In, L1, Name:L1/binary, L2, Fingerprint:L2/binary, L3, Address:L3/binary,
      L4, Line:L4/binary, Text/binary>>) ->
    {#{direction => direction(In), name => Name, fingerprint => Fingerprint,
       address => Address, line => Line}, Text}.

direction(1) -> in;
direction(0) -> out.

-spec open() -> {ok, port()} | {error, string()}.
open() ->
    try
        {ok, erlang:open_port({spawn_driver, ?DRIVER}, [binary])}
    catch
        error:system_limit -> {error, "no port is left (erl's +Q)"};
        error:Reason -> {error, atom_to_list(Reason)}
    end.

-spec close(port()) -> ok.
close(Port) ->
    try erlang:port_close(Port) of
        true -> ok
    catch
        error:badarg -> ok
    end.

%% Listens on the configured addresses as node Name, or waits until the host's door, which
%% does it in its place, has taken the name. The host's first address comes back, if it has
%% any, and the node's creation (-1: any will do).
-spec listen(port(), string()) -> {ok, address() | undefined, integer()} | {error, string()}.
listen(Port, Name) ->
    case control(Port, ?LISTEN, Name) of
        {ok, Reply} ->
            <<Creation:32, Address/binary>> = list_to_binary(Reply),
            wait_for_door(Port, Creation, address(Address));
        {error, _} = Error ->
            Error
    end.

wait_for_door(_Port, 0, Address) ->
    {ok, Address, -1};
wait_for_door(Port, Creation, Address) ->
    receive
        {tacit_door, Port, registered, _} -> {ok, Address, Creation};
        {tacit_door, Port, failed, Text} -> {error, binary_to_list(Text)}
    after ?DOOR_TIMEOUT ->
        {error, "nothing was heard of the door"}
    end.

%% Links are announced to the calling process from now on.
-spec accept(port()) -> ok | {error, string()}.
accept(Port) ->
    done(control(Port, ?ACCEPT, [])).

%% Starts to connect; {tacit_connected, ...} or {tacit_down, ...} follows within timeout, ms.
-spec connect(port(), #{own := string(), dynamic := boolean(), node := string(),
                        address := address(), timeout := non_neg_integer()}) ->
          ok | {error, string()}.
connect(Port, #{own := Own, dynamic := Dynamic, node := Node, address := {Ip, TcpPort},
                timeout := Timeout}) ->
    {Family, Bytes} = ip_bytes(Ip),
    done(control(Port, ?CONNECT,
                 [bool(Dynamic), text(Own), text(Node), <<Timeout:32>>,
                  <<Family, TcpPort:16, 0:32>>, Bytes])).

%% Starts the handshake on a connection; {tacit_up, ...} or {tacit_down, ...} follows within
%% Timeout, ms.
-spec proceed(port(), non_neg_integer()) -> ok | {error, string()}.
proceed(Port, Timeout) ->
    done(control(Port, ?PROCEED, <<Timeout:32>>)).

%% Sends one message of the distribution handshake.
-spec send(port(), iodata()) -> ok | {error, closed}.
send(Port, Data) ->
    try erlang:port_command(Port, Data, [force]) of
        true -> ok
    catch
        error:badarg -> {error, closed}
    end.

%% Receives one message of the distribution handshake, as dist_util wants it: a list.
-spec recv(port()) -> {ok, [byte()]} | {error, {atom(), string()} | closed}.
recv(Port) ->
    case control(Port, ?RECV, []) of
        {ok, _} ->
            receive
                {tacit_data, Port, Data} -> {ok, Data};
                {tacit_down, Port, Reason, Text, _, _} -> {error, {Reason, binary_to_list(Text)}}
            end;
        {error, _} ->
            receive
                {tacit_down, Port, Reason, Text, _, _} -> {error, {Reason, binary_to_list(Text)}}
            after 0 ->
                {error, closed}
            end
    end.

%% The distribution handshake is done: from here on messages go to the emulator.
-spec active(port()) -> ok | {error, string()}.
active(Port) ->
    done(control(Port, ?ACTIVE, [])).

%% Sends a tick, also where the port is busy.
-spec tick(port()) -> ok | {error, closed}.
tick(Port) ->
    case control(Port, ?TICK, []) of
        {ok, _} -> ok;
        {error, _} -> {error, closed}
    end.

%% What Erlang node the peer is, visible or hidden; an error where the rule for it wants the
%% other.
-spec seen(port(), boolean()) -> ok | {error, string()}.
seen(Port, Visible) ->
    done(control(Port, ?SEEN, [bool(Visible)])).

%% The peer has a name of which there is no atom: whether its key may bring one more.
-spec new_name(port()) -> ok | {error, string()}.
new_name(Port) ->
    done(control(Port, ?NEW_NAME, [])).

%% Ends a link whose distribution handshake claims what the channel did not prove; the peer
%% is told Text inside the seal.
-spec refuse(port(), name_mismatch | visibility | busy, string()) -> ok.
refuse(Port, Reason, Text) ->
    Code = case Reason of name_mismatch -> 0; visibility -> 1; busy -> 2 end,
    _ = control(Port, ?REFUSE, [Code | lists:sublist(Text, 200)]),
    ok.

%% Where a node is reached: [peer] endpoint, else its host part and port 4370.
-spec endpoint(string()) -> {ok, {string(), inet:port_number()}} | {error, string()}.
endpoint(Name) ->
    case control(?HOST, ?ENDPOINT, Name) of
        {ok, [P1, P0 | Host]} -> {ok, {Host, P1 bsl 8 bor P0}};
        {error, _} = Error -> Error
    end.

%% Whether a [plain] line names the node.
-spec is_plain(string()) -> boolean().
is_plain(Name) ->
    control(?HOST, ?IS_PLAIN, Name) =:= {ok, [1]}.

%% The globs of [plain].
-spec plain() -> [string()].
plain() ->
    case control(?HOST, ?PLAIN, []) of
        {ok, Lines} -> string:lexemes(Lines, "\n");
        {error, _} -> []
    end.

%% Why the last link with this name failed or ended.
-spec last(string()) -> {ok, last()} | none.
last(Name) ->
    case control(?HOST, ?LAST, Name) of
        {ok, Bytes} -> {ok, decode_last(list_to_binary(Bytes))};
        {error, _} -> none
    end.

decode_last(<<In, Time:64, Len, Reason:Len/binary, Text/binary>>) ->
    #{direction => direction(In),
      reason => binary_to_atom(Reason),
      text => binary_to_list(Text),
      time => Time}.

%% What the driver knows of a link's port, or (host) of itself.
-spec info(port() | host) -> {ok, link_info() | host_info()} | {error, closed}.
info(host) ->
    call(?HOST, ?CALL_HOST);
info(Port) ->
    call(Port, ?CALL_LINK).

%% The policies in force, one for each authority that may sign them, with their texts.
-spec policies() -> [#{atom() => term()}].
policies() ->
    {ok, Policies} = call(?HOST, ?CALL_POLICIES),
    Policies.

%% Every port of the driver that is a link.
-spec links() -> [{port(), link_info()}].
links() ->
    [{Port, Info} || Port <- ports(), {ok, Info} <- [call(Port, ?CALL_LINK)]].

ports() ->
    [Port || Port <- erlang:ports(), erlang:port_info(Port, name) =:= {name, ?DRIVER}].

%% --- the port's own conventions ----------------------------------------------------------

-spec control(port() | ?HOST, integer(), iodata()) -> {ok, [byte()]} | {error, string()}.
control(Port, Command, Data) ->
    try erlang:port_control(Port, Command, Data) of
        [0 | Reply] -> {ok, Reply};
        [1 | Error] -> {error, readable(list_to_binary(Error))}
    catch
        error:badarg -> {error, "closed"}
    end.

call(Port, Command) ->
    try erlang:port_call(Port, Command, []) of
        Info -> {ok, Info}
    catch
        error:badarg -> {error, closed}
    end.

%% A text for people: it may have a path in it, of any bytes.
readable(Text) ->
    case unicode:characters_to_list(Text) of
        Chars when is_list(Chars) -> Chars;
        _ -> binary_to_list(Text)
    end.

done({ok, _}) -> ok;
done({error, _} = Error) -> Error.

bool(true) -> 1;
bool(false) -> 0.

text(String) ->
    Bytes = list_to_binary(String),
    [byte_size(Bytes), Bytes].

ip_bytes({A, B, C, D}) ->
    {4, <<A, B, C, D>>};
ip_bytes({A, B, C, D, E, F, G, H}) ->
    {6, <<A:16, B:16, C:16, D:16, E:16, F:16, G:16, H:16>>}.

address(<<>>) ->
    undefined;
address(<<4, Port:16, A, B, C, D>>) ->
    {{A, B, C, D}, Port};
address(<<6, Port:16, A:16, B:16, C:16, D:16, E:16, F:16, G:16, H:16>>) ->
    {{A, B, C, D, E, F, G, H}, Port}.
