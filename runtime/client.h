/* client: the voice of svr.sh: asks the running server and waits. */
#ifndef CLIENT_H
#define CLIENT_H

enum { CLIENT_NOT_RUNNING = 3 };

/* client_ask sends a request ("reload", "close", "status --json") and
 * prints the answer. Returns the exit status for svr.sh. */
int client_ask(int dir, const char *request);

/* client_check tells whether build/handler.so and svr_conf would be accepted,
 * by the running server if there is one. Touches nothing. */
int client_check(int dir);

#endif
