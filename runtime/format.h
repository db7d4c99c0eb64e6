/* format: how a log line looks; compiled once, used for each line. */
#ifndef FORMAT_H
#define FORMAT_H

#include <time.h>

#include "svr.h"
#include "failure.h"

enum { LINE_SIZE = 4096, STEPS = 64 };

/* What can stand in a line; their words are those of the seed's formats. */
enum place {
    LEVEL,
    NAME,
    PROCESS,
    FILENAME,
    LINENO,
    MESSAGE,
    ASCTIME,
    MSECS,
    FUNCTION,
    THREAD,
    PLACES
};

/* One log call: a text for each place. The buffers are for numbers. */
struct event {
    enum svr_level level;
    struct timespec now;
    const char *values[PLACES];
    char line[12], time[32];
};

/* A step of a compiled format: a place, or a text (place PLACES). */
struct step {
    enum place place;
    const char *text;
    size_t length;
};

/* A format; a part's has `write` in place of steps. Text points into the
 * source. */
struct format {
    size_t (*write)(const struct event *event, char line[LINE_SIZE]);
    int count;
    struct step steps[STEPS];
};

/* format_compile returns 0, or -1 as svr_fail. */
int format_compile(struct format *format, const char *source);

/* format_event fills the texts that level, line and time make; the others are
 * the caller's. */
void format_event(struct event *event, int line);

/* format_line writes the line with its newline, cut to LINE_SIZE - 1 bytes,
 * with "..." at the cut, and a NUL; returns its length. */
size_t format_line(const struct format *format, const struct event *event,
                   char line[LINE_SIZE]);

#endif
