/* buffer: a stream into memory that reports when memory was short. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "buffer.h"

/* Makes room for `size` bytes and a NUL. */
static int
buffer_grow(struct buffer *buffer, size_t size) {
    if (size < buffer->room)
        return 0;
    size_t room = size * 2 + 256;
    char *text = realloc(buffer->text, room);
    if (!text)
        return -1;
    memset(text + buffer->room, 0, room - buffer->room);
    buffer->text = text;
    buffer->room = room;
    return 0;
}

/* Takes bytes from the stream. Returns how many, or 0 for an error, as
 * fopencookie(3) wants it. */
static ssize_t
buffer_write(void *cookie, const char *bytes, size_t size) {
    struct buffer *buffer = cookie;
    if (buffer->failed || buffer_grow(buffer, buffer->at + size) < 0) {
        buffer->failed = true;
        return 0;
    }
    memcpy(buffer->text + buffer->at, bytes, size);
    buffer->at += size;
    if (buffer->at > buffer->size)
        buffer->size = buffer->at;
    return (ssize_t)size;
}

static int
buffer_seek(void *cookie, off64_t *offset, int whence) {
    struct buffer *buffer = cookie;
    size_t from = whence == SEEK_CUR   ? buffer->at
                  : whence == SEEK_END ? buffer->size
                                       : 0;
    off64_t at = (off64_t)from + *offset;
    if (at < 0)
        return -1;
    *offset = at;
    buffer->at = (size_t)at;
    return 0;
}

FILE *
buffer_open(struct buffer *buffer) {
    static const cookie_io_functions_t functions = {.write = buffer_write,
                                                    .seek = buffer_seek};
    *buffer = (struct buffer){.text = NULL};
    if (buffer_grow(buffer, 0) < 0)
        return NULL;
    FILE *stream = fopencookie(buffer, "w", functions);
    if (!stream) {
        free(buffer->text);
        buffer->text = NULL;
    }
    return stream;
}

int
buffer_close(struct buffer *buffer, FILE *stream) {
    bool good = stream && !ferror(stream);
    if (stream && fclose(stream) != 0)
        good = false;
    if (good && !buffer->failed)
        return 0;
    free(buffer->text);
    buffer->text = NULL;
    errno = ENOMEM;
    return -1;
}
