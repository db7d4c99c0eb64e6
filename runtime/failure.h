/* failure: why something failed: svr_fail records it for this thread. */
#ifndef FAILURE_H
#define FAILURE_H

#include <stdio.h>

#include "svr.h"
#include "text.h"

/* A function that fails records the reason with svr_fail and returns -1; its
 * caller reads it here. Each thread has one, its last. */

enum { FAILURE_SIZE = 512 };

/* failure_reason is this thread's last reason, as one line; valid until the
 * next failure. */
const char *failure_reason(void);

/* failure_clear forgets the reason; before a call into the user's code. */
void failure_clear(void);

/* failure_in_log begins or ends a part of a log call that may fail: there this
 * thread's failures are recorded apart, since a log call keeps the reason. */
void failure_in_log(bool begins);

/* failure_describe writes "WHERE: MESSAGE (FILE:LINE)" for a hook or callback
 * that returned `result`, below 0. failure_in makes that the reason, and
 * returns -1. */
void failure_describe(const char *where, int result, char text[FAILURE_SIZE]);
int failure_in(const char *where, int result);

/* failure_last is this thread's last failure as on_except sees it, without its
 * backtrace; valid until the next one. failure_frames are the calls that led
 * there, the inner one first; returns how many. */
struct svr_error failure_last(const char *where);
int failure_frames(void *const **frames);

#endif
