%% A foreign peer: the whole channel a second time, on OTP's crypto alone, written from
%% src/channel/PROTOCOL.md. It does what a good peer does, and on request what a bad one
%% would: any identity, name, mesh key, suites, time, and raw records.
-module(foreign).

-export([identity/0, key_text/1, mesh_key/1, key_file/1, peer_section/3]).
-export([first/1, frame/1, say/3, connect/2, listen/1, accept/2, stop/1, stock/2]).
-export([send_record/3, recv_record/1, send_message/2, recv_message/1, seal/3]).
-export([offer_keys/1, offer_keys/2, generation/1]).
-export([send_name/3, dial_node/3, accept_node/3, send_challenge/2, send_to/4,
         message_to/3]).

-export_type([options/0, channel/0]).

-type address() :: {inet:ip_address(), inet:port_number()}.
%% mesh_key and name are needed, and to connect: wanted. The rest has good values. lies:
%% what our claim says instead of what was agreed; name_flags: 1 for a bare host; pieces:
%% how many bytes are sent at a time; half_way: called before message 3 or 2; rekeys: offers are
%% answered, or not even heard, or after each exchange there is another.
-type options() :: #{mesh_key := binary(), name := string(), wanted => string(),
                     identity => tacit_noise:pair(), pair_key => binary(),
                     suites => [1..3], versions => {byte(), byte()},
                     time => non_neg_integer(), name_flags => byte(),
                     lies => #{version => byte(), suite => byte(), padding => binary()},
                     source => inet:ip_address(), timeout => timeout(),
                     pieces => pos_integer(), rekeys => once | unheard | forever,
                     half_way => fun(() -> term())}.
-type claim() :: #{version := byte(), suite := byte(), flags := byte(), name := string()}.
%% first: what the initiator's first message said, for a responder.
-type channel() :: #{stock := gen_tcp | ssl, socket := gen_tcp:socket() | ssl:sslsocket()} |
                   #{socket := gen_tcp:socket(), peer := claim(), peer_key := binary(),
                     send := {binary(), non_neg_integer()},
                     recv := {binary(), non_neg_integer()},
                     role := tacit_noise:role(), root := binary(), h := binary(),
                     generation := non_neg_integer(),
                     rekey := none | accepted | {offered, tacit_noise:hs()},
                     stream := binary(), options := map(), first => map()}.

-define(NOISE, "Noise_XXpsk0+psk3_25519_ChaChaPoly_BLAKE2b").
-define(PROLOGUE, "Tacit 1").
-define(REKEY, "Noise_KKpsk2_25519_ChaChaPoly_BLAKE2b").
-define(FIRST, 336).   % bytes of message 1's payload
-define(CLAIM, 1024).  % of messages 2 and 3's
-define(TYPES, [{1, data}, {2, rekey}, {3, close}]).
-define(PUBLISHED, 1).
-define(ATOM_CACHE, 16#2000).
-define(FRAGMENTS, 16#800000).
-define(MY_CHALLENGE, 4711).

%% ---- keys, and what a host's tacit.conf says of us ------------------------------------

-spec identity() -> tacit_noise:pair().
identity() -> crypto:generate_key(ecdh, x25519).

-spec key_text(tacit_noise:pair()) -> string().
key_text({Public, _}) -> base64:encode_to_string(Public).

%% The mesh key of one of the harness's hosts.
-spec mesh_key(mesh:host()) -> binary().
mesh_key(#{dir := Dir}) ->
    key_file(filename:join(Dir, "mesh.key")).

%% The key of a file that the commands made.
-spec key_file(file:filename()) -> binary().
key_file(File) ->
    {ok, <<"# tacit ", Text/binary>>} = file:read_file(File),
    [_Title, Key] = string:lexemes(Text, "\n"),
    base64:decode(Key).

%% The lines that make Identity good for Glob; more: what else the section says.
-spec peer_section(string(), tacit_noise:pair(), iodata()) -> iodata().
peer_section(Glob, Identity, More) ->
    ["\n[peer ", Glob, "]\npublic-key = ", key_text(Identity), "\n", More, "\n"].

%% ---- handshake -------------------------------------------------------------------------

-spec options(options()) -> map().
options(Options) ->
    maps:merge(#{identity => identity(), pair_key => <<0:256>>, suites => [1, 2],
                 versions => {1, 1}, time => os:system_time(second), name_flags => 0,
                 lies => #{}, timeout => 30000, pieces => 1 bsl 20, rekeys => once,
                 half_way => fun() -> ok end},
               Options).

noise(Role, #{identity := Identity, mesh_key := Mesh, pair_key := Pair}) ->
    tacit_noise:init(Role, ?NOISE, ?PROLOGUE, #{s => Identity, psks => [Mesh, Pair]}).

%% A first message, behind its length, and what is needed to go on.
-spec first(options()) -> {binary(), tacit_noise:hs()}.
first(Options0) ->
    #{wanted := Wanted, versions := {Min, Max}, suites := Suites, time := Time} = Options =
        options(Options0),
    Mask = lists:sum([1 bsl S || S <- Suites]),
    Payload = <<Min, Max, Mask:16, Time:64, (length(Wanted)), (list_to_binary(Wanted))/binary,
                0:16>>,
    {Message, HS} = tacit_noise:write(noise(initiator, Options), pad(Payload, ?FIRST)),
    {frame(Message), HS}.

-spec frame(binary()) -> binary().
frame(Bytes) -> <<(byte_size(Bytes)):16, Bytes/binary>>.

%% Says Bytes, from Source, and nothing more: how many bytes come back before the end.
-spec say(address(), inet:ip_address(), binary()) -> non_neg_integer().
say({Ip, Port}, Source, Bytes) ->
    {ok, Socket} = gen_tcp:connect(Ip, Port, [binary, {active, false}, {ip, Source}], 60000),
    ok = gen_tcp:send(Socket, Bytes),
    ok = gen_tcp:shutdown(Socket, write),
    Heard = heard(Socket, 0),
    ok = gen_tcp:close(Socket),
    Heard.

heard(Socket, Size) ->
    case gen_tcp:recv(Socket, 0, 60000) of
        {ok, Bytes} -> heard(Socket, Size + byte_size(Bytes));
        {error, closed} -> Size
    end.

%% Dials. {error, closed} is what a stranger gets, {error, timeout} what it gets first.
-spec connect(address(), options()) -> {ok, channel()} | {error, term()}.
connect({Ip, Port}, Options0) ->
    Options = options(Options0),
    Source = [{ip, Source} || #{source := Source} <- [Options]],
    {ok, Socket} = gen_tcp:connect(Ip, Port, [binary, {active, false}, {nodelay, true} | Source]),
    {First, HS} = first(Options),
    ok = transmit(Socket, First, Options),
    case read_claim(Socket, HS, Options) of
        {ok, Claim, HS2} -> answer(Socket, Claim, HS2, Options);
        {error, _} = Error -> gen_tcp:close(Socket), Error
    end.

answer(Socket, Claim, HS, #{half_way := HalfWay} = Options) ->
    _ = HalfWay(),
    {Third, HS3} = tacit_noise:write(HS, own_claim(Claim, Options)),
    ok = transmit(Socket, frame(Third), Options),
    {ok, channel(Socket, initiator, Claim, HS3, Options)}.

-spec listen(inet:ip_address()) -> {gen_tcp:socket(), inet:port_number()}.
listen(Ip) ->
    {ok, Listener} = gen_tcp:listen(0, [binary, {ip, Ip}, {active, false}, {nodelay, true}]),
    {ok, Port} = inet:port(Listener),
    {Listener, Port}.

%% Answers one dialler.
-spec accept(gen_tcp:socket(), options()) -> {ok, channel()} | {error, term()}.
accept(Listener, Options0) ->
    #{timeout := Timeout} = Options = options(Options0),
    {ok, Socket} = gen_tcp:accept(Listener, Timeout),
    case read_message(Socket, noise(responder, Options), Options) of
        {ok, Payload, HS} -> answer_first(Socket, parse_first(Payload), HS, Options);
        {error, _} = Error -> gen_tcp:close(Socket), Error
    end.

answer_first(Socket, #{suites := Offered} = First, HS,
             #{suites := Own, half_way := HalfWay} = Options) ->
    _ = HalfWay(),
    Suite = lists:max([0 | [S || S <- Own, lists:member(S, Offered)]]),
    {Second, HS2} = tacit_noise:write(HS, own_claim(#{version => 1, suite => Suite}, Options)),
    ok = transmit(Socket, frame(Second), Options),
    case read_claim(Socket, HS2, Options) of
        {ok, Claim, HS3} ->
            {ok, (channel(Socket, responder, Claim, HS3, Options))#{first => First}};
        {error, _} = Error ->
            gen_tcp:close(Socket),
            Error
    end.

%% What OTP's own carriers have in place of a channel, for the distribution handshake: a
%% passive socket of gen_tcp that has {packet, 2}, or of ssl that has {packet, 4}.
-spec stock(gen_tcp | ssl, gen_tcp:socket() | ssl:sslsocket()) -> channel().
stock(Module, Socket) -> #{stock => Module, socket => Socket}.

-spec stop(channel()) -> ok.
stop(#{socket := Socket}) -> gen_tcp:close(Socket).

transmit(Socket, Bytes, #{pieces := Size}) when byte_size(Bytes) =< Size ->
    gen_tcp:send(Socket, Bytes);
transmit(Socket, Bytes, #{pieces := Size} = Options) ->
    <<Piece:Size/binary, Rest/binary>> = Bytes,
    case gen_tcp:send(Socket, Piece) of
        ok -> transmit(Socket, Rest, Options);
        {error, _} = Error -> Error
    end.

read_message(Socket, HS, #{timeout := Timeout}) ->
    case read_frame(Socket, Timeout) of
        {ok, Message} -> tacit_noise:read(HS, Message);
        {error, _} = Error -> Error
    end.

read_frame(Socket, Timeout) ->
    case gen_tcp:recv(Socket, 2, Timeout) of
        {ok, <<Size:16>>} -> gen_tcp:recv(Socket, Size, Timeout);
        {error, _} = Error -> Error
    end.

read_claim(Socket, HS, Options) ->
    case read_message(Socket, HS, Options) of
        {ok, Payload, HS2} -> {ok, parse_claim(Payload), HS2};
        {error, _} = Error -> Error
    end.

parse_claim(Payload) ->
    ?CLAIM = byte_size(Payload),
    <<Version, Suite, Flags, Size, Name:Size/binary, Len:16, Extensions:Len/binary,
      Padding/binary>> = Payload,
    zeros(Padding),
    %% Marks of mesh keys, of which we have no use.
    ok = extensions(Extensions),
    #{version => Version, suite => Suite, flags => Flags, name => binary_to_list(Name)}.

extensions(<<>>) ->
    ok;
extensions(<<2, Len:16, _Marks:Len/binary, Rest/binary>>) when Len rem 16 =:= 0, Len =< 64 ->
    extensions(Rest).

parse_first(Payload) ->
    ?FIRST = byte_size(Payload),
    <<Min, Max, Mask:16, Time:64, Size, Wanted:Size/binary, 0:16, Padding/binary>> = Payload,
    zeros(Padding),
    #{versions => {Min, Max}, suites => [S || S <- lists:seq(1, 15), Mask band (1 bsl S) > 0],
      time => Time, wanted => binary_to_list(Wanted)}.

own_claim(#{version := Version0, suite := Suite0},
          #{name := Name, name_flags := Flags, lies := Lies}) ->
    Version = maps:get(version, Lies, Version0),
    Suite = maps:get(suite, Lies, Suite0),
    Padding = maps:get(padding, Lies, <<>>),
    pad(<<Version, Suite, Flags, (length(Name)), (list_to_binary(Name))/binary, 0:16,
          Padding/binary>>, ?CLAIM).

pad(Payload, Size) -> <<Payload/binary, 0:(8 * (Size - byte_size(Payload)))>>.

zeros(Padding) -> Padding = <<0:(bit_size(Padding))>>.

%% ---- records ---------------------------------------------------------------------------

channel(Socket, Role, Peer, HS, Options) ->
    Channel = #{socket => Socket, peer => Peer, peer_key => tacit_noise:rs(HS), role => Role,
                rekey => none, stream => <<>>, options => Options},
    switch(recv, switch(send, root(Role, 0, HS, Channel))).

%% The root of a generation, from the handshake in which we had Role.
root(Role, Generation, HS, Channel) ->
    {Send, Recv, H} = tacit_noise:split(HS),
    Keys = case Role of
               initiator -> [Send, Recv];
               responder -> [Recv, Send]
           end,
    Channel#{root => tacit_noise:hmac(H, Keys), h => H, generation => Generation}.

%% One direction's key is the present root's.
switch(Which, #{role := Role, root := Root, h := H, generation := Generation,
                peer := #{suite := Suite}} = Channel) ->
    Direction = case {Which, Role} of
                    {send, initiator} -> 0;
                    {recv, responder} -> 0;
                    _ -> 1
                end,
    Info = ["tacit record v1", Suite, Direction, <<Generation:32>>, H],
    Channel#{Which => {tacit_noise:expand(Root, Info, 32), 0}}.

%% Where no suite was agreed nothing can be sent, but a bad peer may try.
cipher(#{peer := #{suite := 2}}) -> aes_256_gcm;
cipher(#{peer := #{suite := _}}) -> chacha20_poly1305.

%% One record as it goes over the wire; Type is a number or a name.
-spec seal(atom() | byte(), iodata(), channel()) -> {binary(), channel()}.
seal(Type, Data, #{send := {Key, Counter}} = Channel) ->
    Number = case lists:keyfind(Type, 2, ?TYPES) of {N, _} -> N; false -> Type end,
    Length = <<(iolist_size(Data) + 16):16>>,
    Body = tacit_noise:seal(cipher(Channel), Key, Counter, <<Length/binary, Number>>, Data),
    {<<Length/binary, Body/binary>>, Channel#{send => {Key, Counter + 1}}}.

-spec send_record(atom() | byte(), iodata(), channel()) -> channel().
send_record(Type, Data, #{socket := Socket, options := Options} = Channel) ->
    {Record, Channel2} = seal(Type, Data, Channel),
    _ = transmit(Socket, Record, Options), % whether it still listens is seen by reading
    Channel2.

%% {close, {Reason, Text}, _} for a close. Records of type rekey are answered.
-spec recv_record(channel()) ->
          {data, binary(), channel()} | {close, {byte(), string()}, channel()} | {error, term()}.
recv_record(#{socket := Socket, recv := {Key, Counter}, options := Options} = Channel) ->
    case read_frame(Socket, maps:get(timeout, Options)) of
        {ok, Body} ->
            Open = fun(Type) ->
                           tacit_noise:open(cipher(Channel), Key, Counter,
                                            <<(byte_size(Body)):16, Type>>, Body)
                   end,
            opened(Open(1), Open(2), Open(3), Channel#{recv => {Key, Counter + 1}});
        {error, _} = Error ->
            Error
    end.

%% The type is not sent: what opens says it.
opened(error, error, error, _Channel) ->
    {error, auth};
opened(error, error, <<Reason, Text/binary>>, Channel) ->
    {close, {Reason, binary_to_list(Text)}, Channel};
opened(error, <<_/binary>>, error, #{options := #{rekeys := unheard}} = Channel) ->
    recv_record(Channel#{passed_over => maps:get(passed_over, Channel, 0) + 1});
opened(error, <<Subtype, Generation:32, Message/binary>>, error, Channel) ->
    case rekey(Subtype, Generation, Message, Channel) of
        #{rekey := none, options := #{rekeys := forever}} = Next -> recv_record(offer_keys(Next));
        Next -> recv_record(Next)
    end;
opened(Data, error, error, Channel) ->
    {data, Data, Channel}.

%% ---- fresh keys --------------------------------------------------------------------------

%% How often fresh keys were agreed; the last ones may not be in use both ways yet.
-spec generation(channel()) -> non_neg_integer().
generation(#{generation := Generation}) -> Generation.

%% Offers fresh keys; the rest happens as records are received. Lies: what the record says.
-spec offer_keys(channel()) -> channel().
offer_keys(Channel) -> offer_keys(Channel, #{}).

-spec offer_keys(channel(), #{generation => non_neg_integer(), prologue => binary(),
                              pair_key => binary(), identity => tacit_noise:pair()}) -> channel().
offer_keys(#{generation := Generation, rekey := none} = Channel, Lies) ->
    {Message, HS} = tacit_noise:write(rekey_noise(initiator, Channel, Lies), <<>>),
    Said = maps:get(generation, Lies, Generation + 1),
    send_record(rekey, [<<1, Said:32>>, Message], Channel#{rekey => {offered, HS}}).

rekey_noise(Role, #{generation := Generation, h := H, root := Root, peer_key := PeerKey,
                    options := #{identity := Identity, pair_key := Pair}}, Lies) ->
    <<Psk:32/binary, _/binary>> =
        tacit_noise:hmac(Root, ["tacit rekey v1", maps:get(pair_key, Lies, Pair)]),
    Prologue = ["Tacit 1 rekey", <<(Generation + 1):32>>, maps:get(prologue, Lies, H)],
    tacit_noise:init(Role, ?REKEY, Prologue,
                     #{s => maps:get(identity, Lies, Identity), rs => PeerKey, psks => [Psk]}).

%% The handshake's initiator lets an offer that crosses its own pass.
rekey(1, Next, _, #{role := initiator, rekey := {offered, _}, generation := G} = Channel)
  when Next =:= G + 1 ->
    Channel;
rekey(1, Next, Message, #{rekey := Rekey, generation := G} = Channel)
  when Next =:= G + 1, Rekey =/= accepted ->
    {ok, <<>>, HS} = tacit_noise:read(rekey_noise(responder, Channel, #{}), Message),
    {Answer, HS2} = tacit_noise:write(HS, <<>>),
    Channel2 = send_record(rekey, [<<2, Next:32>>, Answer], Channel),
    switch(send, root(responder, Next, HS2, Channel2#{rekey => accepted}));
rekey(2, Next, Message, #{rekey := {offered, HS}, generation := G} = Channel)
  when Next =:= G + 1 ->
    {ok, <<>>, HS2} = tacit_noise:read(HS, Message),
    Channel2 = send_record(rekey, <<3, Next:32>>, Channel),
    switch(recv, switch(send, root(initiator, Next, HS2, Channel2#{rekey => none})));
rekey(3, G, <<>>, #{rekey := accepted, generation := G} = Channel) ->
    switch(recv, Channel#{rekey => none}).

%% ---- distribution messages --------------------------------------------------------------

-spec send_message(iodata(), channel()) -> channel().
send_message(Message, #{stock := Module, socket := Socket} = Channel) ->
    ok = Module:send(Socket, Message),
    Channel;
send_message(Message, Channel) ->
    send_record(data, [<<(iolist_size(Message)):32>>, Message], Channel).

%% The next message that is no tick.
-spec recv_message(channel()) ->
          {ok, binary(), channel()} | {close, {byte(), string()}} | {error, term()}.
recv_message(#{stock := Module, socket := Socket} = Channel) ->
    case Module:recv(Socket, 0, 30000) of
        {ok, Message} -> {ok, Message, Channel};
        {error, _} = Error -> Error
    end;
recv_message(#{stream := <<0:32, Rest/binary>>} = Channel) ->
    recv_message(Channel#{stream => Rest});
recv_message(#{stream := <<Size:32, Message:Size/binary, Rest/binary>>} = Channel) ->
    {ok, Message, Channel#{stream => Rest}};
recv_message(#{stream := Stream} = Channel) ->
    case recv_record(Channel) of
        {data, Data, Next} -> recv_message(Next#{stream => <<Stream/binary, Data/binary>>});
        {close, Why, _} -> {close, Why};
        {error, _} = Error -> Error
    end.

%% What the emulator wants of a peer, but nothing that makes its messages hard to read.
flags() ->
    Default = element(2, erts_internal:get_dflags()),
    Default band bnot (?PUBLISHED bor ?ATOM_CACHE bor ?FRAGMENTS).

%% The distribution handshake's first message; More are flags.
-spec send_name(string(), non_neg_integer(), channel()) -> channel().
send_name(Name, More, Channel) ->
    send_message([$N, <<(flags() bor More):64, 1:32, (length(Name)):16>>, Name], Channel).

%% Sets a link up as node Name: dialling.
-spec dial_node(string(), string(), channel()) -> {ok, channel()} | term().
dial_node(Name, Cookie, Channel0) ->
    Channel1 = send_name(Name, 0, Channel0),
    case recv_message(Channel1) of
        {ok, <<"sok", _/binary>>, Channel2} ->
            {ok, <<$N, _:64, Challenge:32, _/binary>>, Channel3} = recv_message(Channel2),
            Reply = [$r, <<?MY_CHALLENGE:32>>, digest(Challenge, Cookie)],
            Channel4 = send_message(Reply, Channel3),
            Mine = digest(?MY_CHALLENGE, Cookie),
            {ok, <<$a, Mine/binary>>, Channel5} = recv_message(Channel4),
            {ok, Channel5};
        Other ->
            Other
    end.

%% Sets a link up as node Name: being dialled.
-spec accept_node(string(), string(), channel()) -> {ok, channel()} | term().
accept_node(Name, Cookie, Channel0) ->
    {ok, <<$N, _/binary>>, Channel1} = recv_message(Channel0),
    Channel2 = send_message("sok", Channel1),
    Channel3 = send_challenge(Name, Channel2),
    case recv_message(Channel3) of
        {ok, <<$r, Challenge:32, Digest/binary>>, Channel4} ->
            Digest = digest(?MY_CHALLENGE, Cookie),
            {ok, send_message([$a, digest(Challenge, Cookie)], Channel4)};
        Other ->
            Other
    end.

-spec send_challenge(string(), channel()) -> channel().
send_challenge(Name, Channel) ->
    send_message([$N, <<(flags()):64, ?MY_CHALLENGE:32, 1:32, (length(Name)):16>>, Name], Channel).

digest(Challenge, Cookie) -> erlang:md5([Cookie, integer_to_list(Challenge)]).

%% Node Name sends Term to the process that is registered as To (REG_SEND).
-spec send_to(string(), atom(), term(), channel()) -> channel().
send_to(Name, To, Term, Channel) ->
    send_message(message_to(Name, To, Term), Channel).

-spec message_to(string(), atom(), term()) -> binary().
message_to(Name, To, Term) ->
    Pid = [<<88>>, atom_ext(Name), <<1:32, 0:32, 1:32>>],
    Control = [<<131, 104, 4, 97, 6>>, Pid, atom_ext(""), atom_ext(atom_to_list(To))],
    iolist_to_binary([112, Control, term_to_binary(Term)]).

atom_ext(Text) -> [119, length(Text), Text].
