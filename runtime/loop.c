/* loop: where the loop thread waits, and what wakes it. */
#define _GNU_SOURCE
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "loop.h"

static int poller = -1, alarm_bell = -1;
static struct loop_post *posts, **last_post = &posts;
static pthread_mutex_t posts_lock = PTHREAD_MUTEX_INITIALIZER;

int
loop_open(void) {
    struct epoll_event event = {.events = EPOLLIN};
    poller = epoll_create1(EPOLL_CLOEXEC);
    alarm_bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return epoll_ctl(poller, EPOLL_CTL_ADD, alarm_bell, &event);
}

int64_t
loop_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

void
loop_wait(int64_t until) {
    int64_t left = until == INT64_MAX ? INT64_MAX : until - loop_now();
    int64_t millis = left <= 0 ? 0 : left / 1000000 + (left % 1000000 > 0);
    int limit = until == INT64_MAX ? -1
                : millis > INT_MAX ? INT_MAX
                                   : (int)millis;
    struct epoll_event event;
    uint64_t rung;
    if (epoll_wait(poller, &event, 1, limit) > 0)
        (void)!read(alarm_bell, &rung, sizeof rung);
}

void
loop_wake(void) {
    uint64_t ring = 1;
    (void)!write(alarm_bell, &ring, sizeof ring);
}

int
loop_post(const char *name, void *arg) {
    struct loop_post *post = malloc(sizeof *post);
    if (!post)
        return -1;
    *post = (struct loop_post){NULL, name, arg};
    pthread_mutex_lock(&posts_lock);
    *last_post = post;
    last_post = &post->next;
    pthread_mutex_unlock(&posts_lock);
    loop_wake();
    return 0;
}

struct loop_post *
loop_posted(void) {
    pthread_mutex_lock(&posts_lock);
    struct loop_post *taken = posts;
    posts = NULL;
    last_post = &posts;
    pthread_mutex_unlock(&posts_lock);
    return taken;
}
