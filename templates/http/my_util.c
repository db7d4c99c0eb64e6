/* my_util: the pages, and what each says. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "metrics.h"
#include "svr.h"

#include "my_util.h"

/* "/": how often it was read; a HEAD reads nothing. */
static void
say_visits(struct svr_request *request) {
    struct state *state = svr_state();
    char *text;
    state->visits += strcmp(request->method, "GET") == 0;
    if (asprintf(&text, "%" PRId64 "\n", state->visits) >= 0)
        request->answer = text;
}

/* The same as JSON. */
static void
say_visits_json(struct svr_request *request) {
    const struct state *state = svr_state();
    FILE *out = svr_http_json(request);
    if (!out)
        return;
    fprintf(out, "{\"page\": ");
    svr_http_string(out, request->path);
    fprintf(out, ", \"visits\": %" PRId64 "}\n", state->visits);
}

/* Answers with the body of the request. */
static void
echo(struct svr_request *request) {
    request->type = "application/octet-stream";
    request->answer = malloc(request->body_size + 1);
    request->length = request->body_size;
    if (request->answer)
        memcpy(request->answer, request->body, request->body_size + 1);
}

static void
say_health(struct svr_request *request) {
    request->answer = strdup("ok\n");
}

/* The server's figures, and before them one of our own. */
static void
say_metrics(struct svr_request *request) {
    const struct state *state = svr_state();
    char *own = NULL, *all = svr_metrics();
    if (all && asprintf(&own,
                        "# HELP visits_total Visits of /.\n"
                        "# TYPE visits_total counter\n"
                        "visits_total %" PRId64 "\n%s",
                        state->visits, all) < 0)
        own = NULL;
    free(all);
    request->type = "text/plain; version=0.0.4; charset=utf-8";
    request->answer = own;
}

const struct svr_route my_routes[] = {
    {"GET", "/", say_visits},         {"GET", "/visits.json", say_visits_json},
    {"POST", "/echo", echo},          {"GET", "/healthz", say_health},
    {"GET", "/metrics", say_metrics}, {.method = NULL},
};
