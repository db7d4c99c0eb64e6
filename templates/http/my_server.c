/* my_server: your hooks, the functions that the server calls. It calls them on
 * one thread, one at a time, so nothing here needs a lock. The part `httpd`
 * (parts/httpd.h) has the connections, and keeps them open over reloads. */
#include <inttypes.h>
#include <stdio.h>

#include "httpd.h"
#include "svr.h"

#include "my_util.h"
#include "svr_conf.h"

/* Called for each request: answers it by one of the pages in my_util.c. It is
 * listed at the end, so that a reload finds it in the new code. */
static int
answer(void *request) {
    struct state *state = svr_state();
    state->requests++;
    return svr_http_route(request, my_routes);
}

/* Called once at the start, and in the new code after each reload. If the
 * address changed, the server listens there; connections stay open. */
static int
serve(void) {
    const struct svr_conf *conf = svr_conf();
    if (svr_http_tls(conf->http_certificate, conf->http_key) < 0 ||
        svr_http_body(conf->http_max_body) < 0)
        return SVR_FAILED;
    return svr_http(conf->http_listen, answer, conf->http_max_clients,
                    conf->http_idle);
}

/* Called each minute (svr.timer.summary_output_time_point), and at the close:
 * writes a line for the log and the status. */
static int
get_summary(char *text, size_t size) {
    const struct state *state = svr_state();
    snprintf(text, size, "connections %jd, requests %jd, visits %jd",
             (intmax_t)svr_http_clients(), (intmax_t)state->requests,
             (intmax_t)state->visits);
    return SVR_OK;
}

/* Called only in a project with the part `checkpoint`: save writes the
 * counters, and load reads them at the next start. */
static int
save(void *file) {
    const struct state *state = svr_state();
    fprintf(file, "%jd %jd\n", (intmax_t)state->visits,
            (intmax_t)state->requests);
    return SVR_OK;
}

static int
load(void *file) {
    struct state *state = svr_state();
    int found =
        fscanf(file, "%" SCNd64 "%" SCNd64, &state->visits, &state->requests);
    return found == 2 ? SVR_OK : svr_fail("two numbers were expected");
}

SVR_HANDLER(.on_start = serve, .on_reload = serve, .get_summary = get_summary,
            .state_size = sizeof(struct state), .state_version = 1,
            .callbacks = SVR_CALLBACKS(answer, save, load));
