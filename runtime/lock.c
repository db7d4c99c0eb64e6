/* lock: who serves in a folder: a lock for life, never a file's content. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lock.h"

static int held = -1; /* closed nowhere: any close would drop the lock */
static const char *const words[] = {"SVR_LOCK_FD", "SVR_REPORT_FD"};

int
lock_inherit(const char *word) {
    const char *number = getenv(word);
    int fd = number ? atoi(number) : -1;
    unsetenv(word);
    return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? -1 : fd;
}

void
lock_leave(const char *word, int number) {
    char text[16];
    snprintf(text, sizeof text, "%d", number);
    setenv(word, text, 1);
}

int
lock_take(int dir, char reason[WHY_SIZE]) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    mkdirat(dir, "run", 0755);
    mkdirat(dir, "log", 0755);
    held = lock_inherit(words[0]);
    if (held < 0)
        held = openat(dir, "run/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (held >= 0 && fcntl(held, F_SETLK, &lock) == 0)
        return 0;
    if (held < 0 || (errno != EAGAIN && errno != EACCES))
        return why(reason, "run/lock: %s", strerror(errno));
    fcntl(held, F_GETLK, &lock);
    return why(reason, "already running (pid %d)", (int)lock.l_pid);
}

void
lock_keep(int report) {
    lock_leave(words[0], held);
    lock_leave(words[1], report);
    fcntl(held, F_SETFD, 0);
    fcntl(report, F_SETFD, 0);
}

int
lock_report(void) {
    return lock_inherit(words[1]);
}

pid_t
lock_holder(int dir) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = openat(dir, "run/lock", O_RDWR | O_CLOEXEC);
    if (fd < 0 && errno == EACCES)
        fd = openat(dir, "run/lock", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    int result = fcntl(fd, F_GETLK, &lock);
    close(fd);
    return result < 0 || lock.l_type == F_UNLCK ? 0 : lock.l_pid;
}
