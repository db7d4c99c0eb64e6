/* report: says where a server was when it hung or crashed.
 *
 * When the watchdog ends it, and when it dies of SIGSEGV, SIGBUS, SIGFPE,
 * SIGILL, SIGABRT or SIGTRAP, it logs the functions that it was in. The part
 * uses SIGURG for the question.
 *
 * needs: symbols */
#ifndef REPORT_H
#define REPORT_H

#include <stddef.h>

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

/* svr_backtrace writes the functions that led here, "inner+0x1c < outer+0x8
 * < ...", with the NUL at most `size` bytes. Any thread. */
void svr_backtrace(char *text, size_t size);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
