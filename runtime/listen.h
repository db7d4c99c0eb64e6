/* listen: listening sockets, from systemd or bound anew. */
#ifndef LISTEN_H
#define LISTEN_H

#include "why.h"

/* listen_open is svr_listen, with the reason; `dir` is where paths start. */
int listen_open(int dir, const char *address, char reason[WHY_SIZE]);

#endif
