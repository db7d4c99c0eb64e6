/* loop: where the loop thread waits, and what wakes it. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "loop.h"

enum { TRIMS = 3, EVENTS = 64 };
#define NANO INT64_C(1000000000)

static int poller = -1, alarm_bell = -1;

/* What is watched, by the descriptor's number, and what the last wait found. */
static struct loop_watch *watches;
static int places, saved_places;
static uint32_t ages;
static struct epoll_event found[EVENTS];
static int found_count, found_next;

/* How a change of the wall clock is noticed. */
static struct {
    int fd;
    int64_t offset; /* from the monotonic clock to the wall clock */
    int trims;      /* small steps since `since` */
    int64_t since;  /* when the timer was armed */
} wall = {.fd = -1};

static struct loop_post *posts, **last_post = &posts;
static pthread_mutex_t posts_lock = PTHREAD_MUTEX_INITIALIZER;

static int
add_to_poller(int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint32_t)fd};
    return epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
}

static int64_t
clock_now(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * NANO + now.tv_nsec;
}

int64_t
loop_now(void) {
    return clock_now(CLOCK_MONOTONIC);
}

int
loop_millis(int64_t until, int64_t now) {
    int64_t millis = (until - now - 1) / 1000000 + 1;
    if (until == INT64_MAX)
        return -1;
    return until <= now ? 0 : millis > INT_MAX ? INT_MAX : (int)millis;
}

/* Arms a timer that never comes, but is cancelled when the clock is set. */
static void
watch_wall(int64_t now) {
    struct itimerspec never = {.it_value.tv_sec = INT64_C(1) << 40};
    timerfd_settime(wall.fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET,
                    &never, NULL);
    wall.since = now;
}

/* Returns by how much the clock was set, if that is worth a log line. */
static int64_t
look_at_wall(void) {
    int64_t now = loop_now(), offset = clock_now(CLOCK_REALTIME) - now;
    int64_t step = offset - wall.offset;
    bool trim = step > -NANO && step < NANO;
    if (now - wall.since > 60 * NANO)
        wall.trims = 0; /* rare steps do not add up */
    wall.trims += trim;
    if (wall.trims < TRIMS || !trim)
        watch_wall(now);
    if (trim)
        return 0;
    wall.offset = offset;
    return step;
}

int
loop_open(void) {
    poller = epoll_create1(EPOLL_CLOEXEC);
    if (poller >= 0)
        alarm_bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (alarm_bell >= 0)
        wall.fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (wall.fd < 0) /* errno is that of the call that failed */
        return -1;
    wall.offset = clock_now(CLOCK_REALTIME) - loop_now();
    watch_wall(loop_now());
    return add_to_poller(alarm_bell) < 0 ? -1 : add_to_poller(wall.fd);
}

int64_t
loop_wait(int64_t until) {
    int64_t now = loop_now(), step = 0;
    uint64_t rung;
    found_next = 0;
    found_count = epoll_wait(poller, found, EVENTS, loop_millis(until, now));
    for (int i = 0; i < found_count; i++) {
        int fd = (int)found[i].data.u64;
        if (fd == alarm_bell)
            (void)!read(fd, &rung, sizeof rung);
        else if (fd == wall.fd && read(fd, &rung, sizeof rung) < 0)
            step = look_at_wall();
    }
    if (wall.trims >= TRIMS && now - wall.since > 60 * NANO)
        step = look_at_wall();
    return step;
}

void
loop_wake(void) {
    uint64_t ring = 1;
    (void)!write(alarm_bell, &ring, sizeof ring);
}

int
loop_post(const char *name, svr_call *own, void *arg) {
    struct loop_post *post = malloc(sizeof *post);
    if (!post)
        return -1;
    *post = (struct loop_post){NULL, name, own, arg};
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

/* ---- Watches ---------------------------------------------------------- */

/* Makes epoll watch what the table asks for. */
static int
update_epoll(int fd) {
    struct loop_watch *watch = &watches[fd];
    struct epoll_event event = {
        .events = (watch->events & SVR_READ ? EPOLLIN | EPOLLRDHUP : 0u) |
                  (watch->events & SVR_WRITE ? EPOLLOUT : 0u),
        .data.u64 = (uint64_t)watch->age << 32 | (uint32_t)fd};
    if (watch->events == 0 || watch->rests)
        return epoll_ctl(poller, EPOLL_CTL_DEL, fd, NULL);
    int result = epoll_ctl(poller, EPOLL_CTL_MOD, fd, &event);
    if (result < 0 && errno == ENOENT)
        result = epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
    return result;
}

int
loop_watch(int fd, struct loop_watch watch) {
    if (fd >= places) {
        int more = (fd + 16) * 2;
        struct loop_watch *grown =
            realloc(watches, (size_t)more * sizeof *watches);
        if (!grown)
            return -1;
        memset(grown + places, 0, (size_t)(more - places) * sizeof *grown);
        watches = grown;
        places = more;
    }
    struct loop_watch former = watches[fd];
    watches[fd] = watch;
    watches[fd].age = former.events ? former.age : ++ages;
    watches[fd].fails = former.events ? former.fails : 0;
    int result = update_epoll(fd);
    if (result < 0)
        watches[fd] = former;
    return result;
}

int
loop_unwatch(int fd) {
    if (fd < 0 || fd >= places || watches[fd].events == 0)
        return -1;
    watches[fd].events = 0;
    update_epoll(fd);
    return 0;
}

void
loop_rest(struct loop_watch *watch, bool rests) {
    watch->rests = rests;
    update_epoll((int)(watch - watches));
}

struct loop_watch *
loop_ready(int *events) {
    while (found_next < found_count) {
        const struct epoll_event *event = &found[found_next++];
        struct loop_watch *watch = loop_watch_at((int)event->data.u64);
        if (!watch || watch->events == 0 || watch->age != event->data.u64 >> 32)
            continue;
        *events = (event->events & EPOLLIN ? SVR_READ : 0) |
                  (event->events & EPOLLOUT ? SVR_WRITE : 0);
        if (event->events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP))
            *events = SVR_READ | SVR_WRITE;
        return watch;
    }
    return NULL;
}

struct loop_watch *
loop_watch_at(int fd) {
    return fd >= 0 && fd < places ? &watches[fd] : NULL;
}

struct loop_watch *
loop_save(void) {
    size_t size = (size_t)places * sizeof *watches;
    struct loop_watch *copy = malloc(size + 1);
    saved_places = places;
    return copy && watches ? memcpy(copy, watches, size) : copy;
}

void
loop_restore(struct loop_watch *saved) {
    for (int fd = 0; fd < places; fd++) {
        struct loop_watch now = watches[fd];
        watches[fd] =
            fd < saved_places ? saved[fd] : (struct loop_watch){.events = 0};
        if (now.events != watches[fd].events || now.age != watches[fd].age ||
            now.rests != watches[fd].rests)
            update_epoll(fd);
    }
    free(saved);
}
