/* syslogger: lines to the system's log, from a thread that may wait for it. */
#ifndef SYSLOGGER_H
#define SYSLOGGER_H

#include <stddef.h>

/* The number of lines that can wait. */
enum { SYSLOGGER_QUEUE = 4096 };

/* syslogger_start starts the writer, once. `name` is the ident and must stay
 * valid. The writer calls `report` for each line, when it is sent (`error` 0)
 * or lost, with the number of lines that still wait; and once before the first
 * one (`lines` 0), to report whether the log can be reached. */
void syslogger_start(const char *name, void (*report)(int error, unsigned lines,
                                                      unsigned waiting));

/* syslogger_put queues a line and never waits. Returns 0, or ENOBUFS. */
int syslogger_put(int priority, const char *line, size_t length);

/* syslogger_drain waits until all lines are written, at most `seconds`. Returns
 * how many are left. */
unsigned syslogger_drain(int seconds);

#endif
