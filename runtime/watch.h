/* watch: does the loop live? The loop tells what it does, the guard judges. */
#ifndef WATCH_H
#define WATCH_H

#include <stdbool.h>
#include <stdint.h>

/* What a judgement leads to. `wake` makes the guard judge again; `hung` hears,
 * in the guard's thread, what was found. Both return at once. */
struct watch_duty {
    void (*wake)(void);
    void (*hung)(const char *found);
};

/* watch_start begins to count; called by the loop's thread. */
void watch_start(const struct watch_duty *duty);

/* watch_limits sets how many seconds without a report are too many, 0 = off,
 * and whether the user's reports alone count. Any thread. */
void watch_limits(double span, bool by_report);

/* watch_wait tells that the loop begins to wait for events, or ends it; waiting
 * is not hanging. */
void watch_wait(bool begins);

/* watch_do tells which hook, timer or callback the loop is in; NULL: none.
 * watch_doing copies the name, "" for none. */
void watch_do(const char *name);
void watch_doing(char name[64]);

/* watch_call calls a hook, if there is one, under its name. */
int watch_call(const char *name, int (*hook)(void));

/* watch_judge looks at the loop; returns when to look again, on the monotonic
 * clock in nanoseconds. The guard's. */
int64_t watch_judge(void);

#endif
