/* kept: pairs of code and configuration that the server can return to
 *
 * use: parts
 * For other parts, not for hooks. A pair lies in run/kept.N.so and
 * run/kept.N.conf; the file run/kept names the pair of each slot and is
 * replaced in one step, so that code never meets another generation's
 * configuration, wherever a process is killed. */
#ifndef KEPT_H
#define KEPT_H

#include "part.h"

enum kept_slot { KEPT_GOOD, KEPT_OLDER, KEPT_TRIAL, KEPT_BAD, KEPT_SLOTS };

/* The number of the pair in each slot; 0: none. */
struct kept {
    unsigned pair[KEPT_SLOTS];
};

/* A pair's files, as a source of code. */
struct kept_files {
    struct source source;
    char code[32], conf[32];
};

/* kept_slots returns what is in run/kept. Any thread. */
struct kept kept_slots(void);

/* kept_set replaces run/kept, and removes pairs that no slot names any more.
 * Returns 0, or -1 as svr_fail; the slots are then unchanged. Loop thread,
 * as below. */
int kept_set(struct kept slots);

/* kept_add makes a pair of a code file and a configuration file, by path from
 * the project's folder. Returns its number, to be put into a slot by kept_set;
 * 0 as svr_fail. */
unsigned kept_add(const char *code, const char *conf);

/* kept_find names a pair's files. Any thread. */
const struct source *kept_find(unsigned pair, struct kept_files *files);

/* kept_same reports whether two files are there, with the same bytes. */
bool kept_same(const char *one, const char *other);

#endif
