%% The keys that this host revoked by itself, by tacit:revoke/1: a file beside tacit.conf, a
%% fingerprint a line, so that they stay revoked when a node starts again. The driver reads it,
%% as the door and C nodes do (src/files).
-module(tacit_revoked).

-export([write/3, write_and_exit/3, is_fingerprint/1]).

-define(TRIES, 10).

%% 43 characters of base64url, that of 32 bytes.
-spec is_fingerprint(binary()) -> boolean().
is_fingerprint(Text) ->
    re:run(Text, "^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$", [{capture, none}, dollar_endonly])
        =:= match.

%% Adds and removes lines, whatever else the file has: other nodes of the host write there,
%% too.
-spec write(binary(), Add :: [binary()], Remove :: [binary()]) -> ok | {error, iodata()}.
write(Conf, Add, Remove) ->
    File = file_of(Conf),
    named(File, change(File, Add, Remove, ?TRIES)).

%% In a process of its own: {written, Result} is the reason of its end.
-spec write_and_exit(binary(), [binary()], [binary()]) -> no_return().
write_and_exit(Conf, Add, Remove) ->
    exit({written, write(Conf, Add, Remove)}).

%% Two that write at once: what the other's file lacks is written again.
change(_File, _Add, _Remove, 0) ->
    {error, eagain};
change(File, Add, Remove, Tries) ->
    case read_lines(File) of
        {ok, Lines} ->
            case [Line || Line <- Lines, not lists:member(Line, Remove)] ++ (Add -- Lines) of
                Lines -> ok;
                Changed -> replace(File, Changed, Add, Remove, Tries)
            end;
        Error -> Error
    end.

replace(File, Lines, Add, Remove, Tries) ->
    case tacit_file:replace(File, [[Line, $\n] || Line <- Lines]) of
        ok -> change(File, Add, Remove, Tries - 1);
        Error -> Error
    end.

read_lines(File) ->
    case file:read_file(File) of
        {ok, Bytes} -> {ok, binary:split(Bytes, <<"\n">>, [global, trim])};
        {error, enoent} -> {ok, []};
        Error -> Error
    end.

named(_File, ok) -> ok;
named(File, {error, Reason}) -> {error, [File, ": ", file:format_error(Reason)]}.

file_of(Conf) ->
    filename:join(filename:dirname(Conf), "revoked").
