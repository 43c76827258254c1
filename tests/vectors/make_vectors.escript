#!/usr/bin/env escript
%% Prints the project's own Noise vectors: make_vectors.escript > xxpsk0+psk3.txt
%%
%% They are made by the Erlang implementation (tests/erl/lib/tacit_noise.erl) and checked by the
%% C one (noise-vectors). Everything in them follows from the labels below, so that another
%% run prints the same bytes.

-define(NAME, "Noise_XXpsk0+psk3_25519_ChaChaPoly_BLAKE2b").

main(_) ->
    ok = load_noise(),
    io:put_chars(header()),
    [io:put_chars(block(Number, Case)) || {Number, Case} <- enumerate(cases())].

header() ->
    [
        "# Test vectors for ", ?NAME, ",\n",
        "# made by tests/vectors/make_vectors.escript: change that, not this.\n"
    ].

%% {Prologue, Psks, sizes of the handshake's payloads, sizes of the transport messages}
cases() ->
    [
        {"", distinct, [0, 0, 0], [0, 0]},
        {"", distinct, [1, 1, 1], [1, 1]},
        {"tacit", distinct, [0, 0, 0], [0, 1, 2, 3]},
        {"tacit", distinct, [15, 16, 17], [15, 16, 17, 18]},
        {"tacit", distinct, [63, 64, 65], [63, 64, 65, 66]},
        {"tacit", distinct, [127, 128, 129], [127, 128, 129, 130]},
        {"tacit", distinct, [256, 512, 512], [100, 100]},
        {"tacit", distinct, [1024, 1024, 1024], [1024, 1024]},
        {"tacit", distinct, [0, 1024, 0], [0, 1024, 1024, 0]},
        %% No pair key is set: psk3 is 32 zero bytes.
        {"tacit", zero_last, [100, 200, 200], [10, 20]},
        %% One line serves both tokens.
        {"tacit", same, [10, 20, 30], [40, 50]},
        %% Longer than a block of the hash, and with every byte.
        {lists:seq(0, 255), distinct, [32, 32, 32], [32, 32]},
        %% Enough messages for the nonces to be seen counting.
        {"tacit", distinct, [5, 5, 5], lists:duplicate(12, 5)}
    ].

block(Number, {Prologue, PskKind, Payloads, Transports}) ->
    [Si, Sr, Ei, Er] = [
        tacit_noise:public_key(key(Number, Label))
     || Label <- ["init_static", "resp_static", "init_ephemeral", "resp_ephemeral"]
    ],
    Psks = psks(Number, PskKind),
    Init = tacit_noise:init(initiator, ?NAME, Prologue, #{s => Si, e => Ei, psks => Psks}),
    Resp = tacit_noise:init(responder, ?NAME, Prologue, #{s => Sr, e => Er, psks => Psks}),
    {Handshake, Init1, Resp1} = handshake(Number, 0, Payloads, Init, Resp),
    {KeyI, KeyR, H} = tacit_noise:split(Init1),
    {KeyR, KeyI, H} = tacit_noise:split(Resp1),
    true = tacit_noise:rs(Init1) =:= element(1, Sr),
    true = tacit_noise:rs(Resp1) =:= element(1, Si),
    [
        "\n",
        line("handshake", ?NAME),
        [line("prologue", hex(Prologue)) || Prologue =/= ""],
        [line("preshared_key", hex(Psk)) || Psk <- lines_of(PskKind, Psks)],
        [
            line(Key, hex(Private))
         || {Key, {_, Private}} <- [
                {"init_static", Si},
                {"resp_static", Sr},
                {"gen_init_ephemeral", Ei},
                {"gen_resp_ephemeral", Er}
            ]
        ],
        Handshake,
        line("handshake_hash", hex(H)),
        transport(Number, length(Payloads), Transports, KeyI, KeyR)
    ].

handshake(_, _, [], Writer, Reader) ->
    %% Three messages: the sides have changed places.
    {[], Reader, Writer};
handshake(Number, N, [Size | Rest], Writer, Reader) ->
    Payload = bytes(Number, ["msg", integer_to_list(N)], Size),
    {Message, Writer1} = tacit_noise:write(Writer, Payload),
    {ok, Payload, Reader1} = tacit_noise:read(Reader, Message),
    {Lines, A, B} = handshake(Number, N + 1, Rest, Reader1, Writer1),
    {[message(N, Payload, Message) | Lines], A, B}.

%% The initiator first, then in turn; each side counts its own nonces.
transport(Number, First, Sizes, KeyI, KeyR) ->
    [
        begin
            Payload = bytes(Number, ["msg", integer_to_list(First + I)], Size),
            Key = element(1 + I rem 2, {KeyI, KeyR}),
            Sealed = tacit_noise:seal(chacha20_poly1305, Key, I div 2, <<>>, Payload),
            Payload = tacit_noise:open(chacha20_poly1305, Key, I div 2, <<>>, Sealed),
            message(First + I, Payload, Sealed)
        end
     || {I, Size} <- enumerate(Sizes)
    ].

message(N, Payload, Message) ->
    Prefix = ["msg_", integer_to_list(N)],
    [
        line([Prefix, "_payload"], hex(Payload)),
        line([Prefix, "_ciphertext"], hex(Message))
    ].

psks(Number, distinct) -> [key(Number, "psk0"), key(Number, "psk3")];
psks(Number, zero_last) -> [key(Number, "psk0"), <<0:256>>];
psks(Number, same) -> lists:duplicate(2, key(Number, "psk")).

lines_of(same, [Psk | _]) -> [Psk];
lines_of(_, Psks) -> Psks.

key(Number, Label) -> bytes(Number, Label, 32).

%% Size bytes that follow from the block's number and a label.
bytes(Number, Label, Size) ->
    Blocks = [
        crypto:hash(blake2b, ["tacit noise vectors", 0, Number, Label, 0, <<I:16>>])
     || I <- lists:seq(0, Size div 64)
    ],
    binary:part(iolist_to_binary(Blocks), 0, Size).

line(Key, Value) -> [Key, $=, Value, $\n].

hex(Bytes) -> string:lowercase(binary:encode_hex(iolist_to_binary(Bytes))).

%% From 0.
enumerate(List) -> lists:zip(lists:seq(0, length(List) - 1), List).

%% Compiles the module beside this script without leaving a file behind.
load_noise() ->
    Here = filename:dirname(escript:script_name()),
    Source = filename:join([Here, "..", "erl", "lib", "tacit_noise.erl"]),
    {ok, Module, Beam} = compile:file(Source, [binary, report]),
    {module, Module} = code:load_binary(Module, Source, Beam),
    ok.
