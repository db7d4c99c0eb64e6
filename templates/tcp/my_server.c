/* my_server: your hooks. They all run on one thread, one at a time, so nothing
 * here needs a lock. The part `lines` looks after the clients, over reloads. */
#include <stdio.h>
#include <string.h>

#include "lines.h"
#include "svr.h"

#include "my_util.h"
#include "svr_conf.h"

/* What a reload keeps. Raise the version when you change it, and fill `migrate`
 * (runtime/svr.h). */
struct state {
    struct store store;
    int64_t commands;
};

/* Answers a line of a client; one with a NUL byte in it is no command. */
static int
answer(void *arg) {
    struct svr_line *line = arg;
    struct state *state = svr_state();
    if (line->why) {
        snprintf(line->answer, line->size, "ERR %s\n", line->why);
        return SVR_OK;
    }
    if (strlen(line->text) < line->length)
        *line->text = '\0';
    line->last =
        !my_operation(&state->store, line->text, line->answer, line->size);
    state->commands++;
    return SVR_OK;
}

/* At the start and at each reload: a changed address moves the listening
 * socket, and the clients stay. */
static int
serve(void) {
    const struct svr_conf *conf = svr_conf();
    return svr_lines(conf->tcp_listen, answer, conf->tcp_max_clients,
                     conf->tcp_idle);
}

static int
get_summary(char *text, size_t size) {
    const struct state *state = svr_state();
    snprintf(text, size, "clients %jd, keys %jd, commands %jd",
             (intmax_t)svr_lines_clients(), (intmax_t)state->store.count,
             (intmax_t)state->commands);
    return SVR_OK;
}

/* What the part checkpoint keeps, where it was chosen: commands. */
static int
save(void *file) {
    const struct state *state = svr_state();
    my_save(&state->store, file);
    return SVR_OK;
}

static int
load(void *file) {
    struct state *state = svr_state();
    char line[SVR_LINE_SIZE + 1], reply[SVR_LINE_SIZE];
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        my_operation(&state->store, line, reply, sizeof reply);
    }
    return SVR_OK;
}

SVR_HANDLER(.on_start = serve, .on_reload = serve, .get_summary = get_summary,
            .state_size = sizeof(struct state), .state_version = 1,
            .callbacks = SVR_CALLBACKS(answer, save, load));
