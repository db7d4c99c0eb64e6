/* timer_thread: timers on their own thread; they tick while `run` blocks */
#ifndef TIMER_THREAD_H
#define TIMER_THREAD_H

#include "svr.h"

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

/* svr_add_thread_timer calls `call(arg)`, a callback of the handler's table,
 * every `every` seconds (0.001 or more) on absolute deadlines. There are at
 * most 32 such timers, and their callbacks run one at a time. The callback must
 * lock the data that it shares with hooks, and may use only svr_log, svr_post
 * and svr_running_report; a negative result is logged. No callback runs while a
 * reload swaps the code: the reload waits for the running one, which must
 * therefore not wait for the loop. A timer continues in the new code, in phase;
 * one whose function is gone ends, with a warning. All end before on_close.
 * Loop thread. Returns 0, or -1 with the reason logged: the key exists, `call`
 * is not in the table, or `every` is out of range. */
int svr_add_thread_timer(const char *key, svr_call *call, void *arg,
                         double every);

/* svr_remove_thread_timer removes a timer, after its running call. Loop thread.
 * Returns 0, or -1 for an unknown key. */
int svr_remove_thread_timer(const char *key);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
