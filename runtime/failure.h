/* failure: why something failed; svr_fail records it for the calling thread. */
#ifndef FAILURE_H
#define FAILURE_H

#include <stdio.h>

#include "svr.h"
#include "text.h"

/* A function that fails records the reason with svr_fail and returns -1; its
 * caller reads it here. Each thread has one reason: that of its last failure.
 */

enum { FAILURE_SIZE = 512 };

/* failure_reason returns this thread's last reason as one line, valid until the
 * next failure. */
const char *failure_reason(void);

/* failure_clear forgets the reason. Call it before a call into the user's code.
 */
void failure_clear(void);

/* failure_in_log begins or ends the code of a log call that may fail. Failures
 * in between are recorded apart, so that a log call does not change the reason.
 */
void failure_in_log(bool begins);

/* failure_describe writes "WHERE: MESSAGE (FILE:LINE)" for a hook or callback
 * that returned `result`, a negative number. failure_in makes that text the
 * reason, and returns -1. */
void failure_describe(const char *where, int result, char text[FAILURE_SIZE]);
int failure_in(const char *where, int result);

/* failure_last returns this thread's last failure as on_except gets it, but
 * without its backtrace; valid until the next one. failure_frames sets `frames`
 * to the addresses of the calls that led there, the innermost first, and
 * returns their number. */
struct svr_error failure_last(const char *where);
int failure_frames(void *const **frames);

#endif
