/* The keys that this host has revoked by itself. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files/files.h"

enum {
    REVOKED_MAX = 1 << 20, /* bytes: some 23,000 keys */
};

bool tacit_file_revoked_path(const char *conf, char path[PATH_MAX])
{
    const char *slash = strrchr(conf, '/');
    int len = snprintf(path, PATH_MAX, "%.*srevoked",
                       slash != NULL ? (int)(slash - conf + 1) : 0, conf);
    return len > 0 && len < PATH_MAX;
}

static int fail(struct tacit_fault *fault, const char *conf, int error)
{
    snprintf(fault->text, sizeof fault->text, "%.*s: 'revoked' beside it: %s",
             TACIT_FAULT_MAX / 2, conf, tacit_error_text(error));
    return error;
}

int tacit_file_revoked(const char *conf, struct tacit_revoked *list,
                       struct tacit_fault *fault)
{
    struct tacit_files files = tacit_files_real();
    char path[PATH_MAX], *text;
    size_t len = 0;
    if (!tacit_file_revoked_path(conf, path))
        return fail(fault, conf, TACIT_ELIMIT);
    text = malloc(REVOKED_MAX);
    if (text == NULL)
        return fail(fault, conf, TACIT_ENOMEM);
    int error = files.read(files.context, path, TACIT_FILE_SHARED, text, REVOKED_MAX,
                           &len, fault);
    if (error == TACIT_OK)
        error = tacit_revoked_parse(list, path, text, len, fault);
    free(text);
    if (error != TACIT_EABSENT)
        return error;
    tacit_revoked_free(list);
    return TACIT_OK;
}
