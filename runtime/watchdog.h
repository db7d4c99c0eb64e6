/* watchdog: is the loop alive? The loop reports what it does, the control
 * thread judges. */
#ifndef WATCHDOG_H
#define WATCHDOG_H

#include <stdbool.h>
#include <stdint.h>

/* What a judgement leads to. `wake` makes the control thread judge again;
 * `hung` is called there with what was found. Both return at once. */
struct watchdog_duty {
    void (*wake)(void);
    void (*hung)(const char *found);
};

/* watchdog_start begins to count; called by the loop thread. */
void watchdog_start(const struct watchdog_duty *duty);

/* watchdog_limits sets the timeout without a report in seconds, 0 = off, and
 * whether only the user's reports count. Any thread. */
void watchdog_limits(double span, bool by_report);

/* watchdog_wait: the loop begins to wait for events, or ends it; waiting is not
 * hanging. */
void watchdog_wait(bool begins);

/* watchdog_enter and _leave: the loop begins or ends a call of a hook, timer or
 * callback, of that name. watchdog_doing copies the name, "" for none. */
void watchdog_enter(const char *name);
void watchdog_leave(void);
void watchdog_doing(char name[64]);

/* What the loop did since the start; in seconds. */
struct watchdog_figures {
    double busy;      /* it did not wait */
    double longest;   /* the longest call, and its name */
    double doing_for; /* the call that it is in, "" = none */
    char longest_name[64], doing[64];
};

/* watchdog_figures reports them. Any thread. */
void watchdog_figures(struct watchdog_figures *figures);

/* watchdog_judge looks at the loop; returns when to look again, on the
 * monotonic clock in nanoseconds. The control thread's. */
int64_t watchdog_judge(void);

#endif
