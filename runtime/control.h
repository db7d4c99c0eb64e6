/* control: signals, the control socket, and the time limit of a close. It runs
 * on a thread of its own that calls none of the user's code, so it answers
 * while a hook is stuck. */
#ifndef CONTROL_H
#define CONTROL_H

#include <stdbool.h>

/* What the control thread calls. All of these return at once. */
struct control_duty {
    void (*close)(void);  /* begin a safe close */
    void (*reload)(void); /* begin a reload; it ends with control_verdict */
    void (*forced)(void); /* the close took too long: log that, clean up */
    void (*ask)(void);    /* have the loop write its figures: control_figures */
    void (*state)(char *text, int size); /* for a checker: size, version, ABI */
    void (*restored)(void); /* run/ was removed, and is there again */
};

/* control_open opens run/control in the folder `dir`, and starts the thread.
 * run/ is restored, with the lock and the socket, if somebody removes it.
 * Returns 0, or -1 as svr_fail. The loop thread's. */
int control_open(int dir, const struct control_duty *duty);

/* control_limits sets the seconds that a client waits for a reload. Any thread,
 * as all functions below. */
void control_limits(double reload_wait);

/* control_arm ends the process by force, with `status`, after `seconds`. */
void control_arm(double seconds, int status);

/* control_wake has the control thread look at what is due: the loop, the
 * status.
 */
void control_wake(void);

/* control_verdict: the verdict on a reload stands in the status.
 * control_figures: the loop has written its figures. */
void control_verdict(void);
void control_figures(void);

/* control_reloads reports whether a reload was requested and has no verdict
 * yet. Control thread. */
bool control_reloads(void);

/* control_stop ends the thread and answers the clients that wait: the server
 * has ended, with this exit status for svr.sh and this text. */
void control_stop(int code, const char *text);

#endif
