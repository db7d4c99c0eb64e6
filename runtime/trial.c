/* trial: tries a handler and svr_conf in a process that may die of them. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "trial.h"
#include "folder.h"
#include "handler.h"
#include "log.h"

enum { VERDICT_FD = 3, LIMIT_MS = 3000 };
#define PASSED "passed:"
#define FAILED "failed:"

/* Starts the program in a group of its own, with no signal blocked, so that it
 * dies of the same signals as the server; its descriptor `fd` is `verdict`. */
static int
start_trial(int dir, int fd, int verdict, const char *program,
            char *const argv[], pid_t *pid) {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&files);
    int error = posix_spawn_file_actions_addfchdir_np(&files, dir);
    if (!error)
        error = posix_spawn_file_actions_adddup2(&files, verdict, fd);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    if (!error)
        error = posix_spawn(pid, program, &files, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return error;
}

int
trial_ask(int dir, int fd, const char *program, char *const argv[],
          char line[FAILURE_SIZE]) {
    int ends[2], status = 0;
    pid_t pid;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return svr_fail("check: %s", strerror(errno));
    int error = start_trial(dir, fd, ends[1], program, argv, &pid);
    close(ends[1]);
    struct pollfd written = {.fd = ends[0], .events = POLLIN};
    bool in_time = !error && poll(&written, 1, LIMIT_MS) > 0;
    ssize_t got = in_time ? read(ends[0], line, FAILURE_SIZE - 1) : 0;
    close(ends[0]);
    if (error)
        return svr_fail("check: %s", strerror(error));
    kill(-pid, SIGKILL);
    waitpid(pid, &status, 0);
    line[got > 0 ? got : 0] = '\0';
    line[strcspn(line, "\n")] = '\0';
    if (*line)
        return 1;
    if (!in_time)
        svr_fail("did not answer within %d s", LIMIT_MS / 1000);
    else if (WIFSIGNALED(status))
        svr_fail("died of signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        svr_fail("ended with status %d", WEXITSTATUS(status));
    return 0;
}

/* Opens this program: under valgrind, /proc/self/exe itself would start
 * valgrind. The descriptor is not one that the new process uses. */
static int
open_program(void) {
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int other = fcntl(fd, F_DUPFD_CLOEXEC, VERDICT_FD + 1);
    folder_close(fd);
    return other;
}

/* Judges the answer of the process that tries a handler. */
static int
judge_answer(const char *answer, char warning[FAILURE_SIZE]) {
    size_t word = strlen(PASSED), used = strlen(warning);
    if (strncmp(answer, FAILED, word) == 0)
        return svr_fail("%s", answer + word);
    if (strncmp(answer, PASSED, word) != 0)
        return svr_fail("handler.so: wrote to descriptor %d while it loaded",
                        VERDICT_FD);
    if (answer[word])
        snprintf(warning + used, FAILURE_SIZE - used, "%s%.256s",
                 used ? ", " : "", answer + word);
    return 0;
}

int
trial_run(int dir, struct trial trial, char warning[FAILURE_SIZE]) {
    char answer[FAILURE_SIZE] = "", size[24], version[16], program[32];
    char *argv[] = {SVR_PROJECT,
                    "--check",
                    (char *)trial.source.code,
                    (char *)trial.source.conf,
                    trial.running ? "1" : "0",
                    size,
                    version,
                    NULL};
    snprintf(size, sizeof size, "%zu", trial.size);
    snprintf(version, sizeof version, "%d", trial.version);
    int own = open_program();
    snprintf(program, sizeof program, "/proc/self/fd/%d", own);
    int result = trial_ask(
        dir, VERDICT_FD, trial.program ? trial.program : program, argv, answer);
    folder_close(own);
    if (result == 0)
        svr_fail("handler.so: %s while it loaded", failure_reason());
    return result > 0 ? judge_answer(answer, warning) : -1;
}

/* Does all that a reload does before its first visible effect. Warns of static
 * variables, which the build lists in svr_statics. */
static int
try_all(const struct trial *trial, char warning[FAILURE_SIZE]) {
    struct handler handler;
    int dir = part_folder = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (handler_load(dir, trial->source.code, &handler) < 0)
        return -1;
    if (trial->running &&
        handler_fits(handler.table, trial->size, trial->version) < 0)
        return -1;
    const struct svr_key *keys = handler.table->keys;
    struct conf *conf = part_conf(dir, trial->source.conf, keys);
    void *values = calloc(1, handler.table->conf_size + 1);
    if (conf && !values)
        return svr_fail("svr_conf: no memory");
    if (!conf || conf_fill(conf, keys, values) < 0)
        return -1;
    const char *statics = dlsym(handler.code, "svr_statics");
    if (statics)
        snprintf(warning, FAILURE_SIZE,
                 "warning: reset by each reload, since static: %.256s",
                 statics);
    return log_open(dir, conf, true) ? 0 : -1;
}

int
trial_main(char *const argv[]) {
    char warning[FAILURE_SIZE] = "", line[FAILURE_SIZE];
    struct trial trial = {.source = {argv[0], argv[1]},
                          .running = *argv[2] == '1',
                          .size = strtoul(argv[3], NULL, 10),
                          .version = atoi(argv[4])};
    fcntl(VERDICT_FD, F_SETFD, FD_CLOEXEC);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    alarm(LIMIT_MS / 1000 + 1); /* for one whose server was killed */
    int result = try_all(&trial, warning);
    text_line(line, sizeof line, result < 0 ? failure_reason() : warning);
    dprintf(VERDICT_FD, "%s%s\n", result < 0 ? FAILED : PASSED, line);
    _exit(0);
}
