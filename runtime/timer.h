/* timer: who is due, and when is the next. Data alone: it calls nobody. */
#ifndef TIMER_H
#define TIMER_H

#include "svr.h"

enum { TIMER_KEY_SIZE = 48 };

/* What the clocks show, in nanoseconds: the one that only goes on, and the one
 * that people set. */
struct timers_now {
    int64_t mono, wall;
};

/* A timer. `call` and `next` are indices of the handler's table; one with
 * `own` is the server's or a part's. */
enum { TIMER_UNBOUND = -1, TIMER_NO_NEXT = -1 };
struct timer {
    char key[TIMER_KEY_SIZE];
    svr_call *own;
    int call;
    int next; /* who tells when it is due, TIMER_NO_NEXT: the timer itself */
    char at;  /* D, H, M or 0 */
    void *arg;
    int64_t every;   /* nanoseconds; 0 when the time comes from elsewhere */
    int64_t runs;    /* how many are left, 0 = no end */
    int64_t last;    /* of D, H, M: the wall clock at the last tick, seconds */
    int64_t due;     /* the exact deadline, monotonic nanoseconds */
    int64_t skipped; /* ticks that the last one came too late for */
    int64_t pause;   /* how long it rests since it fails, nanoseconds */
    uint32_t place;  /* in the heap */
    uint32_t chain;  /* the next in its hash chain, or in the free list */
};

/* All timers; holds indices alone, so that a copy of the bytes is a copy. */
struct timers;

/* timers_span sets the multiple to which deadlines are rounded up; those of
 * timers with `own` are not. */
void timers_span(double seconds);

/* timers_open makes room for the first timers. -1: no memory. */
int timers_open(void);

/* timers_add takes the timer's key, call, next, at, arg, every and runs; with
 * `next`, `due` too. Returns 0; -1 when the key exists or memory is short. */
int timers_add(const struct timer *timer, struct timers_now now);
/* timers_find is the timer with a key, or NULL. */
const struct timer *timers_find(const char *key);
/* timers_remove returns 0, or -1 for an unknown key. */
int timers_remove(const char *key);
/* timers_delay sets the deadline of a timer that has a `next`. */
void timers_delay(const char *key, int64_t due);
/* timers_pause notes how long a timer rests, and lets it rest from `now` on; a
 * period keeps its phase. */
void timers_pause(const char *key, int64_t pause, int64_t now);

/* timers_due takes the next timer whose deadline has come into `tick` and sets
 * its next deadline, or ends it after its last run. */
bool timers_due(struct timers_now now, struct timer *tick);
/* timers_next is the first deadline, rounded up; INT64_MAX when there is none.
 */
int64_t timers_next(void);
/* timers_set_clock finds the deadlines by the wall clock anew. */
void timers_set_clock(struct timers_now now);

/* timers_at walks all timers, in no order: NULL ends. */
struct timer *timers_at(uint32_t i);
/* timers_first lists those that are due first, `most` at most, in their order.
 * Returns how many; `total` gets the number of all. */
int timers_first(struct timer *first[], int most, uint32_t *total);

/* timers_save returns a copy of all, NULL when memory is short; timers_restore
 * puts it back; free(3) forgets it. */
struct timers *timers_save(void);
void timers_restore(struct timers *saved);

#endif
