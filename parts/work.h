/* work: runs blocking calls on a few threads, while the loop continues
 *
 * header: sys/queue.h libc6-dev bsd-compat-headers
 *
 * For a database, a name to resolve, a slow disk. A running call cannot be
 * ended; for one that may hang, use the part `task`, which has a child process
 * and a time limit. */
#ifndef WORK_H
#define WORK_H

#include "svr.h"

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

/* svr_work runs `call(arg)` on one of work.threads threads, then `done(arg)` on
 * the loop thread. Both are callbacks of the handler's table; each is found by
 * name when it begins, so `done` may be newer code than `call` was. Until
 * `done` is called, `arg` and what it points to belong to `call`, except
 * members that it does not touch; it may use only the log functions, svr_post,
 * svr_close and svr_fail of svr.h. Calls begin in order. Loop thread. Returns
 * 0, or SVR_FAILED, as svr_fail: a function is not in the table, work.queue
 * calls wait already, or memory or a thread is not available. */
int svr_work(svr_call *call, void *arg, svr_call *done);

/* svr_work_reason returns why the call failed whose `done` is running: its text
 * for svr_fail; NULL = it returned SVR_OK. Loop thread, only in `done`. */
const char *svr_work_reason(void);

/* svr_work_cancel removes the waiting calls for `arg`; `done` is not called for
 * them, and `arg` is yours again. Loop thread. Returns their number; 0 = none
 * waits, but one may be running, and its `done` will be called. */
int svr_work_cancel(const void *arg);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop

/* work_start is svr_work for a part's own functions; reports show `name`. */
int work_start(const char *name, svr_call *call, void *arg, svr_call *done);

#endif
