/* why: the reason of a failure in one line, handed up to whoever asked. */
#ifndef WHY_H
#define WHY_H

#include <stdarg.h>
#include <stdio.h>

enum { WHY_SIZE = 512 };

/* why writes the reason and returns -1, so that failing is one statement. */
__attribute__((format(printf, 2, 3))) static inline int
why(char text[WHY_SIZE], const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(text, WHY_SIZE, format, args);
    va_end(args);
    return -1;
}

#endif
