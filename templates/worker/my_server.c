/* my_server: your hooks, the functions that the server calls. It calls them on
 * one thread, one at a time, so nothing here needs a lock. A hook that you do
 * not need can be left out of the table at the end. */
#include <stdio.h>
#include <string.h>

#include "svr.h"

#include "my_util.h"
#include "svr_conf.h"

/* The state: what a reload keeps, all zero at the start. When you change the
 * struct, raise .state_version at the end, and have migrate_state fill the new
 * one. Static variables are no place for data: each reload resets them. */
struct state {
    char in[4096];   /* the path of the input, */
    long offset;     /* and where its next line begins */
    long long lines; /* that were worked on; since version 1 */
};

/* Called in a reload that changes the version: fills the new state, which is
 * all zero, from a copy of the old one. A failure rejects the reload. */
static int
migrate_state(int from, const void *old, void *new) {
    if (from != 0)
        return svr_fail("version %d of the state is unknown", from);
    memcpy(new, old, offsetof(struct state, lines));
    return SVR_OK;
}

/* Called as on_reload, in the new code after a reload, and as on_close, once
 * before the end. */
static int
report(void) {
    const struct state *state = svr_state();
    svr_info("%lld lines so far", state->lines);
    return SVR_OK;
}

/* Called by the timers. Callbacks like this one are listed at the end, so that
 * a reload finds them in the new code. */
static int
tick(void *unused) {
    (void)unused;
    return report();
}

/* Called once, before the first run. A failure ends the server. */
static int
on_start(void) {
    svr_info("on_start: input %s, output %s", svr_conf()->in, svr_conf()->out);
    svr_add_timer("hourly", tick, NULL, (struct svr_when){.every = 3600});
    return svr_add_timer("midnight", tick, NULL, (struct svr_when){.at = 'D'});
}

/* Called each minute (svr.timer.summary_output_time_point), and at the close:
 * writes a line for the log and the status. */
static int
get_summary(char *text, size_t size) {
    const struct state *state = svr_state();
    snprintf(text, size, "lines %lld", state->lines);
    return SVR_OK;
}

/* Called again and again: does one piece of work, here a line, and returns the
 * milliseconds until the next call. */
static int
run(void) {
    struct state *state = svr_state();
    char line[4096];
    FILE *in = fopen(svr_conf()->in, "re");
    if (!in)
        return svr_fail("in: %m: %s", svr_conf()->in);
    if (strcmp(state->in, svr_conf()->in) != 0)
        state->offset = 0; /* the first call, or a reload changed the path */
    snprintf(state->in, sizeof state->in, "%s", svr_conf()->in);
    fseek(in, state->offset, SEEK_SET);
    long next = fgets(line, sizeof line, in) ? ftell(in) : 0;
    fclose(in);
    if (next == 0)
        return 500; /* no line yet */
    line[strcspn(line, "\n")] = '\0';
    FILE *out = fopen(svr_conf()->out, "ae");
    if (out)
        my_operation(line, (int)svr_conf()->other_x, out);
    if (!out || fclose(out) != 0)
        return svr_fail("out: %m: %s", svr_conf()->out);
    state->offset = next;
    state->lines++;
    return (int)svr_conf()->my_pause_ms;
}

/* The hook on_except is left out: after a failure, which the server logs, it
 * tries again, after a pause of up to a second. */
SVR_HANDLER(.on_start = on_start, .on_reload = report, .on_close = report,
            .get_summary = get_summary, .run = run, .migrate = migrate_state,
            .state_size = sizeof(struct state), .state_version = 1,
            .callbacks = SVR_CALLBACKS(tick));
