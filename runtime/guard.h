/* guard: the second thread: signals, control socket, forced close. It runs no
 * user code, so that it answers while a hook is stuck. */
#ifndef GUARD_H
#define GUARD_H

#include <stdbool.h>

#include "why.h"

/* What the guard asks of the server. All return at once. */
struct guard_duty {
    void (*close)(void);  /* begin a safe close */
    void (*reload)(void); /* begin a reload; it ends with guard_tell */
    void (*forced)(void); /* the close took too long: last words */
    void (*ask)(void);    /* let the loop tell its figures: guard_tell */
    void (*state)(char *text, int size); /* for a checker: size, version */
    void (*restored)(void); /* run/ was removed, and is there again */
};

/* guard_start opens run/control in the folder `dir` and starts the thread. It
 * restores run/, with the lock and the socket, if somebody removes it. */
int guard_start(int dir, const struct guard_duty *duty, char reason[WHY_SIZE]);

/* guard_limits sets the bounds in force: seconds that a reload's client waits.
 * Any thread, as all below. */
void guard_limits(double reload_wait);
double guard_limit(void);

/* guard_reloads reports whether a reload is asked for and has no verdict yet.
 * For the control thread. */
bool guard_reloads(void);

/* guard_arm ends the process by force, with `status`, after so many seconds. */
void guard_arm(double seconds, int status);

/* guard_wake makes it judge the loop (watch.h). */
void guard_wake(void);

/* guard_tell: the verdict on a reload stands in the status, or the loop's
 * figures do. */
enum guard_news { GUARD_VERDICT, GUARD_FIGURES, GUARD_NEWS };
void guard_tell(enum guard_news news);

/* guard_stop answers the clients that wait for the close with an exit status
 * for svr.sh and a text, and ends the thread. */
void guard_stop(int code, const char *text);

#endif
