/* my_server: your hooks. They all run on one thread, one at a time, so nothing
 * here needs a lock. The part `httpd` looks after the connections, over
 * reloads.
 */
#include <inttypes.h>
#include <stdio.h>

#include "httpd.h"
#include "svr.h"

#include "my_util.h"
#include "svr_conf.h"

static int
answer(void *request) {
    struct state *state = svr_state();
    state->requests++;
    return svr_http_route(request, my_routes);
}

/* At the start and at each reload: a changed address moves the listening
 * socket, and the connections stay. */
static int
serve(void) {
    const struct svr_conf *conf = svr_conf();
    if (svr_http_tls(conf->http_certificate, conf->http_key) < 0 ||
        svr_http_body(conf->http_max_body) < 0)
        return SVR_FAILED;
    return svr_http(conf->http_listen, answer, conf->http_max_clients,
                    conf->http_idle);
}

static int
get_summary(char *text, size_t size) {
    const struct state *state = svr_state();
    snprintf(text, size, "connections %jd, requests %jd, visits %jd",
             (intmax_t)svr_http_clients(), (intmax_t)state->requests,
             (intmax_t)state->visits);
    return SVR_OK;
}

/* What the part checkpoint keeps for the next start, where it was chosen. */
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
    return fscanf(file, "%" SCNd64 "%" SCNd64, &state->visits,
                  &state->requests) == 2
               ? SVR_OK
               : svr_fail("two numbers were expected");
}

SVR_HANDLER(.on_start = serve, .on_reload = serve, .get_summary = get_summary,
            .state_size = sizeof(struct state), .state_version = 1,
            .callbacks = SVR_CALLBACKS(answer, save, load));
