/* fuzz control: what a client of the control socket sends, in any pieces, is a
 * request, or is answered in one line, or ends the client. */
#include <assert.h>
#include <stdint.h>

#include "../../runtime/guard.c"
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
signals_fd(void) {
    return -1;
}

int
signals_take(void) {
    return 0;
}

int
lock_restore(int dir, char reason[WHY_SIZE]) {
    (void)dir, (void)reason;
    return 0;
}

int
thread_start(pthread_t *its, void *(*run)(void *unused)) {
    (void)its, (void)run;
    return 0;
}

int64_t
watch_judge(void) {
    return INT64_MAX;
}

/* ---- One client ------------------------------------------------------- */

/* The input: how long the pieces are, then what the client sends. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct guard_duty no_duty = {
        .close = nothing, .reload = nothing, .ask = nothing, .state = state};
    int ends[2];
    char line[256];
    size_t piece = size ? 1 + data[0] % 70u : 1, used = 1;
    duty = &no_duty;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        abort();
    struct client *client = &clients[0];
    *client = (struct client){.wait = REQUEST, .fd = ends[0]};
    while (client->wait == REQUEST) {
        size_t length = size - used < piece ? size - used : piece;
        if (used >= size)
            shutdown(ends[1], SHUT_WR);
        else if (send(ends[1], data + used, length, 0) < 0)
            abort();
        used += used < size ? length : 0;
        read_request(client);
        assert(client->used <= REQUEST_SIZE);
    }
    if (client->wait == FIGURES)
        answer_status(client, false);
    if (client->wait != NOBODY)
        drop(client);
    ssize_t got = recv(ends[1], line, sizeof line - 1, MSG_DONTWAIT);
    if (got > 0) {
        assert(line[0] >= '0' && line[0] <= '4');
        assert(memchr(line, '\n', (size_t)got) == line + got - 1);
    }
    if (taken)
        close(ends[0]);
    taken = false;
    close(ends[1]);
    return 0;
}
