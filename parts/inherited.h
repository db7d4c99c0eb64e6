/* inherited: listening sockets that systemd, or a restart, left open for us
 *
 * use: parts
 * For other parts, not for hooks. The protocol is that of sd_listen_fds(3). */
#ifndef INHERITED_H
#define INHERITED_H

#include <stdbool.h>

/* LISTEN_FDNAMES for sockets that a restart passes on. */
#define INHERITED_RESTART "restart"

/* inherited_listens reports whether a descriptor is a listening socket. */
bool inherited_listens(int fd);

/* inherited_take returns the first socket for which `wanted` is true, and makes
 * it non-blocking and close-on-exec; the caller owns it. -1 = there is none. */
int inherited_take(bool (*wanted)(int fd, const void *what), const void *what);

#endif
