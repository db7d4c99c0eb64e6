/* loop: where the loop thread waits, and what wakes it. */
#ifndef LOOP_H
#define LOOP_H

#include <stdint.h>

#include "svr.h"

/* loop_open opens the event loop; once, before any other call. Returns 0, or -1
 * with errno. */
int loop_open(void);

/* loop_now is the monotonic clock in nanoseconds. */
int64_t loop_now(void);

/* loop_millis is the time from `now` until `until` as poll(2) wants it, rounded
 * up; -1 = no limit. Any thread, as loop_now. */
int loop_millis(int64_t until, int64_t now);

/* loop_wait waits until `until`, an event, or loop_wake. Returns how far the
 * wall clock was set since the last call, in nanoseconds, if that is a second
 * or more; otherwise 0. Where the clock is corrected by small steps all the
 * time, a step does not wake the server: the clock is then checked once a
 * minute, when something else is due. */
int64_t loop_wait(int64_t until);

/* loop_wake ends the present wait, or the next one. Any thread. */
void loop_wake(void);

/* A descriptor that is watched. `call` is the name of a callback. One with
 * `own` is a part's; its `call`, if any, is what the part will call. */
struct loop_watch {
    int events; /* SVR_READ, SVR_WRITE; 0: it is not watched */
    const char *call;
    svr_call *own;
    void *arg;
    uint32_t age;        /* which watch of this descriptor it is */
    unsigned char fails; /* failures in a row */
    bool rests;          /* its descriptor is not waited for */
};

/* loop_watch begins or changes a watch of `fd`, 0 or more. Returns 0, or -1
 * with errno. loop_unwatch ends it. Returns 0, or -1 if there is none. */
int loop_watch(int fd, struct loop_watch watch);
int loop_unwatch(int fd);

/* loop_ready returns the next descriptor that the last wait found ready, with
 * its events; NULL = no more. */
struct loop_watch *loop_ready(int *events);

/* loop_rest lets a watch rest, or ends its rest. */
void loop_rest(struct loop_watch *watch, bool rests);

/* loop_watch_at returns the slot of a descriptor; NULL = past the last one. A
 * slot without events is not watched. */
struct loop_watch *loop_watch_at(int fd);

/* loop_save returns a copy of all watches, or NULL when memory is short.
 * loop_restore puts it in force again and frees it; or free it with free(3). */
struct loop_watch *loop_save(void);
void loop_restore(struct loop_watch *saved);

/* A call that was posted into the loop. */
struct loop_post {
    struct loop_post *next;
    const char *name; /* of the callback */
    svr_call *own;    /* not the handler's; or NULL */
    void *arg;
};

/* loop_post queues a call. Any thread. Returns 0, or -1 when memory is short.
 */
int loop_post(const char *name, svr_call *own, void *arg);
/* loop_posted returns all calls that are queued, in order; the caller frees
 * each. */
struct loop_post *loop_posted(void);

#endif
