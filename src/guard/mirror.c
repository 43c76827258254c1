#include "mirror.h"

struct tacit_guard_text *tacit_guard_mirror_get(const struct tacit_guard_mirror *m,
                                                const struct tacit_guard_texts *texts,
                                                uint32_t slot)
{
    return m->slots[slot] > 0 ? texts->all[m->slots[slot] - 1] : NULL;
}

void tacit_guard_mirror_set(struct tacit_guard_mirror *m, struct tacit_guard_texts *texts,
                            uint32_t slot, struct tacit_guard_text *text)
{
    struct tacit_guard_text *old = tacit_guard_mirror_get(m, texts, slot);
    text->held++;
    if (old != NULL)
        old->held--;
    m->slots[slot] = text->id + 1;
}
