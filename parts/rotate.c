/* rotate: log files of former days, hours or minutes. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "part.h"

enum { PERIOD_SIZE = 24 };

static char kind;                 /* D, H, M or 0 */
static int keep;                  /* how many, 0: all */
static char in_file[PERIOD_SIZE]; /* the period of its lines; "": unknown */

/* What the names in a folder begin with; one thread at a time rotates. */
static const char *prefix;

/* Names the local day, hour or minute of a moment, as it ends a file's name. */
static void
name_period(time_t when, char period[PERIOD_SIZE]) {
    struct tm local;
    strftime(period, PERIOD_SIZE, "%Y-%m-%d-%H-%M", localtime_r(&when, &local));
    period[kind == 'D' ? 10 : kind == 'H' ? 13 : 16] = '\0';
}

static int
is_old(const struct dirent *entry) {
    const char *rest = entry->d_name + strlen(prefix);
    return strncmp(entry->d_name, prefix, strlen(prefix)) == 0 &&
           strspn(rest, "0123456789-.") == strlen(rest) &&
           strncmp(rest, ".2", 2) == 0 && strlen(rest) >= 11;
}

/* Removes the oldest files but `keep`: the period orders the names. */
static void
prune(const char *path) {
    char folder[PATH_MAX];
    struct dirent **old = NULL;
    prefix = basename(path);
    snprintf(folder, sizeof folder, "%.*s.", (int)(prefix - path), path);
    int dir = openat(part_folder, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int count = scandirat(dir, ".", &old, is_old, versionsort);
    for (int i = 0; i < count; i++) {
        if (i < count - keep)
            unlinkat(dir, old[i]->d_name, 0);
        free(old[i]);
    }
    free(old);
    close(dir);
}

/* Gives the file the name of its period. */
static int
rename_away(const char *path, const char *period, char reason[WHY_SIZE]) {
    char name[PATH_MAX];
    int dir = part_folder, n = 0;
    snprintf(name, sizeof name, "%s.%s", path, period);
    while (renameat2(dir, path, dir, name, RENAME_NOREPLACE) < 0) {
        if (errno != EEXIST)
            return why(reason, "keeps its name: %s", strerror(errno));
        snprintf(name, sizeof name, "%s.%s.%d", path, period, ++n);
    }
    if (keep > 0)
        prune(path);
    return 0;
}

static int
look_after(const char *path, char reason[WHY_SIZE]) {
    char period[PERIOD_SIZE];
    struct timespec now;
    struct stat file;
    clock_gettime(CLOCK_REALTIME, &now);
    name_period(now.tv_sec, period);
    if (strcmp(period, in_file) == 0)
        return 0;
    bool some = fstatat(part_folder, path, &file, 0) == 0 && file.st_size > 0;
    if (!*in_file)
        name_period(some ? file.st_mtime : now.tv_sec, in_file);
    int result = some && strcmp(period, in_file) != 0
                     ? rename_away(path, in_file, reason)
                     : 0;
    memcpy(in_file, period, sizeof period);
    return result;
}

static int
hear(enum part_event event, const struct conf *conf, const char *path,
     char reason[WHY_SIZE]) {
    static const struct conf *last;
    if (event != PART_LOG_FILE)
        return 0;
    if (conf != last)
        *in_file = '\0';
    last = conf;
    kind = *conf_text(conf, "log.file_log.rotate");
    keep = (int)conf_number(conf, "log.file_log.keep");
    return kind ? look_after(path, reason) : 0;
}

static const struct svr_key keys[] = {
    {"log.file_log.rotate", SVR_STRING, .value = "D", .off = true,
     .words = "rotation: D H M"},
    {"log.file_log.keep", SVR_INT, .value = "14", .max = 9999},
    {.key = NULL},
};

const struct part part_rotate = {.name = "rotate", .keys = keys, .hear = hear};
