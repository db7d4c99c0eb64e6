/* why: the reason of a failure in one line, handed up to whoever asked. */
#ifndef WHY_H
#define WHY_H

#include <stdarg.h>
#include <stdio.h>

#include "text.h"

enum { WHY_SIZE = 512 };

/* why writes the reason, made one line, and returns -1, so that failing is one
 * statement. An argument may point into `text`. */
__attribute__((format(printf, 2, 3))) static inline int
why(char text[WHY_SIZE], const char *format, ...) {
    char reason[WHY_SIZE];
    va_list args;
    va_start(args, format);
    text_format(reason, sizeof reason, format, args);
    va_end(args);
    text_line(text, WHY_SIZE, reason);
    return -1;
}

#endif
