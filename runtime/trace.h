/* trace: who called whom, by name. */
#ifndef TRACE_H
#define TRACE_H

#include <stddef.h>

/* trace_text writes "inner+0x1c < outer+0x8 < ..." without the first `skip`; a
 * function without a name stands as FILE+OFFSET; "none" if nothing is left. */
void trace_text(void *const frames[], int count, int skip, char *text,
                size_t size);

#endif
