/*
 * The directory: what a host's door says to those who may ask for its nodes' names. Its
 * link is a channel as any other, between the door's own identity and a requester's, and
 * carries nothing else. PROTOCOL.md, "Directory".
 *
 * Each message, behind its length, is the data of one record. Both sides move the bytes
 * and check the records' order here; whether the requester may ask is the handshake's
 * business (policy).
 */
#ifndef TACIT_CHANNEL_DIRECTORY_H
#define TACIT_CHANNEL_DIRECTORY_H

#include "channel/payload.h"
#include "channel/record.h"

enum {
    /* The requester's one record, its header included, whatever the suite. */
    TACIT_DIRECTORY_QUESTION_MAX = TACIT_RECORD_HEADER + 4 + 1 + 32,
    /* Room that one call of tacit_directory_answer needs at most. */
    TACIT_DIRECTORY_ANSWER_MAX = 16 * 1024,
};

/* Requester: seals the question "which nodes are there?". */
int tacit_directory_ask(struct tacit_channel *ch,
                        uint8_t out[TACIT_DIRECTORY_QUESTION_MAX], size_t *ret_len);

/*
 * Door: takes the question, a complete record of size bytes (tacit_record_size; whatever
 * is longer than TACIT_DIRECTORY_QUESTION_MAX is none). It is opened in place. Any error
 * ends the link.
 */
int tacit_directory_question(struct tacit_channel *ch, uint8_t *record, size_t size);

/*
 * Door: seals the next piece of the answer, the names from *from on, and moves *from on.
 * With *from == count it seals the end of the answer and the close of the link:
 * *ret_done. Call it until then, and send what each call gives.
 */
int tacit_directory_answer(struct tacit_channel *ch, const char *const *names,
                           size_t count, size_t *from,
                           uint8_t out[TACIT_DIRECTORY_ANSWER_MAX], size_t *ret_len,
                           bool *ret_done);

/* The requester's side of the answer. Zero it to start. */
struct tacit_directory_requester {
    uint32_t count; /* names so far */
    bool complete;  /* the answer is there as a whole */
    uint8_t *at, *end;
};

/*
 * Requester: takes a complete record of size bytes, opened in place. Then
 * tacit_directory_next gives its names. TACIT_ECLOSED: the door ended the link, after the
 * whole answer (complete) or before, with the reason in *ret_reason and ret_text. Any
 * other error ends the link.
 */
int tacit_directory_take(struct tacit_directory_requester *requester,
                         struct tacit_channel *ch, uint8_t *record, size_t size,
                         enum tacit_close *ret_reason,
                         char ret_text[TACIT_CLOSE_TEXT_MAX + 1]);

/* The next name of the record taken last; false: no more in it. */
bool tacit_directory_next(struct tacit_directory_requester *requester,
                          char ret_name[TACIT_CLAIM_NAME_MAX + 1]);

#endif
