/* lines: clients that say a line and get an answer, over reloads
 *
 * needs: stream
 * status: lines.clients: clients
 *
 * Lines may come in pieces and many at once; who does not read its answers is
 * not read from. At the close no more clients come, and those who have asked
 * get their answers, for a second at most. */
#ifndef LINES_H
#define LINES_H

#include <stddef.h>

#include "svr.h"

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

enum { SVR_LINE_SIZE = 4096 };

/* What the callback of svr_lines gets: a line that has come. */
struct svr_line {
    char *text;      /* without its end, \n or \r\n; yours to cut up */
    size_t length;   /* of it; strlen says less where there is a NUL byte */
    const char *why; /* NULL; else why there is no text, and the client goes: it
                        was too long, or there are too many clients */
    char *answer;    /* room for yours, a string with its newline; "" = none */
    size_t size;     /* of that room: SVR_LINE_SIZE */
    bool last;       /* set it, and the client goes once it has its answer */
};

/* svr_lines listens at an address (svr_listen) and hands each line of each
 * client to `call`, a callback of the handler's table, with a struct svr_line
 * *; a failure ends that client. At most `most` clients at once; one that says
 * nothing for `idle` seconds is dropped. For on_start, and for on_reload, which
 * may change all of it: the clients there are stay. `most` is 1 or more, `idle`
 * 0.1 to 86400. Loop thread. Returns 0, or
 * SVR_FAILED, as svr_fail. */
int svr_lines(const char *address, svr_call *call, int64_t most, double idle);

/* svr_lines_clients is how many there are. Loop thread. */
int64_t svr_lines_clients(void);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
