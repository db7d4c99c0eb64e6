/* kept: pairs of code and configuration that the server can return to. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "folder.h"
#include "kept.h"

#define INDEX      "run/kept"
#define INDEX_FORM "good %u older %u trial %u bad %u\n"

static struct kept slots;
static unsigned newest;
static pthread_mutex_t slots_lock = PTHREAD_MUTEX_INITIALIZER;

const struct source *
kept_find(unsigned pair, struct kept_files *files) {
    snprintf(files->code, sizeof files->code, INDEX ".%u.so", pair);
    snprintf(files->conf, sizeof files->conf, INDEX ".%u.conf", pair);
    files->source = (struct source){files->code, files->conf};
    return &files->source;
}

static bool
in_slot(const struct kept *kept, unsigned pair) {
    for (int i = 0; i < KEPT_SLOTS; i++)
        if (kept->pair[i] == pair)
            return true;
    return false;
}

static void
remove_pair(unsigned pair) {
    struct kept_files files;
    kept_find(pair, &files);
    unlinkat(part_folder, files.code, 0);
    unlinkat(part_folder, files.conf, 0);
}

/* Removes a file of a pair without a slot, left by a process that was killed.
 */
static void
remove_stray(const char *name) {
    char path[FOLDER_NAME + 4];
    unsigned pair;
    snprintf(path, sizeof path, "run/%s", name);
    if (sscanf(path, INDEX ".%u.", &pair) == 1 && !in_slot(&slots, pair))
        unlinkat(part_folder, path, 0);
}

/* Reads the slots once. */
static void
read_slots(void) {
    char text[128] = "";
    struct kept read_now = {.pair = {0}};
    unsigned *pair = read_now.pair;
    int fd = folder_open(part_folder, INDEX, O_RDONLY | O_CLOEXEC, 0);
    if (fd >= 0 && read(fd, text, sizeof text - 1) > 0 &&
        sscanf(text, INDEX_FORM, &pair[KEPT_GOOD], &pair[KEPT_OLDER],
               &pair[KEPT_PROBATION], &pair[KEPT_BAD]) == KEPT_SLOTS)
        slots = read_now;
    if (fd >= 0)
        close(fd);
    for (int i = 0; i < KEPT_SLOTS; i++)
        newest = slots.pair[i] > newest ? slots.pair[i] : newest;
    folder_each(part_folder, "run", remove_stray);
}

struct kept
kept_slots(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, read_slots);
    pthread_mutex_lock(&slots_lock);
    struct kept copy = slots;
    pthread_mutex_unlock(&slots_lock);
    return copy;
}

static void
use_slots(const struct kept *new) {
    pthread_mutex_lock(&slots_lock);
    slots = *new;
    pthread_mutex_unlock(&slots_lock);
}

int
kept_set(struct kept new) {
    char text[128];
    struct kept old = kept_slots();
    const unsigned *pair = new.pair;
    int length =
        snprintf(text, sizeof text, INDEX_FORM, pair[KEPT_GOOD],
                 pair[KEPT_OLDER], pair[KEPT_PROBATION], pair[KEPT_BAD]);
    if (memcmp(&old, &new, sizeof old) == 0)
        return 0;
    int result =
        folder_replace(part_folder, INDEX, text, (size_t)length, 0600, NULL);
    if (result < 0)
        svr_fail(INDEX ": %s", strerror(errno));
    else
        use_slots(&new);
    const struct kept *lost = result < 0 ? &new : &old;
    const struct kept *stay = result < 0 ? &old : &new;
    for (int i = 0; i < KEPT_SLOTS; i++)
        if (lost->pair[i] && !in_slot(stay, lost->pair[i]))
            remove_pair(lost->pair[i]);
    return result;
}

/* Copies a file of at most 1 MiB, as a configuration is. */
static int
copy_conf(const char *from, const char *to) {
    int in = folder_open(part_folder, from, O_RDONLY | O_CLOEXEC, 0);
    int out = folder_open(part_folder, to,
                          O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int result =
        in < 0 || out < 0 || sendfile(out, in, NULL, 1 << 20) < 0 ? -1 : 0;
    folder_close(in);
    folder_close(out);
    return result;
}

unsigned
kept_add(const char *code, const char *conf) {
    struct kept_files files;
    kept_slots();
    remove_pair(++newest);
    kept_find(newest, &files);
    if (copy_conf(conf, files.conf) == 0 &&
        linkat(part_folder, code, part_folder, files.code, 0) == 0)
        return newest;
    svr_fail("%s: %s", files.code, strerror(errno));
    remove_pair(newest);
    return 0;
}

bool
kept_same(const char *one, const char *other) {
    char a[4096], b[4096];
    int fds[] = {openat(part_folder, one, O_RDONLY | O_CLOEXEC),
                 openat(part_folder, other, O_RDONLY | O_CLOEXEC)};
    ssize_t got, more;
    do {
        got = read(fds[0], a, sizeof a);
        more = read(fds[1], b, sizeof b);
    } while (got > 0 && got == more && memcmp(a, b, (size_t)got) == 0);
    for (int i = 0; i < 2; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    return got == 0 && more == 0;
}

const struct part part_kept = {.name = "kept"};
