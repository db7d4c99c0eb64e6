/* json: strings as JSON has them. */
#include "json.h"

#include <string.h>

/* The bytes of the UTF-8 character at `s`, 0 when it is none (RFC 3629). */
static int
utf8(const unsigned char *s) {
    static const struct {
        unsigned char first, last, second_from, second_to, length;
    } rows[] = {
        {0x00, 0x7f, 0x00, 0xff, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2},
        {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
        {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
        {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    size_t i = 0, count = sizeof rows / sizeof *rows;
    while (i < count && (*s < rows[i].first || *s > rows[i].last))
        i++;
    if (i == count || s[1] < rows[i].second_from || s[1] > rows[i].second_to)
        return 0;
    for (int n = 2; n < rows[i].length; n++)
        if ((s[n] & 0xc0) != 0x80)
            return 0;
    return rows[i].length;
}

/* Writes the character at `s` as it stands in a string; returns its length
 * there, and how many bytes it took. */
static size_t
escape(const unsigned char *s, char to[8], int *taken) {
    int length = utf8(s);
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
