/* my_util: the work itself, separate from how it is served. */
#ifndef MY_UTIL_H
#define MY_UTIL_H

#include <stddef.h>
#include <stdint.h>

/* my_operation counts the words of a line that have at least `x` letters, and
 * writes the count and the line to `out`. Returns the count. */
int my_operation(const char *line, int64_t x, char *out, size_t size);

#endif
