/* my_server: your hooks, with libmicrohttpd between them and the network. They
 * all run on one thread, one at a time, so nothing here needs a lock. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <microhttpd.h> /* Debian: libmicrohttpd-dev */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "svr.h"

#include "my_util.h"
#include "svr_conf.h"

enum { LAST_WORDS_MS = 100, PAUSE_MS = 10 };

/* For the heads of a request and its answer; the library clears it each time.
 */
static const size_t head_size = 8192;

/* The library enters here, and goes on to the code that is live. It stays where
 * it is and as it is: code of an earlier generation looks into it. */
struct door {
    MHD_AccessHandlerCallback respond;
};

/* What a reload keeps. Raise the version when you change it, and fill `migrate`
 * (runtime/svr.h). */
struct state {
    struct MHD_Daemon *http;
    struct door *door;
    char listen[128];
    int64_t count, requests;
};

/* Answers a request. The library calls first with the head, then with each
 * piece of a body, then with none: the time to answer, if the connection is to
 * live on. */
static enum MHD_Result
respond(void *arg, struct MHD_Connection *connection, const char *url,
        const char *method, const char *version, const char *body, size_t *size,
        void **request) {
    struct state *state = svr_state();
    unsigned status = MHD_HTTP_METHOD_NOT_ALLOWED;
    bool reads = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    (void)arg, (void)version, (void)body;
    if (!*request || *size > 0) {
        *request = state;
        *size = 0;
        return MHD_YES;
    }
    state->requests++;
    char *text = reads ? my_page(url, &state->count, &status)
                       : strdup("GET and HEAD alone\n");
    struct MHD_Response *response =
        text ? MHD_create_response_from_buffer(strlen(text), text,
                                               MHD_RESPMEM_MUST_FREE)
             : NULL;
    if (!response) {
        free(text);
        return MHD_NO; /* the connection is closed */
    }
    MHD_add_response_header(response, "Content-Type",
                            "text/plain; charset=utf-8");
    if (!reads)
        MHD_add_response_header(response, "Allow", "GET, HEAD");
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

/* The library keeps this one, so svr_pin keeps it mapped. */
static enum MHD_Result
enter(void *arg, struct MHD_Connection *connection, const char *url,
      const char *method, const char *version, const char *body, size_t *size,
      void **request) {
    const struct door *door = arg;
    return door->respond(NULL, connection, url, method, version, body, size,
                         request);
}

/* Lets the library do what is to be done now. */
static int
work(void *unused) {
    const struct state *state = svr_state();
    (void)unused;
    return MHD_run(state->http) == MHD_YES ? SVR_OK : svr_fail("MHD_run");
}

/* When it wants to be called though nothing comes: connections time out. */
static int
when(void *unused) {
    const struct state *state = svr_state();
    MHD_UNSIGNED_LONG_LONG millis;
    (void)unused;
    return MHD_get_timeout(state->http, &millis) == MHD_YES && millis < 1000
               ? (int)millis
               : 1000;
}

static int
on_start(void) {
    struct state *state = svr_state();
    const struct svr_conf *conf = svr_conf();
    int fd = svr_listen(conf->http_listen);
    if (fd < 0)
        return SVR_FAILED;
    state->door = malloc(sizeof *state->door);
    if (!state->door)
        return svr_fail("no memory");
    state->door->respond = respond;
    state->http = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_TURBO, 0, NULL, NULL, enter, state->door,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)conf->http_max_clients, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)conf->http_idle, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        head_size, MHD_OPTION_END);
    if (!state->http)
        return svr_fail("MHD_start_daemon failed");
    snprintf(state->listen, sizeof state->listen, "%s", conf->http_listen);
    svr_pin();
    svr_info("listening on %s", conf->http_listen);
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(state->http, MHD_DAEMON_INFO_EPOLL_FD);
    if (svr_add_timer("http", work, NULL, (struct svr_when){.next = when}) < 0)
        return svr_fail("timer http");
    return svr_watch(info->epoll_fd, SVR_READ, work, NULL);
}

static int
on_reload(void) {
    struct state *state = svr_state();
    state->door->respond = respond;
    if (strcmp(state->listen, svr_conf()->http_listen) != 0)
        svr_warn("http.listen waits for ./svr.sh restart");
    return SVR_OK;
}

/* Takes no more connections, and answers what was asked. */
static int
on_close(void) {
    struct state *state = svr_state();
    MHD_quiesce_daemon(state->http);
    for (int ms = 0; ms < LAST_WORDS_MS; ms += PAUSE_MS) {
        work(NULL);
        poll(NULL, 0, PAUSE_MS);
    }
    MHD_stop_daemon(state->http);
    free(state->door);
    return SVR_OK;
}

/* What the part checkpoint keeps for the next start, where it was chosen. */
static int
save(void *file) {
    const struct state *state = svr_state();
    fprintf(file, "%jd %jd\n", (intmax_t)state->count,
            (intmax_t)state->requests);
    return SVR_OK;
}

static int
load(void *file) {
    struct state *state = svr_state();
    return fscanf(file, "%" SCNd64 "%" SCNd64, &state->count,
                  &state->requests) == 2
               ? SVR_OK
               : svr_fail("two numbers were expected");
}

static int
get_summary(char *text, size_t size) {
    const struct state *state = svr_state();
    snprintf(text, size, "requests %jd, visits %jd", (intmax_t)state->requests,
             (intmax_t)state->count);
    return SVR_OK;
}

SVR_HANDLER(.on_start = on_start, .on_reload = on_reload, .on_close = on_close,
            .get_summary = get_summary, .state_size = sizeof(struct state),
            .state_version = 1,
            .callbacks = SVR_CALLBACKS(SVR_CALL(work), SVR_CALL(when),
                                       SVR_CALL(save), SVR_CALL(load)));
