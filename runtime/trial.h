/* trial: tries a handler and svr_conf in a process that may die of them. */
#ifndef TRIAL_H
#define TRIAL_H

#include <stdbool.h>
#include <stddef.h>

#include "part.h"

/* What is tried. */
struct trial {
    const char *program; /* the server that tries it; NULL: this program */
    struct source source;
    bool running; /* it must continue with a state of this size and version */
    size_t size;
    int version;
};

/* trial_run lets another process load the code, read the configuration and open
 * its logs, within 3 s, in the folder `dir`. Returns 0, with a remark added to
 * `warning`, or -1 as svr_fail. Any thread. */
int trial_run(int dir, struct trial trial, char warning[FAILURE_SIZE]);

/* trial_ask runs a program in the folder `dir`, in a process group of its own,
 * until it has written a line to its descriptor `fd`, has ended, or 3 s are
 * over; then all processes of the group are killed. Returns 1 with the line;
 * otherwise, as svr_fail, 0 if there was none ("died of signal 6 (Aborted)"),
 * or -1 if the program cannot be started. Any thread. */
int trial_ask(int dir, int fd, const char *program, char *const argv[],
              char line[FAILURE_SIZE]);

/* trial_main is the other process of trial_run: `--check CODE CONF RUNNING SIZE
 * VERSION`. */
int trial_main(char *const argv[]);

#endif
