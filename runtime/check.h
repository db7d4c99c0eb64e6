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
 * its logs, for 3 s at most, in the folder `dir`. Returns 0, with a warning
 * added to `text`, or -1 as svr_fail. Any thread. */
int check_run(int dir, struct check check, char text[FAILURE_SIZE]);

/* How a program ended that was asked. */
enum check_end { CHECK_ENDED, CHECK_LATE };

/* check_ask runs a program in the folder `dir`, in a process group of its own,
 * until it has written a line to its descriptor `fd`, has ended, or 3 s are
 * over; then all that it started is killed. Its status is that of waitpid(2).
 * Returns how it ended, or -1 as svr_fail if it cannot be started. Any thread.
 */
int check_ask(int dir, int fd, const char *program, char *const argv[],
              char line[FAILURE_SIZE], int *status);

/* check_main is that other process: `--check CODE CONF RUNNING SIZE
 * VERSION`. */
int check_main(char *const argv[]);

#endif
