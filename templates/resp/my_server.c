/* my_server: your hooks. They all run on one thread, one at a time, so nothing
 * here needs a lock. The part `respd` looks after the clients and their
 * protocol, over reloads; the part `map` after what they store. */
#include <inttypes.h>
#include <stdio.h>

#include "svr.h"

#include "my_util.h"
#include "svr_conf.h"

/* Answers a request of a client. */
static int
answer(void *arg) {
    struct state *state = svr_state();
    state->commands++;
    return svr_resp_run(arg, my_commands);
}

/* At a reload a changed address moves the listening socket, and the clients
 * stay. */
static int
serve(void) {
    const struct svr_conf *conf = svr_conf();
    return svr_resp(conf->resp_listen, answer, conf->resp_max_clients,
                    conf->resp_idle);
}

static int
start(void) {
    struct state *state = svr_state();
    state->store = svr_map_open();
    return state->store ? serve() : SVR_FAILED;
}

static int
get_summary(char *text, size_t size) {
    const struct state *state = svr_state();
    snprintf(
        text, size, "clients %" PRId64 ", keys %" PRId64 ", commands %" PRId64,
        svr_stream_clients(), svr_map_count(state->store), state->commands);
    return SVR_OK;
}

SVR_HANDLER(.on_start = start, .on_reload = serve, .get_summary = get_summary,
            .state_size = sizeof(struct state), .state_version = 1,
            .callbacks = SVR_CALLBACKS(answer));
