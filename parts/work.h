/* work: blocking calls on a few threads; the loop continues
 *
 * header: sys/queue.h libc6-dev bsd-compat-headers
 *
 * A database, a name to resolve, a slow disk. What runs cannot be ended: where
 * a call may hang, the part `task` has a process of its own and a limit. */
#ifndef WORK_H
#define WORK_H

#include "svr.h"

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

/* svr_work runs `call(arg)` on one of work.threads threads, then `done(arg)` on
 * the loop thread. Both are callbacks of the handler's table; each is bound by
 * name when it begins, so `done` may be newer code than `call` was. Until
 * `done` is called, `arg` and what it leads to belong to `call`, except members
 * that it does not touch; it may use only the log functions, svr_post,
 * svr_close and svr_fail of svr.h. Calls
 * begin in their order. Loop thread. Returns 0, or SVR_FAILED, as svr_fail: a
 * function is not in the table; work.queue calls wait already; no memory or no
 * thread. */
int svr_work(svr_call *call, void *arg, svr_call *done);

/* svr_work_reason is why the work failed whose `done` is called now: what it
 * gave to svr_fail. NULL: it returned SVR_OK. Loop thread, only in `done`. */
const char *svr_work_reason(void);

/* svr_work_cancel removes the calls for `arg` that wait; `done` is not called
 * for them, and `arg` is yours again. Loop thread. Returns how many: 0 = none
 * waits; one may be running, and `done` will come. */
int svr_work_cancel(const void *arg);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop

/* work_start is svr_work for a part's own functions; `name` is for reports. */
int work_start(const char *name, svr_call *call, void *arg, svr_call *done);

#endif
