/* notify: tells systemd (or who else set NOTIFY_SOCKET) how the server is.
 * The protocol is that of sd_notify(3): datagrams of lines NAME=VALUE. */
#define _GNU_SOURCE
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "notify.h"
#include "part.h"

static bool with_status;
static uint64_t messages;

static void
notify(const char *text) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = getenv("NOTIFY_SOCKET");
    size_t length = path ? strlen(path) : 0;
    if (length == 0 || length >= sizeof address.sun_path)
        return;
    memcpy(address.sun_path, path, length);
    if (*path == '@')
        *address.sun_path = '\0';
    socklen_t size =
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (sendto(fd, text, strlen(text), MSG_NOSIGNAL,
               (struct sockaddr *)&address, size) >= 0)
        messages++;
    close(fd);
}

static int
start(const struct conf *conf, char reason[WHY_SIZE]) {
    (void)reason;
    with_status = conf_number(conf, "notify.status") != 0;
    return 0;
}

static void
ready(void) {
    char text[64];
    snprintf(text, sizeof text, "READY=1\nMAINPID=%d\n", (int)getpid());
    notify(text);
}

static void
reload(void) {
    struct timespec now;
    char text[80];
    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%jd\n",
             (intmax_t)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    notify(text);
}

static void
reloaded(const struct conf *conf) {
    with_status = conf_number(conf, "notify.status") != 0;
    notify("READY=1\n");
}

static void
summary(const char *summary) {
    char text[1024];
    snprintf(text, sizeof text, "STATUS=%.1000s\n", summary);
    if (with_status)
        notify(text);
}

static void
closing(void) {
    notify("STOPPING=1\n");
}

static void
status(FILE *out) {
    fprintf(out, ", \"notify\": {\"messages\": %ju}", (uintmax_t)messages);
}

static const struct svr_key keys[] = {
    {"notify.status", SVR_BOOL, .value = "true"},
    {.key = NULL},
};

const struct part part_notify = {.name = "notify",
                                 .keys = keys,
                                 .start = start,
                                 .ready = ready,
                                 .reload = reload,
                                 .reloaded = reloaded,
                                 .summary = summary,
                                 .close = closing,
                                 .status = status};
