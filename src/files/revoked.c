/* The keys that this host has revoked by itself. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "files/files.h"

static bool lists(FILE *file, const char *fingerprint)
{
    char line[128];
    bool found = false;
    while (!found && fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        found = strcmp(line, fingerprint) == 0;
    }
    return found || ferror(file) != 0;
}

bool tacit_file_revoked_path(const char *conf, char path[PATH_MAX])
{
    const char *slash = strrchr(conf, '/');
    int len = snprintf(path, PATH_MAX, "%.*srevoked",
                       slash != NULL ? (int)(slash - conf + 1) : 0, conf);
    return len > 0 && len < PATH_MAX;
}

bool tacit_file_revoked(const char *conf, const uint8_t key[TACIT_KEY_BYTES])
{
    char path[PATH_MAX], fingerprint[TACIT_FINGERPRINT_TEXT];
    FILE *file = tacit_file_revoked_path(conf, path) ? fopen(path, "re") : NULL;
    if (file == NULL)
        return errno != ENOENT;
    tacit_fingerprint(key, fingerprint);
    bool found = lists(file, fingerprint);
    fclose(file);
    return found;
}
