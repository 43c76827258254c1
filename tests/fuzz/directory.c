/* Both sides of the directory, told anything by a peer that has the channel's keys.
 * Input: records to come, each a byte of type and one of length before its data. */
#include "fuzz.h"

#include <string.h>

#include "channel/directory.h"

static _Alignas(16) struct tacit_channel peer, us;
static uint8_t record[TACIT_RECORD_MAX];

static void open_channel(void)
{
    static const struct tacit_secret split[2];
    static const uint8_t h[NOISE_HASHLEN];
    const enum tacit_suite suite = TACIT_SUITE_CHACHA20_POLY1305;
    tacit_channel_init(&peer, NOISE_INITIATOR, suite, split, h);
    tacit_channel_init(&us, NOISE_RESPONDER, suite, split, h);
}

/* Seals the input's next record; 0: there is no more. */
static size_t next_record(const uint8_t **bytes, size_t *len)
{
    size_t size = 0;
    if (*len < 2)
        return 0;
    size_t take = (*bytes)[1] < *len - 2 ? (*bytes)[1] : *len - 2;
    struct iovec iov = {.iov_base = (void *)(uintptr_t)(*bytes + 2), .iov_len = take};
    enum tacit_record_type type =
        (*bytes)[0] % 8 == 0 ? TACIT_RECORD_CLOSE : TACIT_RECORD_DATA;
    MUST(tacit_channel_seal(&peer, type, &iov, 1, record, sizeof record, &size) ==
         TACIT_OK);
    *bytes += 2 + take;
    *len -= 2 + take;
    return size;
}

static void ask(const uint8_t *bytes, size_t len)
{
    struct tacit_directory_requester requester = {0};
    uint32_t names = 0;
    size_t size;
    open_channel();
    while ((size = next_record(&bytes, &len)) > 0) {
        enum tacit_close reason;
        char text[TACIT_CLOSE_TEXT_MAX + 1], name[TACIT_CLAIM_NAME_MAX + 1];
        if (tacit_directory_take(&requester, &us, record, size, &reason, text) !=
            TACIT_OK)
            return;
        for (; tacit_directory_next(&requester, name); names++)
            MUST(strlen(name) > 0 && strlen(name) <= TACIT_CLAIM_NAME_MAX);
        MUST(names == requester.count);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    const uint8_t *question = bytes;
    size_t left = len, size;
    open_channel();
    size = next_record(&question, &left);
    if (size > 0 && size <= TACIT_DIRECTORY_QUESTION_MAX)
        (void)tacit_directory_question(&us, record, size);
    ask(bytes, len);
    return 0;
}
