/* syslogger: lines to the system's log, from a thread that may wait for it. */
#ifndef SYSLOGGER_H
#define SYSLOGGER_H

#include <stddef.h>

/* How many lines may wait. */
enum { SYSLOGGER_QUEUE = 4096 };

/* syslogger_start starts the writer, once; `name` is the ident, and stays the
 * caller's. The writer calls `report` for each line that is sent (0) or lost
 * (an errno), with the number that still wait; first with no line (`lines` 0),
 * to report whether the log can be reached. */
void syslogger_start(const char *name, void (*report)(int error, unsigned lines,
                                                      unsigned waiting));

/* syslogger_put queues a line and never waits. Returns 0, or ENOBUFS. */
int syslogger_put(int priority, const char *line, size_t length);

/* syslogger_drain waits until all is written, at most `seconds`.
 * Returns how many lines are left, which are lost when the process ends. */
unsigned syslogger_drain(int seconds);

#endif
