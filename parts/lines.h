/* lines: clients send lines and get answers; connections survive reloads
 *
 * needs: stream
 *
 * Lines may arrive in pieces, or many at once; from a client that does not read
 * its answers nothing is read. At the close new clients are not accepted, and
 * lines already sent are answered, for a second at most. */
#ifndef LINES_H
#define LINES_H

#include <stddef.h>

#include "svr.h"

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

enum { SVR_LINE_SIZE = 4096 };

/* The argument of the callback of svr_lines: a line, and its answer. */
struct svr_line {
    char *text;      /* without its end, \n or \r\n; you may change it */
    size_t length;   /* of the text, which may contain NUL bytes */
    const char *why; /* NULL; or why there is no text: the line is too long, or
                        there are too many clients. The client is then closed */
    char *answer;    /* write yours here, with its newline; "" = none */
    size_t size;     /* size of `answer`: SVR_LINE_SIZE */
    bool last;       /* set it to close the client after the answer */
};

/* svr_lines listens at an address (svr_listen) and hands each line of each
 * client to `call`, a callback of the handler's table, with a struct svr_line
 * *; a failure closes that client. There are at most `most` clients at once;
 * one that sends nothing for `idle` seconds is closed. Call it in on_start and
 * in on_reload, where every argument may change; connected clients stay. `most`
 * is 1 or more, `idle` 0.1 to 86400. Loop thread. Returns 0, or SVR_FAILED, as
 * svr_fail. */
int svr_lines(const char *address, svr_call *call, int64_t most, double idle);

/* svr_lines_clients returns the number of clients. Loop thread. */
int64_t svr_lines_clients(void);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
