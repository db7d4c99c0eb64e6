/* standby: a second server waits, ready, and goes on when the first one ends.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "folder.h"
#include "lock.h"
#include "log.h"
#include "loop.h"
#include "part.h"
#include "server.h"
#include "thread.h"

/* Tells the program after a restart which descriptor has the lock. */
#define KEPT "SVR_STANDBY_FD"

static int lock = -1; /* never closed, which would free the lock */
static atomic_bool master;

/* Tries to have the lock, or waits for it. */
static int
have(int how) {
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int result;
    do
        result = fcntl(lock, how, &whole);
    while (result < 0 && errno == EINTR);
    master = result == 0;
    return result;
}

static void *
wait_for_it(void *unused) {
    if (have(F_SETLKW) < 0)
        svr_err("standby.lock: %s", strerror(errno));
    else if (loop_post("standby", server_begin, NULL) == 0)
        svr_info("standby: the master is gone, this one goes on");
    return unused;
}

static int
start(const char *path, char reason[WHY_SIZE]) {
    struct flock other = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    lock = lock_inherit(KEPT);
    if (lock < 0)
        lock =
            folder_open(part_folder, path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (lock < 0)
        return why(reason, "standby.lock: %.256s: %s", path, strerror(errno));
    if (have(F_SETLK) == 0)
        return 0;
    if (errno != EAGAIN && errno != EACCES)
        return why(reason, "standby.lock: %.256s: %s", path, strerror(errno));
    fcntl(lock, F_GETLK, &other);
    svr_info("standby: waits for the master, pid %d", (int)other.l_pid);
    return thread_start(NULL, wait_for_it) == 0
               ? 1
               : why(reason, "standby: no thread can be had");
}

static int
hear(enum part_event event, const struct conf *conf, const char *text,
     char reason[WHY_SIZE]) {
    if (event == PART_START)
        return start(conf_text(conf, "standby.lock"), reason);
    if (event == PART_CLOSE && text && master) { /* a restart keeps the lock */
        fcntl(lock, F_SETFD, 0);
        lock_leave(KEPT, lock);
    }
    return 0;
}

static void
status(FILE *out) {
    fprintf(out, ", \"role\": \"%s\"", master ? "master" : "slave");
}

static const struct svr_key keys[] = {
    {"standby.lock", SVR_STRING, .value = "run/standby.lock", .min = 1,
     .max = 4000, .restart = true},
    {.key = NULL},
};

const struct part part_standby = {
    .name = "standby", .keys = keys, .hear = hear, .status = status};
