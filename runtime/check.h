/* check: tries a handler and svr_conf in a process that may die of them. */
#ifndef CHECK_H
#define CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "why.h"

/* The state that a handler is to go on with; a size of 0 fits any. */
struct check_state {
    bool running;
    size_t size;
    int version;
};

/* check_run lets another process of this very program load `path`, read
 * svr_conf and open its logs, for 3 s at most. Returns 0, with a warning or ""
 * in `text`, or -1 with the reason. Any thread. */
int check_run(int dir, const char *path, struct check_state state,
              char text[WHY_SIZE]);

/* check_main is that other process: `--check PATH RUNNING SIZE VERSION`. */
int check_main(char *const argv[]);

#endif
