/*
 * guard: what a peer with a role may do, judged on the bytes of each message of Erlang's
 * distribution before the emulator decodes it, and so before there is an atom of it.
 * Pure: no I/O, no clock, no emulator; what it must know of one, whether an atom exists,
 * it asks by a callback. Calls base and libsodium; the carrier's, for links with a role.
 *
 *     guard.h      a link: what comes in, what goes out
 *     reason.h     why a link is cut, limits, and what the caller is asked
 *     role.h       what a role says; role_values.h how that is written
 *     judge.h      whether a role allows what a message asks for; requests.h reads calls
 *     answer.h     what is said in place of the emulator, or delivered to it
 *     shown.h      pids of this node that a peer knows
 *     calls.h      calls that are under way
 *     frame.h      a message's form, and the header with its atoms
 *     control.h    its control: which there are, and of what parts
 *     link.h       what is kept of a link; out.h what it sees of this node's messages
 *     walk.h       terms, over any cut: well formed, and what they would cost;
 *                  item.h one item of them
 *     value.h      terms that are read for what they say
 *     tags.h       the tags of terms; words.h atoms that OTP gives a meaning
 *     fragments.h  messages that come in pieces, several at a time
 *     texts.h      texts of atoms that were seen, each once; whether they may come
 *     mirror.h     a link's atom cache, as the emulator keeps it
 *     seen.h       sets that only grow, to an end: nodes that were named, funs
 *
 * Everything that a peer can make larger has an end here, and no byte of a binary is
 * read. Formats are OTP's, "External Term Format" and "Distribution Protocol"; where it
 * says "no node", none of OTP 25 to 29 sends it, though some emulator would take it.
 */
#ifndef TACIT_GUARD_GUARD_H
#define TACIT_GUARD_GUARD_H

#include <sys/uio.h>

#include "guard/judge.h"
#include "guard/reason.h"
#include "guard/role.h"

struct tacit_guard_link;

/* What one node says of itself in its `N` message of the distribution's handshake. */
struct tacit_guard_hello {
    uint64_t flags;
    uint32_t creation;
    size_t name_len;
    const uint8_t *name; /* in the message */
};

/*
 * Reads an `N` message, of who dials (`challenge` false) or of who is dialled. false: it
 * is none.
 */
bool tacit_guard_hello(const uint8_t *bytes, size_t len, bool challenge,
                       struct tacit_guard_hello *ret);

/* How a link starts. The role and the asks stay the caller's, as long as the link is. */
struct tacit_guard_start {
    const struct tacit_role *role;
    const struct tacit_guard_asks *asks;
    struct tacit_guard_limits limits;
    struct tacit_guard_hello own, peer;
};

/*
 * A link that has become active. NULL: no memory, or the nodes have agreed on a flag that
 * this guard does not know: such a link cannot be judged, and is not to be.
 */
struct tacit_guard_link *tacit_guard_link_new(const struct tacit_guard_start *start);
void tacit_guard_link_free(struct tacit_guard_link *link);

/* Another role, from the next message on. */
void tacit_guard_link_role(struct tacit_guard_link *link, const struct tacit_role *role);

/*
 * What becomes of a message that came in. Where `cut` is not 0, the link is to be cut,
 * for that reason. Otherwise what is delivered is `before`, if any, and behind it as one
 * message the bytes of its own from `rest` on; where there are neither, nothing.
 * `answer`, if any, is to be sent to the peer as a message between two others.
 *
 * refused: the role does not allow it. In mode = watch it is delivered all the same. The
 * names in the ruling, and both buffers, stay until the next message.
 */
struct tacit_guard_verdict {
    enum tacit_guard_reason cut;
    const uint8_t *before, *answer;
    size_t before_len, answer_len, rest;
    struct tacit_guard_ruling ruling;
};

/* A message of the peer's, without its length. now: ms of a monotonic clock. */
void tacit_guard_in(struct tacit_guard_link *link, const uint8_t *bytes, size_t len,
                    int64_t now, struct tacit_guard_verdict *ret);

/*
 * A message of this node's, without its length, in so many pieces of memory: the pids in
 * it are shown to the peer, and calls come to their end.
 */
void tacit_guard_out(struct tacit_guard_link *link, const struct iovec *iov,
                     size_t number);

/* How many of the peer's calls are under way. */
size_t tacit_guard_link_calls(const struct tacit_guard_link *link);

#endif
