/* httpd: HTTP/1.1 requests and answers, over reloads
 *
 * needs: listen
 * libs: -lmicrohttpd
 * header: microhttpd.h libmicrohttpd-dev libmicrohttpd-dev
 * packages: libmicrohttpd-dev
 *
 * libmicrohttpd speaks; connections live over reloads. What is no good HTTP is
 * answered with 400 and its connection closed: no Host or several, several
 * lengths, a NUL byte. A request that is not whole within the idle time ends
 * with its connection, however busily its bytes drip; so does an answer of
 * which nobody takes a byte for so long. At the close and at a restart no more
 * clients come, those who have asked get their answers, for a second at most,
 * and answers say "Connection: close". */
#ifndef HTTPD_H
#define HTTPD_H

#include <stddef.h>
#include <stdio.h>

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
    const char *body; /* of the request, ended by a NUL byte; "" = none, or it
                         was too large */
    size_t body_size;
    bool too_large; /* the body has more bytes than svr_http_body allows */
};

/* A page: its method, its path (a last '*' stands for any rest), and what
 * answers it. GET answers HEAD too. */
struct svr_route {
    const char *method, *path;
    void (*answer)(struct svr_request *request);
};

/* svr_http_route finds the route of a request in a table, whose last row has no
 * method, and calls it; without one it answers 404, 405 or 413 itself. Returns
 * SVR_OK. */
int svr_http_route(struct svr_request *request, const struct svr_route *routes);

/* svr_http_json begins an answer of the type application/json: write it to the
 * stream, which the part closes. NULL: memory is short; the connection will be
 * closed. svr_http_string writes a text as a JSON string, at most 8 kB. */
FILE *svr_http_json(struct svr_request *request);
void svr_http_string(FILE *out, const char *text);

/* svr_http listens at an address (svr_listen) and hands each request to `call`,
 * a callback of the handler's table, with a struct svr_request *; a failure
 * closes that connection. At most `most` connections at once, 1 or more;
 * further ones wait. `idle` is 0.1 to 86400 seconds. For on_start, and for
 * on_reload, which may change all of it: the connections there are stay. Loop
 * thread. Returns 0, or SVR_FAILED, as svr_fail. */
int svr_http(const char *address, svr_call *call, int64_t most, double idle);

/* svr_http_body lets requests have bodies of at most `most` bytes, 0 to 1 GiB;
 * 0, the default: none is kept. For on_start and on_reload. Returns 0, or
 * SVR_FAILED, as svr_fail. */
int svr_http_body(int64_t most);

/* svr_http_tls lets new connections speak TLS, by libmicrohttpd's own, with the
 * files of a certificate and its key, in PEM; "" and "" = plain. The files are
 * read at each call: after a renewal a reload is enough. For on_start and
 * on_reload, before svr_http; the connections there are stay as they are.
 * Returns 0, or SVR_FAILED, as svr_fail: a file cannot be read, or they do not
 * match. */
int svr_http_tls(const char *certificate, const char *key);

/* svr_http_clients is how many connections there are. Loop thread. */
int64_t svr_http_clients(void);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
