%% The keys that this host revoked by itself, by tacit:revoke/1: a file beside tacit.conf, a
%% fingerprint a line, so that they stay revoked when a node starts anew. Read in early boot:
%% prim_file.
-module(tacit_revoked).

-export([load/1, write/2, is_fingerprint/1]).

%% Reads the file that belongs to the configuration Conf; where there is none, none is
%% revoked.
-spec load(file:filename()) -> {ok, [binary()]} | {error, iodata()}.
load(Conf) ->
    File = file_of(Conf),
    case prim_file:read_file(File) of
        {ok, Bytes} -> parse(File, binary:split(Bytes, <<"\n">>, [global]), 1, []);
        {error, enoent} -> {ok, []};
        {error, Reason} -> {error, [File, ": ", file:format_error(Reason)]}
    end.

parse(_File, [], _Line, Fingerprints) ->
    {ok, lists:usort(Fingerprints)};
parse(File, [Text | Lines], Line, Fingerprints) ->
    case {Text, is_fingerprint(Text)} of
        {_, true} -> parse(File, Lines, Line + 1, [Text | Fingerprints]);
        {<<>>, _} -> parse(File, Lines, Line + 1, Fingerprints);
        _ -> {error, io_lib:format("~ts:~b: got '~ts', expected a fingerprint",
                                   [File, Line, string:slice(Text, 0, 60)])}
    end.

%% 43 characters of base64url, that of 32 bytes.
-spec is_fingerprint(binary()) -> boolean().
is_fingerprint(Text) ->
    re:run(Text, "^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$", [{capture, none}, dollar_endonly])
        =:= match.

%% At one stroke: a node that starts meanwhile reads the old file or the new one.
-spec write(file:filename(), [binary()]) -> ok | {error, iodata()}.
write(Conf, Fingerprints) ->
    File = file_of(Conf),
    New = File ++ ".new",
    case write_new(New, [[F, $\n] || F <- Fingerprints]) of
        ok -> named(File, file:rename(New, File));
        Error -> named(File, Error)
    end.

write_new(New, Text) ->
    case file:open(New, [write, raw]) of
        {ok, Fd} ->
            Written = case file:write(Fd, Text) of
                          ok -> file:sync(Fd);
                          Error -> Error
                      end,
            _ = file:close(Fd),
            Written;
        Error ->
            Error
    end.

named(_File, ok) -> ok;
named(File, {error, Reason}) -> {error, [File, ": ", file:format_error(Reason)]}.

file_of(Conf) ->
    filename:join(filename:dirname(Conf), "revoked").
