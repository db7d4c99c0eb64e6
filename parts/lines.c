/* lines: clients send lines and get answers; connections survive reloads. */
#define _GNU_SOURCE
#include <string.h>

#include "handler.h"
#include "lines.h"
#include "part.h"
#include "stream.h"

static int64_t count, most, most_wanted;

/* Calls the handler with a line, or with the reason why there is none. */
static int
answer_line(struct svr_stream *stream, char *text, size_t length,
            const char *why) {
    char answer[SVR_LINE_SIZE];
    struct svr_line line = {.text = text,
                            .length = length,
                            .why = why,
                            .answer = answer,
                            .size = sizeof answer,
                            .last = why != NULL};
    line.length -= length > 0 && text[length - 1] == '\r';
    text[line.length] = *answer = '\0';
    int result = handler_call(stream_callback(stream, STREAM_MESSAGE), &line);
    svr_stream_send(stream, answer, strnlen(answer, sizeof answer));
    if (line.last)
        svr_stream_close(stream);
    return result;
}

static int
frame_line(void *arg) {
    static char none[1];
    const struct svr_message *message = arg;
    int length = svr_stream_line(message);
    if (length <= SVR_LINE_SIZE &&
        (length > 0 || message->size < SVR_LINE_SIZE))
        return length;
    answer_line(message->stream, none, 0, "a line has at most 4095 bytes");
    return svr_fail("a line is too long");
}

static int
take_client_line(void *arg) {
    const struct svr_message *message = arg;
    return answer_line(message->stream, message->data, message->size - 1, NULL);
}

static int
count_line_client(void *arg) {
    static char none[1];
    const struct svr_message *message = arg;
    return ++count > most
               ? answer_line(message->stream, none, 0, "too many clients")
               : 0;
}

static int
forget_line_client(void *unused) {
    count--;
    return unused == NULL;
}

int
svr_lines(const char *address, svr_call *call, int64_t its_most, double idle) {
    struct stream_terms terms;
    struct svr_protocol protocol = {
        .frame = call, .message = call, .idle = idle, .slow = idle};
    if (its_most < 1 || !(idle >= 0.1 && idle <= 86400))
        return svr_fail("svr_lines: needs at least 1 client, and 0.1 to 86400 "
                        "seconds of silence");
    if (stream_read_terms("svr_lines", &protocol, &terms) < 0)
        return SVR_FAILED;
    terms.calls[STREAM_FRAME] = (struct stream_call){NULL, frame_line};
    terms.calls[STREAM_MESSAGE].own = take_client_line;
    terms.calls[STREAM_OPENED].own = count_line_client;
    terms.calls[STREAM_CLOSED].own = forget_line_client;
    terms.most = INT64_MAX;
    most_wanted = its_most;
    return stream_serve("svr_lines", "lines", address, &terms);
}

int64_t
svr_lines_clients(void) {
    return count;
}

static int
lines_event(enum part_event event, const struct conf *conf, const char *text) {
    (void)conf;
    if ((event == PART_READY || event == PART_RELOADED) && !text)
        most = most_wanted;
    if (event == PART_RELOADED)
        most_wanted = most;
    return 0;
}

static void
lines_figures(struct figures *figures) {
    figure_number(figures, "clients", FIGURE_GAUGE, (double)count, "Clients.");
}

const struct part part_lines = {
    .name = "lines", .event = lines_event, .figures = lines_figures};
