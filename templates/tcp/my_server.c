/* my_server: your hooks, the functions that the server calls. It calls them on
 * one thread, one at a time, so nothing here needs a lock. The part `lines`
 * (parts/lines.h) has the clients, and keeps them connected over reloads. */
#include <stdio.h>
#include <string.h>

#include "lines.h"
#include "svr.h"

#include "my_util.h"
#include "svr_conf.h"

/* The state: what a reload keeps, all zero at the start. When you change the
 * struct, raise .state_version at the end and add .migrate (runtime/svr.h). */
struct state {
    struct store store;
    int64_t commands;
};

/* Called for each line of a client: answers it. It is listed at the end, so
 * that a reload finds it in the new code. */
static int
answer(void *arg) {
    struct svr_line *line = arg;
    struct state *state = svr_state();
    const char *why = line->why; /* set if there is no line */
    if (!why && strlen(line->text) < line->length)
        why = "there is a NUL byte in it";
    if (why) {
        snprintf(line->answer, line->size, "ERR %s\n", why);
        return SVR_OK;
    }
    line->last =
        !my_operation(&state->store, line->text, line->answer, line->size);
    state->commands++;
    return SVR_OK;
}

/* Called once at the start, and in the new code after each reload. If the
 * address changed, the server listens there; clients stay connected. */
static int
serve(void) {
    const struct svr_conf *conf = svr_conf();
    return svr_lines(conf->tcp_listen, answer, conf->tcp_max_clients,
                     conf->tcp_idle);
}

/* Called each minute (svr.timer.summary_output_time_point), and at the close:
 * writes a line for the log and the status. */
static int
get_summary(char *text, size_t size) {
    const struct state *state = svr_state();
    snprintf(text, size, "clients %jd, keys %jd, commands %jd",
             (intmax_t)svr_lines_clients(), (intmax_t)state->store.count,
             (intmax_t)state->commands);
    return SVR_OK;
}

/* Called only in a project with the part `checkpoint`: save writes the store,
 * as commands, and load reads it at the next start. */
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
