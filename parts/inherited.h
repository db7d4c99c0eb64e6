/* inherited: listening sockets that systemd, or a restart, left open for us
 *
 * use: parts
 * For other parts, not for hooks: the protocol of sd_listen_fds(3). */
#ifndef INHERITED_H
#define INHERITED_H

#include <stdbool.h>

/* LISTEN_FDNAMES of what the program before a restart hands over. */
#define INHERITED_RESTART "restart"

/* inherited_listens reports whether a descriptor is a listening socket. */
bool inherited_listens(int fd);

/* inherited_take takes the first one that is wanted: it does not block, and is
 * closed in children. -1: there is none. */
int inherited_take(bool (*wanted)(int fd, const void *what), const void *what);

#endif
