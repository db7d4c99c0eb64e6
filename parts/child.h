/* child: work in a process of its own, with a bound on its time and output
 *
 * use: parts
 * For other parts, not for hooks. The work runs in a fork of the server, in a
 * process group of its own, with nothing open but its output: standard output
 * and error. It logs nothing. Loop thread. */
#ifndef CHILD_H
#define CHILD_H

#include <sys/types.h>

#include "timer.h"

enum { CHILD_OUTPUT = 16384 };

struct child {
    pid_t pid; /* 0: it does not run */
    int process, out;
    bool late; /* it took longer than it might, and was killed */
    bool cut;  /* its output was longer than there is room for */
    size_t size;
    char output[CHILD_OUTPUT + 1];
    struct timer timer;
    int (*over)(struct child *child, int status); /* as waitpid(2) has it */
};

/* child_start lets `work(arg)` run; what it returns is the exit status, -1 is
 * 255. After `limit` seconds it and all that it started are killed. Then `over`
 * is called in the loop; what it returns is a callback's result. `key`, for the
 * timer, is its own. Returns 0, or -1 with errno. */
int child_start(struct child *child, const char *key, svr_call *work, void *arg,
                double limit, int (*over)(struct child *child, int status));

/* child_end kills it, if it runs, and waits for its end; `over` is not called.
 * Returns its status. */
int child_end(struct child *child);

#endif
