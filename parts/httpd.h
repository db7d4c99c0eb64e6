/* httpd: HTTP/1.1 requests and answers; connections survive reloads
 *
 * needs: listen
 * libs: -lmicrohttpd
 * header: microhttpd.h libmicrohttpd-dev libmicrohttpd-dev
 * packages: libmicrohttpd-dev
 *
 * libmicrohttpd handles the protocol. Bad HTTP (no Host or several, several
 * lengths, a NUL byte) is answered with 400, and the connection is closed. A
 * connection is also closed if a request is not complete within the idle time,
 * even if bytes keep arriving, or if the client reads no byte of an answer for
 * that time. At a close and at a restart, new clients are not accepted;
 * requests already sent are answered, for a second at most, with "Connection:
 * close". */
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

/* The argument of the callback of svr_http: a request, and its answer. */
struct svr_request {
    const char *method; /* "GET", "HEAD", "POST" ... */
    const char *path;   /* decoded, without the query ("?...") */
    void *connection;   /* a struct MHD_Connection *, valid during the call, for
                           libmicrohttpd's functions (microhttpd.h): other
                           headers, arguments */
    unsigned status;    /* of the answer; default 200 */
    char *answer; /* set it to memory from malloc(3), which the part frees. NULL
                     = close the connection. Not sent for HEAD */
    size_t length;    /* of the answer; 0 = it is a string */
    const char *type; /* default "text/plain; charset=utf-8" */
    struct {
        const char *name, *value;
    } headers[SVR_HTTPD_HEADERS]; /* further ones, up to the first without a
                                     name */
    const char *body; /* of the request, with a NUL byte after it; "" = none, or
                         it was too large */
    size_t body_size;
    bool too_large; /* the body has more bytes than svr_http_body allows */
};

/* A page: its method, its path (a '*' at the end matches anything), and the
 * function that answers it. GET includes HEAD. */
struct svr_route {
    const char *method, *path;
    void (*answer)(struct svr_request *request);
};

/* svr_http_route finds the route of a request in a table, whose last row has no
 * method, and calls its function. If there is none, it answers with 404, 405 or
 * 413. Returns SVR_OK. */
int svr_http_route(struct svr_request *request, const struct svr_route *routes);

/* svr_http_json begins an answer of the type application/json: write it to the
 * returned stream, which the part closes. NULL = memory is short; the
 * connection will be closed. svr_http_string writes a text as a JSON string, at
 * most 8 kB. */
FILE *svr_http_json(struct svr_request *request);
void svr_http_string(FILE *out, const char *text);

/* svr_http listens at an address (svr_listen) and hands each request to `call`,
 * a callback of the handler's table, with a struct svr_request *; a failure
 * closes that connection. At most `most` connections at once, 1 or more;
 * further ones wait. `idle` is 0.1 to 86400 seconds. Call it in on_start and in
 * on_reload, where every argument may change; open connections stay. Loop
 * thread. Returns 0, or SVR_FAILED, as svr_fail. */
int svr_http(const char *address, svr_call *call, int64_t most, double idle);

/* svr_http_body allows request bodies of at most `most` bytes, 0 to 1 GiB; 0,
 * the default, keeps none. For on_start and on_reload. Returns 0, or
 * SVR_FAILED, as svr_fail. */
int svr_http_body(int64_t most);

/* svr_http_tls makes new connections use TLS, through libmicrohttpd, with a
 * certificate and its key, both PEM files; "" and "" = no TLS. The files are
 * read at each call, so a reload puts a renewed certificate in force. Call it
 * in on_start and on_reload, before svr_http; open connections are unchanged.
 * Returns 0, or SVR_FAILED, as svr_fail: a file cannot be read, or certificate
 * and key do not match. */
int svr_http_tls(const char *certificate, const char *key);

/* svr_http_clients returns the number of connections. Loop thread. */
int64_t svr_http_clients(void);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
