/* my_server: your hooks. They all run on one thread, one at a time, so nothing
 * here needs a lock. Clients and the store live in the state, which reloads
 * keep; new code takes over between two lines. */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "svr.h"

#include "my_util.h"
#include "svr_conf.h"

enum { LINE_SIZE = 4096, LAST_WORDS_MS = 1000, PAUSE_MS = 10 };

struct client {
    struct client *next, **link;
    int fd;
    bool ended; /* nothing more is done for it: it goes once it has its answers
                 */
    bool gone;  /* it has sent all that it will */
    char timer[24];
    size_t in_used, out_used;
    char in[LINE_SIZE], out[2 * LINE_SIZE];
};

/* Raise the version when you change it, and fill `migrate` (runtime/svr.h). */
struct state {
    int listener;
    char listen[128];
    struct client *clients;
    int64_t client_count, commands;
    struct store store;
};

static int serve(void *client), idle(void *client), welcome(void *unused);

static void
drop(struct client *client) {
    struct state *state = svr_state();
    svr_unwatch(client->fd);
    svr_remove_timer(client->timer);
    close(client->fd);
    *client->link = client->next;
    if (client->next)
        client->next->link = client->link;
    state->client_count--;
    free(client);
    if (state->listener >= 0)
        svr_watch(state->listener, SVR_READ, welcome, NULL);
}

static void
answer(struct client *client, const char *text) {
    client->out_used += (size_t)snprintf(client->out + client->out_used,
                                         LINE_SIZE, "%s\n", text);
}

/* Does what the whole lines say, as long as there is room for an answer. */
static void
work(struct client *client) {
    struct state *state = svr_state();
    char *line = client->in, *end, text[LINE_SIZE - 1];
    while (!client->ended && client->out_used <= LINE_SIZE &&
           (end = memchr(line, '\n', client->in_used))) {
        size_t length = (size_t)(end - line);
        bool broken = memchr(line, '\0', length) != NULL;
        line[length - (length > 0 && end[-1] == '\r')] = '\0';
        client->in_used -= length + 1;
        state->commands++;
        if (broken) {
            answer(client, "ERR a NUL byte");
        } else if (my_operation(&state->store, line, text, sizeof text)) {
            answer(client, text);
        } else {
            client->ended = true;
            client->in_used = 0;
        }
        line = end + 1;
    }
    memmove(client->in, line, client->in_used);
    if (client->in_used == LINE_SIZE && client->out_used <= LINE_SIZE) {
        answer(client, "ERR a line has at most 4095 bytes");
        client->ended = true;
        client->in_used = 0;
    }
}

/* Goes on with a client: reads, works, sends, as far as nothing blocks. What
 * comes after the end is read and thrown away, since a close with bytes unread
 * would take the last answer with it. Returns false when it is to be dropped;
 * `read_some` tells whether anything came. */
static bool
advance(struct client *client, bool *read_some) {
    char *room = client->ended ? client->in : client->in + client->in_used;
    size_t size = (size_t)(client->in + LINE_SIZE - room);
    ssize_t got = size ? recv(client->fd, room, size, 0) : -1, sent = 1;
    bool broken = got < 0 && size && errno != EAGAIN;
    *read_some = got > 0;
    if (got > 0 && !client->ended)
        client->in_used += (size_t)got;
    while (sent > 0) {
        work(client);
        sent = send(client->fd, client->out, client->out_used, MSG_NOSIGNAL);
        if (sent > 0)
            client->out_used -= (size_t)sent;
        if (sent > 0)
            memmove(client->out, client->out + sent, client->out_used);
    }
    broken |= sent < 0 && errno != EAGAIN;
    client->gone |= got == 0;
    client->ended |= client->gone && !memchr(client->in, '\n', client->in_used);
    if (client->ended && client->out_used == 0)
        shutdown(client->fd, SHUT_WR);
    return !broken && !(client->gone && client->ended && client->out_used == 0);
}

/* Who does not read its answers is not read from. */
static int
serve(void *arg) {
    struct client *client = arg;
    bool some, goes_on = advance(client, &some);
    if (!goes_on) {
        drop(client);
        return SVR_OK;
    }
    double patience = client->ended ? 1 : svr_conf()->tcp_idle;
    svr_remove_timer(client->timer);
    svr_add_timer(client->timer, idle, client,
                  (struct svr_when){.every = patience, .runs = 1});
    bool reads = !client->gone && client->out_used <= LINE_SIZE;
    return svr_watch(
        client->fd, (reads ? SVR_READ : 0) | (client->out_used ? SVR_WRITE : 0),
        serve, client);
}

static int
idle(void *client) {
    drop(client);
    return SVR_OK;
}

static int
welcome(void *unused) {
    static const char full[] = "ERR too many clients\n";
    struct state *state = svr_state();
    (void)unused;
    int fd = accept4(state->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0 && (errno == EMFILE || errno == ENFILE))
        svr_unwatch(state->listener); /* until a client goes */
    if (fd < 0)
        return errno == EAGAIN || errno == ECONNABORTED
                   ? SVR_OK
                   : svr_fail("accept: %s", strerror(errno));
    bool fits = state->client_count < svr_conf()->tcp_max_clients;
    struct client *client = fits ? calloc(1, sizeof *client) : NULL;
    if (!client) {
        (void)!write(fd, full, strlen(full));
        close(fd);
        return SVR_OK;
    }
    client->fd = fd;
    client->next = state->clients;
    client->link = &state->clients;
    if (client->next)
        client->next->link = &client->next;
    state->clients = client;
    state->client_count++;
    snprintf(client->timer, sizeof client->timer, "client %d", fd);
    return serve(client);
}

/* Opens the listening socket, or another one when its address was changed. */
static int
open_listener(void) {
    struct state *state = svr_state();
    const char *address = svr_conf()->tcp_listen;
    if (strcmp(state->listen, address) == 0)
        return SVR_OK;
    int fd = svr_listen(address), former = state->listener;
    if (fd < 0 || svr_watch(fd, SVR_READ, welcome, NULL) < 0)
        return SVR_FAILED;
    if (*state->listen) {
        svr_unwatch(former);
        close(former);
    }
    state->listener = fd;
    snprintf(state->listen, sizeof state->listen, "%s", address);
    svr_info("listening on %s", address);
    return SVR_OK;
}

/* Takes no more clients, and gives those there are the answers to what they
 * have sent. */
static int
on_close(void) {
    struct state *state = svr_state();
    svr_unwatch(state->listener);
    close(state->listener);
    state->listener = -1;
    for (int ms = 0; state->clients && ms < LAST_WORDS_MS; ms += PAUSE_MS) {
        struct client *client = state->clients, *next;
        for (; client; client = next) {
            bool some, goes_on = advance(client, &some);
            next = client->next;
            if (!goes_on || (!some && client->out_used == 0))
                drop(client);
        }
        poll(NULL, 0, PAUSE_MS);
    }
    return SVR_OK;
}

static int
get_summary(char *text, size_t size) {
    const struct state *state = svr_state();
    snprintf(text, size,
             "clients %" PRId64 ", keys %" PRId64 ", commands %" PRId64,
             state->client_count, state->store.count, state->commands);
    return SVR_OK;
}

SVR_HANDLER(.on_start = open_listener, .on_reload = open_listener,
            .on_close = on_close, .get_summary = get_summary,
            .state_size = sizeof(struct state), .state_version = 1,
            .callbacks = SVR_CALLBACKS(SVR_CALL(welcome), SVR_CALL(serve),
                                       SVR_CALL(idle)));
