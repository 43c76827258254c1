%% What an emulator holds: to see whether anything stays behind. Called on the nodes.
-module(holdings).

-export([load_all/0, here/0, counted/1, resident/0, driver/0]).

-export_type([holdings/0]).

%% Bytes: memory as Erlang counts it, driver of it in the drivers' allocator, resident as the
%% system counts the process.
-type holdings() :: #{processes | ports | descriptors | tables | atoms | memory | driver |
                      resident => non_neg_integer()}.

%% A module that is first needed for a rare log line would count as hundreds of atoms.
-spec load_all() -> ok.
load_all() ->
    Beams = [filename:basename(File, ".beam")
             || App <- [kernel, stdlib, tacit],
                File <- filelib:wildcard(filename:join([code:lib_dir(App), "ebin", "*.beam"]))],
    ok = code:ensure_modules_loaded([list_to_atom(Beam) || Beam <- Beams]).

%% After a garbage collection of every process.
-spec here() -> holdings().
here() ->
    [garbage_collect(Pid) || Pid <- processes()],
    {ok, Descriptors} = file:list_dir("/proc/self/fd"),
    #{processes => length(processes()), ports => length(erlang:ports()),
      descriptors => length(Descriptors), tables => length(ets:all()),
      atoms => erlang:system_info(atom_count),
      memory => try erlang:memory(total) catch error:notsup -> 0 end, % not under tests/asan
      driver => driver(), resident => resident()}.

%% Those that are the same again, or something stayed behind.
-spec counted(holdings()) -> map().
counted(Holdings) ->
    maps:with([processes, ports, descriptors, tables], Holdings).

-spec resident() -> non_neg_integer().
resident() ->
    {ok, Statm} = file:read_file("/proc/self/statm"),
    [_, Resident | _] = binary:split(Statm, <<" ">>, [global]),
    binary_to_integer(Resident) * 4096.

%% The blocks in use of every instance of driver_alloc; 0 where there is none.
-spec driver() -> non_neg_integer().
driver() ->
    lists:sum([element(2, lists:keyfind(size, 1, Counts))
               || {instance, _, Instance} <- instances(erlang:system_info({allocator, driver_alloc})),
                  {Carriers, Facts} <- Instance, lists:member(Carriers, [mbcs, sbcs, mbcs_pool]),
                  {blocks, Types} <- Facts, {driver_alloc, Counts} <- Types]).

instances(Instances) when is_list(Instances) -> Instances;
instances(false) -> [].
