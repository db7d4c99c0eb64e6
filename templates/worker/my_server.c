/* my_server: your hooks. They all run on one thread, one at a time, so nothing
 * here needs a lock. A hook left out of the table at the end does nothing. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "svr.h"

#include "my_util.h"
#include "svr_conf.h"

/* All that a reload is to keep. Raise the version when you change it, and fill
 * `migrate` (runtime/svr.h says how). Static variables do not outlive a reload.
 */
struct state {
    char in[4096]; /* the input that `offset` belongs to */
    long offset;   /* bytes of it that are done */
    int64_t lines; /* how many lines are done */
    int64_t words; /* what my_operation counted */
};

enum { PIECE = 16, IDLE_MS = 500 };

static int
on_start(void) {
    svr_info("on_start: input %s, output %s", svr_conf()->in, svr_conf()->out);
    return SVR_OK;
}

static int
on_reload(void) {
    const struct state *state = svr_state();
    svr_info("on_reload: %" PRId64 " lines done so far", state->lines);
    return SVR_OK;
}

static int
on_close(void) {
    svr_info("on_close");
    return SVR_OK;
}

static int
on_except(const struct svr_error *error) {
    svr_warn("on_except: %s failed, going on", error->where);
    return SVR_GO_ON;
}

static int
get_summary(char *text, size_t size) {
    const struct state *state = svr_state();
    snprintf(text, size, "lines %" PRId64 ", words %" PRId64, state->lines,
             state->words);
    return SVR_OK;
}

/* Passes the next lines of the input to the output; a last line without its
 * end waits until it is whole. Returns how many there were, or a failure. */
static int
work(FILE *in, FILE *out, struct state *state) {
    char line[4096], result[4200];
    int done = 0;
    if (fseek(in, 0, SEEK_END) < 0 || ftell(in) < state->offset)
        state->offset = 0; /* the input was made anew */
    if (fseek(in, state->offset, SEEK_SET) < 0)
        return svr_fail("%s: %s", state->in, strerror(errno));
    while (done < PIECE && fgets(line, sizeof line, in)) {
        size_t length = strlen(line);
        if (line[length - 1] != '\n' && length < sizeof line - 1)
            break;
        line[strcspn(line, "\n")] = '\0';
        state->words +=
            my_operation(line, svr_conf()->other_x, result, sizeof result);
        if (fprintf(out, "%s\n", result) < 0)
            return svr_fail("%s: %s", svr_conf()->out, strerror(errno));
        state->offset = ftell(in);
        state->lines++;
        done++;
    }
    return done;
}

/* One piece of work. Returns the milliseconds until it is wanted again. */
static int
run(void) {
    struct state *state = svr_state();
    const struct svr_conf *conf = svr_conf();
    if (strlen(conf->in) >= sizeof state->in)
        return svr_fail("in: a path has at most %zu bytes",
                        sizeof state->in - 1);
    if (strcmp(state->in, conf->in) != 0) {
        strcpy(state->in, conf->in);
        state->offset = 0;
    }
    FILE *in = fopen(conf->in, "re");
    if (!in)
        return svr_fail("in: %s: %s", conf->in, strerror(errno));
    FILE *out = fopen(conf->out, "ae");
    int done = out ? work(in, out, state)
                   : svr_fail("out: %s: %s", conf->out, strerror(errno));
    fclose(in);
    if (out && fclose(out) != 0 && done >= 0)
        done = svr_fail("out: %s: %s", conf->out, strerror(errno));
    if (done < 0)
        return done;
    return done > 0 ? (int)conf->my_pause_ms : IDLE_MS;
}

SVR_HANDLER(.on_start = on_start, .on_reload = on_reload, .on_close = on_close,
            .on_except = on_except, .get_summary = get_summary, .run = run,
            .state_size = sizeof(struct state), .state_version = 1);
