/* format: the form of a log line, compiled once and used for each line. */
#ifndef FORMAT_H
#define FORMAT_H

#include <time.h>

#include "svr.h"
#include "failure.h"

enum { LINE_SIZE = 4096, STEPS = 64, STEP_TEXT = 24 };

/* The room for a line: it is cut to LINE_SIZE after its last step. */
enum { LINE_ROOM = LINE_SIZE + 64 };

/* What can stand in a line. */
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
    PERCENT,
    PLACES
};

/* One log call. */
struct event {
    enum svr_level level;
    int line;
    struct timespec now;
    const char *name, *file, *function, *message;
};

/* A step of a compiled format: a place, or none (PLACES), and the `length`
 * bytes of text that follow it. */
struct step {
    char text[STEP_TEXT];
    unsigned char length, place;
};

/* A compiled format; a part's has `write` and no steps. */
struct format {
    size_t (*write)(const struct event *event, char *line);
    int count;
    struct step steps[STEPS];
};

/* format_compile compiles a format. The server's name and the process ID become
 * text, so a child of fork must compile again. Returns 0, or -1 as svr_fail. */
int format_compile(struct format *format, const char *source, const char *name);

/* format_value writes the value of a place, without a NUL; the message as one
 * line. A text is cut to `room` bytes; 24 more bytes must be writable. Returns
 * the length. */
size_t format_value(const struct event *event, enum place place, char *to,
                    size_t room);

/* format_line writes the line with its newline and a NUL. A line of more than
 * LINE_SIZE - 1 bytes is cut and ends in "...". Returns its length. */
size_t format_line(const struct format *format, const struct event *event,
                   char line[LINE_ROOM]);

#endif
