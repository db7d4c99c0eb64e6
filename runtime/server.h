/* server: the life: start, loop, summary, close. */
#ifndef SERVER_H
#define SERVER_H

/* server_start does all up to and with on_start, in the project's folder `dir`.
 * Returns 0; otherwise the exit status, as svr_fail. */
int server_start(int dir);

/* server_run serves until somebody closes the server. Returns the exit status.
 */
int server_run(void);

/* server_begin lets the hooks of a server begin that waits as standby, once all
 * parts that wanted it to wait have called; to be posted into the loop. Returns
 * 0. */
int server_begin(void *unused);

/* server_restart closes, and lets a part bring another program. Any thread. */
void server_restart(void);

/* server_leave removes what a running server shows in run/, and answers the
 * clients that wait for the end. Returns the exit status. */
int server_leave(int status);

enum {
    SERVER_FAILED = 1,   /* exit status: the start failed, or the last
                            checkpoint could not be written */
    SERVER_BAD_CONF = 78 /* exit status: svr_conf has a mistake */
};

#endif
