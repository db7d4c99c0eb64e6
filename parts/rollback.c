/* rollback: ./svr.sh rollback: back to the last good code and configuration. */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "control.h"
#include "handler.h"
#include "kept.h"
#include "timer.h"

/* The requested pair, until a reload begins with it; then its files. */
static atomic_uint wanted;
static unsigned taken;
static struct kept_files files;

/* Chooses the last good pair, if a pair is on probation or about to be
 * reloaded; else the one before the running pair. The choice is made at the
 * request, whatever a pending reload does to the slots. */
static enum part_answer
rollback_request(const char *line, int client) {
    if (strcmp(line, "rollback") != 0)
        return PART_UNKNOWN;
    struct kept kept = kept_slots();
    bool good = kept.pair[KEPT_PROBATION] || control_reloads();
    unsigned pair = kept.pair[good ? KEPT_GOOD : KEPT_OLDER];
    if (pair) {
        wanted = pair;
        return PART_RELOADS;
    }
    dprintf(client, "1rejected: no other good generation is known\n");
    close(client);
    return PART_TAKEN;
}

/* A request is for one reload: if that is refused, the next is an ordinary
 * one. */
static const struct source *
choose_wanted(void) {
    unsigned pair = atomic_exchange(&wanted, 0);
    if (!pair)
        return NULL;
    taken = pair;
    return kept_find(pair, &files);
}

/* Notes that the running pair is good, and the one that it replaced is bad. */
static void
settle(void) {
    struct kept kept = kept_slots();
    unsigned *pair = kept.pair;
    if (pair[KEPT_PROBATION])
        pair[KEPT_BAD] = pair[KEPT_PROBATION];
    else if (pair[KEPT_GOOD] != taken)
        pair[KEPT_BAD] = pair[KEPT_GOOD];
    pair[KEPT_PROBATION] = 0;
    pair[KEPT_GOOD] = taken;
    if (pair[KEPT_OLDER] == taken)
        pair[KEPT_OLDER] = 0;
    timers_remove("svr.probation", true);
    if (kept_set(kept) < 0)
        svr_err("rollback: the next start may take the other code: %s",
                failure_reason());
}

static int
rollback_event(enum part_event event, const struct conf *conf,
               const char *what) {
    (void)conf;
    if (event == PART_RELOADED && !what &&
        handler_live()->source == &files.source)
        settle();
    return 0;
}

const struct part part_rollback = {.name = "rollback",
                                   .command = "rollback",
                                   .answers = PART_VERDICT,
                                   .event = rollback_event,
                                   .request = rollback_request,
                                   .source = choose_wanted};
