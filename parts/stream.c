/* stream: buffered connections for any protocol; they survive reloads. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "callback.h"
#include "connect.h"
#include "failure.h"
#include "handler.h"
#include "listen.h"
#include "loop.h"
#include "part.h"
#include "stream.h"
#include "watchdog.h"

enum { ROOM = 16384, MUCH = 65536, TURNS = 16, LOOKS = 4 };
enum { LAST_WORDS_MS = 1000, PAUSE_MS = 10 };
#define SECOND INT64_C(1000000000)

/* Bytes received, or not yet sent: those from `start` to `end`. */
struct bytes {
    char *data;
    size_t start, end, room;
};

/* A listener. */
struct place {
    LIST_ENTRY(place) entry;
    char key[32];
    struct listen listen;
    struct stream_terms now, wanted;
    bool ends; /* accepts no more clients */
    int64_t count;
};

/* The additional data of an outgoing connection. */
struct outgoing {
    struct stream_terms terms;
    char address[320];
    struct connect attempt;
    int tries;      /* since the last message arrived */
    int64_t again;  /* when to connect, monotonic; 0 = now connecting */
    bool dismissed; /* the handler closed it */
    bool fresh;     /* made in this on_reload, whose reload may be rejected */
};

/* OPEN; CLOSING = once all is sent; BROKEN = at once. */
enum stream_state { OPEN, CLOSING, BROKEN };

struct connection {
    struct svr_stream stream; /* the first member */
    LIST_ENTRY(connection) entry;
    TAILQ_ENTRY(connection) due_entry;
    struct place *place;  /* of a client; or NULL */
    struct outgoing *out; /* of an outgoing connection; or NULL */
    void *session;        /* of TLS; or NULL */
    int fd, events;       /* fd -1 = not connected */
    struct bytes in, unsent;
    size_t need;   /* the least number of bytes of the next message */
    int64_t moved; /* when a byte was last received or sent, monotonic */
    int64_t begun; /* when the incomplete message began; 0 = none */
    enum stream_state state;
    bool due;    /* in the list of connections to serve */
    bool eof;    /* the peer sends no more */
    bool paused; /* messages wait */
    bool full;   /* `drained` must be called */
    char reason[96];
};

const struct stream_tls *stream_tls;
static LIST_HEAD(, place) places;
static LIST_HEAD(, connection) connections;
static TAILQ_HEAD(due_list, connection) due = TAILQ_HEAD_INITIALIZER(due);
static struct bytes spare;
static const struct connection *present; /* the one being served */
static bool ending, reloading;
static int64_t clients;
static struct { uint64_t accepted, refused, messages, received, sent; } totals;

static int serve_stream(void *arg), serve_due(void *unused);
static int sweep_streams(void *unused), connect_streams(void *unused);

static const struct stream_terms *
terms_of(const struct connection *c) {
    return c->out ? &c->out->terms : &c->place->now;
}

/* Marks a connection as ending; the first reason is kept. */
static void
end_stream(struct connection *c, enum stream_state state, const char *reason) {
    if (c->state < state)
        c->state = state;
    if (!*c->reason)
        snprintf(c->reason, sizeof c->reason, "%s", reason);
}

/* Calls a callback. A failure that is the server's, not the client's, is
 * reported, and ends the connection. */
static int
call_stream(struct connection *c, enum stream_calls which,
            struct svr_message *message) {
    const struct stream_call *calls = terms_of(c)->calls, *call = &calls[which];
    if (!call->own && !call->name)
        return 0;
    message->stream = &c->stream;
    failure_clear();
    if (which > STREAM_MESSAGE && call->name) /* the loop named `message` */
        watchdog_enter(call->name);
    int result =
        call->own ? call->own(message) : handler_call(call->name, message);
    if (result < 0 && which != STREAM_FRAME) {
        end_stream(c, BROKEN, failure_reason());
        if (result != HANDLER_GONE && call->name)
            callback_failed(call->name, result);
    }
    if (which > STREAM_MESSAGE && call->name)
        watchdog_enter(calls[STREAM_MESSAGE].name);
    return result;
}

/* ---- Bytes ------------------------------------------------------------ */

static size_t
bytes_size(const struct bytes *bytes) {
    return bytes->end - bytes->start;
}

/* Makes room for `more` bytes at the end. Returns -1 if memory is short. */
static int
bytes_reserve(struct bytes *bytes, size_t more) {
    size_t size = bytes_size(bytes);
    if (bytes->room - bytes->end >= more)
        return 0;
    if (bytes->start > 0)
        memmove(bytes->data, bytes->data + bytes->start, size);
    bytes->start = 0;
    bytes->end = size;
    if (bytes->room - size >= more)
        return 0;
    if (!bytes->data && spare.data && more <= spare.room) {
        *bytes = spare;
        spare.data = NULL;
        return 0;
    }
    size_t room = bytes->room * 2 > size + more ? bytes->room * 2 : size + more;
    char *data = realloc(bytes->data, room < ROOM ? ROOM : room);
    if (!data)
        return -1;
    bytes->data = data;
    bytes->room = room < ROOM ? ROOM : room;
    return 0;
}

/* Releases the memory of an empty buffer; one piece is kept for the next
 * buffer. */
static void
bytes_rest(struct bytes *bytes) {
    if (bytes_size(bytes) > 0)
        return;
    if (!spare.data && bytes->room == ROOM)
        spare = (struct bytes){bytes->data, 0, 0, ROOM};
    else
        free(bytes->data);
    *bytes = (struct bytes){NULL, 0, 0, 0};
}

/* ---- Ending a connection ---------------------------------------------- */

/* Has the loop serve a connection soon, outside the current callback. */
static void
make_due(struct connection *c) {
    if (c->due)
        return;
    if (TAILQ_EMPTY(&due))
        loop_post("stream", serve_due, NULL); /* else the sweep does it */
    TAILQ_INSERT_TAIL(&due, c, due_entry);
    c->due = true;
}

static void
watch_stream(struct connection *c, int events) {
    if (events == c->events)
        return;
    c->events = events;
    if (events == 0)
        loop_unwatch(c->fd);
    else if (loop_watch(c->fd,
                        (struct loop_watch){
                            .events = events,
                            .call = terms_of(c)->calls[STREAM_MESSAGE].name,
                            .own = serve_stream,
                            .arg = c}) < 0)
        end_stream(c, BROKEN, strerror(errno));
}

/* Closes a socket. Unread bytes would cause a reset, and lose the last
 * answer. */
static void
hang_up_socket(int fd) {
    static char waste[MUCH];
    for (int i = 0; i < TURNS; i++)
        if (recv(fd, waste, sizeof waste, MSG_DONTWAIT) <= 0)
            break;
    close(fd);
}

/* Closes the socket of a connection, and drops its buffered bytes. */
static void
disconnect(struct connection *c) {
    if (c->fd >= 0) {
        watch_stream(c, 0);
        if (c->session)
            stream_tls->close(c->session);
        hang_up_socket(c->fd);
    }
    c->fd = -1;
    c->session = NULL;
    c->in.start = c->in.end = c->unsent.start = c->unsent.end = 0;
    bytes_rest(&c->in);
    bytes_rest(&c->unsent);
    c->stream.unsent = c->need = 0;
    c->begun = 0;
    c->eof = c->full = false;
}

/* Removes a connection without calling its callbacks. */
static void
remove_stream(struct connection *c) {
    disconnect(c);
    if (c->due)
        TAILQ_REMOVE(&due, c, due_entry);
    LIST_REMOVE(c, entry);
    if (c->out)
        connect_cancel(&c->out->attempt);
    free(c->out);
    free(c);
}

static void
close_stream(struct connection *c) {
    struct svr_message message = {.reason = c->reason};
    struct place *place = c->place;
    c->state = BROKEN;
    svr_debug("stream %s: closed: %s", place ? place->key : c->out->address,
              c->reason);
    call_stream(c, STREAM_CLOSED, &message);
    remove_stream(c);
    if (place) {
        clients--;
        if (place->count-- == place->now.most)
            listen_on(&place->listen, true);
    }
}

/* Plans to make a lost connection again, after a random part of a pause that
 * grows to `retry`. */
static void
lose_stream(struct connection *c) {
    char reason[sizeof c->reason];
    struct svr_message message = {.reason =
                                      memcpy(reason, c->reason, sizeof reason)};
    struct outgoing *out = c->out;
    uint32_t part = 0;
    int64_t pause = SECOND / 5;
    disconnect(c);
    for (int i = 0; i < out->tries && pause < out->terms.retry; i++)
        pause *= 2;
    if (pause > out->terms.retry)
        pause = out->terms.retry;
    (void)!getrandom(&part, sizeof part, 0);
    out->tries++;
    out->again = loop_now() + pause / 2 + pause / 2 * (part >> 8) / (1 << 24);
    c->state = OPEN;
    *c->reason = '\0';
    connect_streams(NULL);
    call_stream(c, STREAM_LOST, &message);
}

/* ---- Serving ---------------------------------------------------------- */

static void
flush_stream(struct connection *c) {
    struct bytes *bytes = &c->unsent;
    while (c->stream.unsent > 0 && c->state != BROKEN && c->fd >= 0) {
        const char *from = bytes->data + bytes->start;
        ssize_t sent =
            c->session ? stream_tls->send(c->session, from, c->stream.unsent)
                       : send(c->fd, from, c->stream.unsent, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno != EAGAIN)
                end_stream(c, BROKEN,
                           c->session ? stream_tls->reason(c->session)
                                      : strerror(errno));
            return;
        }
        bytes->start += (size_t)sent;
        c->stream.unsent -= (size_t)sent;
        c->moved = loop_now();
        totals.sent += (size_t)sent;
    }
    bytes_rest(bytes);
}

/* Whether more bytes of the peer are wanted now. */
static bool
may_receive(const struct connection *c) {
    return c->state == OPEN && !c->eof && !c->paused && c->fd >= 0 &&
           c->stream.unsent < MUCH;
}

static void
receive_stream(struct connection *c) {
    size_t size = bytes_size(&c->in);
    if (!may_receive(c))
        return;
    if (bytes_reserve(&c->in, c->need > size + ROOM ? c->need - size : ROOM) <
        0) {
        end_stream(c, BROKEN, "no memory");
        return;
    }
    char *to = c->in.data + c->in.end;
    size_t room = c->in.room - c->in.end;
    ssize_t got = c->session ? stream_tls->receive(c->session, to, room)
                             : recv(c->fd, to, room, 0);
    if (got > 0) {
        c->in.end += (size_t)got;
        c->moved = loop_now();
        if (c->begun == 0)
            c->begun = c->moved;
        totals.received += (size_t)got;
    } else if (got == 0) {
        c->eof = true;
    } else if (errno == EAGAIN) {
        if (ending)
            end_stream(c, CLOSING, "the server closes");
    } else {
        end_stream(c, BROKEN,
                   c->session ? stream_tls->reason(c->session)
                              : strerror(errno));
    }
}

/* Finds the next message. Returns its length; 0 = it is not complete. */
static size_t
frame_message(struct connection *c) {
    size_t size = bytes_size(&c->in), most = terms_of(c)->message_size;
    if (size == 0 || (size < c->need && !c->eof))
        return 0;
    struct svr_message message = {
        .data = c->in.data + c->in.start, .size = size, .last = c->eof};
    int length = call_stream(c, STREAM_FRAME, &message);
    if (length < 0)
        end_stream(c, CLOSING, failure_reason());
    else if ((size_t)length > most || (length == 0 && size >= most))
        end_stream(c, CLOSING, "a message is longer than allowed");
    else if (length > 0 && (size_t)length <= size)
        return (size_t)length;
    else if (c->eof)
        end_stream(c, CLOSING, "closed by the peer in the middle of a message");
    c->need = length > 0 ? (size_t)length : size + 1;
    return 0;
}

/* Calls the handler with all complete messages, until it must wait. */
static void
take_messages(struct connection *c) {
    size_t length;
    while (c->state == OPEN && !c->paused && c->stream.unsent < MUCH &&
           (length = frame_message(c)) > 0) {
        struct svr_message message = {
            .data = c->in.data + c->in.start, .size = length, .last = c->eof};
        c->in.start += length;
        c->need = 0;
        c->begun = bytes_size(&c->in) > 0 ? loop_now() : 0;
        totals.messages++;
        if (c->out)
            c->out->tries = 0;
        call_stream(c, STREAM_MESSAGE, &message);
    }
    bytes_rest(&c->in);
}

/* Whether a connection stays open: more bytes may arrive, or are still to be
 * sent. */
static bool
stays_open(const struct connection *c) {
    return c->state == OPEN ||
           (c->state == CLOSING && c->stream.unsent > 0 && c->fd >= 0);
}

/* Ends a connection that has nothing more to do, or watches for its next
 * event. */
static void
settle_stream(struct connection *c) {
    if (c->state == OPEN && c->eof && !c->paused && !c->full &&
        c->stream.unsent == 0 && bytes_size(&c->in) == 0)
        end_stream(c, CLOSING, "closed by the peer");
    if (stays_open(c) && c->fd >= 0)
        watch_stream(c, (may_receive(c) ? SVR_READ : 0) |
                            (c->stream.unsent > 0 ? SVR_WRITE : 0) |
                            (c->session ? stream_tls->wants(c->session) : 0));
    if (stays_open(c))
        return;
    if (c->out && c->out->terms.retry && !c->out->dismissed && !ending)
        lose_stream(c);
    else
        close_stream(c);
}

/* Serves a connection as far as is possible without waiting. */
static void
advance_stream(struct connection *c) {
    struct svr_message none = {.reason = NULL};
    bool more = true;
    present = c;
    for (int turn = 0; more && turn < TURNS; turn++) {
        take_messages(c);
        more = c->stream.unsent >= MUCH; /* messages may be left */
        flush_stream(c);
        more = more && c->stream.unsent == 0;
        if (c->full && c->stream.unsent == 0 && c->state == OPEN) {
            c->full = false;
            more = true;
            call_stream(c, STREAM_DRAINED, &none);
        }
        more = more && c->state == OPEN;
    }
    present = NULL;
    if (more)
        make_due(c);
    settle_stream(c);
}

static int
serve_stream(void *arg) {
    receive_stream(arg);
    advance_stream(arg);
    return 0;
}

static int
serve_due(void *unused) {
    struct connection *c;
    int count = 0;
    TAILQ_FOREACH (c, &due, due_entry)
        count++;
    for (; count > 0 && (c = TAILQ_FIRST(&due)); count--) {
        TAILQ_REMOVE(&due, c, due_entry);
        c->due = false;
        advance_stream(c);
    }
    if (!TAILQ_EMPTY(&due))
        loop_post("stream", serve_due, NULL);
    return unused != NULL;
}

/* ---- Clients ---------------------------------------------------------- */

/* Begins to serve a socket, with TLS if configured. */
static void
begin_stream(struct connection *c, int fd) {
    const struct stream_terms *terms = terms_of(c);
    const char *name = c->out && *terms->name ? terms->name : NULL;
    struct svr_message none = {.reason = NULL};
    bool off = !stream_tls || terms->plain || (c->out && !name);
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    c->fd = fd;
    c->moved = loop_now();
    if (!off)
        c->session = stream_tls->open(fd, name, &off);
    c->begun = c->session ? c->moved : 0; /* the handshake has a time limit */
    present = c;
    if (c->session || off)
        call_stream(c, STREAM_OPENED, &none);
    else
        end_stream(c, BROKEN, failure_reason());
    advance_stream(c);
}

static int
refuse_client(const struct place *place, int fd) {
    totals.refused++;
    (void)!send(fd, place->now.refusal, strlen(place->now.refusal),
                MSG_NOSIGNAL);
    hang_up_socket(fd);
    return 0;
}

static int
welcome_stream(void *arg) {
    struct place *place =
        (struct place *)((char *)arg - offsetof(struct place, listen));
    int fd = listen_accept(&place->listen);
    if (fd < 0)
        return fd == LISTEN_NOBODY ? 0 : fd;
    if (place->count >= place->now.most && *place->now.refusal)
        return refuse_client(place, fd);
    struct connection *c = calloc(1, sizeof *c);
    if (!c) {
        close(fd);
        return svr_fail("accept: no memory");
    }
    c->place = place;
    LIST_INSERT_HEAD(&connections, c, entry);
    totals.accepted++;
    clients++;
    if (++place->count >= place->now.most && !*place->now.refusal)
        listen_on(&place->listen, false);
    if (place->count == 1)
        connect_streams(NULL);
    begin_stream(c, fd);
    return 0;
}

/* ---- Outgoing connections --------------------------------------------- */

static int
connected_stream(void *arg) {
    struct connection *c = arg;
    struct connect *attempt = &c->out->attempt;
    int fd = attempt->fd;
    attempt->fd = 0;
    if (!attempt->reason) {
        begin_stream(c, fd);
    } else {
        end_stream(c, BROKEN, attempt->reason);
        settle_stream(c);
    }
    return 0;
}

/* Starts the connection attempts that are due, and sets the time of the next
 * sweep. */
static int
connect_streams(void *unused) {
    struct connection *c;
    struct place *place;
    int64_t every = 0, now = loop_now();
    LIST_FOREACH (place, &places, entry) {
        int64_t least = place->now.idle < place->now.slow ? place->now.idle
                                                          : place->now.slow;
        if (place->count > 0 && (every == 0 || least / LOOKS < every))
            every = least / LOOKS;
    }
    LIST_FOREACH (c, &connections, entry) {
        if (!c->out)
            continue;
        if (c->fd < 0 && c->out->again && c->out->again <= now) {
            c->out->again = 0;
            connect_begin(&c->out->attempt, c->out->address,
                          c->out->terms.limit);
        }
        int64_t look = c->fd < 0 ? SECOND / 10 : SECOND;
        if (every == 0 || look < every)
            every = look;
    }
    (void)unused;
    return callback_timer((struct timer){
        .key = "svr.stream", .own = sweep_streams, .every = every});
}

/* Returns why a connection is too slow, or NULL. */
static const char *
late_reason(struct connection *c, int64_t now) {
    const struct stream_terms *terms = terms_of(c);
    bool waits = c->state == OPEN && !c->paused && c->stream.unsent < MUCH;
    if (c->session && bytes_size(&c->in) == 0 &&
        stream_tls->established(c->session))
        c->begun = 0;
    if (waits && c->begun && now - c->begun > terms->slow)
        return "a message or a handshake took too long";
    bool pauses = c->paused && c->state == OPEN;
    return now - c->moved > terms->idle && !pauses ? "idle" : NULL;
}

/* Ends connections that take too long, and starts the attempts that are due. */
static int
sweep_streams(void *unused) {
    struct connection *c, *next;
    int64_t now = loop_now();
    serve_due(unused);
    for (c = LIST_FIRST(&connections); c; c = next) {
        next = LIST_NEXT(c, entry);
        const char *late = c->fd >= 0 ? late_reason(c, now) : NULL;
        if (late) {
            end_stream(c, BROKEN, late);
            settle_stream(c);
        } else if (c->fd < 0 && !c->out->again) {
            connect_late(&c->out->attempt);
        }
    }
    return connect_streams(NULL);
}

/* ---- For the handler -------------------------------------------------- */

/* Reads a limit: 0 = the default. Returns false if it is out of range. */
static bool
read_limit(double value, double otherwise, double least, double most,
           int64_t *nanoseconds) {
    double seconds = value == 0 ? otherwise : value;
    *nanoseconds = seconds < 9e9 ? (int64_t)(seconds * 1e9) : INT64_MAX;
    return value == 0 || (value >= least && value <= most);
}

int
stream_read_terms(const char *who, const struct svr_protocol *protocol,
                  struct stream_terms *terms) {
    svr_call *const calls[STREAM_CALLS] = {
        [STREAM_FRAME] = protocol->frame,
        [STREAM_MESSAGE] = protocol->message,
        [STREAM_OPENED] = protocol->opened,
        [STREAM_DRAINED] = protocol->drained,
        [STREAM_LOST] = protocol->lost,
        [STREAM_CLOSED] = protocol->closed,
    };
    static const char *const names[STREAM_CALLS] = {
        "frame", "message", "opened", "drained", "lost", "closed"};
    *terms = (struct stream_terms){.plain = protocol->plain};
    for (int i = 0; i < STREAM_CALLS; i++) {
        terms->calls[i].name = calls[i] ? handler_name(calls[i]) : NULL;
        if (!calls[i] && i <= STREAM_MESSAGE)
            return svr_fail("%s: .%s is required", who, names[i]);
        if (calls[i] && !terms->calls[i].name)
            return svr_fail("%s: the function of .%s is not among the "
                            "handler's callbacks: add it to SVR_CALLBACKS",
                            who, names[i]);
    }
    terms->most = protocol->most ? protocol->most : 1000;
    terms->message_size =
        protocol->message_size ? (size_t)protocol->message_size : 1 << 20;
    terms->unsent_size =
        protocol->unsent_size ? (size_t)protocol->unsent_size : 64 << 20;
    if (protocol->message_size < 0 || protocol->message_size > INT_MAX ||
        protocol->unsent_size < 0)
        return svr_fail("%s: message_size is 1 to 2147483647 bytes, "
                        "unsent_size 1 or more",
                        who);
    if (!read_limit(protocol->idle, 300, 0.1, 86400, &terms->idle) ||
        !read_limit(protocol->slow, 30, 0.1, 86400, &terms->slow) ||
        !read_limit(protocol->limit, 10, 0.1, 86400, &terms->limit) ||
        !read_limit(protocol->retry, 0, 0.1, 86400, &terms->retry))
        return svr_fail("%s: idle, slow, limit and retry are 0.1 to 86400 "
                        "seconds",
                        who);
    snprintf(terms->refusal, sizeof terms->refusal, "%s",
             protocol->refusal ? protocol->refusal : "");
    snprintf(terms->name, sizeof terms->name, "%s",
             protocol->name ? protocol->name : "");
    return 0;
}

int
stream_serve(const char *who, const char *key, const char *address,
             const struct stream_terms *terms) {
    struct place *place;
    LIST_FOREACH (place, &places, entry)
        if (strcmp(place->key, key) == 0)
            break;
    if (strlen(key) >= sizeof place->key)
        return svr_fail("%s: a key has at most 31 bytes", who);
    if (!place) {
        place = calloc(1, sizeof *place);
        if (!place)
            return svr_fail("%s: no memory", who);
        snprintf(place->key, sizeof place->key, "%s", key);
        place->listen = (struct listen){.who = who, .welcome = welcome_stream};
        LIST_INSERT_HEAD(&places, place, entry);
    }
    place->ends = !*address;
    place->wanted = *terms;
    return place->ends ? 0
                       : listen_want(&place->listen, address,
                                     terms->calls[STREAM_MESSAGE].name,
                                     terms->most, (double)terms->idle / 1e9);
}

int
svr_stream_listen(const char *key, const char *address,
                  struct svr_protocol protocol) {
    struct stream_terms terms;
    return stream_read_terms("svr_stream_listen", &protocol, &terms) < 0
               ? SVR_FAILED
               : stream_serve("svr_stream_listen", key, address, &terms);
}

struct svr_stream *
svr_stream_connect(const char *address, struct svr_protocol protocol,
                   void *user) {
    struct connection *c = calloc(1, sizeof *c);
    struct outgoing *out = calloc(1, sizeof *out);
    bool good = false;
    if (!c || !out)
        svr_fail("svr_stream_connect: no memory");
    else if (ending)
        svr_fail("svr_stream_connect: the server closes");
    else if (protocol.name && !stream_tls)
        svr_fail("svr_stream_connect: TLS needs the part tls");
    else if (strlen(address) >= sizeof out->address)
        svr_fail("svr_stream_connect: the address is too long");
    else
        good = stream_read_terms("svr_stream_connect", &protocol,
                                 &out->terms) == 0;
    if (!good) {
        free(c);
        free(out);
        return NULL;
    }
    if (protocol.idle == 0)
        out->terms.idle = INT64_MAX;
    snprintf(out->address, sizeof out->address, "%s", address);
    out->attempt.over = connected_stream;
    out->attempt.arg = c;
    out->again = 1;
    out->fresh = reloading;
    c->out = out;
    c->fd = -1;
    c->stream.user = user;
    LIST_INSERT_HEAD(&connections, c, entry);
    if (loop_post("stream", connect_streams, NULL) < 0) {
        remove_stream(c);
        svr_fail("svr_stream_connect: no memory");
        return NULL;
    }
    return &c->stream;
}

int
svr_stream_send(struct svr_stream *stream, const void *data, size_t size) {
    struct connection *c = (struct connection *)stream;
    if (c->state != OPEN)
        return svr_fail("svr_stream_send: the connection is closing");
    size_t most = terms_of(c)->unsent_size; /* a reload may lower it */
    bool fits = stream->unsent <= most && size <= most - stream->unsent;
    if (!fits || bytes_reserve(&c->unsent, size) < 0) {
        end_stream(c, BROKEN,
                   fits ? "no memory" : "too many bytes wait to be sent");
        make_due(c);
        return svr_fail("svr_stream_send: %s", c->reason);
    }
    if (size > 0)
        memcpy(c->unsent.data + c->unsent.end, data, size);
    c->unsent.end += size;
    stream->unsent += size;
    c->full = c->full || stream->unsent >= MUCH;
    if (c != present)
        make_due(c);
    return stream->unsent >= MUCH;
}

int
svr_stream_print(struct svr_stream *stream, const char *format, ...) {
    char small[512], *text = small;
    va_list values, again;
    va_start(values, format);
    va_copy(again, values);
    int length = vsnprintf(small, sizeof small, format, values);
    if (length >= (int)sizeof small && vasprintf(&text, format, again) < 0)
        length = -1;
    va_end(again);
    va_end(values);
    int result = length < 0 ? svr_fail("svr_stream_print: no memory")
                            : svr_stream_send(stream, text, (size_t)length);
    if (text != small && length >= 0)
        free(text);
    return result;
}

void
svr_stream_close(struct svr_stream *stream) {
    struct connection *c = (struct connection *)stream;
    if (c->out)
        c->out->dismissed = true;
    end_stream(c, CLOSING, "closed by the server");
    if (c != present)
        make_due(c);
}

void
svr_stream_pause(struct svr_stream *stream) {
    ((struct connection *)stream)->paused = true;
}

void
svr_stream_resume(struct svr_stream *stream) {
    struct connection *c = (struct connection *)stream;
    c->paused = false;
    c->moved = loop_now();
    c->begun = c->begun ? c->moved : 0;
    if (c != present)
        make_due(c);
}

void
svr_stream_peer(const struct svr_stream *stream, char text[64]) {
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    char host[48] = "", port[8] = "";
    address.ss_family = AF_UNSPEC;
    *text = '\0';
    if (getpeername(((const struct connection *)stream)->fd,
                    (struct sockaddr *)&address, &size) < 0)
        return;
    if (address.ss_family == AF_UNIX)
        snprintf(text, 64, "unix");
    else if (getnameinfo((struct sockaddr *)&address, size, host, sizeof host,
                         port, sizeof port,
                         NI_NUMERICHOST | NI_NUMERICSERV) == 0)
        snprintf(text, 64, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

int
svr_stream_line(const struct svr_message *message) {
    const char *end = memchr(message->data, '\n', message->size);
    return end ? (int)(end + 1 - message->data) : 0;
}

int64_t
svr_stream_clients(void) {
    return clients;
}

const char *
stream_callback(const struct svr_stream *stream, enum stream_calls which) {
    return terms_of((const struct connection *)stream)->calls[which].name;
}

/* ---- Events of the part ----------------------------------------------- */

/* Fails if the new code lacks one of these callbacks. */
static int
check_terms(const struct stream_terms *terms, const char *what) {
    for (int i = 0; i < STREAM_CALLS; i++) {
        const char *name = terms->calls[i].name;
        if (name && handler_index(name) < 0)
            return svr_fail("the stream %s needs the callback %.64s, which the "
                            "new code does not have",
                            what, name);
    }
    return 0;
}

static int
check_streams(void) {
    struct place *place;
    struct connection *c;
    LIST_FOREACH (place, &places, entry)
        if (check_terms(&place->now, place->key) < 0)
            return -1;
    LIST_FOREACH (c, &connections, entry)
        if (c->out && check_terms(&c->out->terms, c->out->address) < 0)
            return -1;
    return 0;
}

/* Puts the listeners that hooks asked for in force, or drops them. */
static void
settle_places(bool good) {
    struct place *place;
    struct connection *c, *next;
    LIST_FOREACH (place, &places, entry) {
        bool ends = good && place->ends;
        if (good && (ends || *place->listen.wanted.address))
            place->now = place->wanted;
        listen_settle(&place->listen, good);
        if (ends) {
            listen_end(&place->listen, false);
            place->listen = (struct listen){.who = place->listen.who,
                                            .welcome = welcome_stream};
        }
        place->ends = false;
        listen_on(&place->listen,
                  *place->now.refusal || place->count < place->now.most);
    }
    for (c = LIST_FIRST(&connections); c; c = next) {
        next = LIST_NEXT(c, entry);
        if (c->out && c->out->fresh && !good)
            remove_stream(c);
        else if (c->out)
            c->out->fresh = false;
    }
    connect_streams(NULL);
}

/* Accepts no more clients, sends the pending answers, and ends all
 * connections. */
static void
finish_streams(bool restarts) {
    struct place *place;
    struct connection *c, *next;
    ending = true;
    LIST_FOREACH (place, &places, entry)
        listen_end(&place->listen, restarts);
    for (int ms = 0; ms < LAST_WORDS_MS && clients > 0; ms += PAUSE_MS) {
        callback_posts(true);
        for (c = LIST_FIRST(&connections); c; c = next) {
            next = LIST_NEXT(c, entry);
            if (c->place)
                serve_stream(c);
        }
        poll(NULL, 0, clients > 0 ? PAUSE_MS : 0);
    }
    while ((c = LIST_FIRST(&connections))) {
        end_stream(c, BROKEN, "the server closes");
        close_stream(c);
    }
}

static int
stream_event(enum part_event event, const struct conf *conf, const char *text) {
    (void)conf;
    if (event == PART_BIND) {
        reloading = true;
        return check_streams();
    }
    if (event == PART_READY || event == PART_RELOADED) {
        reloading = false;
        settle_places(!text);
    }
    if (event == PART_CLOSE)
        finish_streams(text != NULL);
    return 0;
}

static void
stream_figures(struct figures *figures) {
    figure_number(figures, "clients", FIGURE_GAUGE, (double)clients,
                  "Clients.");
    figure_number(figures, "accepted", FIGURE_COUNTER, (double)totals.accepted,
                  "Clients accepted since the start.");
    figure_number(figures, "refused", FIGURE_COUNTER, (double)totals.refused,
                  "Clients refused since there were too many.");
    figure_number(figures, "messages", FIGURE_COUNTER, (double)totals.messages,
                  "Messages handled.");
    figure_number(figures, "received", FIGURE_COUNTER, (double)totals.received,
                  "Bytes received.");
    figure_number(figures, "sent", FIGURE_COUNTER, (double)totals.sent,
                  "Bytes sent.");
}

const struct part part_stream = {
    .name = "stream", .event = stream_event, .figures = stream_figures};
