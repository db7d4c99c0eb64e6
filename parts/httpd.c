/* httpd: HTTP/1.1 requests and answers, over reloads. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <microhttpd.h> /* Debian: libmicrohttpd-dev */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "handler.h"
#include "httpd.h"
#include "listen.h"
#include "loop.h"
#include "part.h"
#include "callback.h"

#define SECOND INT64_C(1000000000)
enum { HEAD_SIZE = 8192, TURNS = 16, LOOKS = 4 };
enum { LAST_WORDS_MS = 1000, QUEUED_MS = 100, PAUSE_MS = 10 };

struct client {
    LIST_ENTRY(client) entry;
    int fd;
    bool answered; /* its request is whole */
    int64_t since; /* when it could begin to ask, monotonic */
};
static LIST_HEAD(, client) clients;
static int64_t count;
static struct MHD_Daemon *library;

static int welcome_http(void *unused);
static struct listen place = {.who = "svr_http", .welcome = welcome_http};

/* Runs the library for what is due. */
static int
serve_http(void *unused) {
    MHD_UNSIGNED_LONG_LONG left = 0;
    bool more = true;
    for (int turn = 0; more && turn < TURNS; turn++) {
        if (MHD_run(library) != MHD_YES)
            return svr_fail("MHD_run failed");
        more = MHD_get_timeout(library, &left) == MHD_YES && left == 0;
    }
    (void)unused;
    return more ? loop_post("httpd", serve_http, NULL) : 0;
}

/* ---- Connections ------------------------------------------------------ */

static void
note_client(void *unused, struct MHD_Connection *connection, void **own,
            enum MHD_ConnectionNotificationCode what) {
    struct client *client = *own;
    (void)unused;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        client = *own = calloc(1, sizeof *client);
        if (!client)
            return; /* its first request ends it */
        client->fd = MHD_get_connection_info(connection,
                                             MHD_CONNECTION_INFO_CONNECTION_FD)
                         ->connect_fd;
        client->since = loop_now();
        MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT,
                                  (unsigned)(place.now.idle / SECOND) + 1);
        LIST_INSERT_HEAD(&clients, client, entry);
        count++;
    } else if (client) {
        LIST_REMOVE(client, entry);
        free(client);
        count--;
    }
    listen_on(&place, count < place.now.most);
}

static int
welcome_http(void *unused) {
    struct sockaddr_storage peer;
    socklen_t size = sizeof peer;
    int fd = listen_accept(&place);
    if (fd < 0)
        return fd == LISTEN_NOBODY ? 0 : fd;
    memset(&peer, 0, sizeof peer);
    getpeername(fd, (struct sockaddr *)&peer, &size);
    if (MHD_add_connection(library, fd, (struct sockaddr *)&peer, size) !=
        MHD_YES)
        return svr_fail("a connection is refused: %s", strerror(errno));
    return serve_http(unused);
}

/* Ends those that take too long to ask. */
static int
drop_slow(void *unused) {
    struct client *client;
    LIST_FOREACH (client, &clients, entry)
        if (!client->answered && loop_now() - client->since > place.now.idle)
            shutdown(client->fd, SHUT_RDWR);
    return serve_http(unused);
}

/* ---- Requests --------------------------------------------------------- */

enum { HOST, LENGTH, ENCODING, COUNTED };

static enum MHD_Result
count_header(void *counts, enum MHD_ValueKind kind, const char *name,
             const char *value) {
    static const char *const names[] = {
        [HOST] = "Host",
        [LENGTH] = "Content-Length",
        [ENCODING] = "Transfer-Encoding",
    };
    int *count_of = counts;
    (void)kind, (void)value;
    for (int i = 0; i < COUNTED; i++)
        count_of[i] += strcasecmp(name, names[i]) == 0;
    return MHD_YES;
}

/* The end of the target as the library sees it. */
static void *
target_end(void *unused, const char *target,
           struct MHD_Connection *connection) {
    (void)unused, (void)connection;
    return (void *)(target + strlen(target));
}

/* Whether a head can be read in more than one way. The library takes such ones.
 * Up to its version 0.9 the target lies before the HTTP version in one buffer,
 * with one byte between them: else it was cut at a NUL byte. */
static bool
is_bad_request(struct MHD_Connection *connection, const char *version,
               const char *end) {
    int counts[COUNTED] = {0};
    bool cut = MHD_VERSION < 0x01000000 && version != end + 1;
    MHD_get_connection_values(connection, MHD_HEADER_KIND, count_header,
                              counts);
    bool hostless = !counts[HOST] && strcmp(version, MHD_HTTP_VERSION_1_1) == 0;
    return cut || hostless || counts[HOST] > 1 || counts[LENGTH] > 1 ||
           (counts[LENGTH] && counts[ENCODING]);
}

/* Queues what the handler answered. */
static enum MHD_Result
send_answer(struct MHD_Connection *connection, struct svr_request *request) {
    size_t length = request->answer && !request->length
                        ? strlen(request->answer)
                        : request->length;
    struct MHD_Response *response =
        request->answer ? MHD_create_response_from_buffer(
                              length, request->answer, MHD_RESPMEM_MUST_FREE)
                        : NULL;
    if (!response) {
        free(request->answer);
        return MHD_NO; /* the connection is closed */
    }
    MHD_add_response_header(response, "Content-Type", request->type);
    for (int i = 0; i < SVR_HTTPD_HEADERS && request->headers[i].name; i++)
        MHD_add_response_header(response, request->headers[i].name,
                                request->headers[i].value);
    enum MHD_Result result =
        MHD_queue_response(connection, request->status, response);
    MHD_destroy_response(response);
    return result;
}

static const char head_seen;

/* Called with the head, then with each piece of a body, then with none: the
 * time to answer, if the connection stays open. */
static enum MHD_Result
respond(void *unused, struct MHD_Connection *connection, const char *path,
        const char *method, const char *version, const char *body, size_t *size,
        void **seen) {
    struct svr_request request = {.method = method,
                                  .path = path,
                                  .connection = connection,
                                  .status = MHD_HTTP_OK,
                                  .type = "text/plain; charset=utf-8"};
    (void)unused, (void)body;
    struct client *client =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
            ->socket_context;
    if (!client)
        return MHD_NO;
    if (*seen != &head_seen && is_bad_request(connection, version, *seen)) {
        request.status = MHD_HTTP_BAD_REQUEST;
        request.answer = strdup("bad request\n");
        request.headers[0].name = "Connection";
        request.headers[0].value = "close";
    } else if (*seen != &head_seen || *size > 0) {
        *seen = (void *)&head_seen;
        *size = 0;
        return MHD_YES;
    } else if (handler_call(place.now.call, &request) < 0) {
        free(request.answer);
        return MHD_NO;
    }
    client->answered = true;
    return send_answer(connection, &request);
}

/* A request is over: the next may come. */
static void
completed(void *unused, struct MHD_Connection *connection, void **seen,
          enum MHD_RequestTerminationCode how) {
    struct client *client =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
            ->socket_context;
    (void)unused, (void)seen, (void)how;
    if (!client)
        return;
    client->answered = false;
    client->since = loop_now();
}

/* ---- Its life --------------------------------------------------------- */

static int
start_http(void) {
    library = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_TURBO | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL,
        respond, NULL, MHD_OPTION_CONNECTION_LIMIT, (unsigned)INT_MAX,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEAD_SIZE,
        MHD_OPTION_URI_LOG_CALLBACK, target_end, NULL,
        MHD_OPTION_NOTIFY_CONNECTION, note_client, NULL,
        MHD_OPTION_NOTIFY_COMPLETED, completed, NULL, MHD_OPTION_END);
    if (!library)
        return svr_fail("MHD_start_daemon failed");
    int fd = MHD_get_daemon_info(library, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    return loop_watch(fd, (struct loop_watch){.events = SVR_READ,
                                              .own = serve_http}) < 0
               ? svr_fail("httpd: %s", strerror(errno))
               : 0;
}

int
svr_http(const char *address, svr_call *call, int64_t most, double idle) {
    return !library && start_http() < 0
               ? SVR_FAILED
               : listen_want(&place, address, handler_name(call), most, idle);
}

int64_t
svr_http_clients(void) {
    return count;
}

/* Whether an answer is on its way. */
static bool
answers(void) {
    const struct client *client;
    LIST_FOREACH (client, &clients, entry)
        if (client->answered)
            return true;
    return false;
}

/* Accepts no more clients, and sends the answers that are due. */
static void
finish_http(bool restarts) {
    listen_end(&place, restarts);
    for (int ms = 0; ms < QUEUED_MS || (ms < LAST_WORDS_MS && answers());
         ms += PAUSE_MS) {
        serve_http(NULL);
        poll(NULL, 0, PAUSE_MS);
    }
    MHD_stop_daemon(library);
}

static int
httpd_event(enum part_event event, const struct conf *conf, const char *text) {
    (void)conf;
    if (!library)
        return 0;
    if (event == PART_CLOSE)
        finish_http(text != NULL);
    if (event != PART_READY && event != PART_RELOADED)
        return 0;
    listen_settle(&place, !text);
    listen_on(&place, count < place.now.most);
    return callback_timer((struct timer){
        .key = "svr.httpd", .own = drop_slow, .every = place.now.idle / LOOKS});
}

static void
httpd_status(FILE *out) {
    fprintf(out, ", \"httpd\": {\"clients\": %jd}", (intmax_t)count);
}

const struct part part_httpd = {
    .name = "httpd", .event = httpd_event, .status = httpd_status};
