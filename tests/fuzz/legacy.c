/* Legacy epmd: requests one behind the other, as many as the bytes hold, to one register.
 */
#include "fuzz.h"

#include <string.h>

#include "door/legacy.h"
#include "tacit/error.h"

enum {
    NAMES_MAX = 8, /* so that lists stay short, and old names come back */
};

static struct tacit_legacy names;

static void obey(const struct tacit_legacy_request *request)
{
    struct tacit_legacy_node *node = NULL;
    uint8_t reply[TACIT_LEGACY_REPLY_MAX];
    size_t len;
    if (request->type == TACIT_LEGACY_ALIVE) {
        if (names.live.count == NAMES_MAX)
            tacit_legacy_unregister(&names, tacit_legacy_node_of(names.live.oldest));
        bool known = tacit_registry_find(&names.live, request->name) != NULL;
        int error = tacit_legacy_register(&names, request, 3, 7, &node);
        MUST((error == TACIT_OK) == (request->name_ok && !known));
        MUST(tacit_legacy_alive_reply(request, node, reply) <= 6);
    } else if (request->type == TACIT_LEGACY_PORT) {
        node = tacit_legacy_node_of(tacit_registry_find(&names.live, request->name));
        MUST(tacit_legacy_port_reply(node, reply) <= sizeof reply);
    } else {
        free(tacit_legacy_list(&names, request->type, 4369, &len));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct tacit_legacy_input in;
    struct tacit_legacy_request request;
    size_t at = 0;
    while (at + 3 <= len) {
        bool whole = false;
        int error = TACIT_OK;
        memset(&in, 0, sizeof in);
        /* The first byte says how much of it comes at once. */
        size_t piece = (size_t)bytes[at++] + 1;
        while (!whole && error == TACIT_OK && at < len) {
            size_t take = tacit_legacy_wants(&in);
            MUST(take > 0 && in.got + take < sizeof in.bytes);
            take = take < piece ? take : piece;
            take = take < len - at ? take : len - at;
            memcpy(in.bytes + in.got, bytes + at, take);
            at += take;
            error = tacit_legacy_took(&in, take, &whole);
        }
        if (whole && error == TACIT_OK && tacit_legacy_read(&in, &request) == TACIT_OK)
            obey(&request);
    }
    tacit_legacy_free(&names);
    return 0;
}
