/* What a node or the daemon answers on its control socket, as the command reads it. */
#include "fuzz.h"

#include <string.h>

#include "cli/cli.h"
#include "cli/control.h"

int cli_fail(const char *format, ...)
{
    return CLI_FAILED; /* control.c wants it where there is no run directory */
}

/* Lines and fields are pieces of the text, one behind the other. */
static void read_lines(char *text)
{
    const char *fields[CONTROL_FIELDS_MAX], *end = text + strlen(text);
    char *at = text;
    size_t count;
    while ((count = control_line(&at, fields)) > 0) {
        const char *before = text;
        MUST(count <= CONTROL_FIELDS_MAX && at <= end && at > text);
        for (size_t i = 0; i < count; i++) {
            MUST(fields[i] >= before && fields[i] + strlen(fields[i]) <= end);
            MUST(strchr(fields[i], '\n') == NULL && strchr(fields[i], '\t') == NULL);
            before = fields[i] + strlen(fields[i]);
        }
        text = at;
    }
    MUST(*at == '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    char *text = malloc(len + 1), *told = NULL;
    MUST(text != NULL);
    memcpy(text, bytes, len);
    text[len] = '\0';
    int error = control_answer(text, &told);
    MUST(told != NULL && (error || strncmp((const char *)bytes, "ok", 2) == 0));
    if (!error)
        read_lines(told);
    free(told);
    return 0;
}
