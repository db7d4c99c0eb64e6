/* my_util: what each page says. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "metrics.h"

#include "my_util.h"

static char *
number(int64_t value) {
    char *text = NULL;
    return asprintf(&text, "%jd\n", (intmax_t)value) < 0 ? NULL : text;
}

/* The server's figures, and before them one of our own. */
static char *
metrics(int64_t visits) {
    char *own = NULL, *all = svr_metrics();
    if (all && asprintf(&own,
                        "# HELP visits_total Visits of /.\n"
                        "# TYPE visits_total counter\n"
                        "visits_total %jd\n%s",
                        (intmax_t)visits, all) < 0)
        own = NULL;
    free(all);
    return own;
}

void
my_page(struct svr_request *request, int64_t *visits) {
    bool gets = strcmp(request->method, "GET") == 0;
    if (!gets && strcmp(request->method, "HEAD") != 0) {
        request->status = 405;
        request->headers[0].name = "Allow";
        request->headers[0].value = "GET, HEAD";
        request->answer = strdup("only GET and HEAD\n");
    } else if (strcmp(request->path, "/healthz") == 0) {
        request->answer = strdup("ok\n");
    } else if (strcmp(request->path, "/metrics") == 0) {
        request->type = "text/plain; version=0.0.4; charset=utf-8";
        request->answer = metrics(*visits);
    } else if (strcmp(request->path, "/") == 0) {
        *visits += gets;
        request->answer = number(*visits);
    } else {
        request->status = 404;
        request->answer = strdup("no such page\n");
    }
}
