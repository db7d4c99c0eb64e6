/* log: sends each line to the sinks of the log. */
#ifndef LOG_H
#define LOG_H

#include "conf.h"

/* The sinks of one configuration. */
struct log;

/* log_open opens the sinks of a configuration; those in force are unchanged.
 * Relative paths start at the folder `dir`; `conf` must outlive the sinks; with
 * `dry` no file is created. Returns NULL as svr_fail. */
struct log *log_open(int dir, const struct conf *conf, bool dry);

/* log_use puts sinks in force for all threads and returns the former ones.
 * Before the first call, lines go to stderr. */
struct log *log_use(struct log *log);

/* log_close closes sinks that are not in force; NULL does nothing. */
void log_close(struct log *log);

/* log_console opens a new console file, log/NAME.console; the former one
 * becomes NAME.console.1 and replaces the one before. Returns a descriptor, or
 * -1 with errno. */
int log_console(int dir);

/* log_limit sets the size in bytes at which the console file is replaced; 0 =
 * the default, 16 MiB. Any thread. */
enum { CONSOLE_LIMIT = 16 * 1024 * 1024 };
void log_limit(double bytes);

/* log_drain waits at most 1 s for lines that are still queued, and counts the
 * others as lost. Call it before the process ends. */
void log_drain(void);

/* log_name is the name in log lines, the value of svr.name at the start. */
const char *log_name(void);

/* A sink's name and its lines, written and lost, since the start. */
struct log_figures {
    const char *sink;
    uint64_t lines, lost;
    char path[256]; /* of the log file, "" = another sink */
};

/* log_figures reports on sink `i`; false if there is none. */
bool log_figures(int i, struct log_figures *figures);

#endif
