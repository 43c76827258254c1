/*
 * The suites that records are sealed with. A handshake picks the best that both sides can
 * run and both configurations allow; src/channel/PROTOCOL.md, "Records".
 */
#ifndef TACIT_SUITE_H
#define TACIT_SUITE_H

#ifdef __cplusplus
extern "C" {
#endif

/* Also the numbers on the wire. A higher number is preferred. A mask holds 1 << suite. */
enum tacit_suite {
    TACIT_SUITE_CHACHA20_POLY1305 = 1,
    TACIT_SUITE_AES_256_GCM = 2, /* where the processor has AES */
    TACIT_SUITE_AEGIS_256 = 3,   /* as well, and libsodium 1.0.19 or later */
    TACIT_SUITE_LAST = TACIT_SUITE_AEGIS_256
};

/* Its name in tacit.conf, in logs and in Erlang: "aes-256-gcm"; "none" for no suite. */
const char *tacit_suite_name(int suite);

#ifdef __cplusplus
}
#endif
#endif
