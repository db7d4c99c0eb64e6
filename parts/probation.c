/* probation: after a crash soon after a reload, the last good code runs again;
 * ./svr.sh rollback brings it back by hand. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "handler.h"
#include "kept.h"
#include "callback.h"
#include "status.h"

static struct kept_files good; /* taken by a start instead of the built code */
static const char verdict[] =
    "the built code was rolled back or ended badly soon after its reload, and "
    "has not changed since; the last good code runs, with its configuration";

/* Reports whether the built code is the one that ended badly; or, if that code
 * was good before, whether its configuration is. */
static bool
is_known_bad(void) {
    struct kept kept = kept_slots();
    struct kept_files bad_files, good_files;
    const struct source *bad = kept_find(kept.pair[KEPT_BAD], &bad_files);
    const struct source *was = kept_find(kept.pair[KEPT_GOOD], &good_files);
    return kept.pair[KEPT_BAD] && kept.pair[KEPT_GOOD] &&
           kept_same(source_built.code, bad->code) &&
           (!kept_same(bad->code, was->code) ||
            kept_same(source_built.conf, bad->conf));
}

/* Puts the slots in force, or warns. */
static void
keep_slots(struct kept kept) {
    if (kept_set(kept) < 0)
        svr_warn("probation: %s", failure_reason());
}

/* Chooses the code at the start: a pair still on probation has ended badly. */
static const struct source *
choose_at_start(void) {
    if (handler_live()->code)
        return NULL;
    struct kept kept = kept_slots();
    if (kept.pair[KEPT_PROBATION]) {
        kept.pair[KEPT_BAD] = kept.pair[KEPT_PROBATION];
        kept.pair[KEPT_PROBATION] = 0;
        keep_slots(kept);
    }
    return is_known_bad() ? kept_find(kept.pair[KEPT_GOOD], &good) : NULL;
}

/* Reports whether two pairs have the same bytes. */
static bool
same_pair(unsigned one, unsigned other) {
    struct kept_files a, b;
    return one && other &&
           kept_same(kept_find(one, &a)->code, kept_find(other, &b)->code) &&
           kept_same(a.conf, b.conf);
}

/* Makes the pair on probation the good one. */
static int
promote(void *unused) {
    struct kept kept = kept_slots();
    unsigned *pair = kept.pair, probation = pair[KEPT_PROBATION];
    if (probation && !same_pair(probation, pair[KEPT_GOOD]))
        pair[KEPT_OLDER] = pair[KEPT_GOOD];
    if (probation)
        pair[KEPT_GOOD] = probation;
    pair[KEPT_PROBATION] = 0;
    keep_slots(kept);
    return unused != NULL;
}

/* Makes a pair of the live code and configuration. svr_conf may have changed
 * since it was read. */
static unsigned
keep_live(const struct conf *conf) {
    char copy[48], names[CONF_NAMES];
    struct kept_files files;
    handler_path(handler_live(), copy);
    unsigned pair = kept_add(copy, source_built.conf);
    if (!pair)
        return 0;
    struct conf *kept = part_conf(part_folder, kept_find(pair, &files)->conf,
                                  handler_hooks()->keys);
    bool same = kept && conf_changes(kept, conf, false, names) == 0;
    if (kept && !same)
        svr_fail("svr_conf changed again after it was read");
    conf_free(kept);
    return same ? pair : 0;
}

/* Reports whether the live pair was good before. */
static bool
is_known(void) {
    char copy[48];
    struct kept_files files;
    kept_find(kept_slots().pair[KEPT_GOOD], &files);
    handler_path(handler_live(), copy);
    return kept_same(copy, files.code) &&
           kept_same(source_built.conf, files.conf);
}

/* Puts the live pair on probation. */
static void
begin_probation(const struct conf *conf, double seconds) {
    struct kept kept = kept_slots();
    if (seconds == 0 && is_known())
        return;
    unsigned pair = keep_live(conf);
    if (!pair)
        svr_warn("probation: this generation is not kept: %s",
                 failure_reason());
    kept.pair[KEPT_PROBATION] = pair;
    kept.pair[KEPT_BAD] = 0;
    keep_slots(kept);
    callback_timer((struct timer){.key = "svr.probation",
                                  .own = promote,
                                  .every = (int64_t)(seconds * 1e9),
                                  .runs = 1});
    if (seconds == 0)
        promote(NULL);
}

/* Ends the probation at a clean close. */
static void
end_probation(void) {
    struct kept kept = kept_slots();
    kept.pair[KEPT_PROBATION] = 0;
    keep_slots(kept);
}

static int
probation_event(enum part_event event, const struct conf *conf,
                const char *what) {
    const struct source *source = handler_live()->source;
    if (event == PART_READY && source == &good.source) {
        svr_warn("%s", verdict);
        status_note(STATUS_ERROR, verdict);
    } else if (event == PART_READY) {
        begin_probation(conf, 0);
    } else if (event == PART_RELOADED && !what && source == &source_built) {
        begin_probation(conf, conf_number(conf, "svr.reload.probation"));
    } else if (event == PART_END && source) {
        end_probation();
    }
    return 0;
}

/* Refuses built code that is known to crash. */
static int
refuse_known_bad(const struct candidate *candidate, char remark[FAILURE_SIZE]) {
    (void)remark;
    return candidate->code == source_built.code &&
                   handler_live()->source == &good.source && is_known_bad()
               ? svr_fail("%s", verdict)
               : 0;
}

static const struct svr_key keys[] = {
    {"svr.reload.probation", SVR_DOUBLE, .value = "30", .min = 1, .max = 86400,
     .off = true},
    {.key = NULL},
};

const struct part part_probation = {.name = "probation",
                                    .keys = keys,
                                    .event = probation_event,
                                    .candidate = refuse_known_bad,
                                    .source = choose_at_start};
