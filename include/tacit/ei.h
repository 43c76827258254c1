/*
 * C nodes over Tacit: erl_interface's connections, carried by the same channel, found by
 * the same rules and let in by the same tacit.conf as those between nodes. libtacit_ei;
 * the manual page tacit_ei(3) has a complete program.
 *
 * Everything that ei offers on a connection works as ever: ei_send, ei_reg_send, ei_rpc,
 * ei_xreceive_msg, their variants with a time-out, ei_accept, ei_close_connection. What
 * makes a connection is here; ei_connect itself would ask epmd, and gets nowhere.
 */
#ifndef TACIT_EI_H
#define TACIT_EI_H

#include <ei.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __GNUC__
#define TACIT_EI_API __attribute__((visibility("default")))
#else
#define TACIT_EI_API
#endif

/*
 * Sets up ec as the C node called name ("job@db1.example.net"), under the configuration
 * at conf: NULL is the environment's TACIT_CONF, else /etc/tacit/tacit.conf. cookie and
 * creation are those of ei_connect_init: NULL is what ~/.erlang.cookie says. ei_init()
 * must have been called. 0, or -1 with erl_errno.
 */
TACIT_EI_API int tacit_ei_init(ei_cnode *ec, const char *conf, const char *name,
                               const char *cookie, unsigned creation);

/*
 * Connects to a node, at most ms milliseconds; 0: however long it takes. The descriptor
 * for ei's functions, or as ei_connect_tmo: ERL_ERROR, or ERL_CONNECT_FAIL where nobody
 * answers, with erl_errno.
 */
TACIT_EI_API int tacit_ei_connect(ei_cnode *ec, const char *node, unsigned ms);

/*
 * Listens where the configuration says: at [host] listen, or at the host's door, where
 * the C node then has its name. The descriptor for ei_accept and ei_accept_tmo, which let
 * in whom the rules let in, and for ei_close_connection; or ERL_ERROR with erl_errno.
 */
TACIT_EI_API int tacit_ei_listen(ei_cnode *ec, int backlog);

/*
 * Why the last function that failed in this thread did, of these or of ei's on such a
 * connection: one line for people. Good until the next one fails.
 */
TACIT_EI_API const char *tacit_ei_error(void);

/*
 * What the other node answered to this thread's last tacit_ei_connect: "ok", or why not:
 * "alive" (it has a link with a node of this name), "pending" (it is just making one),
 * "nok", "not_allowed"; "" where it did not come to that.
 */
TACIT_EI_API const char *tacit_ei_status(void);

/*
 * Reads the configuration again: how many open connections it has cut, those that the
 * rules do not allow any more; or -1 with erl_errno: something is wrong with it, and
 * nothing has changed. A connection that was cut is still the program's to close. Not for
 * a signal's handler.
 */
TACIT_EI_API int tacit_ei_reload(ei_cnode *ec);

/*
 * Gives back what tacit_ei_init took; connections that are open stay so. The cnode is not
 * to be used any more. Twice does no harm.
 */
TACIT_EI_API void tacit_ei_free(ei_cnode *ec);

#ifdef __cplusplus
}
#endif
#endif
