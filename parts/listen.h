/* listen: listening sockets, from systemd or bound anew (svr_listen)
 *
 * svr_listen stands in runtime/svr.h. */
#ifndef LISTEN_H
#define LISTEN_H

#include <stdbool.h>

/* LISTEN_FDNAMES of sockets that the program before a restart handed over. */
#define LISTEN_RESTART "restart"

/* listen_socket tells whether a descriptor is a listening socket. */
bool listen_socket(int fd);

#endif
