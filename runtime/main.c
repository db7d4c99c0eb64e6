/* main: arguments, the lock for life, detaching, exit statuses. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "client.h"
#include "derive.h"
#include "lock.h"
#include "log.h"
#include "part.h"
#include "server.h"
#include "signals.h"

#define CONSOLE_FILE "log/" SVR_PROJECT ".console"

enum { USAGE = 2, REPORT_FD = 3 };

static bool detaches; /* it gets a console of its own */

/* Opens what was closed of the standard descriptors, so that no other file gets
 * their numbers. */
static void
open_standard_files(void) {
    int fd;
    do
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (fd >= 0 && fd <= STDERR_FILENO && fcntl(fd, F_SETFD, 0) == 0);
    if (fd > STDERR_FILENO)
        close(fd);
}

static int
open_folder(void) {
    return open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Root does not serve where run/ belongs to another user: that user could
 * redirect its files, and could not use the files that root leaves there. */
static int
check_user(int dir) {
    struct stat run;
    if (geteuid() != 0 || fstatat(dir, "run", &run, 0) < 0 || run.st_uid == 0)
        return 0;
    const struct passwd *user = getpwuid(run.st_uid);
    char name[64];
    snprintf(name, sizeof name, "%d", (int)run.st_uid);
    return svr_fail("run/ belongs to the user %s; type: setpriv --reuid=%s "
                    "--regid=%d %s ./svr.sh start",
                    user ? user->pw_name : name, user ? user->pw_name : name,
                    user ? (int)user->pw_gid : (int)run.st_gid,
                    user ? "--init-groups" : "--clear-groups");
}

/* Gives a daemon a console of its own; the former one may be another server's
 * until the lock is taken. */
static void
take_console(int dir) {
    int in = open("/dev/null", O_RDWR | O_CLOEXEC);
    int out = log_console(dir);
    unsetenv("JOURNAL_STREAM");
    dup2(in, STDIN_FILENO);
    dup2(out < 0 ? in : out, STDOUT_FILENO);
    dup2(out < 0 ? in : out, STDERR_FILENO);
    close(in);
    if (out >= 0)
        close(out);
}

/* Reports how the start went to the client that waits on `report`: the exit
 * status for svr.sh, a digit, and a line. */
static void
report_to(int report, int status) {
    if (report < 0)
        return;
    if (status != 0)
        dprintf(report, "1" SVR_PROJECT ": start failed: %s\n",
                failure_reason());
    else
        dprintf(report, "0" SVR_PROJECT ": started, pid %d\n", (int)getpid());
    close(report);
}

/* The life of the server, from start to end. Where it has no console yet, only
 * the client reports that it cannot begin. */
static int
live_server(int report) {
    int dir = open_folder(), status = SERVER_FAILED;
    bool started = false;
#ifdef M_ARENA_MAX
    mallopt(M_ARENA_MAX, 1); /* few threads: saves memory */
#endif
    if (dir < 0) {
        svr_fail("the project's folder: %s", strerror(errno));
    } else if (access("/proc/self/fd", X_OK) < 0) {
        svr_fail("/proc is needed: mount -t proc proc /proc");
    } else if (check_user(dir) == 0 && lock_take(dir) == 0) {
        if (detaches)
            take_console(dir);
        started = true;
        status = server_start(dir);
    }
    if (status != 0 && (started || !detaches))
        svr_err("start failed: %s", failure_reason());
    report_to(report, status);
    if (!started)
        return status;
    return server_leave(status == 0 ? server_run() : status);
}

/* Serves; returns only when not even that can begin. */
static int
serve_folder(int report) {
    prctl(PR_SET_NAME, SVR_PROJECT); /* a restart leaves a number there */
    svr_fail("signals: %s", strerror(signals_run(live_server, report)));
    if (!detaches)
        svr_err("start failed: %s", failure_reason());
    report_to(report, SERVER_FAILED);
    return SERVER_FAILED;
}

static int
command_run(int dir) {
    close(dir);
    return serve_folder(lock_inherit(LOCK_REPORT));
}

/* Waits at most 10 s for the end of a process. */
static bool
has_ended_soon(pid_t pid, int *status) {
    for (int i = 0; i < 1000; i++) {
        if (waitpid(pid, status, WNOHANG) == pid)
            return true;
        poll(NULL, 0, 10);
    }
    return false;
}

/* Reports to the caller of `start` how it went. */
static int
report_start(int from, pid_t pid) {
    char text[FAILURE_SIZE] = "";
    size_t used = 0;
    ssize_t got;
    int status = 0;
    while ((got = read(from, text + used, sizeof text - 1 - used)) > 0)
        used += (size_t)got;
    if (*text == '0') {
        fputs(text + 1, stdout);
        return 0;
    }
    if (!has_ended_soon(pid, &status) && !*text) {
        puts(SVR_PROJECT ": started; its report was lost");
        return 0;
    }
    if (*text)
        fputs(text + 1, stderr);
    else
        fprintf(stderr,
                SVR_PROJECT ": start failed: %s %d (see " CONSOLE_FILE ")\n",
                WIFSIGNALED(status) ? "died of signal" : "exit status",
                WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    return 1;
}

static int
command_start(int dir) {
    int ends[2];
    struct lock_holder holder;
    if (lock_held(dir, &holder) == 1) {
        fprintf(stderr, SVR_PROJECT ": already running (pid %d)\n",
                (int)holder.pid);
        return 1;
    }
    pid_t pid = pipe2(ends, O_CLOEXEC) < 0 ? -1 : fork();
    if (pid < 0) {
        fprintf(stderr, SVR_PROJECT ": start failed: %s\n", strerror(errno));
        return 1;
    }
    if (pid > 0) {
        close(ends[1]);
        return report_start(ends[0], pid);
    }
    setsid();
    if (ends[1] != REPORT_FD && dup3(ends[1], REPORT_FD, O_CLOEXEC) < 0) {
        svr_fail("%s", strerror(errno));
        report_to(ends[1], SERVER_FAILED);
        _exit(SERVER_FAILED);
    }
    syscall(SYS_close_range, REPORT_FD + 1, ~0U, 0);
    detaches = true;
    return serve_folder(REPORT_FD);
}

static int
derive_conf(int dir, FILE *macros) {
    struct conf *conf = part_conf(dir, source_built.conf, NULL);
    int result = conf ? derive_header(conf, macros, stdout) : -1;
    conf_free(conf);
    if (result < 0)
        fprintf(stderr, "%s\n", failure_reason());
    return result < 0 ? 1 : 0;
}

static int
command_derive(int dir) {
    return derive_conf(dir, NULL);
}

/* The same; no field may be a macro of those on standard input. */
static int
command_derive_checked(int dir) {
    return derive_conf(dir, stdin);
}

static int
command_running(int dir) {
    struct lock_holder holder;
    int held = lock_held(dir, &holder);
    if (held < 0)
        fprintf(stderr, SVR_PROJECT ": run/lock: %s\n", strerror(errno));
    else
        puts(held ? "running" : "not running"); /* no other program prints it */
    return held > 0 ? 0 : held < 0 ? 1 : CLIENT_NOT_RUNNING;
}

static int
command_reload(int dir) {
    return client_ask(dir, "reload", CLIENT_VERDICT);
}

static int
command_close(int dir) {
    return client_ask(dir, "close", CLIENT_END);
}

static const struct {
    const char *name;
    int (*run)(int dir);
} commands[] = {
    {"start", command_start},     {"run", command_run},
    {"reload", command_reload},   {"close", command_close},
    {"check", client_check},      {"running", command_running},
    {"--derive", command_derive}, {"--derive -", command_derive_checked},
};

/* Runs a command of the core's, or sends one of a part's to the server. */
static int
run_command(int dir, const char *line) {
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(line, commands[i].name) == 0)
            return commands[i].run(dir);
    if (strcmp(line, "status") == 0 || strncmp(line, "status ", 7) == 0)
        return client_ask(dir, line, CLIENT_AT_ONCE);
    const struct part *part = part_command(line);
    if (part)
        return client_ask(dir, line, (enum client_wait)part->answers);
    fprintf(stderr,
            SVR_PROJECT ": that needs the part %.40s, which this server does "
                        "not have: tiny-new --update --with %.40s . adds it\n",
            line, line);
    return USAGE;
}

int
main(int argc, char *argv[]) {
    char line[64];
    signals_reset();
    if (argc == 7 && strcmp(argv[1], "--check") == 0)
        return check_main(argv + 2);
    open_standard_files();
    if (argc == 2 || argc == 3) {
        snprintf(line, sizeof line, "%s%s%s", argv[1], argc == 3 ? " " : "",
                 argc == 3 ? argv[2] : "");
        return run_command(open_folder(), line);
    }
    fputs("use ./svr.sh in the project's folder\n", stderr);
    return USAGE;
}
