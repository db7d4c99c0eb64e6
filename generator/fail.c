/* fail: prints the one line that explains why nothing was made. */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

#include "fail.h"

int
fail(const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fflush(stdout); /* earlier output comes first */
    fputs("tiny-new: ", stderr);
    for (const char *c = text; *c; c++)
        fputc(iscntrl((unsigned char)*c) ? '?' : *c, stderr);
    fputc('\n', stderr);
    return -1;
}
