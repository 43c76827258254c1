#include "link.h"

#include "guard/quick.h"
#include "guard/tags.h"

enum tacit_guard_reason tacit_guard_read_message(struct tacit_guard_link *link,
                                                 struct tacit_guard_mirror *mirror,
                                                 struct tacit_guard_message *m)
{
    struct tacit_reader *r = &m->frame.rest;
    enum tacit_guard_reason reason = TACIT_GUARD_FINE;
    m->refs.number = 0;
    m->refs.filled = false;
    m->header = *r;
    if (m->frame.form != TACIT_GUARD_PASS_THROUGH)
        reason = tacit_guard_header(&m->refs, link->flags, mirror, &link->named.texts, r);
    m->header.end = r->at;
    if (!reason)
        reason = tacit_guard_control(&m->control, &m->walk, r);
    if (reason)
        return reason;
    m->payload = *r;
    if (m->frame.form == TACIT_GUARD_PASS_THROUGH && m->control.payload &&
        tacit_quick_u8(&m->payload) != TAG_VERSION)
        return TACIT_GUARD_FORM;
    m->walk.todo = m->control.payload;
    m->walk.most = m->frame.form == TACIT_GUARD_FIRST_PIECE ? link->named.limits.bytes
                                                            : tacit_left(&m->payload);
    return TACIT_GUARD_FINE;
}
