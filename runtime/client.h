/* client: what svr.sh runs: asks the running server, waits no longer than it
 * must, and prints the answer. */
#ifndef CLIENT_H
#define CLIENT_H

enum { CLIENT_NOT_RUNNING = 3, CLIENT_PENDING = 4 };

/* client_ask sends a request ("reload", "close", "status --json") and prints
 * the answer. A server that does not answer in time (it is stopped, say) has
 * its last known status printed, or what to do. Returns the exit status for
 * svr.sh. */
int client_ask(int dir, const char *request);

/* client_check reports whether build/handler.so and svr_conf would be accepted,
 * by the running server if there is one. Changes nothing. */
int client_check(int dir);

#endif
