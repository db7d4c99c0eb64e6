/* client: one connection of the part stream, and the rooms around it, for
 * fuzzers of protocols; they define handler_call. */
#include <assert.h>
#include <stdarg.h>
#include <stdint.h>

#include "../../parts/stream.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int client_end; /* our end of the connection that accept4 returns */
static const struct svr_handler no_handler;
static struct handler live = {.table = &no_handler};
enum svr_level svr_log_lowest = SVR_ERR;
int part_folder;

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

const char *
failure_reason(void) {
    return "it failed";
}

void
failure_clear(void) {
}

int64_t
loop_now(void) {
    return 1;
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
loop_post(const char *name, svr_call *own, void *arg) {
    (void)name, (void)own, (void)arg;
    return 0;
}

void
figure_number(struct figures *figures, const char *name, enum figure_kind kind,
              double number, const char *help) {
    (void)figures, (void)name, (void)kind, (void)number, (void)help;
}

int
callback_timer(struct timer timer) {
    (void)timer;
    return 0;
}

void
callback_posts(bool all) {
    (void)all;
}

void
callback_failed(const char *name, int result) {
    (void)name, (void)result;
}

void
watchdog_enter(const char *name) {
    (void)name;
}

struct handler *
handler_live(void) {
    return &live;
}

const char *
handler_name(svr_call *call) {
    return call ? "answer" : NULL;
}

int
handler_index(const char *name) {
    return name ? 0 : -1;
}

void
connect_begin(struct connect *attempt, const char *address, int64_t limit) {
    (void)attempt, (void)address, (void)limit;
}

void
connect_cancel(struct connect *attempt) {
    (void)attempt;
}

int
connect_late(struct connect *attempt) {
    (void)attempt;
    return 0;
}

int
listen_want(struct listen *listen, const char *address, const char *name,
            int64_t most, double idle) {
    (void)listen, (void)address, (void)name, (void)most, (void)idle;
    return 0;
}

void
listen_settle(struct listen *listen, bool good) {
    (void)listen, (void)good;
}

void
listen_on(struct listen *listen, bool on) {
    (void)listen, (void)on;
}

void
listen_end(struct listen *listen, bool keeps) {
    (void)listen, (void)keeps;
}

int
listen_accept(const struct listen *listen) {
    int ends[2];
    (void)listen;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
                   ends) < 0)
        abort();
    client_end = ends[1];
    return ends[0];
}

static void
read_answers(void) {
    char answers[4096];
    while (recv(client_end, answers, sizeof answers, MSG_DONTWAIT) > 0)
        continue;
}

/* Sends an input as a client would, in pieces whose length is its first byte's,
 * and ends the connection. Returns how many of its bytes, `byte`, were sent. */
static size_t
be_client(const uint8_t *data, size_t size, char byte) {
    size_t piece = size ? 1 + data[0] * 37u : 1, used = 1, count = 0;
    struct place *place = LIST_FIRST(&places);
    place->now = place->wanted;
    welcome_stream(&place->listen);
    while (used < size && clients == 1) {
        size_t left = size - used, length = left < piece ? left : piece;
        ssize_t sent = send(client_end, data + used, length, MSG_NOSIGNAL);
        for (ssize_t i = 0; i < sent; i++)
            count += data[used + (size_t)i] == (uint8_t)byte;
        used += sent > 0 ? (size_t)sent : 0;
        serve_stream(LIST_FIRST(&connections));
        read_answers();
    }
    while (clients == 1) {
        shutdown(client_end, SHUT_WR);
        read_answers();
        serve_stream(LIST_FIRST(&connections));
    }
    close(client_end);
    return count;
}
