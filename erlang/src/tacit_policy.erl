%% The policies that authorities sign, as files of this host: which of them are news, that those
%% in force last, and what the log has of them. What nodes tell each other of them is
%% tacit_gossip's.
%%
%% tacit_reload keeps the state, and does what changes the rules.
-module(tacit_policy).

-export([new/0, started/1, loaded/1, look/1, is_new/2, tried/2, keep/0]).

-export_type([policies/0]).

-include_lib("kernel/include/file.hrl").

%% A file that was written so lately, s, may be written once more within its time stamp.
-define(RECENT, 2).

-type seen() :: {file:filename_all(), Stat :: term(), Content :: binary() | none}.
-record(policies, {seen = [] :: [seen()],         % files, as they were looked at last
                   told = [] :: [iodata()],       % what the log has already
                   tried = none :: binary() | none}). % not taken, under these rules: its MD5
-opaque policies() :: #policies{}.

-spec new() -> policies().
new() ->
    #policies{}.

%% A configuration has come in force: its policies are kept.
-spec loaded(policies()) -> policies().
loaded(State) ->
    keep(),
    {_, Next} = look(State),
    Next#policies{tried = none}.

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
    Next = log(State#policies{seen = [S || {_, S} <- Now]}),
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
            case tacit_file:replace(Kept, Text) of
                ok -> ok;
                {error, Reason} ->
                    tacit_logger:error("tacit: ~ts: ~ts: the policy is in force until this "
                                       "node starts again", [Kept, file:format_error(Reason)])
            end
    end.

%% What it revokes lasts, too: over reloads and restarts, until there is one that is as new.
keep_refused(<<"tacit policy 1\nauthority = ", Key:44/binary, _/binary>> = Text) ->
    lists:foreach(
      fun(#{path := Path}) ->
              Refused = <<Path/binary, ".refused">>,
              case tacit_file:replace(Refused, Text) of
                  ok -> ok;
                  {error, Reason} ->
                      tacit_logger:error("tacit: ~ts: ~ts: what it revokes is revoked until the "
                                         "next reload", [Refused, file:format_error(Reason)])
              end
      end, [P || #{key := K} = P <- policies(), base64:encode(K) =:= Key]).

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

%% --- what a peer sent ------------------------------------------------------------------------

%% Whether it is to be tried.
-spec is_new(binary(), policies()) -> boolean().
is_new(Text, #policies{tried = Tried}) ->
    Text =/= <<>> andalso not is_in_force(Text) andalso erlang:md5(Text) =/= Tried.

is_in_force(Text) ->
    lists:any(fun(#{text := T}) -> T =:= Text end, policies()).

%% A text that was tried: taken, or in force only in what it revokes. Then it is not tried
%% again, or two nodes would tell each other of it for ever.
-spec tried(binary(), policies()) -> {taken | revokes, policies()}.
tried(Text, State) ->
    case is_in_force(Text) of
        true ->
            {taken, State};
        false ->
            keep_refused(Text),
            {revokes, State#policies{tried = erlang:md5(Text)}}
    end.

policies() ->
    tacit_drv:policies().
