/* my_util: the work itself, apart from the server around it. */
#ifndef MY_UTIL_H
#define MY_UTIL_H

#include <stdio.h>

/* my_operation counts the words of a line that have at least `x` letters, and
 * writes the count and the line to `out`. */
void my_operation(const char *line, int x, FILE *out);

#endif
