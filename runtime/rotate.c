/* rotate: log files of former days, hours or minutes. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rotate.h"

/* What the names in a folder begin with; only one thread rotates. */
static const char *prefix;

void
rotate_period(char kind, time_t when, char period[ROTATE_SIZE]) {
    struct tm local;
    const char *form = kind == 'D'   ? "%Y-%m-%d"
                       : kind == 'H' ? "%Y-%m-%d-%H"
                       : kind == 'M' ? "%Y-%m-%d-%H-%M"
                                     : "";
    *period = '\0';
    strftime(period, ROTATE_SIZE, form, localtime_r(&when, &local));
}

static int
is_old(const struct dirent *entry) {
    size_t length = strlen(prefix);
    const char *rest = entry->d_name + length;
    return strncmp(entry->d_name, prefix, length) == 0 && *rest == '.' &&
           strspn(rest + 1, "0123456789-.") == strlen(rest + 1) &&
           strlen(rest) > strlen(".2000-01-01") - 1;
}

/* Removes the oldest files but `keep`: the period orders the names. */
static void
prune(int dir, const char *path, int keep) {
    char folder[PATH_MAX];
    struct dirent **found;
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) + 1 : 1,
             slash ? path : ".");
    prefix = slash ? slash + 1 : path;
    int count = scandirat(dir, folder, &found, is_old, versionsort);
    for (int i = 0; i < count; i++) {
        char name[PATH_MAX];
        snprintf(name, sizeof name, "%.*s%s",
                 slash ? (int)(slash - path) + 1 : 0, path, found[i]->d_name);
        if (i < count - keep)
            unlinkat(dir, name, 0);
        free(found[i]);
    }
    if (count >= 0)
        free(found);
}

int
rotate_away(int dir, const char *path, const char *period, int keep) {
    char name[PATH_MAX];
    snprintf(name, sizeof name, "%s.%s", path, period);
    for (int n = 1; renameat2(dir, path, dir, name, RENAME_NOREPLACE) < 0;
         n++) {
        if (errno != EEXIST)
            return -1;
        snprintf(name, sizeof name, "%s.%s.%d", path, period, n);
    }
    if (keep > 0)
        prune(dir, path, keep);
    return 0;
}
