/* syslogger: lines to the system's log, from a thread that may wait for it.
 * syslog(3) blocks while the daemon stalls, and reports no loss; so only
 * the writer calls it, behind a bounded queue, and checks first whether a
 * daemon listens. */
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
    struct item *next;
    int priority;
    char line[];
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t filled, emptied;
    struct item *first, **last;
    unsigned count; /* with the one that is being written */
} queue = {.lock = PTHREAD_MUTEX_INITIALIZER,
           .filled = PTHREAD_COND_INITIALIZER,
           .last = &queue.first};

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

static struct item *
take_item(void) {
    pthread_mutex_lock(&queue.lock);
    while (!queue.first)
        pthread_cond_wait(&queue.filled, &queue.lock);
    struct item *item = queue.first;
    queue.first = item->next;
    if (!queue.first)
        queue.last = &queue.first;
    pthread_mutex_unlock(&queue.lock);
    return item;
}

static void *
write_items(void *unused) {
    (void)unused;
    openlog(ident, LOG_NDELAY, LOG_LOCAL3);
    notify_log(reach(), 0, 0);
    for (;;) {
        struct item *item = take_item();
        int error = reach();
        if (!error)
            syslog(item->priority, "%s", item->line);
        free(item);
        pthread_mutex_lock(&queue.lock);
        unsigned waiting = --queue.count;
        if (waiting == 0)
            pthread_cond_broadcast(&queue.emptied);
        pthread_mutex_unlock(&queue.lock);
        notify_log(error, 1, waiting);
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
    struct item *item = malloc(sizeof *item + length + 1);
    if (!item)
        return ENOBUFS;
    item->next = NULL;
    item->priority = priority;
    memcpy(item->line, line, length);
    item->line[length] = '\0';
    pthread_mutex_lock(&queue.lock);
    bool fits = queue.count < SYSLOGGER_QUEUE;
    if (fits) {
        queue.count++;
        *queue.last = item;
        queue.last = &item->next;
        pthread_cond_signal(&queue.filled);
    }
    pthread_mutex_unlock(&queue.lock);
    if (!fits)
        free(item);
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
