/* standby: a second server waits, ready, and takes over when the first one
 * ends.
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
#include "signals.h"

/* Passes the descriptor of the lock to the program after a restart. */
#define KEPT "SVR_STANDBY_FD"

static int lock = -1; /* never closed, which would free the lock */
static atomic_bool master;

/* Tries to take the lock, or waits for it. */
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
        svr_info("standby: the master is gone, this server takes over");
    return unused;
}

static int
start_standby(const char *path) {
    struct flock other = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    lock = lock_inherit(KEPT);
    if (lock < 0)
        lock =
            folder_open(part_folder, path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (lock < 0)
        return svr_fail("standby.lock: %.256s: %s", path, strerror(errno));
    if (have(F_SETLK) == 0)
        return 0;
    if (errno != EAGAIN && errno != EACCES)
        return svr_fail("standby.lock: %.256s: %s", path, strerror(errno));
    fcntl(lock, F_GETLK, &other);
    svr_info("standby: waits for the master, pid %d", (int)other.l_pid);
    return signals_thread(NULL, wait_for_it, NULL) == 0
               ? 1
               : svr_fail("standby: no thread can be created");
}

static int
standby_event(enum part_event event, const struct conf *conf,
              const char *text) {
    if (event == PART_START)
        return start_standby(conf_text(conf, "standby.lock"));
    if (event == PART_CLOSE && text && master && lock_leave(KEPT, lock) == 0)
        fcntl(lock, F_SETFD, 0); /* a restart keeps the lock */
    return 0;
}

static void
standby_figures(struct figures *figures) {
    figure_word(figures, "role", master ? "master" : "slave",
                "master = this server is active; slave = it waits.");
}

static const struct svr_key keys[] = {
    {"standby.lock", SVR_STRING, .value = "run/standby.lock", .min = 1,
     .max = 4000, .restart = true},
    {.key = NULL},
};

const struct part part_standby = {.name = "standby",
                                  .keys = keys,
                                  .event = standby_event,
                                  .figures = standby_figures};
