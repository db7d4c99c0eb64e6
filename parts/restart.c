/* restart: ./svr.sh restart: replaces the server binary, keeps sockets open by
 * the protocol of sd_listen_fds(3). */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "folder.h"
#include "inherited.h"
#include "handler.h"
#include "lock.h"
#include "loop.h"
#include "server.h"
#include "signals.h"
#include "trial.h"

#define BINARY "build/" SVR_PROJECT
#define PROBE  "run/restart.new"

enum { NO_PROC = 1 << 16 }; /* descriptors to look at without /proc */
enum { AT_EXEC = 1 << 2 };  /* CLOSE_RANGE_CLOEXEC of <linux/close_range.h> */

static int binary = -1;
static atomic_int client = -1; /* who asked for the restart */
static atomic_bool wanted;     /* taken by the loop or by the time limit */
static _Atomic double delay;   /* svr.close.force_close_delay */

static void
refuse_restart(const char *reason) {
    svr_warn("restart: rejected: %s", reason);
    dprintf(client,
            "1" SVR_PROJECT ": rejected: %s; the server keeps running\n",
            reason);
    close(binary);
    close(client);
    client = -1;
}

/* Allocates the memory for what the next program gets, while the restart can
 * still be refused. */
static int
make_room(void) {
    return setenv("LISTEN_FDNAMES", INHERITED_RESTART, 1) ||
           lock_leave(LOCK_KEPT, -1) || lock_leave(LOCK_REPORT, -1) ||
           lock_leave("LISTEN_FDS", -1) || lock_leave("LISTEN_PID", -1);
}

/* Called by the loop: nothing prevents the close. */
static int
begin_restart(void *unused) {
    bool mine = atomic_exchange(&wanted, false);
    if (mine && make_room() != 0)
        refuse_restart("no memory");
    else if (mine)
        server_restart();
    return unused != NULL;
}

/* Copies the binary to run/, which needs the room, and removes the copy. */
static int
copy_binary(void) {
    struct stat file;
    off_t at = 0;
    int to = folder_open(part_folder, PROBE,
                         O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int result = to < 0 ? -1 : fstat(binary, &file);
    while (result == 0 && at < file.st_size)
        if (sendfile(to, binary, &at, (size_t)(file.st_size - at)) <= 0)
            result = -1;
    if (result < 0)
        svr_fail(PROBE ": %s", strerror(errno));
    if (to >= 0)
        close(to);
    unlinkat(part_folder, PROBE, 0);
    return result;
}

/* Checks that run/ has room for what the next start writes there, and more, and
 * that the new program accepts the code. */
static int
prove(const char *program) {
    char path[48], warning[FAILURE_SIZE] = "";
    struct handler copy = {.source = &source_built, .copy = UINT_MAX};
    struct trial check = {.program = program,
                          .source = {path, source_built.conf}};
    int result = copy_binary();
    if (result == 0)
        result = handler_copy(part_folder, &copy, path);
    if (result == 0)
        result = trial_run(part_folder, check, warning);
    if (result == 0)
        result = part_successor(path);
    handler_drop(part_folder, &copy);
    return result;
}

/* Tries the binary beside the loop, then waits for the loop or for the end of
 * the process. */
static void *
prepare_restart(void *unused) {
    char path[64];
    binary = openat(part_folder, BINARY, O_RDONLY | O_CLOEXEC);
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)getpid(), binary);
    int result =
        binary < 0 ? svr_fail(BINARY ": %s", strerror(errno)) : prove(path);
    wanted = result == 0;
    if (wanted && loop_post("restart", begin_restart, NULL) == 0)
        poll(NULL, 0, (int)(delay * 1000));
    if (result < 0 || atomic_exchange(&wanted, false))
        refuse_restart(result < 0
                           ? failure_reason()
                           : "the loop is busy: it did not begin the close "
                             "within svr.close.force_close_delay");
    return unused;
}

static enum part_answer
restart_request(const char *line, int asker) {
    int nobody = -1;
    if (strcmp(line, "restart") != 0)
        return PART_UNKNOWN;
    if (!atomic_compare_exchange_strong(&client, &nobody, asker)) {
        dprintf(asker, "1" SVR_PROJECT ": a restart is already under way\n");
        close(asker);
    } else if (signals_thread(NULL, prepare_restart, NULL) != 0) {
        refuse_restart("no thread can be created");
    }
    return PART_TAKEN;
}

/* The highest descriptor that is open; the limit may be a thousand times more.
 */
static int
highest_descriptor(void) {
    int highest = 0;
    struct dirent *entry;
    DIR *open_now = opendir("/proc/self/fd");
    if (!open_now)
        return getdtablesize() < NO_PROC ? getdtablesize() : NO_PROC;
    while ((entry = readdir(open_now)))
        if (atoi(entry->d_name) > highest)
            highest = atoi(entry->d_name);
    closedir(open_now);
    return highest;
}

/* Leaves the listening sockets to the next program, whatever the hooks do with
 * theirs, and no other descriptor. */
static void
keep_sockets(void) {
    int last = STDERR_FILENO;
    make_room(); /* a part may have asked for it */
    syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, AT_EXEC);
    for (int fd = highest_descriptor(); fd > STDERR_FILENO; fd--) {
        int kept = inherited_listens(fd) ? fcntl(fd, F_DUPFD, fd + 1) : -1;
        last = kept > last ? kept : last;
    }
    lock_leave("LISTEN_FDS", last - STDERR_FILENO);
    lock_leave("LISTEN_PID", getpid());
}

/* Executes the new binary. Returns only if that fails. */
static int
become(void) {
    if (binary < 0) /* a part asked for the restart */
        binary = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    fflush(NULL);
    signals_hold();
    if (lock_keep(client) == 0 && fchdir(part_folder) == 0)
        fexecve(binary, (char *[]){BINARY, "run", NULL}, environ);
    dprintf(client, "1" SVR_PROJECT ": exec failed: %s; it has ended\n",
            strerror(errno));
    return svr_fail("restart: exec " BINARY ": %s", strerror(errno));
}

static int
restart_event(enum part_event event, const struct conf *conf,
              const char *what) {
    if (event == PART_START)
        unlinkat(part_folder, PROBE, 0); /* left by a process that was killed */
    if (event == PART_START || event == PART_RELOADED)
        delay = conf_number(conf, "svr.close.force_close_delay");
    if (event == PART_CLOSE && what)
        keep_sockets();
    return event == PART_END && what ? become() : 0;
}

const struct part part_restart = {.name = "restart",
                                  .command = "restart",
                                  .answers = PART_STARTED,
                                  .event = restart_event,
                                  .request = restart_request};
