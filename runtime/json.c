/* json: strings as JSON has them. */
#include "json.h"

#include <string.h>

#include "text.h"

/* Writes the character at `s` as it stands in a string; returns its length
 * there, and how many bytes it took. */
static size_t
escape(const unsigned char *s, char to[8], int *taken) {
    int length = text_utf8((const char *)s);
    *taken = length ? length : 1;
    if (length == 0)
        return (size_t)snprintf(to, 8, "\\ufffd");
    if (*s < ' ' || *s == 0x7f || *s == '"' || *s == '\\')
        return (size_t)snprintf(to, 8, "\\u%04x", *s);
    memcpy(to, s, (size_t)length);
    return (size_t)length;
}

size_t
json_string(char *to, size_t room, const char *text) {
    const unsigned char *s = (const unsigned char *)text;
    size_t used = 0, length;
    char character[8];
    int taken;
    to[used++] = '"';
    for (; *s; s += taken) {
        length = escape(s, character, &taken);
        if (used + length + 1 > room)
            break;
        memcpy(to + used, character, length);
        used += length;
    }
    to[used++] = '"';
    return used;
}

void
json_print(FILE *out, const char *text) {
    char quoted[8192];
    fwrite(quoted, 1, json_string(quoted, sizeof quoted, text), out);
}
