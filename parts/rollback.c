/* rollback: ./svr.sh rollback: back to the last good code and configuration. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "handler.h"
#include "timer.h"

/* What the part `probation` keeps. */
static const struct source good = {"run/good.so", "run/good.conf"},
                           older = {"run/good.1.so", "run/good.1.conf"},
                           trial = {"run/trial.so", "run/trial.conf"},
                           bad = {"run/bad.so", "run/bad.conf"};
static const struct source *_Atomic wanted;

static bool
exists(const struct source *what) {
    return faccessat(part_folder, what->code, F_OK, 0) == 0;
}

static void
move(const struct source *from, const struct source *to) {
    renameat(part_folder, from->conf, part_folder, to->conf);
    renameat(part_folder, from->code, part_folder, to->code);
}

static enum part_answer
request(const char *line, int client) {
    if (strcmp(line, "rollback") != 0)
        return PART_UNKNOWN;
    wanted = exists(&trial) ? &good : &older;
    if (exists(wanted))
        return PART_RELOADS;
    wanted = NULL;
    dprintf(client, "1rejected: no other good generation is known\n");
    close(client);
    return PART_TAKEN;
}

static const struct source *
choose(void) {
    return wanted;
}

/* What was left is not for the next start; what runs now is the good one. */
static int
hear(enum part_event event, const struct conf *conf, const char *what,
     char reason[WHY_SIZE]) {
    (void)conf, (void)reason;
    if (event != PART_RELOADED || !wanted)
        return 0;
    if (!what && wanted == &good) {
        timers_remove("svr.probation");
        move(&trial, &bad);
    } else if (!what) {
        move(&good, &bad);
        move(&older, &good);
    }
    wanted = NULL;
    return 0;
}

const struct part part_rollback = {
    .name = "rollback", .hear = hear, .request = request, .source = choose};
