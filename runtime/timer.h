/* timer: which timer is due, and when is the next one. Only data: it calls
 * nothing. */
#ifndef TIMER_H
#define TIMER_H

#include "svr.h"

enum { TIMER_KEY_SIZE = 48 };

/* The clocks, in nanoseconds: the monotonic one and the wall clock. */
struct timers_now {
    int64_t mono, wall;
};

/* A timer. One with `own` is the server's or a part's. */
struct timer {
    char key[TIMER_KEY_SIZE]; /* padded with NULs */
    svr_call *own;
    const char *call; /* the callback's name */
    const char *next; /* of the callback that decides when it is due; or NULL */
    char at;          /* D, H, M or 0 */
    unsigned char fails; /* failures in a row */
    int second;          /* of D: the time of day */
    void *arg;
    int64_t every;  /* the period in nanoseconds; 0 = it has none */
    int64_t runs;   /* how many are left; 0 = no limit */
    int64_t last;   /* of D, H, M: the wall clock at the last tick, seconds */
    int64_t due;    /* the exact deadline, monotonic nanoseconds */
    uint32_t place; /* in the heap */
    uint32_t chain; /* the next in its hash chain, or in the free list */
};

/* All timers; holds only indices, so that a copy of the bytes is a copy. */
struct timers;

/* timers_span: deadlines are rounded up to a multiple of `seconds`, except
 * those of timers with `own`. */
void timers_span(double seconds);

/* timers_open allocates the first timers; before any other call. Returns 0, or
 * -1 when memory is short. */
int timers_open(void);

/* timers_add adds a timer with this key, call, next, at, arg, every and runs;
 * with `next`, also `due`. Returns 0, or -1 when the key exists or memory is
 * short. */
int timers_add(const struct timer *timer, struct timers_now now);
/* timers_set adds a timer or replaces the one with its key; a period, or a kind
 * of D, H and M, that is unchanged keeps its phase. Returns 0, or -1 when
 * memory is short. */
int timers_set(const struct timer *timer, struct timers_now now);
/* timers_remove removes a timer of the user's, or with `own` one of the
 * server's or a part's. Returns 0, or -1 if there is none with this key. */
int timers_remove(const char *key, bool own);
/* timers_delay sets the deadline of a timer that has a `next`. */
void timers_delay(const char *key, int64_t due);
/* timers_pause sets how often a timer failed in a row, and delays it until
 * `until`, if it is not due later; a period keeps its phase. */
void timers_pause(const char *key, unsigned char fails, int64_t until);

/* timers_due copies the next timer that is due to `tick`, and sets its next
 * deadline, or removes it after its last run. Returns how many ticks were
 * missed before this one; -1 = no timer is due. */
int64_t timers_due(struct timers_now now, struct timer *tick);
/* timers_next is the first deadline, rounded up; INT64_MAX if there is no
 * timer. */
int64_t timers_next(void);
/* timers_set_clock computes the deadlines by the wall clock again. */
void timers_set_clock(struct timers_now now);

/* timers_at returns timer number `i`, in no particular order; NULL = past the
 * last one. */
struct timer *timers_at(uint32_t i);
/* timers_first lists at most `most` timers, those that are due first, in order.
 * Returns how many; `total` is the number of all timers. */
int timers_first(struct timer *first[], int most, uint32_t *total);

/* timers_save returns a copy of all timers, or NULL when memory is short.
 * timers_restore puts it in force again; or free it with free(3). */
struct timers *timers_save(void);
void timers_restore(struct timers *saved);

#endif
