%% What a user of Tacit calls on a running node.
-module(tacit).

-export([info/0, info/1, reload/0, revoke/1, unrevoke/1, version/0]).

-export_type([host/0, link/0, down/0, policy/0]).

%% All texts are binaries; counters start with the emulator.
-type host() :: #{configuration := binary(),  % the file in force
                  public_key := binary(),     % this host's, base64
                  fingerprint := binary(),    % of it
                  listen := [binary()],       % addresses, of this node or of its door
                  door := #{socket := binary(),  % <<>>: the node listens itself, or nobody
                            state := none | registered | lost | refused,
                            text := binary()},   % for people: what is wrong
                  mesh_keys := [binary()],    % key IDs; it seals with the first
                  shown_mesh_keys := [binary()], % of those that its host's door opens, too
                  policies := [policy()],     % of each authority that may sign them
                  not_taken := [binary()],    % policies that were passed over, and why
                  own_fault := binary(),      % what is wrong with this host's certificate now
                  control := up | down,       % down: no reload, no revoke, no expiry
                  accepted := non_neg_integer(),   % sockets
                  pending := non_neg_integer(),    % of them, handshake not done
                  strangers := non_neg_integer(),  % without a valid first message
                  replays := non_neg_integer(),    % first messages seen before, out of time
                                                   % or for another host
                  refused := non_neg_integer(),    % authenticated, but not allowed
                  evicted := non_neg_integer(),    % to make room
                  exchanges := non_neg_integer(),  % first messages answered, with X25519
                  limited := non_neg_integer(),    % valid ones too many to be answered
                  unauthenticated_bytes := non_neg_integer(), % bytes sent before a valid one
                  known := non_neg_integer(),      % sources that an allowed peer came from
                  handshakes := non_neg_integer(), % completed, in either role
                  links := [link()]}.
-type policy() :: #{authority := binary(),    % the section's name
                    serial := non_neg_integer(), % 0: none has come yet
                    file := binary(),         % from which it was read
                    fresh_until := non_neg_integer() | infinity}. % seconds since 1970
-type link() :: #{node := node() | undefined,
                  state := connecting | handshake | passive | up,
                  direction := in | out,           % who dialled
                  fingerprint := binary(),         % of the peer's key
                  line := binary(),                % FILE:LINE that allows it
                  suite := atom(),
                  mesh_key := binary(),            % key ID of that which its handshake used
                  peer_mesh_keys := [binary()],    % of those that the peer can open
                  peer_address := binary(),
                  local_address := binary(),
                  received_bytes := non_neg_integer(), % on the wire
                  sent_bytes := non_neg_integer(),
                  received_messages := non_neg_integer(), % ticks included
                  sent_messages := non_neg_integer(),
                  rekeys := non_neg_integer(),     % how often fresh keys were agreed
                  age := non_neg_integer()}.       % seconds
-type down() :: #{state := down,
                  direction := in | out,
                  reason := atom(),
                  text := string(),                % for people
                  time := string()}.               % when, RFC 3339

%% This host and all its links.
-spec info() -> {ok, host()} | {error, not_started}.
info() ->
    case tacit_drv:info(host) of
        {ok, #{policies := Policies} = Host} ->
            {ok, Host#{policies := [maps:with([authority, serial, file, fresh_until], P)
                                    || P <- Policies],
                       control => control(),
                       links => [link_map(Info) || {_, Info} <- tacit_drv:links()]}};
        {error, closed} ->
            {error, not_started}
    end.

control() ->
    case whereis(tacit_control) of
        undefined -> down;
        _ -> up
    end.

%% The link with Node; where there is none, why the last one failed or ended.
-spec info(node()) -> {ok, link() | down()} | {error, unknown | not_started}.
info(Node) ->
    Name = atom_to_binary(Node),
    case [Info || {_, #{name := N, state := up} = Info} <- tacit_drv:links(), N =:= Name] of
        [Info | _] -> {ok, link_map(Info)};
        [] -> last(tacit_drv:running() andalso tacit_drv:last(atom_to_list(Node)))
    end.

last(false) ->
    {error, not_started};
last(none) ->
    {error, unknown};
last({ok, #{time := Time} = Last}) ->
    {ok, Last#{state => down, time := calendar:system_time_to_rfc3339(Time)}}.

%% A name becomes an atom only if it is one already: that of a node that is connected is.
link_map(#{name := Name} = Info) ->
    Node = try binary_to_existing_atom(Name) catch error:badarg -> undefined end,
    (maps:remove(name, Info))#{node => Node}.

%% Reads tacit.conf again. All of it is read and checked first; where anything is wrong,
%% nothing changes, and the text says file, line and value. Otherwise it is in force when
%% this returns, and the links that it no longer allows, named here, are being ended. No
%% other link is touched.
-spec reload() -> {ok, #{dropped := [binary()]}} | {error, string()}.
reload() ->
    tacit_reload:reload().

%% Refuses the key of Node, or the key with this fingerprint, from now on, and cuts the links
%% made with it: also those of other nodes that have the same key. It stays refused over
%% restarts, whatever tacit.conf allows, until unrevoke/1: `lasts' is false where the file
%% that sees to that, `revoked' beside tacit.conf, could not be written yet: it is tried again.
-spec revoke(node() | binary()) ->
          {ok, #{fingerprints := [binary()], dropped := [binary()], lasts := boolean()}} |
          {error, string()}.
revoke(Who) ->
    tacit_control:revoke(Who).

%% Takes revoke/1 back: tacit.conf alone decides again.
-spec unrevoke(node() | binary()) ->
          {ok, #{fingerprints := [binary()], lasts := boolean()}} | {error, string()}.
unrevoke(Who) ->
    tacit_control:unrevoke(Who).

%% The version of Tacit, and of the channel's protocol.
-spec version() -> #{tacit := string(), protocol := pos_integer()}.
version() ->
    _ = application:load(tacit),
    {ok, Version} = application:get_key(tacit, vsn),
    #{tacit => Version, protocol => 1}.
