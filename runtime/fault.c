/* fault: what svr_fail said, and what on_except says to it. */
#define _GNU_SOURCE
#include <string.h>

#include "fault.h"
#include "handler.h"
#include "loop.h"
#include "status.h"
#include "trace.h"
#include "watch.h"

enum { BY_EXCEPT = 254, FAILED = 255, TELL_AGAIN_NS = 1000000000 };

/* What the last svr_fail said, and what failed last. */
static struct {
    char message[1024], file[64], backtrace[512];
    const char *function;
    int line;
    void *frames[TRACE_DEPTH];
    int depth;
    int64_t repeats, told_at;
} failure;

int
svr_fail_at(const char *file, int line, const char *function,
            const char *format, ...) {
    const char *slash = strrchr(file, '/');
    va_list args;
    va_start(args, format);
    text_format(failure.message, sizeof failure.message, format, args);
    va_end(args);
    snprintf(failure.file, sizeof failure.file, "%s", slash ? slash + 1 : file);
    failure.line = line;
    failure.function = function;
    failure.depth = trace_take(failure.frames);
    return SVR_FAILED;
}

void
fault_describe(const char *where, int result, char text[WHY_SIZE]) {
    if (*failure.message == '\0')
        svr_fail_at("", 0, "", "returned %d without svr_fail", result);
    why(text, "%.60s: %.300s (%s:%d)", where, failure.message, failure.file,
        failure.line);
}

void
fault_forget(void) {
    *failure.message = '\0';
}

int
fault_handle(const char *where, int result) {
    char text[WHY_SIZE];
    static char last[WHY_SIZE];
    int64_t now = loop_now();
    fault_describe(where, result, text);
    status_note(STATUS_ERROR, text);
    bool again = strcmp(text, last) == 0;
    failure.repeats += again;
    if (!again)
        trace_text(failure.frames, failure.depth, 1, failure.backtrace,
                   sizeof failure.backtrace);
    if (!again || now - failure.told_at > TELL_AGAIN_NS) {
        if (again)
            svr_err("%s (%jd times more)", text, (intmax_t)failure.repeats);
        else
            svr_err("%s, backtrace: %s", text, failure.backtrace);
        failure.repeats = 0;
        failure.told_at = now;
        memcpy(last, text, sizeof last);
    }
    struct svr_error error = {
        where,        failure.message,  failure.file,
        failure.line, failure.function, failure.backtrace};
    int (*on_except)(const struct svr_error *error) =
        handler_live()->table->on_except;
    watch_do("on_except");
    int verdict = on_except ? on_except(&error) : SVR_GO_ON;
    watch_do(NULL);
    fault_forget();
    return verdict < 0 ? FAILED : verdict == SVR_CLOSE ? BY_EXCEPT : 0;
}
