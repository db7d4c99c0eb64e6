/* trace: who called whom, by name. */
#ifndef TRACE_H
#define TRACE_H

#include <stddef.h>

enum { TRACE_DEPTH = 24 };

/* trace_take notes the calls that led here, the caller first; returns how many,
 * 0 where the system cannot find out.
 * Any thread; in a signal's handler too, once it was called elsewhere, since
 * the first call loads what it needs. */
int trace_take(void *frames[TRACE_DEPTH]);

/* trace_text writes "inner+0x1c < outer+0x8 < ..." without the first `skip`; a
 * function without a name stands as FILE+OFFSET; "none" if nothing is left. */
void trace_text(void *const frames[], int count, int skip, char *text,
                size_t size);

#endif
