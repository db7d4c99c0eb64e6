/* fail: prints the one line that explains why nothing was made. */
#ifndef FAIL_H
#define FAIL_H

/* fail prints the reason on stderr and returns -1. */
int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
