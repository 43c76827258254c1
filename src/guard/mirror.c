#include "mirror.h"

void tacit_guard_mirror_set(struct tacit_guard_mirror *m, struct tacit_guard_texts *texts,
                            uint32_t slot, struct tacit_guard_text *text)
{
    struct tacit_guard_text *old = tacit_guard_mirror_get(m, texts, slot);
    text->held++;
    if (old != NULL)
        old->held--;
    m->slots[slot] = text->id + 1;
}
