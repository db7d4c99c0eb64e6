/* httpd: HTTP/1.1 requests and answers; connections survive reloads. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <microhttpd.h> /* Debian: libmicrohttpd-dev */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "buffer.h"
#include "failure.h"
#include "handler.h"
#include "httpd.h"
#include "listen.h"
#include "loop.h"
#include "part.h"
#include "callback.h"

#define SECOND INT64_C(1000000000)
enum { HEAD_SIZE = 8192, TURNS = 16, LOOKS = 4 };
enum { TOO_LARGE = 413 }; /* the library's name for it has changed */
enum { FILE_MOST = 1 << 20, BODY_MOST = 1 << 30 };
enum { LAST_WORDS_MS = 1000, QUEUED_MS = 100, PAUSE_MS = 10 };

/* The library with one certificate, or with none. When a certificate is
 * renewed, open connections keep the engine of theirs. */
struct engine {
    LIST_ENTRY(engine) entry;
    struct MHD_Daemon *library;
    char *certificate, *key; /* their content; NULL = none */
    int64_t clients;
};
static LIST_HEAD(, engine) engines;
static struct engine *engine, *engine_wanted; /* of new connections */

struct body;

struct client {
    LIST_ENTRY(client) entry;
    struct engine *engine;
    int fd;
    struct body *body; /* of its request; NULL = the head has not arrived */
    bool answered;     /* its request is complete */
    int64_t since;     /* since when it may send a request, monotonic */
};
static LIST_HEAD(, client) clients;
static int64_t count;
static int64_t body_most, body_wanted;
static bool ending;

static int welcome_http(void *unused);
static struct listen place = {.who = "svr_http", .welcome = welcome_http};

static int serve_engines(void *unused);

/* Has an engine do what is due. */
static int
serve_http(void *arg) {
    struct engine *one = arg;
    MHD_UNSIGNED_LONG_LONG left = 0;
    bool more = true;
    for (int turn = 0; more && turn < TURNS; turn++) {
        if (MHD_run(one->library) != MHD_YES)
            return svr_fail("MHD_run failed");
        more = MHD_get_timeout(one->library, &left) == MHD_YES && left == 0;
    }
    return more ? loop_post("httpd", serve_engines, NULL) : 0;
}

static int
serve_engines(void *unused) {
    struct engine *one;
    int result = 0;
    LIST_FOREACH (one, &engines, entry)
        if (serve_http(one) < 0)
            result = SVR_FAILED;
    (void)unused;
    return result;
}

/* ---- Connections ------------------------------------------------------ */

static void forget_body(struct client *client);

static void
note_client(void *its_engine, struct MHD_Connection *connection, void **own,
            enum MHD_ConnectionNotificationCode what) {
    struct client *client = *own;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        client = *own = calloc(1, sizeof *client);
        if (!client)
            return; /* closed at its first request */
        client->fd = MHD_get_connection_info(connection,
                                             MHD_CONNECTION_INFO_CONNECTION_FD)
                         ->connect_fd;
        client->since = loop_now();
        client->engine = its_engine;
        client->engine->clients++;
        MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT,
                                  (unsigned)(place.now.idle / SECOND) + 1);
        LIST_INSERT_HEAD(&clients, client, entry);
        count++;
    } else if (client) {
        LIST_REMOVE(client, entry);
        client->engine->clients--;
        forget_body(client);
        free(client);
        count--;
    }
    listen_on(&place, count < place.now.most);
}

static int
welcome_http(void *unused) {
    (void)unused;
    struct sockaddr_storage peer;
    socklen_t size = sizeof peer;
    int fd = listen_accept(&place);
    if (fd < 0)
        return fd == LISTEN_NOBODY ? 0 : fd;
    memset(&peer, 0, sizeof peer);
    getpeername(fd, (struct sockaddr *)&peer, &size);
    if (MHD_add_connection(engine->library, fd, (struct sockaddr *)&peer,
                           size) != MHD_YES)
        return svr_fail("a connection is refused: %s", strerror(errno));
    return serve_http(engine);
}

/* Ends an engine, and its connections. */
static void
stop_engine(struct engine *one) {
    loop_unwatch(
        MHD_get_daemon_info(one->library, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd);
    MHD_stop_daemon(one->library);
    LIST_REMOVE(one, entry);
    free(one->certificate);
    free(one->key);
    free(one);
}

/* Closes connections whose request takes too long, and stops unused engines. */
static int
drop_slow(void *unused) {
    struct client *client;
    LIST_FOREACH (client, &clients, entry)
        if (!client->answered && loop_now() - client->since > place.now.idle)
            shutdown(client->fd, SHUT_RDWR);
    int result = serve_engines(unused);
    struct engine *one, *next;
    for (one = LIST_FIRST(&engines); one; one = next) {
        next = LIST_NEXT(one, entry);
        if (one != engine && one != engine_wanted && one->clients == 0)
            stop_engine(one);
    }
    return result;
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

/* The end of the request target, as the library sees it. */
static void *
target_end(void *unused, const char *target,
           struct MHD_Connection *connection) {
    (void)unused, (void)connection;
    return (void *)(target + strlen(target));
}

/* Whether a head is ambiguous; the library accepts such heads. Up to its
 * version 0.9, the target is just before the HTTP version in one buffer, with
 * one byte between them; if it is not, a NUL byte cut it short. */
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
    if (ending)
        MHD_add_response_header(response, "Connection", "close");
    for (int i = 0; i < SVR_HTTPD_HEADERS && request->headers[i].name; i++)
        MHD_add_response_header(response, request->headers[i].name,
                                request->headers[i].value);
    enum MHD_Result result =
        MHD_queue_response(connection, request->status, response);
    MHD_destroy_response(response);
    return result;
}

/* The body of a request, as far as it has arrived. */
struct body {
    char *text;
    size_t size, room;
    bool too_large;
};

/* Keeps a piece of a body. Returns false without memory. */
static bool
keep_piece(struct body *body, const char *piece, size_t size) {
    if (body->too_large || body->size + size > (size_t)body_most) {
        body->too_large = true;
        return true;
    }
    if (body->size + size >= body->room) {
        size_t room = (body->size + size + 1) * 2;
        char *text = realloc(body->text, room);
        if (!text)
            return false;
        body->text = text;
        body->room = room;
    }
    memcpy(body->text + body->size, piece, size);
    body->size += size;
    body->text[body->size] = '\0';
    return true;
}

/* The JSON being written for the current answer. */
static struct buffer json;
static FILE *json_out;

FILE *
svr_http_json(struct svr_request *request) {
    request->type = "application/json";
    return json_out = buffer_open(&json);
}

void
svr_http_string(FILE *out, const char *text) {
    text_json_print(out, text);
}

/* Calls the handler. */
static int
call_http(struct svr_request *request) {
    json_out = NULL;
    int result = handler_call(place.now.call, request);
    if (json_out && buffer_close(&json, json_out) == 0) {
        request->answer = json.text;
        request->length = json.size;
    }
    return result;
}

/* Called with the head, then with each piece of a body, then with none; that is
 * when to answer if the connection is to stay open. */
static enum MHD_Result
respond(void *unused, struct MHD_Connection *connection, const char *path,
        const char *method, const char *version, const char *piece,
        size_t *size, void **seen) {
    struct svr_request request = {.method = method,
                                  .path = path,
                                  .connection = connection,
                                  .status = MHD_HTTP_OK,
                                  .type = "text/plain; charset=utf-8",
                                  .body = ""};
    (void)unused;
    struct client *client =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
            ->socket_context;
    struct body *body = client ? client->body : NULL;
    if (!client)
        return MHD_NO;
    if (!body && is_bad_request(connection, version, *seen)) {
        request.status = MHD_HTTP_BAD_REQUEST;
        request.answer = strdup("bad request\n");
        request.headers[0].name = "Connection";
        request.headers[0].value = "close";
    } else if (!body) {
        client->body = calloc(1, sizeof *body);
        return client->body ? MHD_YES : MHD_NO;
    } else if (*size > 0) {
        bool kept = keep_piece(body, piece, *size);
        *size = 0;
        return kept ? MHD_YES : MHD_NO;
    } else {
        request.body = body->text && !body->too_large ? body->text : "";
        request.body_size = body->too_large ? 0 : body->size;
        request.too_large = body->too_large;
        if (call_http(&request) < 0) {
            free(request.answer);
            return MHD_NO;
        }
    }
    client->answered = true;
    return send_answer(connection, &request);
}

/* ---- Routes ----------------------------------------------------------- */

static bool
is_path(const char *path, const char *pattern) {
    size_t length = strlen(pattern);
    return length > 0 && pattern[length - 1] == '*'
               ? strncmp(path, pattern, length - 1) == 0
               : strcmp(path, pattern) == 0;
}

static bool
is_method(const char *method, const char *wanted) {
    return strcmp(method, wanted) == 0 ||
           (strcmp(method, "HEAD") == 0 && strcmp(wanted, "GET") == 0);
}

/* Adds a method to those that a path allows. */
static void
allow(char allowed[128], const char *method) {
    size_t used = strlen(allowed);
    snprintf(allowed + used, 128 - used, "%s%s%s", used ? ", " : "", method,
             strcmp(method, "GET") == 0 ? ", HEAD" : "");
}

int
svr_http_route(struct svr_request *request, const struct svr_route *routes) {
    static char allowed[128], text[160];
    *allowed = '\0';
    for (; routes->method; routes++) {
        if (!is_path(request->path, routes->path))
            continue;
        if (is_method(request->method, routes->method))
            break;
        allow(allowed, routes->method);
    }
    if (routes->method && !request->too_large) {
        routes->answer(request);
        return SVR_OK;
    }
    request->status = routes->method ? TOO_LARGE
                      : *allowed     ? MHD_HTTP_METHOD_NOT_ALLOWED
                                     : MHD_HTTP_NOT_FOUND;
    if (request->status == MHD_HTTP_METHOD_NOT_ALLOWED) {
        request->headers[0].name = "Allow";
        request->headers[0].value = allowed;
        snprintf(text, sizeof text, "only %s\n", allowed);
    }
    request->answer = strdup(
        request->status == MHD_HTTP_METHOD_NOT_ALLOWED ? text
        : request->status == MHD_HTTP_NOT_FOUND        ? "no such page\n"
                                                : "the body is too large\n");
    return SVR_OK;
}

/* Forgets a request's body. */
static void
forget_body(struct client *client) {
    if (client->body)
        free(client->body->text);
    free(client->body);
    client->body = NULL;
}

/* A request is over; the next one may arrive. */
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
    forget_body(client);
}

/* ---- Events of the part ----------------------------------------------- */

/* Starts the library, and takes ownership of the texts; NULL = no TLS. */
static struct engine *
start_engine(char *certificate, char *key) {
    struct engine *one = calloc(1, sizeof *one);
    struct MHD_OptionItem tls[] = {{MHD_OPTION_HTTPS_MEM_CERT, 0, certificate},
                                   {MHD_OPTION_HTTPS_MEM_KEY, 0, key},
                                   {MHD_OPTION_END, 0, NULL}};
    if (one)
        one->library = MHD_start_daemon(
            MHD_USE_EPOLL | MHD_USE_TURBO | MHD_USE_NO_LISTEN_SOCKET |
                (certificate ? MHD_USE_TLS : 0u),
            0, NULL, NULL, respond, NULL, MHD_OPTION_CONNECTION_LIMIT,
            (unsigned)INT_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
            (size_t)HEAD_SIZE, MHD_OPTION_URI_LOG_CALLBACK, target_end, NULL,
            MHD_OPTION_NOTIFY_CONNECTION, note_client, one,
            MHD_OPTION_NOTIFY_COMPLETED, completed, NULL, MHD_OPTION_ARRAY,
            certificate ? tls : tls + 2, MHD_OPTION_END);
    if (!one || !one->library) {
        svr_fail("libmicrohttpd does not start: %s",
                 certificate ? "the certificate and its key do not match, or "
                               "memory is short"
                             : "memory is short");
        free(one);
        free(certificate);
        free(key);
        return NULL;
    }
    one->certificate = certificate;
    one->key = key;
    LIST_INSERT_HEAD(&engines, one, entry);
    int fd =
        MHD_get_daemon_info(one->library, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    if (loop_watch(fd, (struct loop_watch){.events = SVR_READ,
                                           .own = serve_http,
                                           .arg = one}) == 0)
        return one;
    svr_fail("httpd: %s", strerror(errno));
    stop_engine(one);
    return NULL;
}

/* Reads a file of at most 1 MiB. Returns NULL as svr_fail. */
static char *
read_pem(const char *path) {
    char *text = calloc(1, FILE_MOST + 1);
    int fd = openat(part_folder, path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 || !text ? -1 : read(fd, text, FILE_MOST);
    if (got < 0)
        svr_fail("%s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    if (got < 0) {
        free(text);
        return NULL;
    }
    char *fitted = realloc(text, (size_t)got + 1);
    return fitted ? fitted : text;
}

int
svr_http_tls(const char *certificate, const char *key) {
    char *texts[2] = {NULL, NULL};
    const struct engine *present = engine_wanted ? engine_wanted : engine;
    if (*certificate && !*key)
        return svr_fail("svr_http_tls: the certificate %s needs a key",
                        certificate);
    if (*certificate) {
        texts[0] = read_pem(certificate);
        texts[1] = texts[0] ? read_pem(key) : NULL;
        if (!texts[1]) {
            free(texts[0]);
            return SVR_FAILED;
        }
    }
    if (present &&
        (texts[0] ? present->certificate &&
                        strcmp(present->certificate, texts[0]) == 0 &&
                        strcmp(present->key, texts[1]) == 0
                  : !present->certificate)) {
        free(texts[0]);
        free(texts[1]);
        return SVR_OK;
    }
    if (engine_wanted)
        stop_engine(engine_wanted);
    engine_wanted = start_engine(texts[0], texts[1]);
    return engine_wanted ? SVR_OK : SVR_FAILED;
}

int
svr_http_body(int64_t most) {
    if (most < 0 || most > BODY_MOST)
        return svr_fail("svr_http_body: needs 0 to 1 GiB");
    body_wanted = most;
    return SVR_OK;
}

int
svr_http(const char *address, svr_call *call, int64_t most, double idle) {
    if (!engine && !engine_wanted)
        engine_wanted = start_engine(NULL, NULL);
    return engine || engine_wanted
               ? listen_want(&place, address, handler_name(call), most, idle)
               : SVR_FAILED;
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

/* Accepts no more clients, and sends the pending answers. */
static void
finish_http(bool restarts) {
    ending = true;
    listen_end(&place, restarts);
    for (int ms = 0; ms < QUEUED_MS || (ms < LAST_WORDS_MS && answers());
         ms += PAUSE_MS) {
        serve_engines(NULL);
        poll(NULL, 0, PAUSE_MS);
    }
    while (!LIST_EMPTY(&engines))
        stop_engine(LIST_FIRST(&engines));
    engine = NULL;
}

/* Puts the settings of the hooks in force, or drops them. */
static void
settle_http(bool good) {
    if (engine_wanted && good)
        engine = engine_wanted;
    else if (engine_wanted)
        stop_engine(engine_wanted);
    engine_wanted = NULL;
    if (good)
        body_most = body_wanted;
    body_wanted = body_most;
    listen_settle(&place, good);
    listen_on(&place, count < place.now.most);
}

static int
httpd_event(enum part_event event, const struct conf *conf, const char *text) {
    (void)conf;
    if (!engine && !engine_wanted)
        return 0;
    if (event == PART_CLOSE)
        finish_http(text != NULL);
    if (event != PART_READY && event != PART_RELOADED)
        return 0;
    settle_http(!text);
    return callback_timer((struct timer){
        .key = "svr.httpd", .own = drop_slow, .every = place.now.idle / LOOKS});
}

static void
httpd_figures(struct figures *figures) {
    figure_number(figures, "clients", FIGURE_GAUGE, (double)count,
                  "Connections.");
}

const struct part part_httpd = {
    .name = "httpd", .event = httpd_event, .figures = httpd_figures};
