/* task: runs work in a child process, with a time limit and retries
 *
 * needs: child
 * header: sys/queue.h libc6-dev bsd-compat-headers
 *
 * It also has deadlines for something awaited, without a process. */
#ifndef TASK_H
#define TASK_H

#include "svr.h"

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

/* Options of a task; 0 = the default given here. */
struct svr_task {
    svr_call *done; /* called with a const struct svr_result *; required */
    double limit;   /* seconds that a try may take; 10 */
    int tries;      /* 1 */
    double pause; /* seconds before the second try, doubled before each further
                     one; the actual pause is a random part of that ("full
                     jitter"); 1 */
    double pause_most; /* 60 */
};

/* How a task ended; valid during the call of `done`. */
struct svr_result {
    const char *key;
    void *arg;
    int status; /* what the work returned, 0-255; -1 = it did not return */
    const char *reason; /* why the last try failed; "" = it did not */
    const char *output; /* standard output and error of the last try */
    size_t size;        /* of `output`, at most 16 KiB */
    bool cut;           /* there was more output */
    int tries;
};

/* svr_task runs `work(arg)` in a child process, which has a copy of all memory,
 * no open descriptor except its output, and logs nothing. 0 means success.
 * After the limit it is killed, with all processes that it started. At most
 * task.most tasks run at once; the others wait, in order. `work` and `done` are
 * callbacks of the handler's table; after a reload they are those of the new
 * code, by name. `arg` stays yours. The close kills running tasks, and does not
 * call `done`. Loop thread, like all functions here. Returns 0, or SVR_FAILED,
 * as svr_fail, with the reason logged: the key (1 to 38 bytes) is in use, a
 * function is not in the table, or memory is short. */
int svr_task(const char *key, svr_call *work, void *arg,
             struct svr_task options);

/* svr_task_running reports whether a task with that key runs or waits. */
bool svr_task_running(const char *key);

/* svr_task_cancel ends a task; `done` is not called. Returns 0, or SVR_FAILED,
 * as svr_fail, for an unknown key. */
int svr_task_cancel(const char *key);

/* svr_deadline calls `late(arg)` once, after `seconds`, unless svr_deadline_met
 * is called first: the cheap variant, for something awaited. It is a timer with
 * that key. Loop thread. They return 0, or -1, as svr_add_timer and
 * svr_remove_timer do. */
int svr_deadline(const char *key, svr_call *late, void *arg, double seconds);
int svr_deadline_met(const char *key);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
