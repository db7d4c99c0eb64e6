/* callback: the user's timers, descriptors and posts: which callback is called
 * when, and what happens after a failure. */
#ifndef CALLBACK_H
#define CALLBACK_H

#include "timer.h"

/* callback_open sets what closes the server with an exit status. */
void callback_open(void (*close)(int status));

/* callback_stop: the server closes; no timer and no watch is called any more.
 * Any thread. */
void callback_stop(void);

/* callback_hook calls a hook, if there is one, and notes its name for the
 * watchdog. Returns what the hook returns, or 0. Loop thread, as all functions
 * here. */
int callback_hook(const char *name, int (*hook)(void));

/* callback_failed logs a failure of a hook or callback and lets on_except
 * decide. A failure that is repeated is counted, and logged once a second. */
void callback_failed(const char *name, int result);

/* callback_pause counts failures in a row; a `result` of 0 or more ends the
 * row. Returns the pause before the next try, in nanoseconds, or 0. */
int64_t callback_pause(unsigned char *fails, int result);

/* callback_timers, _watches and _posts call what is due; callback_posts with
 * `all` also those that rest. */
void callback_timers(void);
void callback_watches(void);
void callback_posts(bool all);

/* callback_check fails if a descriptor is watched by a callback that the live
 * code lacks. callback_drop drops the timers whose callback it lacks, with a
 * warning. */
int callback_check(void);
void callback_drop(void);

/* callback_timer sets a timer of the server or a part (with `own`), or replaces
 * the one with that key. It has `at`, or `every` and `runs`; without `at` and
 * `every` it is only removed. A period that is unchanged keeps its phase.
 * Returns 0, or -1 when memory is short, which is logged. */
int callback_timer(struct timer timer);

/* callback_clock reads both clocks. */
struct timers_now callback_clock(void);

#endif
