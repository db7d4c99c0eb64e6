/* report: logs where a server was when it hung or crashed
 *
 * When the watchdog ends the server, or when it dies of SIGSEGV, SIGBUS,
 * SIGFPE, SIGILL, SIGABRT or SIGTRAP, the part logs the functions that it was
 * in. It uses SIGURG to ask a thread for them.
 *
 * needs: symbols */
#ifndef REPORT_H
#define REPORT_H

#include <stddef.h>

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

/* svr_backtrace writes the callers of the current function, "inner+0x1c <
 * outer+0x8 < ...", in at most `size` bytes with the NUL. Any thread. */
void svr_backtrace(char *text, size_t size);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
