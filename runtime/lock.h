/* lock: who serves in a folder: a lock for the server's life, never the content
 * of a file. */
#ifndef LOCK_H
#define LOCK_H

#include <stdint.h>
#include <sys/types.h>

#include "failure.h"

/* lock_take takes the lock for this process, which keeps it until its end, over
 * an exec in place too, after lock_keep. A child of fork(2) lets it go. Returns
 * -1 as svr_fail. */
int lock_take(int dir);

/* lock_note writes into the lock's file what a client of a server that does not
 * answer may need: the pid, and how many milliseconds a close and a reload may
 * take. */
void lock_note(int64_t close_ms, int64_t reload_ms);

/* lock_restore takes the lock again under its name if run/lock was removed or
 * replaced. Returns 1 if it had to, 0 if not, -1 as svr_fail. */
int lock_restore(int dir);

/* What a client can know of the holder; 0: unknown. */
struct lock_holder {
    pid_t pid; /* for people; another pid namespace counts otherwise */
    int64_t close_ms, reload_ms;
};

/* lock_held reports whether a server holds the lock, and which. Returns 1, 0
 * for nobody, -1 with errno where this user cannot know. */
int lock_held(int dir, struct lock_holder *holder);

/* lock_keep leaves the lock to the next program of this process, and the
 * descriptor of the client that waits for its start. */
void lock_keep(int report);

/* lock_leave leaves a number to the next program, in its environment. That one
 * takes it, as a descriptor that is closed in children, by lock_inherit; -1:
 * there is none. */
void lock_leave(const char *word, int number);
int lock_inherit(const char *word);

/* lock_report is the client that waits for the start, from the former program;
 * -1: none. */
int lock_report(void);

#endif
