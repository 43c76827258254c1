%% Files that are replaced at one stroke: who reads meanwhile has the old one or the new one.
%% Without the file server, which may not be up yet when a node's first configuration is there.
-module(tacit_file).

-export([replace/2]).

-include_lib("kernel/include/file.hrl").

%% Others may read it, none write, whatever the umask. The name that it has first is no other
%% node's: those in containers have one process number.
-spec replace(binary(), iodata()) -> ok | {error, file:posix() | badarg}.
replace(File, Bytes) ->
    New = <<File/binary, ".", (integer_to_binary(rand:uniform(1 bsl 48)))/binary, ".new">>,
    Done = first_error([fun() -> write(New, Bytes) end, fun() -> prim_file:rename(New, File) end]),
    _ = [prim_file:delete(New) || Done =/= ok, Done =/= {error, eexist}],
    Done.

write(New, Bytes) ->
    case file:open(New, [write, raw, exclusive]) of
        {ok, Fd} ->
            Mode = #file_info{mode = 8#644},
            Written = first_error([fun() -> file:write_file_info(New, Mode, [raw]) end,
                                   fun() -> file:write(Fd, Bytes) end,
                                   fun() -> file:sync(Fd) end]),
            _ = file:close(Fd),
            Written;
        Error ->
            Error
    end.

first_error([]) -> ok;
first_error([Step | Steps]) ->
    case Step() of
        ok -> first_error(Steps);
        Error -> Error
    end.
