/* syslogger: lines to the system's log, from a thread that may wait for it.
 * syslog(3) blocks while the daemon stalls, and reports no loss. So only the
 * writer, behind a bounded queue, calls it, and first checks that a daemon
 * listens. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "syslogger.h"
#include "signals.h"
#include <syslog.h>

struct item {
    int priority;
    char *line;
};

/* The lines that wait, including the one that is being written. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t filled, emptied;
    struct item items[SYSLOGGER_QUEUE];
    unsigned first, count;
} queue = {.lock = PTHREAD_MUTEX_INITIALIZER,
           .filled = PTHREAD_COND_INITIALIZER};

static const char *ident;
static void (*notify_log)(int error, unsigned lines, unsigned waiting);

/* Reports whether a daemon listens. Returns 0 or the error. */
static int
reach(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX,
                                  .sun_path = "/dev/log"};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int result = connect(fd, (struct sockaddr *)&address, sizeof address);
    int error = result < 0 && errno != EPROTOTYPE ? errno : 0;
    close(fd);
    return error;
}

/* Waits for a line. */
static struct item
first_item(void) {
    pthread_mutex_lock(&queue.lock);
    while (queue.count == 0)
        pthread_cond_wait(&queue.filled, &queue.lock);
    struct item item = queue.items[queue.first];
    pthread_mutex_unlock(&queue.lock);
    return item;
}

/* Removes the first line. Returns how many still wait. */
static unsigned
remove_item(void) {
    pthread_mutex_lock(&queue.lock);
    free(queue.items[queue.first].line);
    queue.first = (queue.first + 1) % SYSLOGGER_QUEUE;
    unsigned waiting = --queue.count;
    if (waiting == 0)
        pthread_cond_broadcast(&queue.emptied);
    pthread_mutex_unlock(&queue.lock);
    return waiting;
}

static void *
write_items(void *unused) {
    (void)unused;
    openlog(ident, LOG_NDELAY, LOG_LOCAL3);
    notify_log(reach(), 0, 0);
    for (;;) {
        struct item item = first_item();
        int error = reach();
        if (!error)
            syslog(item.priority, "%s", item.line);
        notify_log(error, 1, remove_item());
    }
    return NULL;
}

void
syslogger_start(const char *name,
                void (*report)(int error, unsigned lines, unsigned waiting)) {
    if (ident)
        return;
    ident = name;
    notify_log = report;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&queue.emptied, &monotonic);
    int error = signals_thread(NULL, write_items, NULL);
    if (error)
        notify_log(error, 0, 0);
}

int
syslogger_put(int priority, const char *line, size_t length) {
    struct item item = {priority, strndup(line, length)};
    pthread_mutex_lock(&queue.lock);
    bool fits = item.line && queue.count < SYSLOGGER_QUEUE;
    if (fits) {
        queue.items[(queue.first + queue.count) % SYSLOGGER_QUEUE] = item;
        queue.count++;
        pthread_cond_signal(&queue.filled);
    }
    pthread_mutex_unlock(&queue.lock);
    if (!fits)
        free(item.line);
    return fits ? 0 : ENOBUFS;
}

unsigned
syslogger_drain(int seconds) {
    struct timespec end;
    int error = 0;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += seconds;
    pthread_mutex_lock(&queue.lock);
    while (queue.count > 0 && error == 0)
        error = pthread_cond_timedwait(&queue.emptied, &queue.lock, &end);
    unsigned left = queue.count;
    pthread_mutex_unlock(&queue.lock);
    return left;
}
