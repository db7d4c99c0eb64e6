/* fuzz control: what a client of the control socket sends, in any pieces, is a
 * request, or is answered in one line, or ends the client. */
#include <assert.h>
#include <stdint.h>

#include "../../runtime/control.c"
#include "../../runtime/failure.c"
#include "../../runtime/text.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- The rooms around it ---------------------------------------------- */

enum svr_level svr_log_lowest = SVR_ERR;

void
svr_log(enum svr_level level, const char *file, int line, const char *function,
        const char *format, ...) {
    (void)level, (void)file, (void)line, (void)function, (void)format;
}

static void
nothing(void) {
}

static void
state(char *text, int size) {
    snprintf(text, (size_t)size, "8 1");
}

static bool taken; /* by a part, with its descriptor */

enum part_answer
part_request(const char *line, int client) {
    (void)client;
    taken = *line == 'p';
    assert(strlen(line) < REQUEST_SIZE && !strchr(line, '\n'));
    return *line == 'p'   ? PART_TAKEN
           : *line == 'q' ? PART_RELOADS
                          : PART_UNKNOWN;
}

char *
status_render(const char *form, bool stale) {
    (void)stale;
    return *form == 'x' ? NULL : strdup("status\n");
}

int64_t
loop_now(void) {
    return 0;
}

int
loop_millis(int64_t until, int64_t now) {
    return (int)((until - now) / 1000000);
}

void
status_open(int dir, void (*changed)(void)) {
    (void)dir, (void)changed;
}

void
status_publish(void) {
}

int
status_verdict(char text[STATUS_TEXT]) {
    *text = '\0';
    return 0;
}

int
signals_take(void) {
    return 0;
}

int
lock_restore(int dir) {
    (void)dir;
    return 0;
}

int
signals_fd(void) {
    return -1;
}

int
signals_thread(pthread_t *its, void *(*work)(void *arg), void *arg) {
    (void)its, (void)work, (void)arg;
    return 0;
}

int64_t
watchdog_judge(void) {
    return INT64_MAX;
}

/* ---- One client ------------------------------------------------------- */

/* The input: how long the pieces are, then what the client sends. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct control_duty no_duty = {
        .close = nothing, .reload = nothing, .ask = nothing, .state = state};
    int ends[2];
    char line[256];
    size_t piece = size ? 1 + data[0] % 70u : 1, used = 0;
    struct client *client = &clients[0];
    duty = &no_duty;
    bell = bell < 0 ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : bell;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        abort();
    for (size_t at = 1; at < size; at += piece)
        if (send(ends[1], data + at, size - at < piece ? size - at : piece,
                 MSG_DONTWAIT) < 0)
            break;
    shutdown(ends[1], SHUT_WR);
    *client = (struct client){.fd = ends[0]};
    if (read_request(client))
        serve_request(client);
    if (client->wait == FIGURES)
        answer_status(client, false);
    if (client->wait != NOBODY)
        hang_up(client);
    ssize_t got = recv(ends[1], line, sizeof line, MSG_DONTWAIT);
    if (got > 0)
        used = (size_t)got;
    if (used > 0) {
        assert(line[0] >= '0' && line[0] <= '4');
        assert(memchr(line, '\n', used) == line + used - 1);
    }
    if (taken)
        close(ends[0]);
    taken = false;
    close(ends[1]);
    if (spare >= 0)
        close(spare);
    spare = -1;
    return 0;
}
