/* watchdog: is the loop alive? The loop reports what it does, the control
 * thread judges. */
#ifndef WATCHDOG_H
#define WATCHDOG_H

#include <stdbool.h>
#include <stdint.h>

/* watchdog_start begins to count. `hung` is called once if the loop hangs, by
 * the control thread, with what the loop is in; it returns at once. Loop
 * thread. */
void watchdog_start(void (*hung)(const char *found));

/* watchdog_limits sets the longest time without a report, in seconds, 0 = off,
 * and whether only the user's reports count. Any thread. */
void watchdog_limits(double span, bool by_report);

/* watchdog_wait: the loop begins or ends a wait for events; waiting is not
 * hanging. Loop thread. */
void watchdog_wait(bool begins);

/* watchdog_enter and _leave: the loop begins or ends a call of the hook, timer
 * or callback of that name. Loop thread. watchdog_doing copies the name, "" =
 * none. Any thread. */
void watchdog_enter(const char *name);
void watchdog_leave(void);
void watchdog_doing(char name[64]);

/* What the loop did since the start; in seconds. */
struct watchdog_figures {
    double busy;      /* all the time that it did not wait */
    double longest;   /* the longest call, and its name */
    double doing_for; /* the present call, "" = none */
    char longest_name[64], doing[64];
};

/* watchdog_figures fills them in. Any thread. */
void watchdog_figures(struct watchdog_figures *figures);

/* watchdog_judge looks at the loop; returns when to look again, on the
 * monotonic clock in nanoseconds. The control thread's. */
int64_t watchdog_judge(void);

#endif
