/* my_server: your hooks. They all run on one thread, one at a time, so nothing
 * here needs a lock. A hook left out of the table at the end does nothing. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "svr.h"

#include "my_util.h"
#include "svr_conf.h"

enum { PIECE = 16, IDLE_MS = 500 };

/* What a reload keeps. When you change it, raise the version in the table and
 * let migrate_state fill the new state. Static variables are reset by a reload.
 */
struct state {
    ino_t input; /* the file that is being read, */
    long offset; /* and how far */
    int64_t lines;
    int64_t words; /* since version 1 */
};

static int
migrate_state(int from, const void *old, void *new) {
    if (from != 0)
        return svr_fail("version %d is unknown", from);
    memcpy(new, old, offsetof(struct state, words));
    return SVR_OK;
}

static int
report(void *unused) {
    const struct state *state = svr_state();
    svr_info("%jd lines so far", (intmax_t)state->lines);
    (void)unused;
    return SVR_OK;
}

static int
on_start(void) {
    svr_info("on_start: input %s, output %s", svr_conf()->in, svr_conf()->out);
    svr_add_timer("hourly", report, NULL, (struct svr_when){.every = 3600});
    return svr_add_timer("midnight", report, NULL,
                         (struct svr_when){.at = 'D'});
}

static int
on_reload(void) {
    return report(NULL); /* what was done before the reload */
}

static int
get_summary(char *text, size_t size) {
    const struct state *state = svr_state();
    snprintf(text, size, "lines %jd, words %jd", (intmax_t)state->lines,
             (intmax_t)state->words);
    return SVR_OK;
}

/* Works on the next lines; an incomplete last line waits until it is complete.
 * Returns the number of lines. */
static int
work(FILE *in, FILE *out, struct state *state) {
    char line[4096], result[4200];
    int done = 0;
    while (done < PIECE && fgets(line, sizeof line, in)) {
        size_t length = strcspn(line, "\n");
        if (line[length] == '\0' && length < sizeof line - 1)
            break;
        line[length] = '\0';
        state->words +=
            my_operation(line, svr_conf()->other_x, result, sizeof result);
        fprintf(out, "%s\n", result);
        state->offset = ftell(in);
        state->lines++;
        done++;
    }
    return done;
}

/* Does one piece of work. Returns the milliseconds until the next call. */
static int
run(void) {
    struct state *state = svr_state(), before = *state;
    const struct svr_conf *conf = svr_conf();
    struct stat file = {.st_size = 0};
    FILE *in = fopen(conf->in, "re");
    if (!in)
        return svr_fail("in: %.200s: %m", conf->in);
    fstat(fileno(in), &file);
    if (file.st_ino != state->input || file.st_size < state->offset)
        state->offset = 0; /* another file, or one that was replaced */
    state->input = file.st_ino;
    fseek(in, state->offset, SEEK_SET);
    FILE *out = fopen(conf->out, "ae");
    int done = out ? work(in, out, state) : 0;
    fclose(in);
    if (out && fclose(out) == 0)
        return done > 0 ? (int)conf->my_pause_ms : IDLE_MS;
    *state = before; /* the next try begins with the same lines */
    return svr_fail("out: %.200s: %m", conf->out);
}

SVR_HANDLER(.on_start = on_start, .on_reload = on_reload,
            .get_summary = get_summary, .run = run, .migrate = migrate_state,
            .state_size = sizeof(struct state), .state_version = 1,
            .callbacks = SVR_CALLBACKS(report));
