/* notify: reports the server's state to systemd, or to any program that set
 * NOTIFY_SOCKET. The protocol is that of sd_notify(3): datagrams of lines
 * NAME=VALUE. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "loop.h"
#include "notify.h"
#include "part.h"
#include "callback.h"

static uint64_t messages;

void
svr_notify(const char *lines) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = getenv("NOTIFY_SOCKET");
    size_t length = path ? strlen(path) : 0;
    if (length == 0 || length >= sizeof address.sun_path)
        return;
    memcpy(address.sun_path, path, length);
    if (*path == '@')
        *address.sun_path = '\0';
    size_t size = offsetof(struct sockaddr_un, sun_path) + length;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (sendto(fd, lines, strlen(lines), MSG_NOSIGNAL,
               (struct sockaddr *)&address, (socklen_t)size) >= 0)
        messages++;
    close(fd);
}

/* Feeds systemd's watchdog while the loop runs. */
static int
feed(void *unused) {
    (void)unused;
    svr_notify("WATCHDOG=1\n");
    return 0;
}

/* Feeds it twice as often as required. Warns if it would end the server before
 * our own watchdog, which has more to report. */
static void
plan_feeding(const struct conf *conf) {
    const char *span = getenv("WATCHDOG_USEC"), *who = getenv("WATCHDOG_PID");
    double bound = conf_number(conf, "svr.timer.run_status_check_time_span");
    if (!getenv("NOTIFY_SOCKET") || !span || (who && atoi(who) != getpid()))
        return;
    int64_t usec = strtoll(span, NULL, 10);
    callback_timer(
        (struct timer){.key = "svr.notify", .own = feed, .every = usec * 500});
    if ((double)usec / 1e6 <= bound)
        svr_warn("WatchdogSec= is not above svr.timer.run_status_check_time_"
                 "span: systemd would end a hung server before its report");
}

static int
notify_event(enum part_event event, const struct conf *conf, const char *what) {
    char text[1024];
    switch (event) {
    case PART_WAIT: /* ready, as standby */
    case PART_READY:
        snprintf(text, sizeof text, "READY=1\nMAINPID=%d\n", (int)getpid());
        svr_notify(text);
        plan_feeding(conf);
        break;
    case PART_CLOSE:
        if (!what) {
            svr_notify("STOPPING=1\n");
            break;
        }
        __attribute__((fallthrough)); /* a restart is a long reload */
    case PART_RELOAD:
        snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%jd\n",
                 (intmax_t)loop_now() / 1000);
        svr_notify(text);
        break;
    case PART_RELOADED:
        svr_notify("READY=1\n");
        plan_feeding(conf);
        break;
    case PART_SUMMARY:
        snprintf(text, sizeof text, "STATUS=%.1000s\n", what);
        if (conf_number(conf, "notify.status"))
            svr_notify(text);
        break;
    default:
        break;
    }
    return 0;
}

static void
notify_figures(struct figures *figures) {
    figure_number(figures, "messages", FIGURE_COUNTER, (double)messages,
                  "Messages sent to systemd.");
}

static const struct svr_key keys[] = {
    {"notify.status", SVR_BOOL, .value = "true"},
    {.key = NULL},
};

const struct part part_notify = {.name = "notify",
                                 .keys = keys,
                                 .event = notify_event,
                                 .figures = notify_figures};
