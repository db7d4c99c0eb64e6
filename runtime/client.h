/* client: what svr.sh runs: asks the running server, waits for the answer as
 * long as it may take, and prints it. */
#ifndef CLIENT_H
#define CLIENT_H

/* Exit statuses for svr.sh, of which the server answers with CLIENT_LACKS and
 * CLIENT_PENDING too. */
enum { CLIENT_LACKS = 2, CLIENT_NOT_RUNNING = 3, CLIENT_PENDING = 4 };

/* When the answer to a request comes: at once, with a reload's verdict, at the
 * server's end, or when another program has started. */
enum client_wait { CLIENT_AT_ONCE, CLIENT_VERDICT, CLIENT_STARTED, CLIENT_END };

/* client_ask sends a request ("reload", "status --json") and prints the answer.
 * If none comes in time (the server is stopped, say), it prints the last known
 * status, or what to do. Returns the exit status for svr.sh. */
int client_ask(int dir, const char *request, enum client_wait wait);

/* client_lacks prints that a request needs a part which the server lacks.
 * Returns the exit status for svr.sh. */
int client_lacks(const char *request);

/* client_check reports whether build/handler.so and svr_conf would be accepted,
 * by the running server if there is one. Changes nothing. */
int client_check(int dir);

#endif
