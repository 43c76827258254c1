%% The flags that a node was started with: whether those that name Tacit bring it up. OTP
%% passes over most mistakes there, and takes plain inet_tcp: a flag given twice (by OTP 25;
%% later ones take the first), a misspelt one, one that another left over. So every module of
%% Tacit's that OTP calls asks here.
%%
%% In early boot: no logger, no application but what code:load needs.
-module(tacit_flags).

-export([carriers/0, plain/0, check/0, meant/0, unused/0, booting/0]).

%% OTP's plain carriers that may stand beside Tacit, and their address family.
-define(PLAIN_CARRIERS, [{"inet_tcp", inet}, {"inet6_tcp", inet6}]).

%% Those of -proto_dist, in their order; of all of them, where it is given twice: then this
%% list is none that passes.
-spec carriers() -> [string()].
carriers() ->
    lists:append(values(proto_dist)).

%% The plain carrier beside Tacit, with its family.
-spec plain() -> {string(), atom()} | none.
plain() ->
    case carriers() of
        [Plain, "tacit"] -> lists:keyfind(Plain, 1, ?PLAIN_CARRIERS);
        _ -> none
    end.

%% net_kernel asks the carrier named last first: Tacit must be that, or names that are on
%% no [plain] line would be dialled in plain text.
-spec check() -> ok | {error, iodata()}.
check() ->
    case values(proto_dist) of
        [["tacit"]] -> ok;
        [[Plain, "tacit"] = Carriers] ->
            case lists:keymember(Plain, 1, ?PLAIN_CARRIERS) of
                true -> ok;
                false -> {error, wrong(Carriers)}
            end;
        [] -> {error, "no -proto_dist: expected -proto_dist tacit; without it OTP takes inet_tcp"};
        [Carriers] -> {error, wrong(Carriers)};
        [_, _ | _] = Many ->
            {error, ["-proto_dist is given ", times(length(Many)), " (",
                     lists:join("; ", [lists:join($\s, Each) || Each <- Many]),
                     "): expected once, or OTP may take inet_tcp; see ERL_FLAGS, ERL_AFLAGS, "
                     "ERL_ZFLAGS and vm.args, too"]}
    end.

times(2) -> "twice";
times(N) -> [integer_to_list(N), " times"].

wrong(Carriers) ->
    ["-proto_dist ", lists:join($\s, Carriers), ": expected tacit alone, or inet_tcp tacit, or ",
     "inet6_tcp tacit: the last is asked first, and must be tacit"].

values(Flag) ->
    case init:get_argument(Flag) of
        {ok, Values} -> Values;
        error -> []
    end.

%% Whether any flag names Tacit, however it is written.
-spec meant() -> boolean().
meant() ->
    lists:any(fun({Flag, Values}) ->
                      Name = letters(atom_to_list(Flag)),
                      Name =:= "tacitconf" orelse
                          lists:any(fun(Prefix) -> lists:prefix(Prefix, Name) end,
                                    ["protodist", "epmdmodule"])
                          andalso lists:any(fun is_ours/1, [Name | Values])
              end, init:get_arguments()).

letters(Text) ->
    [C || C <- string:lowercase(Text), C >= $a, C =< $z].

is_ours(Text) ->
    string:find(Text, "tacit") =/= nomatch.

%% What the kernel is told about sockets, which only OTP's own carriers open.
-spec unused() -> [atom()].
unused() ->
    [Name || Name <- [inet_dist_use_interface, inet_dist_listen_min, inet_dist_listen_max,
                      inet_dist_listen_options, inet_dist_connect_options],
             application:get_env(kernel, Name) =/= undefined].

%% Whether erl's own flags start distribution: then net_kernel:start/2 is not allowed, and
%% without them nothing else starts it (erl_distribution, kernel).
-spec booting() -> boolean().
booting() ->
    application:get_env(kernel, start_distribution) =/= {ok, false} andalso
        lists:any(fun(Flag) ->
                          case init:get_argument(Flag) of
                              {ok, [[_] | _]} -> true;
                              _ -> false
                          end
                  end, [name, sname]).
