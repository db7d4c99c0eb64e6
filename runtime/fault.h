/* fault: what svr_fail said, and what on_except says to it. */
#ifndef FAULT_H
#define FAULT_H

#include "svr.h"
#include "why.h"

/* fault_describe writes "WHERE: MESSAGE (FILE:LINE)" for a hook or callback
 * that returned `result`, below 0. fault_forget says that it is dealt with. The
 * loop's, as all here. */
void fault_describe(const char *where, int result, char text[WHY_SIZE]);
void fault_forget(void);

/* fault_handle logs a failure and lets on_except decide. The same failure again
 * is counted, and told once a second. Returns 0 to go on, else the exit status
 * to close with. */
int fault_handle(const char *where, int result);

#endif
