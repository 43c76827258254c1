%% The application as it is put together: what a release or an embedded system relies on.
-module(app_tests).

-include_lib("eunit/include/eunit.hrl").

application_test_() ->
    [{"tacit.app lists every module that is there, and no other", fun lists_every_module/0},
     {"the application needs nothing but kernel and stdlib, as early boot does",
      {timeout, 60, fun needs_kernel_and_stdlib_only/0}},
     {"nothing calls a function that does not exist", {timeout, 60, fun calls_exist/0}}].

ebin() ->
    filename:join(code:lib_dir(tacit), "ebin").

lists_every_module() ->
    {ok, [{application, tacit, Keys}]} = file:consult(filename:join(ebin(), "tacit.app")),
    Listed = proplists:get_value(modules, Keys),
    There = [list_to_atom(filename:basename(Beam, ".beam"))
             || Beam <- filelib:wildcard(filename:join(ebin(), "*.beam"))],
    ?assertEqual(lists:sort(There), lists:sort(Listed)).

needs_kernel_and_stdlib_only() ->
    Applications = called_applications(),
    ?assertEqual([], Applications -- [erts, kernel, stdlib, tacit]).

calls_exist() ->
    with_xref(fun(Xref) ->
                      {ok, Unknown} = xref:analyze(Xref, undefined_function_calls),
                      ?assertEqual([], Unknown)
              end).

%% The applications in which the called functions are, by where their modules were found.
called_applications() ->
    with_xref(fun(Xref) ->
                      {ok, Calls} = xref:q(Xref, "XC | tacit : App"),
                      lists:usort([application(M) || {_, {M, _, _}} <- Calls,
                                                     M =/= '$M_EXPR']) % a variable
              end).

application(Module) ->
    case code:which(Module) of
        preloaded -> erts;
        Path when is_list(Path) ->
            Dir = filename:basename(filename:dirname(filename:dirname(Path))),
            list_to_atom(hd(string:split(Dir, "-")));
        non_existing -> Module
    end.

%% Own functions are known from tacit's beams, all others from the code path.
with_xref(Fun) ->
    {ok, Xref} = xref:start([]),
    try
        ok = xref:set_default(Xref, [{warnings, false}, {verbose, false}]),
        ok = xref:set_library_path(Xref, code:get_path()),
        {ok, tacit} = xref:add_application(Xref, code:lib_dir(tacit), [{name, tacit}]),
        Fun(Xref)
    after
        xref:stop(Xref)
    end.
