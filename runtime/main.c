/* main: arguments, the lock for life, detaching. */
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

#include "client.h"
#include "derive.h"
#include "folder.h"
#include "lock.h"
#include "log.h"
#include "part.h"
#include "server.h"
#include "signals.h"
#include "trial.h"

#define CONSOLE_FILE "log/" SVR_PROJECT ".console"

enum { USAGE = 2, END_MS = 10000 };

static bool detaches;   /* a server in the background without a console yet */
static int report = -1; /* to the client that waits for the start */

/* Opens those of the standard descriptors that are closed, so that no other
 * file gets their numbers. */
static void
open_standard_files(void) {
    int fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO)
        fd = dup(fd);
    close(fd);
}

static int
open_folder(void) {
    return open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Refuses root where run/ belongs to another user: that user could redirect
 * root's files, and could not use those that root leaves there. */
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

/* Opens the console of a server in the background. Call it with the lock, since
 * the file may be another server's. */
static void
take_console(int dir) {
    int in = open("/dev/null", O_RDWR | O_CLOEXEC);
    int out = log_console(dir);
    unsetenv("JOURNAL_STREAM");
    dup2(in, STDIN_FILENO);
    dup2(out < 0 ? in : out, STDOUT_FILENO);
    dup2(out < 0 ? in : out, STDERR_FILENO);
    close(in);
    folder_close(out);
    detaches = false;
}

/* Reports how the start went: a failure to the console, if there is one, and
 * everything to the client that waits, as the exit status for svr.sh, a digit,
 * and a line. Returns `status`. */
static int
report_start(int status) {
    if (status != 0 && !detaches)
        svr_err("start failed: %s", failure_reason());
    if (report < 0)
        return status;
    if (status != 0)
        dprintf(report, "1" SVR_PROJECT ": start failed: %s\n",
                failure_reason());
    else
        dprintf(report, "0" SVR_PROJECT ": started, pid %d\n", (int)getpid());
    close(report);
    return status;
}

/* Makes this process the one server of the folder. */
static int
claim_folder(int dir) {
    if (dir < 0)
        return svr_fail("the project's folder: %s", strerror(errno));
    if (access("/proc/self/fd", X_OK) < 0)
        return svr_fail("/proc is needed: mount -t proc proc /proc");
    return check_user(dir) < 0 ? -1 : lock_take(dir);
}

/* The life of the server, from start to end. */
static int
live_server(void) {
    int dir = open_folder();
#ifdef M_ARENA_MAX
    mallopt(M_ARENA_MAX, 1); /* few threads: saves memory */
#endif
    if (claim_folder(dir) < 0)
        return report_start(SERVER_FAILED);
    if (detaches)
        take_console(dir);
    int status = report_start(server_start(dir));
    return server_leave(status == 0 ? server_run() : status);
}

/* Serves; returns only if the server's thread cannot be started. */
static int
serve_folder(void) {
    prctl(PR_SET_NAME, SVR_PROJECT); /* fexecve(3) set it to a number */
    svr_fail("signals: %s", strerror(signals_run(live_server)));
    return report_start(SERVER_FAILED);
}

static int
command_run(int dir) {
    close(dir);
    report = lock_inherit(LOCK_REPORT);
    return serve_folder();
}

/* Reads how the start of the child `pid` went, and prints it. */
static int
await_start(int from, pid_t pid) {
    struct pollfd end = {.fd = (int)syscall(SYS_pidfd_open, pid, 0),
                         .events = POLLIN};
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
    poll(&end, 1, END_MS);
    if (*text) {
        fputs(text + 1, stderr);
    } else if (waitpid(pid, &status, WNOHANG) == 0) {
        puts(SVR_PROJECT ": started; its report was lost");
        return 0;
    } else {
        fprintf(stderr,
                SVR_PROJECT ": start failed: %s %d (see " CONSOLE_FILE ")\n",
                WIFSIGNALED(status) ? "died of signal" : "exit status",
                WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    }
    return 1;
}

static int
command_start(int dir) {
    int ends[2];
    close(dir);
    pid_t pid = pipe2(ends, O_CLOEXEC) < 0 ? -1 : fork();
    if (pid < 0) {
        fprintf(stderr, SVR_PROJECT ": start failed: %s\n", strerror(errno));
        return 1;
    }
    if (pid > 0) {
        close(ends[1]);
        return await_start(ends[0], pid);
    }
    setsid();
    detaches = true;
    report = ends[1];
    syscall(SYS_close_range, STDERR_FILENO + 1, report - 1, 0);
    syscall(SYS_close_range, report + 1, ~0U, 0);
    return serve_folder();
}

/* Derives svr_conf.h; no field may be a macro of those in `macros`. */
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

static const struct {
    const char *name;
    int (*run)(int dir);
} commands[] = {
    {"start", command_start},     {"run", command_run},
    {"check", client_check},      {"running", command_running},
    {"--derive", command_derive}, {"--derive -", command_derive_checked},
};

/* Runs a command, or sends it to the server. */
static int
run_command(int dir, const char *line) {
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(line, commands[i].name) == 0)
            return commands[i].run(dir);
    if (strcmp(line, "reload") == 0)
        return client_ask(dir, line, CLIENT_VERDICT);
    if (strcmp(line, "close") == 0)
        return client_ask(dir, line, CLIENT_END);
    if (strcmp(line, "status") == 0 || strncmp(line, "status ", 7) == 0)
        return client_ask(dir, line, CLIENT_AT_ONCE);
    const struct part *part = part_command(line);
    return part ? client_ask(dir, line, (enum client_wait)part->answers)
                : client_lacks(line);
}

int
main(int argc, char *argv[]) {
    char line[64];
    signals_reset();
    if (argc == 7 && strcmp(argv[1], "--check") == 0)
        return trial_main(argv + 2);
    open_standard_files();
    if (argc == 2 || argc == 3) {
        snprintf(line, sizeof line, "%s%s%s", argv[1], argc == 3 ? " " : "",
                 argc == 3 ? argv[2] : "");
        return run_command(open_folder(), line);
    }
    fputs("use ./svr.sh in the project's folder\n", stderr);
    return USAGE;
}
