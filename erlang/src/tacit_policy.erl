%% The policies that authorities sign: one that comes to any node of a mesh comes to all.
%%
%% Nodes tell those that they have a link with which policies they have, by authority and
%% serial number: when the link comes up, and when one came in force. Whoever has an older one
%% asks for the newer. The authority's signature is what counts, not who brings a policy: the
%% driver looks at nothing in it before that holds. PROTOCOL.md of src/channel, "Policies".
%%
%% tacit_reload keeps the state, and does what changes the rules.
-module(tacit_policy).

-export([new/0, started/1, loaded/1, look/1, up/2, tell/1, compare/3, accept/3, tried/2, keep/0]).

-export_type([policies/0]).

-include_lib("kernel/include/file.hrl").

-define(MAX, 16#400000). % bytes of a policy; TACIT_POLICY_MAX
-define(SETTLE, 1000).   % so long nodes that come up are gathered, ms
-define(PATIENCE, 10000). % and so long one that was asked has for its answer
%% A file that was written so lately, s, may be written once more within its time stamp.
-define(RECENT, 2).

-type have() :: {Key :: binary(), Serial :: non_neg_integer(), Hash :: binary()}.
-type seen() :: {file:filename_all(), Stat :: term(), Content :: binary() | none}.
-record(policies, {seen = [] :: [seen()],         % files, as they were looked at last
                   told = [] :: [iodata()],       % what the log has already
                   up = [] :: [node()] | all,           % that are to be told
                   sent = [] :: [{node(), have()}], % lately
                   tried = none :: binary() | none, % not taken, under these rules: its MD5
                   asked = [] :: [{binary(), non_neg_integer(), integer()}],
                   linked = [] :: [binary()]}).     % names of nodes, as of lately
-opaque policies() :: #policies{}.

-spec new() -> policies().
new() ->
    #policies{}.

%% A configuration has come in force: its policies are kept, and all are told.
-spec loaded(policies()) -> policies().
loaded(State) ->
    keep(),
    erlang:send(self(), tell_policies),
    {_, Next} = look(State),
    Next#policies{up = all, asked = [], tried = none}.

%% The same, of a node that starts. A file that was put in place since then may have come too
%% late for the driver: the next look is the first at it.
-spec started(policies()) -> policies().
started(State) ->
    #policies{seen = Seen} = Next = loaded(State),
    Age = erlang:monotonic_time() - erlang:system_info(start_time),
    Since = os:system_time(second) - erlang:convert_time_unit(Age, native, second) - 1,
    Next#policies{seen = [S || {_, Stat, _} = S <- Seen, not is_since(Stat, Since)]}.

is_since(recent, _Since) -> true;
is_since(Stat, Since) -> is_tuple(Stat) andalso element(1, Stat) >= Since.

%% --- files -----------------------------------------------------------------------------------
%% Without the file server, which may not be up yet when a node's first configuration is there.

%% Whether one of the files has something that is not in force, and had not when this was
%% asked last.
-spec look(policies()) -> {same | changed, policies()}.
look(#policies{seen = Seen} = State) ->
    Now = [look_at(File, lists:keyfind(File, 1, Seen), Hash) ||
              #{path := Path, kept := Kept, text := Text} <- policies(),
              Hash <- [erlang:md5(Text)], File <- [Path, Kept]],
    Changed = lists:any(fun({New, _}) -> New end, Now),
    Next = again(log(State#policies{seen = [S || {_, S} <- Now], sent = [], linked = []})),
    {case Changed of true -> changed; false -> same end, Next}.

look_at(File, Before, InForce) ->
    Stat = stat(File),
    case Before of
        {File, Stat, _} when Stat =/= recent ->
            {false, Before};
        _ ->
            Content = content(File),
            News = not lists:member(Content, [none, InForce]) andalso
                (Before =:= false orelse element(3, Before) =/= Content),
            {News, {File, Stat, Content}}
    end.

stat(File) ->
    case file:read_file_info(File, [raw, {time, posix}]) of
        {ok, #file_info{mtime = Time, size = Size, inode = Inode, mode = Mode}} ->
            case abs(os:system_time(second) - Time) < ?RECENT of
                true -> recent;
                false -> {Time, Size, Inode, Mode}
            end;
        {error, Reason} ->
            Reason
    end.

content(File) ->
    case prim_file:read_file(File) of
        {ok, Bytes} -> erlang:md5(Bytes);
        {error, _} -> none
    end.

%% What is in force lasts: over restarts, and also where an older one is put in its place.
-spec keep() -> ok.
keep() ->
    lists:foreach(fun keep/1, [P || #{serial := Serial} = P <- policies(), Serial > 0]).

keep(#{kept := Kept, text := Text}) ->
    case prim_file:read_file(Kept) of
        {ok, Text} ->
            ok;
        _ ->
            case write(Kept, Text) of
                ok -> ok;
                {error, Reason} ->
                    tacit_logger:error("tacit: ~ts: ~ts: the policy is in force until this "
                                       "node starts anew", [Kept, file:format_error(Reason)])
            end
    end.

%% What it revokes lasts, too: over reloads and restarts, until there is one that is as new.
keep_refused(<<"tacit policy 1\nauthority = ", Key:44/binary, _/binary>> = Text) ->
    lists:foreach(
      fun(#{path := Path}) ->
              Refused = <<Path/binary, ".refused">>,
              case write(Refused, Text) of
                  ok -> ok;
                  {error, Reason} ->
                      tacit_logger:error("tacit: ~ts: ~ts: what it revokes is revoked until the "
                                         "next reload", [Refused, file:format_error(Reason)])
              end
      end, [P || #{key := K} = P <- policies(), base64:encode(K) =:= Key]).

%% Whoever reads meanwhile has the old one or the new one. Others may read it, none write. The
%% name is no other node's: those in containers have one process number.
write(Kept, Text) ->
    Number = integer_to_binary(rand:uniform(1 bsl 48)),
    New = <<Kept/binary, ".", Number/binary, ".new">>,
    Written = case file:open(New, [write, raw, exclusive]) of
                  {ok, Fd} ->
                      Done = first_error([fun() -> readable(New) end,
                                          fun() -> file:write(Fd, Text) end,
                                          fun() -> file:sync(Fd) end]),
                      _ = file:close(Fd),
                      Done;
                  Error ->
                      Error
              end,
    Moved = first_error([fun() -> Written end, fun() -> prim_file:rename(New, Kept) end]),
    _ = [prim_file:delete(New) || Moved =/= ok, Moved =/= {error, eexist}],
    Moved.

readable(File) ->
    file:write_file_info(File, #file_info{mode = 8#644}, [raw]).

first_error([]) -> ok;
first_error([Fun | Funs]) ->
    case Fun() of
        ok -> first_error(Funs);
        Error -> Error
    end.

%% --- what is said ----------------------------------------------------------------------------

%% What was passed over, what is stale, and a certificate of this host that does not hold now:
%% once each.
log(#policies{told = Told} = State) ->
    {ok, #{not_taken := Notices, policies := Policies, own_fault := Own}} = tacit_drv:info(host),
    Stale = [io_lib:format("~ts: serial ~b is stale since ~s, expected a newer one",
                           [File, Serial, calendar:system_time_to_rfc3339(Until)]) ||
                #{file := File, serial := Serial, fresh_until := Until, stale := true} <- Policies],
    All = [[<<"policy: ">>, N] || N <- Notices] ++
        [["policy: ", S] || S <- Stale] ++ [Own || Own =/= <<>>],
    lists:foreach(fun(Text) -> tacit_logger:warning("tacit: ~ts", [Text]) end, All -- Told),
    State#policies{told = All}.

%% --- other nodes -----------------------------------------------------------------------------

%% A node has come up. Many may: they are told at once.
-spec up(node(), policies()) -> policies().
up(_Node, #policies{up = all} = State) ->
    State;
up(Node, #policies{up = Up} = State) ->
    case {Up, have()} of
        {_, []} -> State;
        {[], _} -> _ = erlang:send_after(?SETTLE, self(), tell_policies),
                   State#policies{up = [Node]};
        _ -> State#policies{up = [Node | Up]}
    end.

%% Tells those that are to be told what this node has.
-spec tell(policies()) -> policies().
tell(#policies{up = Up} = State) ->
    Have = have(),
    Links = case Have of [] -> []; _ -> links() end,
    Nodes = case Up of
                all -> nodes(connected);
                _ -> Up
            end,
    [send(Node, {tacit_policies, node(), Have}) ||
        Node <- Nodes, lists:member(atom_to_binary(Node), Links)],
    State#policies{up = [], linked = Links}.

%% What a peer has: it gets what it has not, and is asked for what we have not.
-spec compare(term(), term(), policies()) -> policies().
compare(Node, Have, State) when is_atom(Node), is_list(Have), length(Have) =< 64 ->
    {Linked, Next} = linked(Node, State),
    case Linked of
        true -> lists:foldl(fun(Own, S) -> compare_one(Node, Own, Have, S) end, Next, have());
        false -> Next
    end;
compare(_Node, _Have, State) ->
    State.

compare_one(Node, {Key, Serial, Hash} = Own, Have, State) ->
    case lists:keyfind(Key, 1, Have) of
        {_, Theirs, _} when is_integer(Theirs), Theirs < Serial -> give(Node, Own, State);
        {_, Theirs, _} when is_integer(Theirs), Theirs > Serial -> ask(Node, Key, Theirs, State);
        {_, Serial, Other} when Other =/= Hash, Serial > 0 -> alarm(Node, Serial, State);
        _ -> State
    end.

give(Node, {Key, _, _} = Own, #policies{sent = Sent} = State) ->
    case lists:member({Node, Own}, Sent) of
        true ->
            State;
        false ->
            [send(Node, {tacit_policy, node(), Text}) ||
                #{key := K, text := Text} <- policies(), K =:= Key],
            State#policies{sent = [{Node, Own} | Sent]}
    end.

%% One at a time: all whom it has reached tell us of a new one.
ask(Node, Key, Serial, #policies{asked = Asked} = State) ->
    Now = now_ms(),
    case lists:keyfind(Key, 1, Asked) of
        {_, At, Until} when At >= Serial, Now < Until ->
            State;
        _ ->
            send(Node, {tacit_policies, node(), have()}),
            State#policies{asked = lists:keystore(Key, 1, Asked,
                                                  {Key, Serial, Now + ?PATIENCE})}
    end.

%% Who was asked has not answered: all are told again what we have.
again(#policies{asked = Asked} = State) ->
    Now = now_ms(),
    case [A || {_, _, Until} = A <- Asked, Until =< Now] of
        [] ->
            State;
        Late ->
            erlang:send(self(), tell_policies),
            State#policies{asked = Asked -- Late, up = all}
    end.

alarm(Node, Serial, #policies{told = Told} = State) ->
    Text = iolist_to_binary(io_lib:format("~ts has other rules under serial ~b than this node",
                                          [Node, Serial])),
    lists:member(Text, Told) orelse tacit_logger:error("tacit: policy: ~ts", [Text]),
    State#policies{told = [Text | Told -- [Text]]}.

%% Whether a text that a peer sent is to be tried.
-spec accept(term(), term(), policies()) -> {ok | known, policies()}.
accept(Node, Text, State) when is_atom(Node), is_binary(Text), byte_size(Text) =< ?MAX ->
    {Linked, Next} = linked(Node, State#policies{asked = []}),
    Known = [P || #{text := T} = P <- policies(), T =:= Text],
    New = Text =/= <<>> andalso Known =:= [] andalso erlang:md5(Text) =/= State#policies.tried,
    case Linked andalso New of
        true -> {ok, Next};
        false -> {known, Next}
    end;
accept(_Node, _Text, State) ->
    {known, State}.

%% A text that was tried: taken, or in force only in what it revokes. Then it is not tried
%% again, or two nodes would tell each other of it for ever.
-spec tried(binary(), policies()) -> {taken | revokes, policies()}.
tried(Text, State) ->
    case [T || #{text := T} <- policies(), T =:= Text] of
        [] ->
            keep_refused(Text),
            {revokes, State#policies{tried = erlang:md5(Text)}};
        _ -> {taken, State}
    end.

%% Whether there is a link of Tacit's with the node: nothing goes out in plain text.
linked(Node, #policies{linked = Links} = State) ->
    Name = atom_to_binary(Node),
    case lists:member(Name, Links) of
        true -> {true, State};
        false -> Now = links(),
                 {lists:member(Name, Now), State#policies{linked = Now}}
    end.

links() ->
    [Name || {_, #{name := Name, state := up}} <- tacit_drv:links()].

%% From a process of its own: a link that is busy holds nobody up.
send(Node, Message) ->
    try
        _ = spawn(fun() -> erlang:send({tacit_control, Node}, Message, [noconnect]) end),
        ok
    catch
        error:system_limit -> ok % it hears of it when it asks, or from others
    end.

have() ->
    {ok, #{policies := Policies}} = tacit_drv:info(host),
    [{Key, Serial, Hash} || #{key := Key, serial := Serial, hash := Hash} <- Policies].

policies() ->
    tacit_drv:policies().

now_ms() ->
    erlang:monotonic_time(millisecond).
