/* child: runs a function in a child process, with a limit on time and
 * output. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio_ext.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "failure.h"
#include "loop.h"
#include "part.h"
#include "callback.h"

enum { AT_ONCE = 16, BROKEN = 255 };

/* Reads some of the output, a bounded amount, to keep the loop responsive. */
static int
take_output(void *arg) {
    struct child *child = arg;
    char bytes[4096];
    ssize_t got = 0;
    for (int i = 0; i < AT_ONCE; i++) {
        got = read(child->out, bytes, sizeof bytes);
        if (got <= 0)
            break;
        size_t room = CHILD_OUTPUT - child->size, taken = (size_t)got;
        child->cut = child->cut || taken > room;
        taken = taken > room ? room : taken;
        memcpy(child->output + child->size, bytes, taken);
        child->size += taken;
    }
    if (got == 0)
        loop_unwatch(child->out);
    return 0;
}

/* Kills the child, which then forks no more, and its group. */
static void
kill_child(const struct child *child) {
    kill(child->pid, SIGKILL);
    kill(-child->pid, SIGKILL);
}

/* Kills what is left of the child, and forgets the process. Returns its
 * status. */
static int
reap_child(struct child *child) {
    int status = 0;
    kill_child(child);
    waitpid(child->pid, &status, 0);
    take_output(child);
    loop_unwatch(child->out);
    loop_unwatch(child->process);
    close(child->out);
    if (child->process >= 0)
        close(child->process);
    timers_remove(child->timer.key, true);
    child->pid = 0;
    return status;
}

static int
take_end(void *arg) {
    struct child *child = arg;
    return child->over(child, reap_child(child));
}

static int
kill_late(void *arg) {
    struct child *child = arg;
    child->late = true;
    kill_child(child);
    return 0;
}

/* Does the work, then ends. */
_Noreturn static void
live_as_child(svr_call *work, void *arg, int out) {
    svr_log_lowest = SVR_ERR + 1;
    __fpurge(stdout); /* unwritten output of the server */
    dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0);
    int result = work(arg);
    if (result < 0) {
        failure_in("task", result);
        fprintf(stderr, "%s\n", failure_reason());
    }
    fflush(stdout);
    _exit(result < 0 ? BROKEN : result);
}

/* Kills what the work left in the group, from outside the group. If that is
 * impossible (the server is process 1), the server does it, unless it has
 * ended. */
static void
kill_rest(pid_t server) {
    setpgid(0, getpgid(server));
    if (getpgrp() != getpid() || getppid() != server)
        kill(-getpid(), SIGKILL);
}

/* The child: runs the work in a child of its own, and ends with its status. If
 * the server ends first, in whatever way, it kills the whole group. */
_Noreturn static void
keep_group(pid_t server, svr_call *work, void *arg, int out) {
    int number = SIGHUP, status = 0;
    sigset_t awaited;
    sigemptyset(&awaited);
    sigaddset(&awaited, SIGHUP);
    sigaddset(&awaited, SIGCHLD);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGHUP);
    prctl(PR_SET_DUMPABLE, 0); /* only the work dumps a core */
    sigprocmask(SIG_BLOCK, &awaited, NULL);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_DUMPABLE, 1);
        sigprocmask(SIG_UNBLOCK, &awaited, NULL);
        live_as_child(work, arg, out);
    }
    syscall(SYS_close_range, STDIN_FILENO, ~0U, 0);
    if (pid > 0 && getppid() == server)
        sigwait(&awaited, &number);
    if (number == SIGHUP)
        kill(-getpid(), SIGKILL);
    waitpid(pid, &status, 0);
    kill_rest(server);
    if (WIFEXITED(status))
        _exit(WEXITSTATUS(status));
    signal(WTERMSIG(status), SIG_DFL);
    raise(WTERMSIG(status));
    _exit(BROKEN);
}

/* Has the loop watch its output, its end and its time limit. -1 sets errno. */
static int
attend(struct child *child) {
    struct loop_watch output = {
        .events = SVR_READ, .own = take_output, .arg = child};
    struct loop_watch end = {.events = SVR_READ, .own = take_end, .arg = child};
    child->process = (int)syscall(SYS_pidfd_open, child->pid, 0);
    if (child->process < 0 || loop_watch(child->out, output) < 0 ||
        loop_watch(child->process, end) < 0)
        return -1;
    errno = ENOMEM;
    return callback_timer(child->timer);
}

int
child_start(struct child *child, const char *key, svr_call *work, void *arg,
            double limit, int (*over)(struct child *child, int status)) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return -1;
    fcntl(ends[1], F_SETFL, 0);
    pid_t server = getpid(), pid = fork();
    if (pid == 0)
        keep_group(server, work, arg, ends[1]);
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return -1;
    }
    *child = (struct child){.pid = pid, .out = ends[0], .over = over};
    child->timer = (struct timer){.own = kill_late,
                                  .arg = child,
                                  .every = (int64_t)(limit * 1e9),
                                  .runs = 1};
    snprintf(child->timer.key, TIMER_KEY_SIZE, "svr.%s", key);
    if (attend(child) == 0)
        return 0;
    int error = errno;
    reap_child(child);
    errno = error;
    return -1;
}

int
child_end(struct child *child) {
    return child->pid ? reap_child(child) : 0;
}

const struct part part_child = {.name = "child"};
