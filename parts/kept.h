/* kept: pairs of code and configuration that the server can return to
 *
 * use: parts
 * For other parts, not for hooks. A pair is in run/kept.N.so and
 * run/kept.N.conf. The file run/kept names the pair of each slot, and is
 * replaced in one step: even if a process is killed, code never gets another
 * generation's configuration. */
#ifndef KEPT_H
#define KEPT_H

#include "part.h"

enum kept_slot { KEPT_GOOD, KEPT_OLDER, KEPT_PROBATION, KEPT_BAD, KEPT_SLOTS };

/* The number of the pair in each slot; 0 = none. */
struct kept {
    unsigned pair[KEPT_SLOTS];
};

/* The files of a pair, as a source of code. */
struct kept_files {
    struct source source;
    char code[32], conf[32];
};

/* kept_slots returns the content of run/kept. Any thread. */
struct kept kept_slots(void);

/* kept_set replaces run/kept, and removes pairs that no slot names any more.
 * Returns 0, or -1, as svr_fail, with the slots unchanged. Loop thread. */
int kept_set(struct kept slots);

/* kept_add makes a pair from a code file and a configuration file, both given
 * as paths relative to the project's folder. Returns its number, for a slot in
 * kept_set, or 0, as svr_fail. Loop thread. */
unsigned kept_add(const char *code, const char *conf);

/* kept_find fills `files` with the names of a pair's files, and returns its
 * source. Any thread. */
const struct source *kept_find(unsigned pair, struct kept_files *files);

/* kept_same reports whether two files exist and have the same bytes. */
bool kept_same(const char *one, const char *other);

#endif
