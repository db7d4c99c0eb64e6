/* buffer: a stream into memory that reports when memory was short. */
#ifndef BUFFER_H
#define BUFFER_H

#include <stdbool.h>
#include <stdio.h>

/* What was written. open_memstream(3) loses a part of it without an error when
 * memory is short (glibc 2.36). */
struct buffer {
    char *text;            /* ended by NUL */
    size_t size, room, at; /* `at`: where the next byte goes */
    bool failed;
};

/* buffer_open begins an empty buffer. Returns the stream that writes to it, and
 * can seek in it, or NULL when memory is short. */
FILE *buffer_open(struct buffer *buffer);

/* buffer_close ends the stream (NULL: it was not opened). Returns 0; the caller
 * then frees the text. If any byte was lost, it frees the text and returns -1
 * with ENOMEM. */
int buffer_close(struct buffer *buffer, FILE *stream);

#endif
