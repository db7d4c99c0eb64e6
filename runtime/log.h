/* log: a line to its sinks; a sink is a row of level, format and write. */
#ifndef LOG_H
#define LOG_H

#include "conf.h"

/* A set of sinks as one configuration wants them. */
struct log;

/* log_open opens all sinks of a configuration, beside those in use; relative
 * paths start at the folder `dir`; `conf` outlives them; `dry` makes no file.
 * Returns NULL with the reason. */
struct log *log_open(int dir, const struct conf *conf, bool dry,
                     char reason[WHY_SIZE]);

/* log_use puts a set in use for all threads and returns the former one. Before
 * the first, lines go to stderr. */
struct log *log_use(struct log *log);

/* log_close closes a set that is not in use; NULL is none. */
void log_close(struct log *log);

/* log_console opens a new console file, log/NAME.console; the former one
 * becomes NAME.console.1, in place of the one before. Returns a descriptor, or
 * -1 with errno. */
int log_console(int dir);

/* log_drain waits at most 1 s for what is on its way, and tells what is lost;
 * before the process ends. */
void log_drain(void);

/* log_name is the name that lines bear: svr.name as it was at the start. */
const char *log_name(void);

/* A sink's name and its lines, written and lost, since the start. */
struct log_figures {
    const char *sink;
    uint64_t lines, lost;
};

/* log_figures tells of sink `i`; false when there is none. */
bool log_figures(int i, struct log_figures *figures);

#endif
