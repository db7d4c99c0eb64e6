/* fuzz lines: clients' bytes, in any pieces, are each line once, in order. */
#include <assert.h>
#include <stdarg.h>
#include <stdint.h>

#include "../../parts/lines.c"
#include "../../parts/listen.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- The rooms around it ---------------------------------------------- */

static int listener_end; /* our end of the connection that accept4 returns */
static const struct svr_handler no_handler;
static struct handler live = {.table = &no_handler};
enum svr_level svr_log_lowest = SVR_ERR;

void
svr_log(enum svr_level level, const char *file, int line, const char *function,
        const char *format, ...) {
    (void)level, (void)file, (void)line, (void)function, (void)format;
}

int
svr_fail_at(const char *file, int line, const char *function,
            const char *format, ...) {
    (void)file, (void)line, (void)function, (void)format;
    return SVR_FAILED;
}

int
inherited_take(bool (*is)(int fd, const void *what), const void *what) {
    (void)is, (void)what;
    return -1;
}

int part_folder;

int64_t
loop_now(void) {
    return 0;
}

int
loop_watch(int fd, struct loop_watch watch) {
    (void)fd, (void)watch;
    return 0;
}

int
loop_unwatch(int fd) {
    (void)fd;
    return 0;
}

int
callback_timer(struct timer timer) {
    (void)timer;
    return 0;
}

struct handler *
handler_live(void) {
    return &live;
}

const char *
handler_name(svr_call *call) {
    return call ? "line" : NULL;
}

int
handler_index(const char *name) {
    return name ? 0 : -1;
}

/* ---- The handler: it counts lines and answers each -------------------- */

static size_t lines_seen;

int
handler_call(const char *name, void *arg) {
    struct svr_line *line = arg;
    (void)name;
    assert(line->length < SVR_LINE_SIZE && line->text[line->length] == '\0');
    assert(!memchr(line->text, '\n', line->length));
    lines_seen += !line->why;
    snprintf(line->answer, line->size, "%zu %s\n", line->length, line->text);
    line->last = line->last || strcmp(line->text, "QUIT") == 0;
    return strcmp(line->text, "FAIL") == 0 ? SVR_FAILED : SVR_OK;
}

/* ---- One client ------------------------------------------------------- */

static void
read_answers(void) {
    char answers[4096];
    while (recv(listener_end, answers, sizeof answers, MSG_DONTWAIT) > 0)
        continue;
}

/* The client's connection, as accept4 would make it. */
static struct client *
connect_client(void) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
                   ends) < 0)
        abort();
    struct client *client = calloc(1, sizeof *client);
    client->fd = ends[0];
    listener_end = ends[1];
    LIST_INSERT_HEAD(&clients, client, entry);
    count++;
    return client;
}

/* The input: how long the pieces are, then what the client sends. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    size_t piece = size ? 1 + data[0] * 37u : 1, used = 1, ends = 0;
    struct client *client = connect_client();
    lines_seen = 0;
    while (used < size && count == 1) {
        size_t left = size - used, length = left < piece ? left : piece;
        ssize_t sent = send(listener_end, data + used, length, MSG_NOSIGNAL);
        for (ssize_t i = 0; i < sent; i++)
            ends += data[used + (size_t)i] == '\n';
        used += sent > 0 ? (size_t)sent : 0;
        serve_line_client(client);
        read_answers();
    }
    assert(lines_seen <= ends);
    while (count == 1) {
        shutdown(listener_end, SHUT_WR);
        read_answers();
        serve_line_client(client);
    }
    close(listener_end);
    return 0;
}
