/* rotate: keeps the log files of past days, hours or minutes. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "folder.h"
#include "log.h"
#include "part.h"

enum { PERIOD_SIZE = 24 };
enum { NO_REPLACE = 1 }; /* RENAME_NOREPLACE of <linux/fs.h> */

static char kind;                 /* D, H, M or 0 */
static double limit;              /* of the file's size; 0 = none */
static int keep;                  /* number of old files; 0 = all */
static bool failing;              /* the last try failed, and was reported */
static char in_file[PERIOD_SIZE]; /* the period of its lines; "" = unknown */

/* The prefix of the old files' names; one thread at a time rotates. */
static const char *prefix;

/* Writes the local day, hour or minute of a moment, as the ending of a file's
 * name. */
static void
name_period(time_t when, char period[PERIOD_SIZE]) {
    struct tm local;
    strftime(period, PERIOD_SIZE, "%Y-%m-%d-%H-%M", localtime_r(&when, &local));
    period[kind == 'M' ? 16 : kind == 'H' ? 13 : 10] = '\0';
}

static int
is_old(const struct dirent *entry) {
    const char *rest = entry->d_name + strlen(prefix);
    return strncmp(entry->d_name, prefix, strlen(prefix)) == 0 &&
           strspn(rest, "0123456789-.") == strlen(rest) &&
           strncmp(rest, ".2", 2) == 0 && strlen(rest) >= 11;
}

/* Removes the oldest files of a folder, and leaves `keep`: the period orders
 * them. */
static void
prune(int dir) {
    struct dirent **old = NULL;
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", dir);
    int count = scandir(path, &old, is_old, versionsort);
    for (int i = 0; i < count; i++) {
        if (i < count - keep)
            unlinkat(dir, old[i]->d_name, 0);
        free(old[i]);
    }
    free(old);
}

/* Gives the file `name` of a folder the name of its period. */
static int
rename_away(int dir, const char *name, const char *period) {
    char old[FOLDER_NAME + PERIOD_SIZE + 12];
    int n = 0;
    snprintf(old, sizeof old, "%s.%s", name, period);
    while (syscall(SYS_renameat2, dir, name, dir, old, NO_REPLACE) < 0) {
        if (errno != EEXIST)
            return svr_fail("keeps its name: %s", strerror(errno));
        snprintf(old, sizeof old, "%s.%s.%d", name, period, ++n);
    }
    prefix = name;
    if (keep > 0)
        prune(dir);
    prefix = NULL;
    return 0;
}

/* Reports whether a file may be renamed: not a pipe or a terminal, nor anything
 * reached through /dev or /proc. -1 with errno set = that cannot be found
 * out. */
static int
may_rename(const char *path, int dir, const char *name, struct stat *file) {
    if (strncmp(path, "/dev/", 5) == 0 || strncmp(path, "/proc/", 6) == 0)
        return 0;
    if (fstatat(dir, name, file, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -1;
    return S_ISREG(file->st_mode) && file->st_size > 0;
}

static int
rotate(const char *path, int dir, const char *name) {
    char period[PERIOD_SIZE];
    struct timespec now;
    struct stat file;
    int result = 0;
    clock_gettime(CLOCK_REALTIME, &now);
    name_period(now.tv_sec, period);
    int some = may_rename(path, dir, name, &file);
    if (some < 0)
        return svr_fail("keeps its name: %s", strerror(errno));
    if (!*in_file)
        name_period(some ? file.st_mtime : now.tv_sec, in_file);
    bool due = (kind && strcmp(period, in_file) != 0) ||
               (limit > 0 && some && (double)file.st_size >= limit);
    if (some && due)
        result = rename_away(dir, name, in_file);
    memcpy(in_file, period, sizeof period);
    return result;
}

static int
rotate_path(const char *path) {
    char name[FOLDER_NAME];
    int dir = folder_find(part_folder, path, name);
    if (dir < 0)
        return errno == ENOENT
                   ? 0
                   : svr_fail("keeps its name: %s", strerror(errno));
    int reading = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = rotate(path, reading < 0 ? dir : reading, name);
    if (reading >= 0)
        close(reading);
    close(dir);
    return result;
}

static int
rotate_event(enum part_event event, const struct conf *conf, const char *text) {
    (void)text;
    if (event == PART_START || event == PART_RELOADED)
        log_limit(conf_number(conf, "log.file_log.rotate_size"));
    return 0;
}

static int
look_after_log(const struct conf *conf, const char *path) {
    static const struct conf *last;
    if (conf != last)
        *in_file = '\0';
    last = conf;
    kind = *conf_text(conf, "log.file_log.rotate");
    keep = (int)conf_number(conf, "log.file_log.keep");
    limit = conf_number(conf, "log.file_log.rotate_size");
    int result = kind || limit > 0 ? rotate_path(path) : 0;
    bool reported = failing; /* tried each second, reported once */
    failing = result < 0;
    return reported ? 0 : result;
}

static const struct svr_key keys[] = {
    {"log.file_log.rotate", SVR_STRING, .value = "D", .off = true,
     .words = "rotation: D H M"},
    {"log.file_log.keep", SVR_INT, .value = "14", .max = 9999},
    {"log.file_log.rotate_size", SVR_INT, .value = "0", .min = 1, .max = 1e15,
     .off = true},
    {.key = NULL},
};

const struct part part_rotate = {.name = "rotate",
                                 .keys = keys,
                                 .event = rotate_event,
                                 .log_file = look_after_log};
