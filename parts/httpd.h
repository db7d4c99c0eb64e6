/* httpd: HTTP/1.1 requests and answers, over reloads
 *
 * needs: listen
 * libs: -lmicrohttpd
 * packages: libmicrohttpd-dev
 *
 * libmicrohttpd speaks; connections live over reloads. What is no good HTTP is
 * answered with 400 and its connection closed: no Host or several, several
 * lengths, a NUL byte. A request that is not whole within the idle time ends
 * with its connection, however busily its bytes drip; so does an answer of
 * which nobody takes a byte for so long. Bodies are read and dropped. At the
 * close no more clients come, and those who have asked get their answers, for a
 * second at most. */
#ifndef HTTPD_H
#define HTTPD_H

#include <stddef.h>

#include "svr.h"

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

enum { SVR_HTTPD_HEADERS = 8 };

/* What the callback of svr_http gets: a request, and room for its answer. */
struct svr_request {
    const char *method; /* "GET", "HEAD", "POST" ... */
    const char *path;   /* decoded, without "?" and what follows */
    void *connection;   /* a struct MHD_Connection *, for the library's own
                           functions during the call (microhttpd.h): other
                           headers, arguments */
    unsigned status;    /* of the answer; 200 */
    char *answer;       /* set it, to memory of malloc(3), which the part frees;
                           NULL: the connection is closed. HEAD drops it */
    size_t length;      /* of it; 0: it is a string */
    const char *type;   /* "text/plain; charset=utf-8" */
    struct {
        const char *name, *value;
    } headers[SVR_HTTPD_HEADERS]; /* further ones; the rest has no name */
};

/* svr_http listens at an address (svr_listen) and hands each request to `call`,
 * a callback of the handler's table, with a struct svr_request *; a failure
 * closes that connection. At most `most` connections at once, 1 or more;
 * further ones wait. `idle` is 0.1 to 86400 seconds. For on_start, and for
 * on_reload, which may change all of it: the connections there are stay. Loop
 * thread. Returns 0, or SVR_FAILED, as svr_fail. */
int svr_http(const char *address, svr_call *call, int64_t most, double idle);

/* svr_http_clients is how many connections there are. Loop thread. */
int64_t svr_http_clients(void);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
