/* timer: who is due, and when is the next. Data alone: it calls nobody. */
#ifndef TIMER_H
#define TIMER_H

#include "svr.h"

enum { TIMER_KEY_SIZE = 48 };

/* A timer. `call` is an index of the handler's table, -1 = bound to nothing. */
struct timer {
    char key[TIMER_KEY_SIZE];
    int call;
    void *arg;
    int64_t every;   /* nanoseconds */
    int64_t runs;    /* how many are left, 0 = no end */
    int64_t due;     /* the exact deadline, monotonic nanoseconds */
    int64_t skipped; /* ticks that the last one came too late for */
    uint32_t place;  /* in the heap */
    uint32_t next;   /* in its hash chain, or in the free list */
};

/* All timers; holds indices alone, so that a copy of the bytes is a copy. */
struct timers;

/* timers_span sets the multiple of which deadlines are rounded up. */
void timers_span(double seconds);

/* timers_add returns 0; -1 when the key exists or memory is short. */
int timers_add(const char *key, int call, void *arg, struct svr_when when,
               int64_t now);
/* timers_remove returns 0, or -1 for an unknown key. */
int timers_remove(const char *key);

/* timers_due takes the next timer whose deadline has come into `tick` and sets
 * its next deadline, or ends it after its last run. */
bool timers_due(int64_t now, struct timer *tick);
/* timers_next is the first deadline, rounded up; INT64_MAX when there is none.
 */
int64_t timers_next(void);

/* timers_at walks all timers, in no order: NULL ends. */
struct timer *timers_at(uint32_t i);

/* timers_save returns a copy of all, NULL when memory is short; timers_restore
 * puts it back; timers_drop forgets it. */
struct timers *timers_save(void);
void timers_restore(struct timers *saved);
void timers_drop(struct timers *saved);

#endif
