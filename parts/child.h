/* child: runs a function in a child process, with a limit on time and output
 *
 * use: parts
 * For other parts, not for hooks. The work runs in a fork of the server, in its
 * own process group, with no descriptor open except its output: standard output
 * and error. It logs nothing. Loop thread. */
#ifndef CHILD_H
#define CHILD_H

#include <sys/types.h>

#include "timer.h"

enum { CHILD_OUTPUT = 16384 };

struct child {
    pid_t pid; /* 0 = not running */
    int process, out;
    bool late; /* it exceeded its time limit, and was killed */
    bool cut;  /* it wrote more than `output` holds */
    size_t size;
    char output[CHILD_OUTPUT + 1];
    struct timer timer;
    int (*over)(struct child *child, int status); /* status: see waitpid(2) */
};

/* child_start runs `work(arg)` in a child, whose exit status is the value
 * returned (-1 is 255). After `limit` seconds the child and all processes that
 * it started are killed. At the end the loop calls `over`, which returns as a
 * callback does. `key` is that of its timer, and must be unique. The caller
 * keeps `child` until then. Returns 0, or -1 with errno set. */
int child_start(struct child *child, const char *key, svr_call *work, void *arg,
                double limit, int (*over)(struct child *child, int status));

/* child_end kills the child, if it runs, and waits for its end; `over` is not
 * called. Returns its status. */
int child_end(struct child *child);

#endif
