/*
 * Every error that Tacit's C code can return, and its text.
 *
 * Functions return 0 (TACIT_OK) or one of these. A parameter named ret_x is written
 * only on success.
 */
#ifndef TACIT_ERROR_H
#define TACIT_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

enum tacit_error {
    TACIT_OK = 0,
    /* Of the machine */
    TACIT_ENOMEM,  /* memory, or lockable memory, ran out */
    TACIT_ESYSTEM, /* a system call failed: errno tells which way */
    TACIT_EABSENT, /* there is no such file */
    TACIT_ECRYPTO, /* libsodium did not start */
    /* Of the caller */
    TACIT_EINVAL, /* an argument that the function's comment rules out */
    TACIT_ESTATE, /* called at the wrong moment */
    TACIT_ESPACE, /* the caller's buffer is too small */
    /* Of the bytes that came in */
    TACIT_EFORMAT,  /* bytes that the format does not allow */
    TACIT_EAUTH,    /* a seal that does not open: wrong key, or altered bytes */
    TACIT_EKEY,     /* a public key that is low-order or not canonical */
    TACIT_EREPLAY,  /* a first message that was seen before */
    TACIT_ETIME,    /* a first message whose time is outside the window */
    TACIT_EVERSION, /* no protocol version in common */
    TACIT_ESUITE,   /* no suite in common, or one that was not offered */
    TACIT_ELIMIT,   /* a limit of the protocol or of the configuration is reached */
    /* Of the rules */
    TACIT_ENAME,    /* the peer is not the node that was asked for, or not a valid name */
    TACIT_EREFUSED, /* no line of the policy allows it */
    TACIT_ECONFIG,  /* the configuration is wrong: the fault text says where */
    /* Of the other side */
    TACIT_ECLOSED,    /* the peer closed, and said why inside the seal */
    TACIT_ETRUNCATED, /* the connection ended without a sealed close */
    TACIT_ETIMEOUT,   /* the deadline passed */
    TACIT_ERROR_COUNT
};

/* The text of an error for a log line: lower case, no full stop. Never NULL. */
const char *tacit_error_text(int error);

/* Its name for programs, and for an Erlang atom: "refused", "name", ... Never NULL. */
const char *tacit_error_name(int error);

#ifdef __cplusplus
}
#endif
#endif
