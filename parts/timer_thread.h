/* timer_thread: timers that tick while `run` blocks, on their own thread. */
#ifndef TIMER_THREAD_H
#define TIMER_THREAD_H

#include "svr.h"

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

/* svr_add_thread_timer calls `call(arg)`, a callback of the handler's table,
 * each `every` seconds (0.001 and above) on absolute deadlines, one timer at a
 * time; there are 32 at most. What the callback shares with hooks is yours to
 * lock; it uses only svr_log, svr_post and svr_running_report, and a result
 * below 0 is logged. No callback runs while a reload swaps the code: the reload
 * waits for the one that runs, so it must not wait for the loop. It continues
 * in the new code, in phase; one whose function is gone ends with a warning.
 * All end before on_close. Loop thread. Returns 0, or -1 when the key exists,
 * when `call` is not in the table or `every` makes no sense; the reason is
 * logged.
 */
int svr_add_thread_timer(const char *key, svr_call *call, void *arg,
                         double every);

/* svr_remove_thread_timer ends one, after the call that runs. Loop thread.
 * Returns 0, or -1 for an unknown key. */
int svr_remove_thread_timer(const char *key);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
