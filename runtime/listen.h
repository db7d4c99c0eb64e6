/* listen: listening sockets, from systemd or bound anew. */
#ifndef LISTEN_H
#define LISTEN_H

#include <stdbool.h>

#include "why.h"

/* listen_open is svr_listen, with the reason; `dir` is where paths start. */
int listen_open(int dir, const char *address, char reason[WHY_SIZE]);

/* listen_socket tells whether a descriptor is a listening socket. */
bool listen_socket(int fd);

/* listen_find notes what was handed over (LISTEN_FDS), before anything else is
 * opened; listen_drop_rest closes what nobody took of it. */
void listen_find(void);
void listen_drop_rest(void);

#endif
