/* loop: where the loop thread waits, and what wakes it. */
#ifndef LOOP_H
#define LOOP_H

#include <stdint.h>

#include "svr.h"

/* loop_open makes the wait; once, before any other call. -1 sets errno. */
int loop_open(void);

/* loop_now is the monotonic clock in nanoseconds. */
int64_t loop_now(void);

/* loop_wait sleeps until `until`, or until somebody wakes it. Returns by how
 * many nanoseconds the wall clock was set since the last time, when that is a
 * second or more, else 0. A machine whose clock is trimmed by small steps all
 * the time does not wake the server for each: there it is looked at once a
 * minute, when something else is due. */
int64_t loop_wait(int64_t until);

/* loop_wake ends a wait, the present or the next; any thread. */
void loop_wake(void);

/* A descriptor that is watched. `call` is an index of the handler's table. One
 * with `own` is a part's; its `call`, if any, is what the part will call. */
enum { LOOP_NO_CALL = -1 };
struct loop_watch {
    int events; /* SVR_READ, SVR_WRITE; 0: it is not watched */
    int call;
    svr_call *own;
    void *arg;
    uint32_t age;  /* which watch of this number it is */
    int64_t pause; /* how long it rests since it fails, nanoseconds */
    int64_t rest;  /* till when; 0: it does not */
};

/* loop_watch begins or changes a watch; -1 sets errno. loop_unwatch ends it;
 * -1: there is none. */
int loop_watch(int fd, struct loop_watch watch);
int loop_unwatch(int fd);

/* loop_ready takes the next descriptor that the last wait found ready, with its
 * events; NULL ends. */
const struct loop_watch *loop_ready(int *events);

/* loop_pause notes how long a watch rests, and lets it rest from now on: its
 * descriptor is not waited for meanwhile. `age` tells which watch is meant. */
void loop_pause(int fd, uint32_t age, int64_t pause);

/* loop_watch_at walks all places: NULL ends; some are not watched. */
struct loop_watch *loop_watch_at(int fd);

/* loop_save returns a copy of all watches, NULL when memory is short;
 * loop_restore puts it back; free(3) forgets it. */
struct loop_watch *loop_save(void);
void loop_restore(struct loop_watch *saved);

/* A call that was posted into the loop. */
struct loop_post {
    struct loop_post *next;
    const char *name; /* of the callback */
    svr_call *own;    /* not the handler's; or NULL */
    void *arg;
};

/* loop_post queues a call; any thread. -1: no memory. */
int loop_post(const char *name, svr_call *own, void *arg);
/* loop_posted takes all that is queued, in order; the caller frees each. */
struct loop_post *loop_posted(void);

#endif
