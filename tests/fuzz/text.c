/* fuzz text: whatever comes in, one line of UTF-8 within its size goes out. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "../../runtime/text.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    size_t room = size ? data[0] + 1u : 1;
    char *text = calloc(1, size + 1), *line = malloc(room);
    if (size)
        memcpy(text, data + 1, size - 1);
    size_t length = text_line(line, room, text);
    assert(length < room && line[length] == '\0' && strlen(line) == length);
    for (const char *c = line; *c; c += text_utf8(c))
        assert(text_utf8(c) > 0 && (unsigned char)*c >= ' ' && *c != 0x7f);
    /* Nothing is cut that has room. */
    assert(length + 8 >= room || !strlen(text) || length > 0);
    free(text);
    free(line);
    return 0;
}
