%% The node's end of the control socket: src/cli/CONTROL.md describes it. Runs from early
%% boot on, without a file server: prim_file. A node that cannot have one runs without, and
%% tries again.
-module(tacit_socket).
-behaviour(gen_server).

-export([start_link/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2, code_change/3]).
-export([serve/1, answer_and_close/1]). % for spawn, and to wait in no module's code

-include_lib("kernel/include/file.hrl").

-define(REQUEST_MAX, 4096).
-define(PATH_MAX, 107). % bytes of a Unix socket's path
-define(REQUEST_WAIT, 5000). % ms, for a request once the connection stands
-define(SO_PEERCRED, {raw, 1, 17, 12}). % Linux: process, user, group

%% ms: when it is tried again to listen, and to accept.
-define(LISTEN_RETRY, 10000).
-define(ACCEPT_RETRY, 200).
%% A node that starts has no name for a moment, ms; one that awaits a dynamic name has none for
%% longer than that times so many.
-define(NAME_RETRY, 10).
-define(NAMELESS, 100).

-record(state, {socket :: port() | undefined,
                accepting :: integer() | undefined, % what inet calls it
                nameless = 0 :: non_neg_integer(),
                told = "" :: string()}).            % the fault that the log has
-type state() :: #state{}.

-spec start_link() -> {ok, pid()} | ignore | {error, term()}.
start_link() ->
    gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

-spec init([]) -> {ok, state()}.
init([]) ->
    process_flag(trap_exit, true), % for terminate/2
    self() ! listen, % after a crash nobody tells again that there is a configuration
    {ok, #state{}}.

-spec handle_call(term(), gen_server:from(), state()) -> {reply, ok, state()}.
handle_call(_Request, _From, State) ->
    {reply, ok, State}.

-spec handle_cast(term(), state()) -> {noreply, state()}.
handle_cast(started, State) ->
    {noreply, open(State)};
handle_cast(_Other, State) ->
    {noreply, State}.

%% It waits in gen_server, not in gen_tcp:accept/1: that would be called from here, and keep
%% this module's old code from being purged.
-spec handle_info(term(), state()) -> {noreply, state()}.
handle_info(listen, State) ->
    {noreply, open(State)};
handle_info(accept, State) ->
    {noreply, accept(State)};
handle_info({inet_async, Socket, Ref, Result}, #state{socket = Socket, accepting = Ref} = State) ->
    case Result of
        {ok, Connection} ->
            take(Connection),
            {noreply, accept(State)};
        {error, closed} ->
            {noreply, lost(State)};
        {error, _} -> % descriptors ran out
            _ = erlang:send_after(?ACCEPT_RETRY, self(), accept),
            {noreply, State}
    end;
handle_info({'EXIT', Socket, _}, #state{socket = Socket} = State) ->
    {noreply, lost(State)};
handle_info(_Other, State) ->
    {noreply, State}.

%% The node ends, or stops distribution.
-spec terminate(term(), state()) -> ok.
terminate(_Reason, #state{socket = undefined}) ->
    ok;
terminate(_Reason, _State) ->
    _ = prim_file:delete(persistent_term:get({?MODULE, path}, "")),
    ok.

-spec code_change(term(), state(), term()) -> {ok, state()}.
code_change(_OldVersion, State, _Extra) ->
    {ok, State}.

open(#state{socket = undefined, nameless = Times} = State) ->
    case tacit_drv:running() of
        true when node() =:= nonode@nohost, Times < ?NAMELESS ->
            _ = erlang:send_after(?NAME_RETRY, self(), listen),
            State#state{nameless = Times + 1};
        true ->
            open_for(tacit_boot:configuration(), State);
        false ->
            State
    end;
open(State) ->
    State.

open_for(Conf, #state{told = Told} = State) ->
    Dir = directory(Conf),
    case listen(Dir) of
        {ok, Socket} ->
            accept(State#state{socket = Socket, told = ""});
        {error, Reason} ->
            Fault = reason(Reason),
            Fault =:= Told orelse
                tacit_logger:warning("tacit: ~ts: no control socket, 'tacit reload' does not "
                                     "reach this node: ~ts", [Dir, Fault]),
            _ = erlang:send_after(?LISTEN_RETRY, self(), listen),
            State#state{told = Fault}
    end.

lost(State) ->
    _ = erlang:send_after(?ACCEPT_RETRY, self(), listen),
    State#state{socket = undefined, accepting = undefined}.

accept(#state{socket = Socket} = State) ->
    case prim_inet:async_accept(Socket, -1) of
        {ok, Ref} ->
            State#state{accepting = Ref};
        {error, _} ->
            _ = gen_tcp:close(Socket),
            lost(State)
    end.

take(Connection) ->
    true = inet_db:register_socket(Connection, local_tcp),
    case inet:setopts(Connection, [{active, false}]) =:= ok andalso allowed(Connection) of
        true -> hand_over(Connection);
        false -> gen_tcp:close(Connection)
    end.

directory(Conf) ->
    case os:getenv("TACIT_RUN") of
        Unset when Unset =:= false; Unset =:= "" ->
            filename:join(filename:dirname(Conf), "run");
        Dir ->
            tacit_boot:path(Dir)
    end.

reason(Text) when is_list(Text) -> Text;
reason(Reason) -> inet:format_error(Reason).

%% --- the directory and the socket --------------------------------------------------------------

listen(Dir) ->
    case make_directory(Dir) of
        {ok, Owner} ->
            remove_dead(Dir),
            Mark = mark(),
            listen_as(Owner, filename:join(Dir, Mark ++ ".new"), path(Dir, Mark));
        {error, _} = Error ->
            Error
    end.

%% Nodes in containers that share the directory have one process number, and may have one
%% name: this no two have.
mark() ->
    Seed = {node(), os:getpid(), erlang:system_time(), erlang:monotonic_time(), make_ref()},
    <<Mark:4/binary, _/binary>> = erlang:md5(term_to_binary(Seed)),
    lists:flatten(hex(Mark)).

%% NAME.XXXXXXXX.sock: so that one who does not answer can be named. As much of the name as
%% a socket's address has room for.
path(Dir, Mark) ->
    Name = [case is_plain(C) of true -> C; false -> $_ end || C <- atom_to_list(node())],
    Room = ?PATH_MAX - byte_size(Dir) - length(Mark) - 7,
    filename:join(Dir, case lists:sublist(Name, max(Room, 0)) of
                           "" -> Mark ++ ".sock";
                           Part -> Part ++ "." ++ Mark ++ ".sock"
                       end).

is_plain(C) ->
    C >= $a andalso C =< $z orelse C >= $A andalso C =< $Z orelse C >= $0 andalso C =< $9
        orelse lists:member(C, "@._-").

%% The socket's file belongs to whom the node runs as: so must the directory. It gets its
%% name when somebody listens there, and nobody takes it for a dead node's before.
listen_as(Owner, New, Path) ->
    case gen_tcp:listen(0, [{ifaddr, {local, New}}, binary, {active, false},
                            {packet, line}, {recbuf, ?REQUEST_MAX}]) of
        {ok, Socket} ->
            case {prim_file:read_link_info(New), prim_file:rename(New, Path)} of
                {{ok, #file_info{uid = Owner}}, ok} ->
                    persistent_term:put({?MODULE, user}, Owner),
                    persistent_term:put({?MODULE, path}, Path),
                    {ok, Socket};
                _ ->
                    _ = [prim_file:delete(File) || File <- [New, Path]],
                    gen_tcp:close(Socket),
                    {error, "expected a directory that belongs to this node's user"}
            end;
        {error, _} = Error ->
            Error
    end.

%% Closed to others; made where it is not there.
make_directory(Dir) ->
    Made = prim_file:make_dir(Dir),
    _ = [prim_file:write_file_info(Dir, #file_info{mode = 8#700}) || Made =:= ok],
    case prim_file:read_link_info(Dir) of
        {ok, #file_info{type = directory, mode = Mode, uid = Owner}}
          when Mode band 8#077 =:= 0 ->
            {ok, Owner};
        {ok, _} ->
            {error, "expected a directory that others cannot enter, mode 0700"};
        {error, enoent} when Made =/= ok ->
            Made; % why it cannot be
        {error, _} = Error ->
            Error
    end.

%% What killed nodes left refuses connections. What is no socket is nobody's.
remove_dead(Dir) ->
    Names = case prim_file:list_dir(Dir) of {ok, All} -> All; {error, _} -> [] end,
    lists:foreach(fun(Name) -> remove_if_dead(filename:join(Dir, Name)) end,
                  [Name || Name <- Names, filename:extension(Name) =:= ".sock"]).

remove_if_dead(Path) ->
    IsSocket = case prim_file:read_link_info(Path) of
                   {ok, #file_info{type = other}} -> true;
                   _ -> false
               end,
    case IsSocket andalso gen_tcp:connect({local, Path}, 0, [], 1000) of
        {ok, Socket} -> gen_tcp:close(Socket);
        {error, econnrefused} -> prim_file:delete(Path);
        _ -> ok
    end.

%% --- requests ----------------------------------------------------------------------------------

hand_over(Connection) ->
    try spawn(?MODULE, serve, [Connection]) of
        Pid ->
            case gen_tcp:controlling_process(Connection, Pid) of
                ok -> Pid ! go, ok;
                {error, _} -> exit(Pid, kill)
            end
    catch
        error:system_limit -> gen_tcp:close(Connection)
    end.

%% root, and the node's own user.
allowed(Connection) ->
    User = persistent_term:get({?MODULE, user}),
    case inet:getopts(Connection, [?SO_PEERCRED]) of
        {ok, [{raw, _, _, <<_Pid:32/native, Peer:32/native, _Group:32/native>>}]} ->
            Peer =:= User orelse Peer =:= 0;
        _ ->
            false
    end.

-spec serve(gen_tcp:socket()) -> no_return().
serve(Connection) ->
    receive go -> ok after ?REQUEST_WAIT -> exit(normal) end,
    _ = inet:setopts(Connection, [{active, once}]),
    _ = erlang:send_after(?REQUEST_WAIT, self(), late),
    erlang:hibernate(?MODULE, answer_and_close, [Connection]).

-spec answer_and_close(gen_tcp:socket()) -> ok.
answer_and_close(Connection) ->
    receive
        {tcp, Connection, Line} -> _ = gen_tcp:send(Connection, answer(Line)), ok;
        _ -> ok % it is closed, or says nothing
    end,
    gen_tcp:close(Connection).

answer(Line) ->
    case binary:last(Line) of
        $\n when byte_size(Line) =< ?REQUEST_MAX ->
            [Command | Arguments] = binary:split(binary:part(Line, 0, byte_size(Line) - 1),
                                                 <<"\t">>, [global]),
            text(request(Command, Arguments));
        _ ->
            text({error, "expected one line of at most 4096 bytes"})
    end.

text({ok, Lines}) ->
    unicode:characters_to_binary(["ok\n", [[lists:join($\t, Fields), $\n] || Fields <- Lines]]);
text({error, Text}) ->
    Line = [C || C <- unicode:characters_to_list(Text), C >= $\s],
    unicode:characters_to_binary(["error\t", Line, $\n]).

request(<<"who">>, []) ->
    #{tacit := Version} = tacit:version(),
    {ok, [["kind", "node"], ["name", atom_to_list(node())], ["version", Version],
          ["pid", os:getpid()]]};
request(<<"reload">>, []) ->
    case tacit:reload() of
        {ok, #{dropped := Names}} -> {ok, [["dropped", Name] || Name <- Names]};
        {error, _} = Error -> Error
    end;
request(<<"links">>, []) ->
    {ok, #{shown_mesh_keys := Own}} = tacit_drv:info(host),
    {ok, [["keys" | Own] |
          [["link", Name, Fingerprint, Used | Keys] ||
             {_, #{state := up, name := Name, fingerprint := Fingerprint, mesh_key := Used,
                   peer_mesh_keys := Keys}} <- tacit_drv:links()]]};
request(<<"handshake">>, [Node | Challenges]) ->
    %% A record of the emulator's, in all releases: default flags, then mandatory ones.
    Flags = erts_internal:get_dflags(),
    Visible = case init:get_argument(hidden) of {ok, _} -> "no"; error -> "yes" end,
    Cookie = atom_to_list(cookie_for(Node)),
    {ok, [["flags", integer_to_list(element(2, Flags))],
          ["mandatory", integer_to_list(element(3, Flags))],
          ["visible", Visible] |
          [["digest", hex(erlang:md5([Cookie, C]))] || C <- Challenges]]};
request(Command, Arguments) ->
    {error, io_lib:format("unknown command '~ts' with ~b arguments",
                          [Command, length(Arguments)])}.

%% No atom is made of what the command is asked about.
cookie_for(Name) ->
    try erlang:get_cookie(binary_to_existing_atom(Name))
    catch error:badarg -> erlang:get_cookie()
    end.

hex(Bytes) ->
    [io_lib:format("~2.16.0b", [Byte]) || <<Byte>> <= Bytes].
