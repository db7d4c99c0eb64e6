/* server: the life: start, loop, summary, close. */
#ifndef SERVER_H
#define SERVER_H

/* server_start starts the server in the project's folder `dir`, up to and
 * including on_start. Returns 0; otherwise the exit status, as svr_fail. */
int server_start(int dir);

/* server_run serves until somebody closes the server. Returns the exit status.
 */
int server_run(void);

/* server_begin ends the wait of a standby server. Each part that made the
 * server wait posts it into the loop; the last one has on_start called. Returns
 * 0. */
int server_begin(void *unused);

/* server_restart closes the server; at the end, a part executes the next
 * program. Any thread. */
void server_restart(void);

/* server_leave answers the clients that wait for the end, and removes a running
 * server's files from run/. Returns the exit status. */
int server_leave(int status);

enum {
    SERVER_FAILED = 1,   /* exit status: the start failed, or the last
                            checkpoint could not be written */
    SERVER_BAD_CONF = 78 /* exit status: svr_conf has a mistake */
};

#endif
