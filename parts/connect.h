/* connect: a connection to an address or a name, without blocking the loop
 *
 * needs: work
 * use: parts
 * For other parts, not for hooks. A thread resolves names with getaddrinfo(3);
 * the addresses that it finds are tried in order. Loop thread. */
#ifndef CONNECT_H
#define CONNECT_H

#include "svr.h"

/* An attempt. The owner keeps it until `over` or connect_cancel is called. */
struct connect {
    int fd;           /* the socket being connected; 0 = none */
    void *lookup;     /* the lookup of the name, done or pending */
    const void *next; /* its next address to try */
    int64_t until;    /* when to give up, monotonic nanoseconds */
    svr_call *over;   /* called with `arg` */
    void *arg;
    const char *reason; /* for `over`: why it failed; NULL = connected */
    char text[160];
};

/* connect_begin connects to "HOST:PORT", "[HOST]:PORT" or the path of a unix
 * socket (with a slash), within `limit` nanoseconds. The loop calls `over` in
 * both cases, success and failure. */
void connect_begin(struct connect *attempt, const char *address, int64_t limit);

/* connect_cancel ends an attempt; `over` is not called. */
void connect_cancel(struct connect *attempt);

/* connect_late ends an attempt whose time is over; the owner calls it from its
 * own timer. Returns the value of `over`, or 0 if it was not called. */
int connect_late(struct connect *attempt);

#endif
