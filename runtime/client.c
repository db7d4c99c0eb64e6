/* client: the voice of svr.sh: asks the running server and waits. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "buffer.h"
#include "check.h"
#include "client.h"
#include "lock.h"

enum { TRIES = 300, TRY_MS = 10 };

static int
not_running(void) {
    fputs(SVR_PROJECT ": not running\n", stderr);
    return CLIENT_NOT_RUNNING;
}

/* Connects; a server that has just begun may need a moment. */
static int
dial(int dir) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path,
             "/proc/self/fd/%d/run/control", dir);
    for (int i = 0; i < TRIES && lock_holder(dir); i++) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
            return fd;
        close(fd);
        if (errno == EACCES)
            return -1;
        poll(NULL, 0, TRY_MS);
    }
    return -1;
}

/* Sends a request and reads the whole answer. NULL: there is no server, or none
 * that answers; an empty answer: it ended meanwhile. */
static char *
ask(int dir, const char *request) {
    char bytes[4096];
    struct buffer text;
    ssize_t got;
    int fd = dial(dir);
    if (fd < 0)
        return NULL;
    FILE *out = buffer_open(&text);
    dprintf(fd, "%s\n", request);
    while (out && (got = read(fd, bytes, sizeof bytes)) > 0)
        fwrite(bytes, 1, (size_t)got, out);
    close(fd);
    return buffer_close(&text, out) == 0 ? text.text : NULL;
}

/* Waits until a process has ended; a zombie has. */
static void
wait_for(int process) {
    struct pollfd end = {.fd = process, .events = POLLIN};
    while (process >= 0 && poll(&end, 1, -1) < 0 && errno == EINTR)
        ;
}

int
client_ask(int dir, const char *request) {
    pid_t pid = lock_holder(dir);
    int process = pid ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    int status = 1;
    bool answered = true;
    if (!pid || lock_holder(dir) != pid)
        return not_running();
    char *text = ask(dir, request);
    bool closes = strcmp(request, "close") == 0;
    bool starts = strcmp(request, "restart") == 0;
    if (!text && !lock_holder(dir)) {
        return closes ? 0 : not_running();
    } else if (!text) {
        fprintf(stderr,
                SVR_PROJECT ": runs (pid %d), but does not answer on "
                            "run/control: %s; `kill -TERM %d` closes it\n",
                (int)pid, strerror(errno), (int)pid);
    } else if (*text < '0' || *text > '9') {
        answered = false;
        fprintf(stderr, SVR_PROJECT ": %s\n",
                lock_holder(dir) == pid
                    ? "the connection was lost before the answer; "
                      "./svr.sh status shows how it is"
                    : "ended before it could answer");
    } else {
        status = *text - '0';
        fputs(text + 1, starts && status ? stderr : stdout);
    }
    if (closes && text && answered)
        wait_for(process);
    free(text);
    return status;
}

int
client_check(int dir) {
    char text[WHY_SIZE];
    struct check check = {.source = source_built};
    unsigned long abi = SVR_ABI;
    char *answer = lock_holder(dir) ? ask(dir, "state") : NULL;
    if (answer && *answer == '0')
        check.running = sscanf(answer + 1, "%zu %d %lx", &check.size,
                               &check.version, &abi) == 3;
    free(answer);
    int result = check_run(dir, check, text);
    if (result == 0 && abi != SVR_ABI)
        result = why(text, "the running server is of another build: restart");
    printf("%s%s%s\n", result < 0 ? "rejected: " : "accepted",
           result == 0 && *text ? ": " : "", text);
    return result < 0 ? 1 : 0;
}
