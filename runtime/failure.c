/* failure: why something failed; svr_fail records it for the calling thread. */
#define _GNU_SOURCE
#include "failure.h"

#include <stdio.h>
#include <string.h>

#include "frames.h"

enum { DEPTH = 24, MESSAGE_SIZE = 1024 };

/* The last failure of this thread, and the last one in its log calls. */
static _Thread_local struct record {
    char message[MESSAGE_SIZE], one_line[FAILURE_SIZE], file[64];
    const char *function;
    int line, depth;
    void *frames[DEPTH];
} records[2];
static _Thread_local bool logs;

static struct record *
last_record(void) {
    return &records[logs];
}

void
failure_in_log(bool begins) {
    logs = begins;
}

int
svr_fail_at(const char *file, int line, const char *function,
            const char *format, ...) {
    struct record *failure = last_record();
    char message[MESSAGE_SIZE]; /* the last one may be an argument */
    const char *slash = strrchr(file, '/');
    va_list args;
    va_start(args, format);
    text_format(message, sizeof message, format, args);
    va_end(args);
    memcpy(failure->message, message, sizeof message);
    snprintf(failure->file, sizeof failure->file, "%s",
             slash ? slash + 1 : file);
    failure->line = line;
    failure->function = function;
    failure->depth = frames_take(failure->frames, DEPTH);
    return SVR_FAILED;
}

const char *
failure_reason(void) {
    struct record *failure = last_record();
    text_line(failure->one_line, FAILURE_SIZE, failure->message);
    return failure->one_line;
}

void
failure_clear(void) {
    *last_record()->message = '\0';
}

void
failure_describe(const char *where, int result, char text[FAILURE_SIZE]) {
    const struct record *failure = last_record();
    char whole[FAILURE_SIZE];
    if (*failure->message == '\0')
        svr_fail_at("", 0, "", "returned %d without svr_fail", result);
    snprintf(whole, sizeof whole, "%.60s: %.300s (%s:%d)", where,
             failure->message, failure->file, failure->line);
    text_line(text, FAILURE_SIZE, whole);
}

int
failure_in(const char *where, int result) {
    char text[FAILURE_SIZE];
    failure_describe(where, result, text);
    return svr_fail("%s", text);
}

struct svr_error
failure_last(const char *where) {
    const struct record *failure = last_record();
    return (struct svr_error){.where = where,
                              .message = failure->message,
                              .file = failure->file,
                              .line = failure->line,
                              .function = failure->function};
}

int
failure_frames(void *const **frames) {
    *frames = last_record()->frames;
    return last_record()->depth;
}
