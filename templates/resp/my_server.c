/* my_server: your hooks, the functions that the server calls. It calls them on
 * one thread, one at a time, so nothing here needs a lock. The part `respd`
 * (parts/respd.h) has the clients and their protocol, and keeps them connected
 * over reloads; the part `map` has what they store. */
#include <stdio.h>

#include "svr.h"

#include "my_util.h"
#include "svr_conf.h"

/* Called for each request of a client: answers it by one of the commands in
 * my_util.c. It is listed at the end, so that a reload finds it in the new
 * code. */
static int
answer(void *arg) {
    struct state *state = svr_state();
    state->commands++;
    return svr_resp_run(arg, my_commands);
}

/* Called at the start, by `start`, and in the new code after each reload. If
 * the address changed, the server listens there; clients stay connected. */
static int
serve(void) {
    const struct svr_conf *conf = svr_conf();
    return svr_resp(conf->resp_listen, answer, conf->resp_max_clients,
                    conf->resp_idle);
}

/* Called once, before anything else. A failure ends the server. */
static int
start(void) {
    struct state *state = svr_state();
    state->store = svr_map_open();
    return state->store ? serve() : SVR_FAILED;
}

/* Called each minute (svr.timer.summary_output_time_point), and at the close:
 * writes a line for the log and the status. */
static int
get_summary(char *text, size_t size) {
    const struct state *state = svr_state();
    snprintf(text, size, "clients %jd, keys %jd, commands %jd",
             (intmax_t)svr_stream_clients(),
             (intmax_t)svr_map_count(state->store), (intmax_t)state->commands);
    return SVR_OK;
}

SVR_HANDLER(.on_start = start, .on_reload = serve, .get_summary = get_summary,
            .state_size = sizeof(struct state), .state_version = 1,
            .callbacks = SVR_CALLBACKS(answer));
