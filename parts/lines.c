/* lines: clients that send lines and get an answer to each, over reloads. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "handler.h"
#include "lines.h"
#include "listen.h"
#include "loop.h"
#include "part.h"
#include "callback.h"

enum { LAST_WORDS_MS = 1000, PAUSE_MS = 10, LOOKS = 4 };

struct client {
    LIST_ENTRY(client) entry;
    int fd, events;
    int64_t heard; /* when, monotonic */
    bool ends;     /* once its answers are sent */
    size_t in_used, out_used;
    char in[SVR_LINE_SIZE], out[2 * SVR_LINE_SIZE];
};
static LIST_HEAD(, client) clients;
static int64_t count;

static int serve_line_client(void *arg), welcome_line_client(void *unused);
static struct listen place = {.who = "svr_lines",
                              .welcome = welcome_line_client};

static int
drop(struct client *client) {
    loop_unwatch(client->fd);
    /* Bytes left unread would make the close take the last answer away. */
    (void)!recv(client->fd, NULL, 1 << 20, MSG_TRUNC | MSG_DONTWAIT);
    close(client->fd);
    LIST_REMOVE(client, entry);
    free(client);
    count--;
    return 0;
}

static int
wait_for(struct client *client, int events) {
    if (client->events == events)
        return 0;
    client->events = events;
    return loop_watch(client->fd, (struct loop_watch){.events = events,
                                                      .own = serve_line_client,
                                                      .arg = client});
}

/* Calls the handler with a line, or with the reason why there is none. */
static int
answer_line(struct client *client, const char *end, const char *why) {
    size_t used = end ? (size_t)(end + 1 - client->in) : client->in_used;
    struct svr_line line = {.text = client->in,
                            .length = end ? used - 1 : 0,
                            .why = why,
                            .answer = client->out + client->out_used,
                            .size = SVR_LINE_SIZE,
                            .last = why != NULL};
    line.length -= line.length > 0 && line.text[line.length - 1] == '\r';
    line.text[line.length] = *line.answer = '\0';
    int result = handler_call(place.now.call, &line);
    client->ends = line.last || result < 0;
    client->out_used += strnlen(line.answer, line.size);
    client->in_used -= used;
    memmove(client->in, client->in + used, client->in_used);
    return result;
}

/* Sends what the client takes. Returns false when it would wait, or is gone. */
static bool
flush(struct client *client) {
    ssize_t sent =
        send(client->fd, client->out, client->out_used, MSG_NOSIGNAL);
    if (sent < 0) {
        errno == EAGAIN ? wait_for(client, SVR_WRITE) : drop(client);
        return false;
    }
    client->out_used -= (size_t)sent;
    memmove(client->out, client->out + sent, client->out_used);
    return true;
}

/* Serves a client until it would have to wait. */
static int
serve_line_client(void *arg) {
    struct client *client = arg;
    for (bool heard = false;;) {
        const char *end = memchr(client->in, '\n', client->in_used);
        const char *why = !end && client->in_used == sizeof client->in
                              ? "a line has at most 4095 bytes"
                              : NULL;
        int result = 0;
        if ((end || why) && !client->ends &&
            client->out_used <= SVR_LINE_SIZE) {
            result = answer_line(client, end, why);
        } else if (client->out_used > 0) {
            if (!flush(client))
                return 0;
        } else if (client->ends) {
            return drop(client);
        } else if (heard) {
            return wait_for(client, SVR_READ);
        } else {
            ssize_t got = recv(client->fd, client->in + client->in_used,
                               sizeof client->in - client->in_used, 0);
            if (got <= 0)
                return got < 0 && errno == EAGAIN && !place.closed
                           ? wait_for(client, SVR_READ)
                           : drop(client);
            client->in_used += (size_t)got;
            client->heard = loop_now();
            heard = true;
        }
        if (result < 0)
            return drop(client), result;
    }
}

static int
drop_idle(void *unused) {
    struct client *client, *next;
    for (client = LIST_FIRST(&clients); client; client = next) {
        next = LIST_NEXT(client, entry);
        if (loop_now() - client->heard > place.now.idle)
            drop(client);
    }
    return unused != NULL;
}

static int
welcome_line_client(void *unused) {
    int fd = listen_accept(&place);
    if (fd < 0)
        return fd == LISTEN_NOBODY ? 0 : fd;
    struct client *client = calloc(1, sizeof *client);
    if (!client) {
        close(fd);
        return svr_fail("accept: no memory");
    }
    client->fd = fd;
    client->heard = loop_now();
    LIST_INSERT_HEAD(&clients, client, entry);
    if (++count > place.now.most)
        answer_line(client, NULL, "too many clients");
    (void)unused;
    return wait_for(client, client->ends ? SVR_WRITE : SVR_READ);
}

int
svr_lines(const char *address, svr_call *call, int64_t most, double idle) {
    return listen_want(&place, address, call, most, idle);
}

int64_t
svr_lines_clients(void) {
    return count;
}

/* Accepts no more clients, and sends the answers that are due. */
static void
finish_lines(bool restarts) {
    struct client *client, *next;
    listen_end(&place, restarts);
    for (int ms = 0; ms < LAST_WORDS_MS && count > 0; ms += PAUSE_MS) {
        for (client = LIST_FIRST(&clients); client; client = next) {
            next = LIST_NEXT(client, entry);
            serve_line_client(client);
        }
        poll(NULL, 0, count > 0 ? PAUSE_MS : 0);
    }
}

static int
lines_event(enum part_event event, const struct conf *conf, const char *text) {
    (void)conf;
    if (event == PART_CLOSE && place.now.fd)
        finish_lines(text != NULL);
    if (event != PART_READY && event != PART_RELOADED)
        return 0;
    listen_settle(&place, !text);
    callback_timer((struct timer){
        .key = "svr.lines", .own = drop_idle, .every = place.now.idle / LOOKS});
    return 0;
}

static void
lines_status(FILE *out) {
    fprintf(out, ", \"lines\": {\"clients\": %jd}", (intmax_t)count);
}

const struct part part_lines = {
    .name = "lines", .event = lines_event, .status = lines_status};
