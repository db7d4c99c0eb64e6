/* callback: timers, descriptors and posts of the user's, which callback is
 * called when, and what becomes of a failure. */
#ifndef CALLBACK_H
#define CALLBACK_H

#include "timer.h"

/* What a failure or a callback may lead to. */
struct callback_duty {
    void (*close)(int status); /* closes the server */
    bool (*closing)(void);
};
void callback_open(const struct callback_duty *duty);

/* callback_hook calls a hook, if there is one, under its name. Returns what the
 * hook returns, or 0. The loop thread's, as all here. */
int callback_hook(const char *name, int (*hook)(void));

/* callback_failed logs a failure of a hook or callback and lets on_except
 * decide. The same failure again is counted, and logged once a second. */
void callback_failed(const char *name, int result);

/* callback_pause is how long what failed rests before the next try; `before` is
 * the rest before, 0 = the first. Nanoseconds. */
int64_t callback_pause(int64_t before);

/* These call what is due. callback_posts with `all` leaves none that rests. */
void callback_timers(void);
void callback_watches(void);
void callback_posts(bool all);

/* callback_next is when a post that rests is due, INT64_MAX for none. */
int64_t callback_next(void);

/* callback_check fails if a descriptor is watched by a callback that the live
 * code lacks. callback_drop drops the timers whose callback it lacks, with a
 * warning. */
int callback_check(void);
void callback_drop(void);

/* callback_timer sets a timer of the server's or a part's, or replaces the one
 * with its key: `own`, and `at`, or `every` and `runs`; with neither it is only
 * removed. One whose period stays keeps its phase. Returns 0; -1, logged, when
 * memory is short: the timer is not set then. */
int callback_timer(struct timer timer);

/* callback_clock is what the clocks show. */
struct timers_now callback_clock(void);

#endif
