/* client: the voice of svr.sh: asks the running server and waits. */
#ifndef CLIENT_H
#define CLIENT_H

#include <sys/types.h>

enum { CLIENT_NOT_RUNNING = 3 };

/* client_holder is the process that holds run/lock in the folder, 0 = none. */
pid_t client_holder(int dir);

/* client_ask sends a request ("reload", "close", "status", "status --json") and
 * prints the answer. Returns the exit status for svr.sh. */
int client_ask(int dir, const char *request);

/* client_check tells whether build/handler.so and svr_conf would be accepted,
 * by the running server if there is one. Touches nothing. */
int client_check(int dir);

#endif
