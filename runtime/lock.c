/* lock: the lock that a server holds for its whole life; it, and never the
 * content of a file, names the server of a folder. The lock belongs to the
 * open file description, so that a hook that opens and closes run/lock does not
 * drop it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder.h"
#include "lock.h"

#define LOCK_FILE "run/lock"

static int held = -1;
static _Atomic int64_t close_noted, reload_noted;

int
lock_inherit(const char *name) {
    const char *number = getenv(name);
    int fd = number ? atoi(number) : -1;
    unsetenv(name);
    return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? -1 : fd;
}

int
lock_leave(const char *name, int number) {
    static char left[8][40]; /* setenv(3) would take memory each time */
    int i = 0;
    while (i < 7 && *left[i] && strncmp(left[i], name, strlen(name)) != 0)
        i++;
    snprintf(left[i], sizeof left[i], "%s=%d", name, number);
    return putenv(left[i]);
}

/* A child of fork(2) shares the lock, and would hold it after our end. */
static void
let_go(void) {
    close(held);
}

/* Locks an open file for this process. */
static int
lock_file(int fd) {
    struct flock lock = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
    fcntl(fd, F_SETLK, &lock); /* version 0.1.0 locked by process */
    lock.l_type = F_WRLCK;
    return fcntl(fd, F_OFD_SETLK, &lock);
}

/* Reports whether an open file is the one that has the lock's name. */
static bool
has_name(int fd, int dir) {
    return folder_names(dir, LOCK_FILE, AT_SYMLINK_NOFOLLOW, fd);
}

/* Opens and locks the file that has the name now. Returns -1 with errno. */
static int
open_lock(int dir) {
    mkdirat(dir, "run", 0755);
    for (;;) {
        int fd =
            folder_open(dir, LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        int result = fd < 0 ? -1 : lock_file(fd);
        if (result == 0 && has_name(fd, dir))
            return fd;
        folder_close(fd);
        if (result < 0)
            return -1; /* otherwise it was replaced in between */
    }
}

static int
refuse_lock(int dir) {
    struct lock_holder holder;
    if (errno != EAGAIN || lock_held(dir, &holder) < 0)
        return svr_fail(LOCK_FILE ": %s", strerror(errno));
    return holder.pid ? svr_fail("already running (pid %d)", (int)holder.pid)
                      : svr_fail("already running");
}

int
lock_take(int dir) {
    mkdirat(dir, "log", 0755);
    held = lock_inherit(LOCK_KEPT);
    if (held >= 0 && lock_file(held) < 0)
        return refuse_lock(dir);
    if (held < 0)
        held = open_lock(dir);
    if (held < 0)
        return refuse_lock(dir);
    fchmod(held, 0600);
    pthread_atfork(NULL, NULL, let_go);
    lock_note(0, 0);
    return 0;
}

void
lock_note(int64_t close_ms, int64_t reload_ms) {
    char text[80];
    close_noted = close_ms;
    reload_noted = reload_ms;
    int length = snprintf(text, sizeof text, "%d %jd %jd\n", (int)getpid(),
                          (intmax_t)close_ms, (intmax_t)reload_ms);
    if (pwrite(held, text, (size_t)length, 0) == length)
        (void)!ftruncate(held, length);
}

int
lock_restore(int dir) {
    if (has_name(held, dir))
        return 0;
    int fd = open_lock(dir);
    if (fd < 0)
        return svr_fail(LOCK_FILE ": %s",
                        errno == EAGAIN ? "another server has taken this folder"
                                        : strerror(errno));
    if (dup3(fd, held, O_CLOEXEC) < 0)
        return svr_fail(LOCK_FILE ": %s", strerror(errno));
    close(fd);
    lock_note(close_noted, reload_noted);
    return 1;
}

int
lock_held(int dir, struct lock_holder *holder) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char text[80] = "";
    intmax_t pid, close_ms = 0, reload_ms = 0;
    *holder = (struct lock_holder){0, 0, 0};
    int fd = folder_open(dir, LOCK_FILE, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return errno == ENOENT ? 0 : -1;
    int result = fcntl(fd, F_OFD_GETLK, &lock);
    if (pread(fd, text, sizeof text - 1, 0) > 0 &&
        sscanf(text, "%jd %jd %jd", &pid, &close_ms, &reload_ms) > 0)
        *holder = (struct lock_holder){(pid_t)pid, close_ms, reload_ms};
    if (lock.l_pid > 0)
        holder->pid = lock.l_pid; /* version 0.1.0 */
    close(fd);
    return result < 0 ? -1 : lock.l_type != F_UNLCK;
}

int
lock_keep(int report) {
    fcntl(held, F_SETFD, 0);
    fcntl(report, F_SETFD, 0);
    return lock_leave(LOCK_KEPT, held) || lock_leave(LOCK_REPORT, report);
}
