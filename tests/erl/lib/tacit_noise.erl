%% The Noise Protocol Framework, revision 34, a second time: on OTP's crypto alone, written
%% from the specification and not from src/noise, so that the two can check each other. For
%% tests: it is neither fast nor careful with secrets in memory. Runs on OTP 25 and later.
%%
%% 25519, ChaChaPoly and AESGCM, BLAKE2b; NN, NK, KK, IK and XX with any psk modifiers.
-module(tacit_noise).

-export([init/4, write/2, read/2, must_write/1, done/1, split/1, rs/1, h/1, ck/1]).
-export([seal/5, open/5, hmac/2, hkdf/3, expand/3]).
-export([public_key/1, public_key_ok/1]).

-export_type([hs/0, role/0, cipher/0, key/0, pair/0, psks/0]).

-type role() :: initiator | responder.
-type cipher() :: chacha20_poly1305 | aes_256_gcm.
-type key() :: <<_:256>>.
-type pair() :: {Public :: key(), Private :: key()}.
%% In the order of the psk tokens, or asked for when a token comes: by its index (0 is the
%% first) and the peer's static key, if it is known by then.
-type psks() ::
    [key()] | fun((non_neg_integer(), key() | undefined) -> key() | {error, term()}).
-type token() :: e | s | ee | es | se | ss | psk.

-record(hs, {
    role :: role(),
    cipher :: cipher(),
    messages :: [[token()]],        % still to come
    writes :: boolean(),            % the next one is ours to write
    has_psk :: boolean(),
    psks :: psks(),
    psk = 0 :: non_neg_integer(),   % index of the next psk token
    ck :: binary(),
    h :: binary(),
    k :: key() | undefined,
    n = 0 :: non_neg_integer(),
    s :: pair() | undefined,
    e :: pair() | undefined,
    rs :: key() | undefined,
    re :: key() | undefined
}).

-opaque hs() :: #hs{}.

%% ---- Handshake (section 5.3) ----------------------------------------------------------

%% Keys: s, the own static pair; e, an ephemeral pair to use instead of a fresh one; rs, the
%% peer's static key where a pre-message has it; psks.
-spec init(role(), string() | binary(), iodata(), Keys) -> hs() when
    Keys :: #{s => pair(), e => pair(), rs => key(), psks => psks()}.
init(Role, Name, Prologue, Keys) ->
    {{Pre, Plain}, Modifiers, Cipher} = parse(unicode:characters_to_list(Name)),
    Messages = lists:foldl(fun place_psk/2, Plain, Modifiers),
    H0 = start_hash(unicode:characters_to_binary(Name)),
    HS = #hs{
        role = Role,
        cipher = Cipher,
        messages = Messages,
        writes = Role =:= initiator,
        has_psk = Modifiers =/= [],
        psks = maps:get(psks, Keys, []),
        ck = H0,
        h = H0,
        s = maps:get(s, Keys, undefined),
        e = maps:get(e, Keys, undefined),
        rs = maps:get(rs, Keys, undefined)
    },
    lists:foldl(
        fun(Owner, Acc) -> mix_hash(static_of(Owner, Acc), Acc) end,
        mix_hash(Prologue, HS),
        Pre
    ).

-spec must_write(hs()) -> boolean().
must_write(#hs{messages = Messages, writes = Writes}) -> Messages =/= [] andalso Writes.

-spec done(hs()) -> boolean().
done(#hs{messages = Messages}) -> Messages =:= [].

-spec rs(hs()) -> key() | undefined.
rs(#hs{rs = Rs}) -> Rs.

%% The chaining key after the messages so far: who searches memory for it may want it.
-spec ck(hs()) -> binary().
ck(#hs{ck = Ck}) -> Ck.

-spec h(hs()) -> binary().
h(#hs{h = H}) -> H.

%% Fails with an exception: out of turn, or what the psk fun gave as {error, Reason}.
-spec write(hs(), iodata()) -> {binary(), hs()}.
write(#hs{messages = [Tokens | Rest], writes = true} = HS0, Payload) ->
    {Parts, HS1} = lists:mapfoldl(fun write_token/2, HS0, Tokens),
    {Sealed, HS2} = encrypt_and_hash(iolist_to_binary(Payload), HS1),
    Message = iolist_to_binary([Parts, Sealed]),
    true = byte_size(Message) =< 65535,
    {Message, HS2#hs{messages = Rest, writes = false}}.

%% Reason: auth, format, key, or what the psk fun gave. HS is still what it was.
-spec read(hs(), binary()) -> {ok, binary(), hs()} | {error, term()}.
read(#hs{messages = [Tokens | Rest], writes = false} = HS0, Message) ->
    try
        {Sealed, HS1} = lists:foldl(fun read_token/2, {Message, HS0}, Tokens),
        {Payload, HS2} = decrypt_and_hash(Sealed, HS1),
        {ok, Payload, HS2#hs{messages = Rest, writes = true}}
    catch
        throw:Reason -> {error, Reason}
    end.

%% The key to send with, the key to receive with, and the handshake hash.
-spec split(hs()) -> {SendKey :: key(), ReceiveKey :: key(), H :: binary()}.
split(#hs{messages = [], role = Role, ck = Ck, h = H}) ->
    [<<K1:32/binary, _/binary>>, <<K2:32/binary, _/binary>>] = hkdf(Ck, <<>>, 2),
    case Role of
        initiator -> {K1, K2, H};
        responder -> {K2, K1, H}
    end.

-spec write_token(token(), #hs{}) -> {binary(), #hs{}}.
write_token(e, HS) ->
    {Public, _} = E = ephemeral(HS),
    {Public, mix_ephemeral(Public, HS#hs{e = E})};
write_token(s, #hs{s = {Public, _}} = HS) ->
    encrypt_and_hash(Public, HS);
write_token(Token, HS) ->
    {<<>>, mix_token(Token, HS)}.

-spec read_token(token(), {binary(), #hs{}}) -> {binary(), #hs{}}.
read_token(e, {<<Public:32/binary, Rest/binary>>, HS}) ->
    {Rest, mix_ephemeral(Public, HS#hs{re = check_key(Public)})};
read_token(s, {Message, HS}) ->
    Size = 32 + seal_size(HS),
    case Message of
        <<Sealed:Size/binary, Rest/binary>> ->
            {Public, HS1} = decrypt_and_hash(Sealed, HS),
            {Rest, HS1#hs{rs = check_key(Public)}};
        _ ->
            throw(format)
    end;
read_token(e, _) ->
    throw(format);
read_token(Token, {Message, HS}) ->
    {Message, mix_token(Token, HS)}.

%% The tokens that put nothing on the wire.
-spec mix_token(token(), #hs{}) -> #hs{}.
mix_token(ee, #hs{e = E, re = Re} = HS) -> mix_key(dh(E, Re), HS);
mix_token(es, #hs{role = initiator, e = E, rs = Rs} = HS) -> mix_key(dh(E, Rs), HS);
mix_token(es, #hs{role = responder, s = S, re = Re} = HS) -> mix_key(dh(S, Re), HS);
mix_token(se, #hs{role = initiator, s = S, re = Re} = HS) -> mix_key(dh(S, Re), HS);
mix_token(se, #hs{role = responder, e = E, rs = Rs} = HS) -> mix_key(dh(E, Rs), HS);
mix_token(ss, #hs{s = S, rs = Rs} = HS) -> mix_key(dh(S, Rs), HS);
mix_token(psk, #hs{psk = Index} = HS) ->
    case psk(HS) of
        {error, Reason} -> throw(Reason);
        Psk -> mix_key_and_hash(Psk, HS#hs{psk = Index + 1})
    end.

-spec psk(#hs{}) -> key() | {error, term()}.
psk(#hs{psks = Psks, psk = Index, rs = Rs}) when is_function(Psks, 2) -> Psks(Index, Rs);
psk(#hs{psks = Psks, psk = Index}) -> lists:nth(Index + 1, Psks).

-spec ephemeral(#hs{}) -> pair().
ephemeral(#hs{e = undefined}) -> crypto:generate_key(ecdh, x25519);
ephemeral(#hs{e = E}) -> E.

-spec static_of(role(), #hs{}) -> key().
static_of(Role, #hs{role = Role, s = {Public, _}}) -> Public;
static_of(_, #hs{rs = Rs}) -> Rs.

%% ---- Symmetric state (section 5.2) ----------------------------------------------------

-spec start_hash(binary()) -> binary().
start_hash(Name) when byte_size(Name) =< 64 ->
    <<Name/binary, 0:(8 * (64 - byte_size(Name)))>>;
start_hash(Name) ->
    crypto:hash(blake2b, Name).

-spec mix_hash(iodata(), #hs{}) -> #hs{}.
mix_hash(Data, #hs{h = H} = HS) -> HS#hs{h = crypto:hash(blake2b, [H, Data])}.

-spec mix_key(binary(), #hs{}) -> #hs{}.
mix_key(Ikm, #hs{ck = Ck} = HS) ->
    [NewCk, <<K:32/binary, _/binary>>] = hkdf(Ck, Ikm, 2),
    HS#hs{ck = NewCk, k = K, n = 0}.

-spec mix_key_and_hash(binary(), #hs{}) -> #hs{}.
mix_key_and_hash(Ikm, #hs{ck = Ck} = HS) ->
    [NewCk, TempH, <<K:32/binary, _/binary>>] = hkdf(Ck, Ikm, 3),
    mix_hash(TempH, HS#hs{ck = NewCk, k = K, n = 0}).

%% Section 9.2: where there are psks, "e" is mixed into the key as well.
-spec mix_ephemeral(key(), #hs{}) -> #hs{}.
mix_ephemeral(Public, #hs{has_psk = true} = HS) -> mix_key(Public, mix_hash(Public, HS));
mix_ephemeral(Public, HS) -> mix_hash(Public, HS).

-spec encrypt_and_hash(binary(), #hs{}) -> {binary(), #hs{}}.
encrypt_and_hash(Plain, #hs{k = undefined} = HS) ->
    {Plain, mix_hash(Plain, HS)};
encrypt_and_hash(Plain, #hs{cipher = Cipher, k = K, n = N, h = H} = HS) ->
    Sealed = seal(Cipher, K, N, H, Plain),
    {Sealed, mix_hash(Sealed, HS#hs{n = N + 1})}.

-spec decrypt_and_hash(binary(), #hs{}) -> {binary(), #hs{}}.
decrypt_and_hash(Plain, #hs{k = undefined} = HS) ->
    {Plain, mix_hash(Plain, HS)};
decrypt_and_hash(Sealed, #hs{cipher = Cipher, k = K, n = N, h = H} = HS) ->
    case open(Cipher, K, N, H, Sealed) of
        error -> throw(auth);
        Plain -> {Plain, mix_hash(Sealed, HS#hs{n = N + 1})}
    end.

-spec seal_size(#hs{}) -> 0 | 16.
seal_size(#hs{k = undefined}) -> 0;
seal_size(_) -> 16.

%% ---- Functions of sections 4 and 12 ---------------------------------------------------

%% ENCRYPT(k, n, ad, plaintext): the ciphertext, and behind it the tag of 16 bytes.
-spec seal(cipher(), key(), non_neg_integer(), iodata(), iodata()) -> binary().
seal(Cipher, K, N, Ad, Plain) ->
    {Text, Tag} = crypto:crypto_one_time_aead(Cipher, K, nonce(Cipher, N), Plain, Ad, true),
    <<Text/binary, Tag/binary>>.

-spec open(cipher(), key(), non_neg_integer(), iodata(), binary()) -> binary() | error.
open(Cipher, K, N, Ad, Sealed) when byte_size(Sealed) >= 16 ->
    Size = byte_size(Sealed) - 16,
    <<Text:Size/binary, Tag/binary>> = Sealed,
    crypto:crypto_one_time_aead(Cipher, K, nonce(Cipher, N), Text, Ad, Tag, false);
open(_, _, _, _, _) ->
    error.

-spec nonce(cipher(), non_neg_integer()) -> <<_:96>>.
nonce(chacha20_poly1305, N) when N < 16#ffffffffffffffff -> <<0:32, N:64/little>>;
nonce(aes_256_gcm, N) when N < 16#ffffffffffffffff -> <<0:32, N:64/big>>.

-spec hmac(binary(), iodata()) -> binary().
hmac(Key, Data) -> crypto:mac(hmac, blake2b, Key, Data).

%% HKDF(chaining_key, input_key_material, num_outputs) of section 4.3.
-spec hkdf(binary(), binary(), 2 | 3) -> [binary()].
hkdf(Ck, Ikm, Count) ->
    Temp = hmac(Ck, Ikm),
    {Outputs, _} = lists:mapfoldl(
        fun(I, Previous) ->
            Output = hmac(Temp, [Previous, I]),
            {Output, Output}
        end,
        <<>>,
        lists:seq(1, Count)
    ),
    Outputs.

%% HKDF-Expand of RFC 5869, one block of it.
-spec expand(binary(), iodata(), 0..64) -> binary().
expand(Prk, Info, Size) when Size =< 64 ->
    binary:part(hmac(Prk, [Info, 1]), 0, Size).

-spec dh(pair(), key()) -> key().
dh({_, Private}, Public) ->
    %% OpenSSL fails by itself where the result is zero; which way differs by release.
    try crypto:compute_key(ecdh, Public, Private, x25519) of
        <<0:256>> -> throw(key);
        Secret -> Secret
    catch
        error:_ -> throw(key)
    end.

-spec public_key(Private :: key()) -> pair().
public_key(Private) ->
    {Public, _} = crypto:generate_key(ecdh, x25519, Private),
    {Public, Private}.

-spec check_key(key()) -> key().
check_key(Public) ->
    case public_key_ok(Public) of
        true -> Public;
        false -> throw(key)
    end.

%% Below 2^255 - 19, and none of the five points that every private key takes to zero.
-spec public_key_ok(key()) -> boolean().
public_key_ok(<<U:256/little>>) ->
    P = (1 bsl 255) - 19,
    U > 1 andalso U < P - 1 andalso
        U =/= 325606250916557431795983626356110631294008115727848805560023387167927233504 andalso
        U =/= 39382357235489614581723060781553021112529911719440698176882885853963445705823.

%% ---- Names (section 8) and patterns (section 7.5) -------------------------------------

-spec pattern(string()) -> {PreMessages :: [role()], [[token()]]}.
pattern("NN") -> {[], [[e], [e, ee]]};
pattern("NK") -> {[responder], [[e, es], [e, ee]]};
pattern("KK") -> {[initiator, responder], [[e, es, ss], [e, ee, se]]};
pattern("IK") -> {[responder], [[e, es, s, ss], [e, ee, se]]};
pattern("XX") -> {[], [[e], [e, ee, s, es], [s, se]]}.

-spec parse(string()) -> {{[role()], [[token()]]}, [non_neg_integer()], cipher()}.
parse(Name) ->
    ["Noise", [A, B | Modifiers], "25519", Cipher, "BLAKE2b"] =
        string:split(Name, "_", all),
    {pattern([A, B]), modifiers(Modifiers), cipher(Cipher)}.

-spec modifiers(string()) -> [non_neg_integer()].
modifiers("") ->
    [];
modifiers(Text) ->
    [list_to_integer(N) || "psk" ++ N <- string:split(Text, "+", all)].

-spec cipher(string()) -> cipher().
cipher("ChaChaPoly") -> chacha20_poly1305;
cipher("AESGCM") -> aes_256_gcm.

%% Section 9.4: psk0 opens the first message, pskN ends the Nth.
-spec place_psk(non_neg_integer(), [[token()]]) -> [[token()]].
place_psk(0, [First | Rest]) ->
    [[psk | First] | Rest];
place_psk(N, Messages) ->
    {Before, [Message | After]} = lists:split(N - 1, Messages),
    Before ++ [Message ++ [psk] | After].
