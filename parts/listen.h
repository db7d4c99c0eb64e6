/* listen: listening sockets, inherited or newly bound (svr_listen)
 *
 * needs: inherited
 *
 * svr_listen stands in runtime/svr.h. The rest is for parts that serve clients:
 * a listening socket that a reload moves. All of it on the loop thread. */
#ifndef LISTEN_H
#define LISTEN_H

#include "svr.h"

/* What a hook wants of a part, and what is in force: a reload that is rejected
 * forgets the first. At first all is zero except `who` and `welcome`. */
struct listen {
    const char *who;   /* the function that hooks call, for reasons */
    svr_call *welcome; /* takes clients in, when some come: listen_accept;
                          called with the struct listen * */
    struct listen_terms {
        int fd; /* the socket; 0: none */
        char address[128];
        char call[64]; /* the handler's callback, by name */
        int64_t most;  /* clients at once */
        int64_t idle;  /* how long one may say nothing, nanoseconds */
    } now, wanted;
    bool closed;
};

/* listen_want notes what a hook wants: an address (svr_listen), the name of a
 * callback of the handler's table (NULL = it is not there), clients (1 or
 * more), seconds (0.1 to 86400). Returns 0, or SVR_FAILED, as svr_fail. */
int listen_want(struct listen *listen, const char *address, const char *name,
                int64_t most, double idle);

/* listen_settle puts that in force, or forgets it; then clients may come. */
void listen_settle(struct listen *listen, bool good);

/* listen_on lets clients come, or wait. */
void listen_on(struct listen *listen, bool on);

/* listen_accept takes a client in: its socket, which does not block and is
 * closed in children. LISTEN_NOBODY: there is none; SVR_FAILED, as svr_fail: no
 * descriptor is free, and the loop tries again later. */
enum { LISTEN_NOBODY = -2 };
int listen_accept(const struct listen *listen);

/* listen_end takes no more clients; `keeps`: the socket stays open for another
 * program. */
void listen_end(struct listen *listen, bool keeps);

#endif
