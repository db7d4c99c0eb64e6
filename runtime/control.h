/* control: signals, the control socket, and the time limit of a close. It runs
 * on a thread of its own that calls none of the user's code, so it answers
 * while a hook is stuck. */
#ifndef CONTROL_H
#define CONTROL_H

#include <stdbool.h>

/* control_open shows the server in run/ of the folder `dir`, by its pid file
 * and the control socket, and starts the thread. It restores both, and the
 * lock, if somebody removes them. `close` begins a safe close, and returns at
 * once. Returns 0, or -1 as svr_fail. The loop thread's. */
int control_open(int dir, void (*close)(int exit_code));

/* control_limits sets the seconds that a client waits for a reload. Any thread,
 * as all functions below unless they say otherwise. */
void control_limits(double reload_wait);

/* control_arm is for a close that begins: the process is ended by force, with
 * `status`, after `seconds`. */
void control_arm(double seconds, int status);

/* control_turn writes the figures of the status, if a client waits for them.
 * The loop thread's, at each turn. */
void control_turn(void);

/* control_reloads reports whether a reload was requested and has no verdict
 * yet. Control thread. */
bool control_reloads(void);

/* control_stop ends the thread and answers the clients that wait: the server
 * has ended, with this exit status for svr.sh and this text. control_remove
 * removes what control_open shows in run/. */
void control_stop(int code, const char *text);
void control_remove(void);

#endif
