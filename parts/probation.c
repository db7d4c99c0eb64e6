/* probation: after a crash soon after a reload the last good code runs again;
 * ./svr.sh rollback brings it back by hand. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "handler.h"
#include "server.h"
#include "status.h"

/* Generations that are kept. */
static const struct source good = {"run/good.so", "run/good.conf"},
                           older = {"run/good.1.so", "run/good.1.conf"},
                           trial = {"run/trial.so", "run/trial.conf"},
                           bad = {"run/bad.so", "run/bad.conf"};
static const char verdict[] =
    "what make left ended badly soon after its reload, and did not change "
    "since; the last good code (run/good.so) runs";

static bool
move(const struct source *from, const struct source *to) {
    return renameat(part_folder, from->code, part_folder, to->code) == 0 &&
           renameat(part_folder, from->conf, part_folder, to->conf) == 0;
}

/* Tells whether two files are there with the same bytes. */
static bool
same(const char *one, const char *other) {
    char a[4096], b[4096];
    int fds[] = {openat(part_folder, one, O_RDONLY | O_CLOEXEC),
                 openat(part_folder, other, O_RDONLY | O_CLOEXEC)};
    ssize_t got, more;
    do {
        got = read(fds[0], a, sizeof a);
        more = read(fds[1], b, sizeof b);
    } while (got > 0 && got == more && memcmp(a, b, (size_t)got) == 0);
    close(fds[0]);
    close(fds[1]);
    return got == 0 && more == 0;
}

/* Tells whether what make left is what ended badly: its code, or else, where
 * that was good before, its configuration. */
static bool
is_bad(void) {
    return same(source_built.code, bad.code) &&
           (!same(bad.code, good.code) || same(source_built.conf, bad.conf));
}

/* For the start: what was on trial then has ended badly. */
static const struct source *
choose(void) {
    if (handler_live()->code)
        return NULL;
    move(&trial, &bad);
    return is_bad() && same(good.code, good.code) ? &good : NULL;
}

/* What was on trial is good now. */
static int
promote(void *unused) {
    bool known = same(trial.code, good.code) && same(trial.conf, good.conf);
    if (!known && same(trial.code, trial.code))
        move(&good, &older);
    move(&trial, &good);
    return unused != NULL;
}

/* Puts what is live now on trial. */
static void
begin(double seconds) {
    char copy[48];
    snprintf(copy, sizeof copy, "run/handler.%u.so", handler_live()->copy);
    if (seconds == 0 && same(copy, good.code) &&
        same(source_built.conf, good.conf))
        return; /* a start with what is known */
    unlinkat(part_folder, trial.code, 0);
    int from = openat(part_folder, source_built.conf, O_RDONLY | O_CLOEXEC);
    int to = openat(part_folder, trial.conf,
                    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (sendfile(to, from, NULL, 1 << 20) < 0 ||
        linkat(part_folder, copy, part_folder, trial.code, 0) < 0)
        svr_warn("probation: run/trial.so and .conf cannot be written");
    close(from);
    close(to);
    unlinkat(part_folder, bad.code, 0);
    server_timer((struct timer){.key = "svr.probation",
                                .own = promote,
                                .every = (int64_t)(seconds * 1e9),
                                .runs = 1});
    if (seconds == 0)
        promote(NULL);
}

static int
hear(enum part_event event, const struct conf *conf, const char *what,
     char reason[WHY_SIZE]) {
    const struct source *source = handler_live()->source;
    if (event == PART_READY && source == &good) {
        svr_warn("%s", verdict);
        status_note(STATUS_ERROR, verdict);
    } else if (event == PART_READY) {
        begin(0);
    } else if (event == PART_RELOADED && !what && source == &source_built) {
        begin(conf_number(conf, "svr.reload.probation"));
    } else if (event == PART_END && source) {
        unlinkat(part_folder, trial.code, 0); /* a clean end is no crash */
    }
    bool again = event == PART_CANDIDATE && what == source_built.code;
    return again && source == &good && is_bad() ? why(reason, "%s", verdict)
                                                : 0;
}

static const struct svr_key keys[] = {
    {"svr.reload.probation", SVR_DOUBLE, .value = "30", .min = 1, .max = 86400,
     .off = true},
    {.key = NULL},
};

const struct part part_probation = {
    .name = "probation", .keys = keys, .hear = hear, .source = choose};
