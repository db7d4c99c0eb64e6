/* my_server: your hooks. They all run on one thread, one at a time, so nothing
 * here needs a lock. Clients and the store live in the state, which reloads
 * keep; new code takes over between two lines. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "svr.h"

#include "my_util.h"
#include "svr_conf.h"

enum { LINE_SIZE = 4096, TICKS = 4, LAST_WORDS_MS = 1000, PAUSE_MS = 10 };

struct client {
    LIST_ENTRY(client) entry;
    int fd, events, quiet; /* what is watched; ticks without a word */
    bool ends;             /* once its answers are sent */
    char timer[24];
    size_t in_used, out_used;
    char in[LINE_SIZE], out[2 * LINE_SIZE];
};

/* Raise the version when you change it, and fill `migrate` (runtime/svr.h). */
struct state {
    int listener; /* -1 while the server closes */
    char listen[128];
    int64_t client_count, commands;
    struct store store;
    LIST_HEAD(, client) clients;
};

static int serve(void *client), welcome(void *unused);

static int
drop(struct client *client) {
    struct state *state = svr_state();
    svr_unwatch(client->fd);
    svr_remove_timer(client->timer);
    /* Bytes left unread would make the close take the last answer away. */
    (void)!recv(client->fd, NULL, 1 << 20, MSG_TRUNC | MSG_DONTWAIT);
    close(client->fd);
    LIST_REMOVE(client, entry);
    free(client);
    state->client_count--;
    if (state->listener >= 0) /* it stops when descriptors run out */
        svr_watch(state->listener, SVR_READ, welcome, NULL);
    return SVR_OK;
}

static int
wait_for(struct client *client, int events) {
    if (client->events == events)
        return SVR_OK;
    client->events = events;
    return svr_watch(client->fd, events, serve, client);
}

/* Does what the first line says; a NUL byte in it is no command. */
static void
answer(struct client *client, char *end) {
    struct state *state = svr_state();
    char *text = client->out + client->out_used;
    size_t size = (size_t)(end - client->in);
    bool broken = memchr(client->in, '\0', size);
    client->in[size - (size > 0 && end[-1] == '\r')] = '\0';
    *text = '\0';
    client->ends =
        !my_operation(&state->store, broken ? "" : client->in, text, LINE_SIZE);
    client->out_used += strlen(text);
    client->in_used -= size + 1;
    memmove(client->in, end + 1, client->in_used);
    state->commands++;
}

/* Goes on with a client until it would wait. Who does not read its answers is
 * not read from. */
static int
serve(void *arg) {
    static const char too_long[] = "ERR a line has at most 4095 bytes\n";
    const struct state *state = svr_state();
    struct client *client = arg;
    for (bool heard = false;;) {
        char *end = memchr(client->in, '\n', client->in_used);
        ssize_t done = 0;
        if (end && !client->ends && client->out_used <= LINE_SIZE) {
            answer(client, end);
        } else if (client->out_used > 0) {
            done =
                send(client->fd, client->out, client->out_used, MSG_NOSIGNAL);
            if (done < 0)
                return errno == EAGAIN ? wait_for(client, SVR_WRITE)
                                       : drop(client);
            client->out_used -= (size_t)done;
            memmove(client->out, client->out + done, client->out_used);
        } else if (client->ends) {
            return drop(client);
        } else if (client->in_used == LINE_SIZE) {
            client->out_used = sizeof too_long - 1;
            memcpy(client->out, too_long, client->out_used);
            client->ends = true;
        } else if (heard) {
            return wait_for(client, SVR_READ);
        } else {
            done = recv(client->fd, client->in + client->in_used,
                        LINE_SIZE - client->in_used, 0);
            if (done <= 0)
                return done < 0 && errno == EAGAIN && state->listener >= 0
                           ? wait_for(client, SVR_READ)
                           : drop(client);
            client->in_used += (size_t)done;
            client->quiet = 0;
            heard = true;
        }
    }
}

static int
idle(void *client) {
    return ++((struct client *)client)->quiet > TICKS ? drop(client) : SVR_OK;
}

static int
welcome(void *unused) {
    static const char full[] = "ERR too many clients\n";
    struct state *state = svr_state();
    (void)unused;
    int fd = accept4(state->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0 && errno != EMFILE && errno != ENFILE)
        return SVR_OK;
    if (fd < 0)
        return svr_unwatch(state->listener),
               svr_fail("accept: %s", strerror(errno));
    bool fits = state->client_count < svr_conf()->tcp_max_clients;
    struct client *client = fits ? calloc(1, sizeof *client) : NULL;
    if (!client) {
        (void)!write(fd, full, sizeof full - 1);
        close(fd);
        return SVR_OK;
    }
    client->fd = fd;
    snprintf(client->timer, sizeof client->timer, "client %d", fd);
    svr_add_timer(client->timer, idle, client,
                  (struct svr_when){.every = svr_conf()->tcp_idle / TICKS});
    LIST_INSERT_HEAD(&state->clients, client, entry);
    state->client_count++;
    return serve(client);
}

/* Opens the listening socket, or another one when its address was changed. */
static int
open_listener(void) {
    struct state *state = svr_state();
    const char *address = svr_conf()->tcp_listen;
    if (strcmp(state->listen, address) == 0)
        return SVR_OK;
    int fd = svr_listen(address);
    if (fd < 0 || svr_watch(fd, SVR_READ, welcome, NULL) < 0)
        return SVR_FAILED;
    if (*state->listen) {
        svr_unwatch(state->listener);
        close(state->listener);
    }
    state->listener = fd;
    snprintf(state->listen, sizeof state->listen, "%s", address);
    svr_info("listening on %s", address);
    return SVR_OK;
}

/* Takes no more clients, and answers those there are what they have asked. */
static int
on_close(void) {
    struct state *state = svr_state();
    struct client *client, *next;
    close(state->listener);
    state->listener = -1;
    for (int ms = 0; ms < LAST_WORDS_MS; ms += PAUSE_MS) {
        for (client = LIST_FIRST(&state->clients); client; client = next) {
            next = LIST_NEXT(client, entry);
            serve(client);
        }
        if (LIST_EMPTY(&state->clients))
            break;
        poll(NULL, 0, PAUSE_MS);
    }
    return SVR_OK;
}

/* What the part checkpoint keeps for the next start, where it was chosen. */
static int
save(void *file) {
    const struct state *state = svr_state();
    my_save(&state->store, file);
    return SVR_OK;
}

static int
load(void *file) {
    struct state *state = svr_state();
    char line[LINE_SIZE + 1], answer[LINE_SIZE];
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        my_operation(&state->store, line, answer, sizeof answer);
    }
    return SVR_OK;
}

static int
get_summary(char *text, size_t size) {
    const struct state *state = svr_state();
    snprintf(text, size, "clients %jd, keys %jd, commands %jd",
             (intmax_t)state->client_count, (intmax_t)state->store.count,
             (intmax_t)state->commands);
    return SVR_OK;
}

SVR_HANDLER(.on_start = open_listener, .on_reload = open_listener,
            .on_close = on_close, .get_summary = get_summary,
            .state_size = sizeof(struct state), .state_version = 1,
            .callbacks = SVR_CALLBACKS(SVR_CALL(welcome), SVR_CALL(serve),
                                       SVR_CALL(idle), SVR_CALL(save),
                                       SVR_CALL(load)));
