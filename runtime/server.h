/* server: the life: start, loop, reload, close. */
#ifndef SERVER_H
#define SERVER_H

#include "timer.h"
#include "why.h"

/* server_start does all up to and with on_start, in the project's folder `dir`.
 * Returns 0; else the exit status, with the reason. */
int server_start(int dir, char reason[WHY_SIZE]);

/* server_run serves until somebody closes the server. Returns the exit status.
 */
int server_run(void);

/* server_timer sets a timer of the server's or a part's, or replaces the one
 * with its key: `own`, and `at`, or `every` and `runs`; with neither it is only
 * removed. Loop thread. Returns 0; -1, logged, when memory is short: the timer
 * is not set then. */
int server_timer(struct timer timer);

/* server_begin lets the hooks of a server begin that waits as standby, once all
 * parts that wanted it to wait have called; to be posted into the loop. Returns
 * 0. */
int server_begin(void *unused);

/* server_restart closes, and lets a part bring another program. Any thread. */
void server_restart(void);

/* server_leave removes what a running server shows in run/, and tells those who
 * wait for the end. Returns the exit status. */
int server_leave(int status);

enum { SERVER_FAILED = 1, SERVER_BAD_CONF = 78 };

#endif
