/* handed: listening sockets that systemd, or a restart, handed over
 *
 * use: parts
 * For other parts, not for hooks: the protocol of sd_listen_fds(3). */
#ifndef HANDED_H
#define HANDED_H

#include <stdbool.h>

/* LISTEN_FDNAMES of what the program before a restart hands over. */
#define HANDED_RESTART "restart"

/* handed_listens tells whether a descriptor is a listening socket. */
bool handed_listens(int fd);

/* handed_take takes the first one that is wanted: it does not block, and is
 * closed in children. -1: there is none. */
int handed_take(bool (*wanted)(int fd, const void *what), const void *what);

#endif
