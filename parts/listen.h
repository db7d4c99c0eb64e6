/* listen: listening sockets, inherited or newly bound (svr_listen)
 *
 * needs: inherited
 *
 * svr_listen is declared in runtime/svr.h. The rest is for parts that serve
 * clients: a listening socket whose address a reload may change. Loop
 * thread. */
#ifndef LISTEN_H
#define LISTEN_H

#include "svr.h"

/* What a hook asked for (`wanted`), and what is in force (`now`); a rejected
 * reload drops the former. Initially all is zero except `who` and `welcome`. */
struct listen {
    const char *who;   /* the function that hooks call, for error messages */
    svr_call *welcome; /* called with the struct listen * when clients connect;
                          it calls listen_accept */
    struct listen_terms {
        int fd; /* the socket; 0 = none */
        char address[128];
        char call[64]; /* the handler's callback, by name */
        int64_t most;  /* clients at once */
        int64_t idle;  /* nanoseconds that a client may send nothing */
    } now, wanted;
    bool closed;
};

/* listen_want records what a hook asks for: an address (svr_listen), the name
 * of a callback in the handler's table (NULL = it is not there), clients (1 or
 * more), seconds (0.1 to 86400). Returns 0, or SVR_FAILED, as svr_fail. */
int listen_want(struct listen *listen, const char *address, const char *name,
                int64_t most, double idle);

/* listen_settle puts that in force (`good`), or drops it, then starts to
 * accept. */
void listen_settle(struct listen *listen, bool good);

/* listen_on starts or suspends accepting clients. */
void listen_on(struct listen *listen, bool on);

/* listen_accept accepts a client. Returns its socket, non-blocking and
 * close-on-exec; LISTEN_NOBODY if no client waits; or SVR_FAILED, as svr_fail,
 * if no descriptor is free: the loop tries again later. */
enum { LISTEN_NOBODY = -2 };
int listen_accept(const struct listen *listen);

/* listen_end stops accepting clients; with `keeps` the socket stays open for
 * the program after a restart. */
void listen_end(struct listen *listen, bool keeps);

#endif
