/* my_util: the pages. Each sets the answer of its request, to memory that the
 * server frees; without one (memory is short) the connection is closed. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "metrics.h"
#include "svr.h"

#include "my_util.h"

/* How often this page was read; a HEAD does not read it. */
static void
show_visits(struct svr_request *request) {
    struct state *state = svr_state();
    if (strcmp(request->method, "GET") == 0)
        state->visits++;
    if (asprintf(&request->answer, "%" PRId64 "\n", state->visits) < 0)
        request->answer = NULL;
}

/* The same as JSON. */
static void
show_visits_json(struct svr_request *request) {
    const struct state *state = svr_state();
    FILE *out = svr_http_json(request);
    if (!out)
        return;
    fprintf(out, "{\"page\": ");
    svr_http_string(out, request->path);
    fprintf(out, ", \"visits\": %" PRId64 "}\n", state->visits);
}

/* The body of the request; it ends with a NUL byte, which is copied too. */
static void
echo(struct svr_request *request) {
    request->type = "application/octet-stream";
    request->answer = malloc(request->body_size + 1);
    request->length = request->body_size;
    if (request->answer)
        memcpy(request->answer, request->body, request->body_size + 1);
}

/* For a load balancer: the server is there. */
static void
show_health(struct svr_request *request) {
    request->answer = strdup("ok\n");
}

/* For Prometheus: a figure of our own, and those of the server. */
static void
show_metrics(struct svr_request *request) {
    const struct state *state = svr_state();
    char *figures = svr_metrics();
    if (!figures)
        return;
    request->type = "text/plain; version=0.0.4; charset=utf-8";
    if (asprintf(&request->answer,
                 "# HELP visits_total Visits of /.\n"
                 "# TYPE visits_total counter\n"
                 "visits_total %" PRId64 "\n%s",
                 state->visits, figures) < 0)
        request->answer = NULL;
    free(figures);
}

const struct svr_route my_routes[] = {
    {"GET", "/", show_visits}, /* answers HEAD too */
    {"GET", "/visits.json", show_visits_json},
    {"POST", "/echo", echo},
    {"GET", "/healthz", show_health},
    {"GET", "/metrics", show_metrics},
    {.method = NULL}, /* the end */
};
