/* format: how a log line looks; compiled once, used for each line. */
#ifndef FORMAT_H
#define FORMAT_H

#include <time.h>

#include "svr.h"
#include "failure.h"

enum { LINE_SIZE = 4096, STEPS = 64, STEP_TEXT = 24 };

/* The room for a line: what is too long is cut after it was written. */
enum { LINE_ROOM = LINE_SIZE + 32 };

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

/* One log call. */
struct event {
    enum svr_level level;
    int line;
    struct timespec now;
    const char *name, *file, *function, *message;
};

/* A step of a compiled format: a text, and the place that follows it, or none
 * (PLACES). All of `text` is copied, of which `length` bytes are used. */
struct step {
    char text[STEP_TEXT];
    unsigned char length, place;
};

/* A format; a part's has `write` in place of steps. */
struct format {
    size_t (*write)(const struct event *event, char *line);
    int count;
    struct step steps[STEPS];
};

/* format_compile compiles a format. The server's name and the process's number
 * become text: after a fork, the child compiles again. Returns 0, or -1 as
 * svr_fail. */
int format_compile(struct format *format, const char *source, const char *name);

/* format_value writes what stands at a place, without a NUL; the message as one
 * line. At most `room` bytes are its own; 32 more are there to be written.
 * Returns the length. */
size_t format_value(const struct event *event, enum place place, char *to,
                    size_t room);

/* format_line writes the line with its newline, cut to LINE_SIZE - 1 bytes,
 * with "..." at the cut, and a NUL; returns its length. */
size_t format_line(const struct format *format, const struct event *event,
                   char line[LINE_ROOM]);

#endif
