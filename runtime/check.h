/* check: tries a handler and svr_conf in a process that may die of them. */
#ifndef CHECK_H
#define CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "part.h"

/* What is tried. */
struct check {
    const char *program; /* who tries it; NULL: this very program */
    struct source source;
    bool running; /* it must continue with a state of this size and version */
    size_t size;
    int version;
};

/* check_run lets another process load the code, read the configuration and open
 * its logs, for 3 s at most, in the folder `dir`. Returns 0, with a warning or
 * "" in `text`, or -1 as svr_fail. Any thread. */
int check_run(int dir, struct check check, char text[FAILURE_SIZE]);

/* check_main is that other process: `--check CODE CONF RUNNING SIZE
 * VERSION`. */
int check_main(char *const argv[]);

#endif
