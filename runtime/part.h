/* part: what the server asks of a part; parts/table.c lists those chosen. */
#ifndef PART_H
#define PART_H

#include <stdio.h>

#include "conf.h"

/* A part's row; what is left out does nothing. All run on the loop thread. */
struct part {
    const char *name;
    const struct svr_key *keys; /* its keys, "NAME.…"; the last has no name */
    /* Holds values against each other; -1 with the reason refuses them. */
    int (*check)(const struct conf *conf, char reason[WHY_SIZE]);
    /* Before on_start; -1 with the reason ends the start. */
    int (*start)(const struct conf *conf, char reason[WHY_SIZE]);
    /* After on_start: the server serves. */
    void (*ready)(void);
    /* When a reload begins to change things, and when it is over. */
    void (*reload)(void);
    void (*reloaded)(const struct conf *conf);
    void (*summary)(const char *text);
    /* When the close begins, before on_close; and when all is over. */
    void (*close)(void);
    /* Writes its members of the status: `, "NAME": …`. */
    void (*status)(FILE *out);
};

/* The parts of this server; NULL ends the list. */
extern const struct part *const parts[];

/* part_conf reads svr_conf as this server needs it: with the keys of all parts
 * and those of a handler (NULL: all other keys are the user's), and with the
 * parts' own checks. Returns NULL with the reason. */
struct conf *part_conf(int dir, const struct svr_key *keys,
                       char reason[WHY_SIZE]);

#endif
