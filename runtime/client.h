/* client: what svr.sh runs: asks the running server, waits no longer than it
 * must, and prints the answer. */
#ifndef CLIENT_H
#define CLIENT_H

enum { CLIENT_NOT_RUNNING = 3, CLIENT_PENDING = 4 };

/* When the answer to a request comes: at once, with a reload's verdict, at the
 * server's end, or when another program has started. */
enum client_wait { CLIENT_AT_ONCE, CLIENT_VERDICT, CLIENT_STARTED, CLIENT_END };

/* client_ask sends a request ("reload", "status --json") and prints the answer.
 * A server that does not answer in time (it is stopped, say) has its last known
 * status printed, or what to do. Returns the exit status for svr.sh. */
int client_ask(int dir, const char *request, enum client_wait wait);

/* client_check reports whether build/handler.so and svr_conf would be accepted,
 * by the running server if there is one. Changes nothing. */
int client_check(int dir);

#endif
