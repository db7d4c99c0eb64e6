/* connect: a connection to an address or a name, without blocking the loop
 *
 * needs: work
 * use: parts
 * For other parts, not for hooks. Names are resolved by getaddrinfo(3) on a
 * thread; each address that it finds is tried. Loop thread. */
#ifndef CONNECT_H
#define CONNECT_H

#include "svr.h"

/* An attempt. The owner keeps it until `over` is called or connect_cancel. */
struct connect {
    int fd;           /* the socket that is tried; 0 = none */
    void *lookup;     /* what was found, or is being looked for */
    const void *next; /* the next address of it */
    int64_t until;    /* when to give up, monotonic nanoseconds */
    svr_call *over;   /* called with `arg` */
    void *arg;
    const char *reason; /* for `over`: why it failed; NULL: `fd` is connected */
    char text[160];
};

/* connect_begin connects to "HOST:PORT", "[HOST]:PORT" or the path of a unix
 * socket (with a slash), within `limit` nanoseconds. `over` is called in the
 * loop, also for a failure. */
void connect_begin(struct connect *attempt, const char *address, int64_t limit);

/* connect_cancel ends an attempt; `over` is not called. */
void connect_cancel(struct connect *attempt);

/* connect_late ends an attempt when its time is over; the owner calls it by a
 * timer of its own. Returns what `over` returned, or 0. */
int connect_late(struct connect *attempt);

#endif
