/* fail: the one line that says why nothing was made. */
#ifndef FAIL_H
#define FAIL_H

/* fail says why on stderr and returns -1. */
int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
