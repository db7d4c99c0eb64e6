/* my_util: the work itself, apart from how it is served. */
#ifndef MY_UTIL_H
#define MY_UTIL_H

#include <stddef.h>
#include <stdint.h>

/* my_operation writes to `out` what becomes of a line of the input: the number
 * of its words that have at least `x` letters, and the line. Returns that
 * number. */
int my_operation(const char *line, int64_t x, char *out, size_t size);

#endif
