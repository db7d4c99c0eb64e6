/* fuzz control: what a client of the control socket sends, in any pieces, is a
 * request, or is answered in one line, or ends the client. */
#include <assert.h>
#include <stdint.h>

#include "../../runtime/control.c"
#include "../../runtime/failure.c"
#include "../../runtime/frames.c"
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
close_never(int exit_code) {
    (void)exit_code;
}

void
reload_state(char *text, int size) {
    snprintf(text, (size_t)size, "8 1");
}

void
reload_begin(void) {
}

void
reload_reject(void) {
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
loop_wake(void) {
}

void
log_drain(void) {
}

int
folder_replace(int dir, const char *path, const void *bytes, size_t size,
               mode_t mode, folder_ready *ready) {
    (void)dir, (void)path, (void)bytes, (void)size, (void)mode, (void)ready;
    return 0;
}

void
watchdog_doing(char name[64]) {
    *name = '\0';
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

void
status_refresh(void) {
}

unsigned
status_verdicts(void) {
    return 0;
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

void
signals_wake(void) {
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
    int ends[2];
    char line[256];
    size_t piece = size ? 1 + data[0] % 70u : 1, used = 0;
    struct client *client = &clients[0];
    begin_close = close_never;
    listener =
        listener < 0 ? open("/dev/null", O_RDONLY | O_CLOEXEC) : listener;
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
