/* client: what svr.sh runs: asks the running server, waits for the answer as
 * long as it may take, and prints it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "buffer.h"
#include "client.h"
#include "folder.h"
#include "handler.h"
#include "lock.h"
#include "loop.h"
#include "trial.h"

enum { TRY_MS = 10, ANSWER_MS = 2000, GRACE_MS = 500, END_MS = 2500 };
enum { UNKNOWN_MS = 10000 }; /* assumed if the server noted none */
#define MILLI INT64_C(1000000)

/* One request and what came of it. */
struct talk {
    const char *request;
    enum client_wait wait;
    struct lock_holder holder;
    int64_t until; /* when to give up, by loop_now */
    int process;   /* a pidfd of the server; -1 = unknown */
    char *answer;  /* NULL = none in time */
};

static bool
holds(int dir) {
    struct lock_holder holder;
    return lock_held(dir, &holder) == 1;
}

static int
not_running(void) {
    fputs(SVR_PROJECT ": not running\n", stderr);
    return CLIENT_NOT_RUNNING;
}

int
client_lacks(const char *request) {
    const char *form = strstr(request, " --");
    const char *part = form ? form + strlen(" --") : request;
    int length = (int)strcspn(part, " ");
    fprintf(stderr,
            SVR_PROJECT ": that needs the part %.*s, which this server does "
                        "not have: tiny-new --update --with %.*s . adds it\n",
            length, part, length, part);
    return CLIENT_LACKS;
}

static int
left_ms(const struct talk *talk) {
    return loop_millis(talk->until, loop_now());
}

/* Connects. A server that is starting may need a moment, and one that is
 * stopped may have no room for another client. */
static int
dial(int dir, struct talk *talk) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct ucred peer = {.pid = 0};
    socklen_t size = sizeof peer;
    snprintf(address.sun_path, sizeof address.sun_path,
             "/proc/self/fd/%d/run/control", dir);
    while (holds(dir) && left_ms(talk) > 0) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) {
            getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
            if (peer.pid > 0)
                talk->process = (int)syscall(SYS_pidfd_open, peer.pid, 0);
            return fd;
        }
        folder_close(fd);
        if (errno == EACCES)
            return -1;
        poll(NULL, 0, TRY_MS);
    }
    return -1;
}

/* Copies what comes on `fd`, to its end. Returns false if that does not come in
 * time. */
static bool
copy_answer(int fd, const struct talk *talk, FILE *out) {
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    char bytes[4096];
    ssize_t got = 1;
    while (got > 0) {
        if (poll(&ready, 1, left_ms(talk)) <= 0)
            return false;
        got = read(fd, bytes, sizeof bytes);
        if (got > 0)
            fwrite(bytes, 1, (size_t)got, out);
    }
    return true;
}

/* Sends the request and reads the answer. It is empty if the connection was
 * closed without one. */
static void
ask_server(int dir, struct talk *talk, int64_t patience_ms) {
    char line[80];
    struct buffer text;
    talk->until = loop_now() + patience_ms * MILLI;
    talk->process = -1;
    talk->answer = NULL;
    int fd = dial(dir, talk);
    if (fd < 0)
        return;
    size_t length = (size_t)snprintf(line, sizeof line, "%s\n", talk->request);
    FILE *out = buffer_open(&text);
    bool whole = out && send(fd, line, length, MSG_NOSIGNAL) > 0 &&
                 copy_answer(fd, talk, out);
    bool kept = buffer_close(&text, out) == 0;
    close(fd);
    if (whole && kept)
        talk->answer = text.text;
    else if (kept)
        free(text.text);
    errno = kept ? ETIMEDOUT : ENOMEM;
}

/* ---- A server that does not answer ------------------------------------ */

/* Prints the status that the server published last. */
static void
print_last_status(int dir, const struct talk *talk) {
    char path[64];
    const char *space = strchr(talk->request, ' ');
    snprintf(path, sizeof path, "run/status%s", space ? space + 1 : "");
    int fd = folder_open(dir, path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0) {
        fprintf(stderr,
                SVR_PROJECT ": runs (pid %d), but does not answer, and has "
                            "published no such status (%s: %s)\n",
                (int)talk->holder.pid, path, strerror(errno));
        return;
    }
    copy_answer(fd, talk, stdout);
    fflush(stdout); /* what follows on stderr comes after it */
    close(fd);
}

/* Prints why there is no answer, or the last status. Returns the exit status.
 */
static int
no_answer(int dir, const struct talk *talk) {
    bool pending = talk->wait == CLIENT_VERDICT;
    bool shows = strncmp(talk->request, "status", strlen("status")) == 0;
    bool for_program = strchr(talk->request, ' ') != NULL; /* a form */
    int pid = (int)talk->holder.pid;
    if (errno == EACCES || errno == EPERM) {
        fprintf(stderr,
                SVR_PROJECT ": run/control: %s: call svr.sh as the server's "
                            "user, or as root\n",
                strerror(errno));
        return 1;
    }
    if (shows)
        print_last_status(dir, talk);
    if (shows && for_program)
        return 0;
    fprintf(pending ? stdout : stderr,
            "%s: the server (pid %d) does not answer; is it stopped? "
            "(kill -CONT %d; kill -KILL %d ends it)\n",
            pending ? "pending" : SVR_PROJECT, pid, pid, pid);
    return pending ? CLIENT_PENDING : shows ? 0 : 1;
}

/* ---- Requests --------------------------------------------------------- */

/* Reports whether the server's process ends within `millis`; a zombie has
 * ended. False also if the process is not known. */
static bool
has_ended(const struct talk *talk, int millis) {
    struct pollfd end = {.fd = talk->process, .events = POLLIN};
    return talk->process >= 0 && poll(&end, 1, millis) > 0;
}

/* Waits until the server is gone: its process has ended and its lock is free.
 * Returns `status`, or 1 if that takes too long. */
static int
wait_for_end(int dir, const struct talk *talk, int status) {
    has_ended(talk, left_ms(talk));
    while (holds(dir) && left_ms(talk) > 0)
        poll(NULL, 0, TRY_MS);
    if (!holds(dir))
        return status;
    fprintf(stderr,
            SVR_PROJECT ": not gone in time; kill -KILL %d ends the server\n",
            (int)talk->holder.pid);
    return 1;
}

/* How long the answer to a request may take, in milliseconds. */
static int64_t
patience(const struct talk *talk) {
    int64_t close_ms = talk->holder.close_ms,
            reload_ms = talk->holder.reload_ms;
    if (talk->wait == CLIENT_END)
        return (close_ms ? close_ms : UNKNOWN_MS) + END_MS;
    if (talk->wait == CLIENT_STARTED)
        return INT64_MAX / MILLI / 2;
    if (talk->wait == CLIENT_VERDICT)
        return (reload_ms ? reload_ms : UNKNOWN_MS) + GRACE_MS;
    return ANSWER_MS;
}

/* Reports whether the server answers at all; asked before a request that may
 * take as long as its on_start does. */
static bool
is_awake(int dir) {
    struct talk talk = {.request = "state"};
    ask_server(dir, &talk, ANSWER_MS);
    bool awake = talk.answer != NULL;
    free(talk.answer);
    return awake;
}

/* Prints an answer: a digit, the exit status for svr.sh, and a text. Returns
 * the exit status. */
static int
print_answer(int dir, const struct talk *talk) {
    int status = *talk->answer - '0';
    if (status < 0 || status > 9) {
        fprintf(stderr, SVR_PROJECT ": %s\n",
                !has_ended(talk, END_MS) && holds(dir)
                    ? "the connection was lost before the answer; "
                      "./svr.sh status shows how it is"
                    : "ended before it could answer");
        return 1;
    }
    if (status == CLIENT_LACKS)
        return client_lacks(talk->request);
    fputs(talk->answer + 1,
          status && talk->wait == CLIENT_STARTED ? stderr : stdout);
    return status;
}

int
client_ask(int dir, const char *request, enum client_wait wait) {
    struct talk talk = {.request = request, .wait = wait};
    int held = lock_held(dir, &talk.holder);
    if (held == 0)
        return not_running();
    if (held < 0 || (wait == CLIENT_STARTED && !is_awake(dir)))
        return no_answer(dir, &talk);
    ask_server(dir, &talk, patience(&talk));
    if (!talk.answer && !holds(dir))
        return wait == CLIENT_END ? 0 : not_running();
    if (!talk.answer)
        return no_answer(dir, &talk);
    int status = print_answer(dir, &talk);
    if (wait == CLIENT_END && *talk.answer)
        status = wait_for_end(dir, &talk, status);
    free(talk.answer);
    return status;
}

int
client_check(int dir) {
    char warning[FAILURE_SIZE] = "", path[48];
    struct trial check = {.source = source_built};
    struct talk talk = {.request = "state"};
    unsigned long abi = SVR_ABI;
    struct handler live = {.copy = 0};
    part_folder = dir;
    if (holds(dir))
        ask_server(dir, &talk, ANSWER_MS);
    if (talk.answer && *talk.answer == '0')
        check.running = sscanf(talk.answer + 1, "%zu %d %lx %u", &check.size,
                               &check.version, &abi, &live.copy) >= 3;
    free(talk.answer);
    handler_path(&live, path);
    struct candidate candidate = {source_built.code, source_built.code, path};
    bool same_build = abi == SVR_ABI;
    int result =
        live.copy > 0 && same_build ? part_candidate(&candidate, warning) : 0;
    if (result == 0)
        result = trial_run(dir, check, warning);
    if (result == 0 && !same_build)
        result = svr_fail("the running server is of another build: restart");
    if (result < 0)
        printf("rejected: %s\n", failure_reason());
    else
        printf("accepted%s%s\n", *warning ? ": " : "", warning);
    return result < 0 ? 1 : 0;
}
