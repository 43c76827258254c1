%% Starting, and what must be right for it: the flags (tacit_flags), the configuration.
%%
%% All of it runs inside net_kernel while the emulator may still be booting: no logger, no
%% file server, no application but what code:load needs.
-module(tacit_boot).

-include_lib("kernel/include/net_address.hrl").

-export([start/1, listens/0, configuration/0, path/1, guard/1, refuse/1, refuse/2, end_net_kernel/0]).
-export([family/0, plain_module/0, plain_allowed/1, cut_plain/0]).

%% Checks the flags, loads the driver and reads the configuration. Throws {tacit, Text}.
%% Listens says whether the node does: under -dist_listen false, or without a name of its
%% own, it does not.
-spec start(boolean()) -> ok.
start(Listens) ->
    check_flags(Listens),
    warn_of_epmd(),
    warn_of_unused(),
    must(tacit_drv:load()),
    must(tacit_drv:configure(configuration())),
    tacit_control:configured(),
    persistent_term:put({?MODULE, listens}, Listens),
    tacit_sup:configured().

%% Whether this node can be reached.
-spec listens() -> boolean().
listens() ->
    persistent_term:get({?MODULE, listens}, true).

must(ok) -> ok;
must({error, Text}) -> throw({tacit, Text}).

%% The configuration's file: a path from the root, wherever the node works later, in the
%% system's own bytes, whatever the locale makes of them. The same for as long as the flags
%% are.
-spec configuration() -> binary().
configuration() ->
    Named = named(),
    case persistent_term:get({?MODULE, configuration}, none) of
        {Named, File} ->
            File;
        _ ->
            File = path(Named),
            persistent_term:put({?MODULE, configuration}, {Named, File}),
            File
    end.

%% From the root, in the system's own bytes.
-spec path(file:filename_all()) -> binary().
path(Name) ->
    absolute(native(Name)).

%% Of bytes that are no text of the locale's OTP makes no name.
native(Name) ->
    try prim_file:internal_name2native(Name) of
        Bytes -> binary:part(Bytes, 0, byte_size(Bytes) - 1) % without the zero behind them
    catch
        error:badarg -> throw({tacit, "the path of tacit.conf: not in the locale's encoding, "
                                      "expected UTF-8 or LC_ALL=C"})
    end.

absolute(<<"/", _/binary>> = File) ->
    File;
absolute(File) ->
    case prim_file:get_cwd() of
        {ok, Here} -> filename:join(native(Here), File);
        {error, Reason} -> throw({tacit, [File, ": ", file:format_error(Reason)]})
    end.

%% -tacit_conf FILE, else TACIT_CONF, else the file that packages install.
named() ->
    case init:get_argument(tacit_conf) of
        {ok, Values} ->
            case lists:last(Values) of
                [File] -> File;
                _ -> throw({tacit, "-tacit_conf: expected one file name behind it"})
            end;
        error ->
            case os:getenv("TACIT_CONF") of
                Unset when Unset =:= false; Unset =:= "" -> "/etc/tacit/tacit.conf";
                File -> File
            end
    end.

%% Runs Fun, and sees to it that no node comes up half-configured: a node that boots ends
%% with one line, and a node that starts distribution later stays without it.
-spec guard(fun(() -> Result)) -> Result | {error, {tacit, string()}}.
guard(Fun) ->
    try
        Fun()
    catch
        throw:{tacit, Text} -> fail(Text);
        error:undef:Stack -> fail(io_lib:format("a function is missing: ~0p", [hd(Stack)]));
        Class:Reason:Stack -> fail(io_lib:format("~s ~0p in ~0p", [Class, Reason, Stack]))
    end.

fail(Text) ->
    case tacit_flags:booting() of
        true -> fail_at_boot(Text);
        false -> fail_later(lists:flatten(Text))
    end.

-spec fail_at_boot(iodata()) -> no_return().
fail_at_boot(Text) ->
    try say(["tacit: ", Text]) catch error:_ -> ok end,
    end_node(Text).

%% Where standard error leads nowhere, as with erl -detached, somebody should hear of it all
%% the same: syslog, or who looks for a crash dump.
-spec end_node(iodata()) -> no_return().
end_node(Text) ->
    case prim_file:read_link("/proc/self/fd/2") of
        {ok, "/dev/null"} ->
            to_syslog(Text) =:= ok orelse erlang:halt(slogan(Text)),
            erlang:halt(1);
        _ ->
            erlang:halt(1)
    end.

%% 27: an error, of a daemon.
to_syslog(Text) ->
    try
        {ok, Socket} = gen_udp:open(0, [local]),
        Line = unicode:characters_to_binary(["<27>tacit[", os:getpid(), "]: ", Text]),
        gen_udp:send(Socket, {local, "/dev/log"}, 0, Line)
    catch
        _:Reason -> {error, Reason}
    end.

slogan(Text) ->
    lists:sublist([C || C <- "tacit: " ++ unicode:characters_to_list(Text), C < 256], 1000).

%% To who called net_kernel:start/2 every failure is `nodistribution'. With a plain
%% carrier already up net_kernel would go on without us, in plain text.
fail_later(Text) ->
    tacit_logger:error("tacit: ~ts", [Text]),
    case tacit_flags:carriers() of
        ["tacit"] -> {error, {tacit, Text}};
        _ -> end_net_kernel()
    end.

%% Of those whom OTP calls for another carrier, where Tacit should be: a node that boots ends
%% with one line, else it is the caller's error.
-spec refuse(iodata()) -> {error, {tacit, string()}}.
refuse(Text) ->
    refuse(Text, tacit_flags:booting()).

-spec refuse(iodata(), Boots :: boolean()) -> {error, {tacit, string()}}.
refuse(Text, true) ->
    fail_at_boot(Text);
refuse(Text, false) ->
    tacit_logger:error("tacit: ~ts", [Text]),
    {error, {tacit, lists:flatten(Text)}}.

%% Takes back what net_kernel's own way to fail would, and ends it.
-spec end_net_kernel() -> no_return().
end_net_kernel() ->
    erts_internal:dynamic_node_name(false),
    exit(self(), kill),
    receive after infinity -> ok end.

%% Straight to standard error: nothing of io is up yet.
say(Line) ->
    Port = erlang:open_port({fd, 0, 2}, [out]),
    erlang:port_command(Port, unicode:characters_to_binary([Line, $\n])),
    erlang:port_close(Port).

%% --- carriers ------------------------------------------------------------------------------

check_flags(Listens) ->
    must(tacit_flags:check()),
    case tacit_flags:plain() of
        {Plain, _} when Listens -> check_plain_listens(Plain);
        _ -> ok
    end.

%% A plain carrier that failed to listen leaves no listening socket with net_kernel.
check_plain_listens(Plain) ->
    {links, Links} = process_info(self(), links),
    case [P || P <- Links, is_port(P), erlang:port_info(P, name) =:= {name, "tcp_inet"}] of
        [] -> throw({tacit, ["-proto_dist ", Plain, " tacit: ", Plain,
                             " does not listen; net_kernel says why"]});
        _ -> ok
    end.

%% The family and protocol of Tacit's #net_address{}. Beside a plain carrier they are that
%% carrier's, so that net_kernel gives its connections to tacit_dist first.
-spec family() -> {atom(), atom()}.
family() ->
    case tacit_flags:plain() of
        {_, Family} -> {Family, tcp};
        none -> {tacit, tacit}
    end.

%% The module of the plain carrier beside us.
-spec plain_module() -> module().
plain_module() ->
    {Plain, _} = tacit_flags:plain(),
    list_to_existing_atom(Plain ++ "_dist").

%% Whom the plain carrier may let in: those on [plain] lines whom net_kernel:allow/1 (an
%% empty list: everyone) does not forbid. Never an empty list, which would mean everyone.
-spec plain_allowed(list()) -> list().
plain_allowed(Allowed) ->
    case lists:append([plain_entry(Glob, Allowed) || Glob <- tacit_drv:plain()]) of
        [] -> ["@"]; % matches no name
        Names -> Names
    end.

plain_entry("*@" ++ Host, []) -> [Host];
plain_entry("*@" ++ Host, Allowed) ->
    [Name || Name <- Allowed, {node, _, H} <- [dist_util:split_node(Name)], H =:= Host];
plain_entry(Name, Allowed) ->
    [Name || Allowed =:= [] orelse dist_util:is_allowed(Name, Allowed)].

%% Ends the links over plain TCP to nodes that no [plain] line names any more.
-spec cut_plain() -> [binary()].
cut_plain() ->
    {ok, Nodes} = net_kernel:nodes_info(),
    [begin
         tacit_logger:warning("tacit: plain link dropped name=~ts: no [plain] line allows it",
                              [Node]),
         true = erlang:disconnect_node(Node),
         atom_to_binary(Node)
     end || {Node, Info} <- Nodes, tacit_flags:plain() =/= none,
            {address, #net_address{protocol = tcp}} <- Info,
            not tacit_drv:is_plain(atom_to_list(Node))].

%% --- what is said --------------------------------------------------------------------------

%% Once: net_kernel may start several times.
warn_of_unused() ->
    Told = persistent_term:get({?MODULE, told_unused}, false),
    case tacit_flags:carriers() =:= ["tacit"] andalso tacit_flags:unused() of
        [_ | _] = Names when not Told ->
            persistent_term:put({?MODULE, told_unused}, true),
            Text = ["tacit: not used, since tacit.conf has [host] listen and source instead: ",
                    lists:join(", ", [atom_to_list(Name) || Name <- Names])],
            case tacit_flags:booting() of
                true -> say(Text);
                false -> tacit_logger:warning("~ts", [Text])
            end;
        _ ->
            ok
    end.

%% erl starts OTP's own epmd, on every interface, unless told not to.
warn_of_epmd() ->
    Named = init:get_argument(name) =/= error orelse init:get_argument(sname) =/= error,
    Started = init:get_argument(no_epmd) =:= error andalso
        init:get_argument(start_epmd) =/= {ok, [["false"]]},
    case Named andalso Started andalso tacit_flags:carriers() =:= ["tacit"]
        andalso tacit_flags:booting() of
        true ->
            say("tacit: erl has started epmd, which listens on every interface and is not "
                "needed; add -no_epmd");
        false ->
            ok
    end.
