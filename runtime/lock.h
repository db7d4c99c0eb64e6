/* lock: the lock that a server holds for its whole life; it, and never the
 * content of a file, names the server of a folder. */
#ifndef LOCK_H
#define LOCK_H

#include <stdint.h>
#include <sys/types.h>

#include "failure.h"

/* lock_take takes the lock for the rest of this process's life, and with
 * lock_keep beyond an exec in place. A child of fork(2) does not hold it.
 * Returns 0, or -1 as svr_fail. */
int lock_take(int dir);

/* lock_note writes to the lock's file what a client needs when the server does
 * not answer: the pid, and the milliseconds that a close and a reload may take.
 */
void lock_note(int64_t close_ms, int64_t reload_ms);

/* lock_restore takes the lock again under its name, with the last note, if
 * run/lock was removed or replaced. Returns 1 if it was, 0 if not, -1 as
 * svr_fail. */
int lock_restore(int dir);

/* What a client knows about the holder; 0 = unknown. */
struct lock_holder {
    pid_t pid; /* for messages; it may be of another pid namespace */
    int64_t close_ms, reload_ms;
};

/* lock_held reports whether a server holds the lock, and which one. Returns 1
 * or 0, or -1 with errno if this user may not know. */
int lock_held(int dir, struct lock_holder *holder);

/* The environment variables of lock_keep: the lock's descriptor, and that of
 * the client that waits for the start. */
#define LOCK_KEPT   "SVR_LOCK_FD"
#define LOCK_REPORT "SVR_REPORT_FD"

/* lock_keep leaves the lock to the next program of this process, and the
 * descriptor of the client that waits for its start. Returns 0, or not 0 when
 * memory is short. */
int lock_keep(int report);

/* lock_leave leaves a number to the next program, in the environment variable
 * `name`. Returns 0, or not 0 when memory is short; always 0 for a name that it
 * has set before. Loop thread. lock_inherit removes the variable and returns
 * its number, a descriptor, now with close-on-exec; -1 = there is none. */
int lock_leave(const char *name, int number);
int lock_inherit(const char *name);

#endif
