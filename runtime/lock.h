/* lock: who serves in a folder: a lock for life, never a file's content. */
#ifndef LOCK_H
#define LOCK_H

#include <sys/types.h>

#include "why.h"

/* lock_take takes the lock for this process, which keeps it till its end; over
 * an exec in place too, after lock_keep. -1 with the reason. */
int lock_take(int dir, char reason[WHY_SIZE]);

/* lock_keep lets the next program of this process have the lock, and the
 * descriptor of who waits for its start. */
void lock_keep(int report);

/* lock_holder is the process that holds it, 0: nobody. */
pid_t lock_holder(int dir);

/* lock_leave leaves a number to the next program, in its environment. That one
 * takes it, as a descriptor that is closed in children, by lock_inherit; -1:
 * there is none. */
void lock_leave(const char *word, int number);
int lock_inherit(const char *word);

/* lock_report is who waits for the start, from the former program; -1: nobody.
 */
int lock_report(void);

#endif
