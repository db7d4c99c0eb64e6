/* text: makes one line of a text from a hook, a client or a file. */
#define _GNU_SOURCE
#include "text.h"

#include <locale.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

int
text_utf8(const char *text) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *s = (const unsigned char *)text;
    int length = *s < 0x80       ? 1
                 : *s >> 5 == 6  ? 2
                 : *s >> 4 == 14 ? 3
                 : *s >> 3 == 30 ? 4
                                 : 0;
    uint32_t code = length == 1 ? *s : *s & (0x7fu >> length);
    for (int i = 1; i < length; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (s[i] & 0x3f);
    }
    bool valid = code >= least[length] && code <= 0x10ffff &&
                 (code < 0xd800 || code > 0xdfff); /* no surrogate */
    return valid ? length : 0;
}

/* Writes the character at `text`, or its escape, to `to`; sets how many bytes
 * of `text` it took. Returns the number of bytes written. */
static size_t
put_character(char to[8], const char *text, int *taken) {
    static const char names[] = "\nn\rr\tt";
    unsigned char byte = (unsigned char)*text;
    const char *name = strchr(names, *text);
    int length = text_utf8(text);
    bool control = byte < ' ' || byte == 0x7f;
    bool c1 = byte == 0xc2 && (unsigned char)text[1] < 0xa0;
    *taken = 1;
    if (control && name)
        return (size_t)snprintf(to, 8, "\\%c", name[1]);
    if (control || c1 || length == 0)
        return (size_t)snprintf(to, 8, "\\x%02x", byte);
    *taken = length;
    memcpy(to, text, (size_t)length);
    return (size_t)length;
}

/* Copies 8 bytes. Returns true if none of them needs an escape: none is 0x80 or
 * more, below ' ', or 0x7f. */
static bool
put_word(char *to, const char *text) {
    const uint64_t ones = 0x0101010101010101, high_bits = 0x80 * ones;
    uint64_t word;
    memcpy(&word, text, sizeof word);
    memcpy(to, text, sizeof word);
    return ((word | (word - ' ' * ones) | (word + ones)) & high_bits) == 0;
}

/* Copies the beginning of a text up to the first byte that needs an escape, in
 * words of 8 bytes; the last word may overlap the one before. Returns the
 * number of bytes. */
static size_t
put_plain(char *to, const char *text, size_t length) {
    const size_t word = sizeof(uint64_t);
    size_t i = 0;
    while (i + word <= length && put_word(to + i, text + i))
        i += word;
    if (i > 0 && i + word > length &&
        put_word(to + length - word, text + length - word))
        return length;
    for (; i < length && text[i] >= ' ' && text[i] < 0x7f; i++)
        to[i] = text[i];
    return i;
}

size_t
text_line(char *line, size_t size, const char *text) {
    const char *stop = text + strlen(text);
    char *to = line, *end = line + size - 1;
    for (;;) {
        char character[8];
        int taken;
        size_t left = (size_t)(stop - text), room = (size_t)(end - to);
        size_t length = put_plain(to, text, left < room ? left : room);
        to += length;
        text += length;
        if (!*text)
            break;
        length = put_character(character, text, &taken);
        if (length > (size_t)(end - to))
            break;
        memcpy(to, character, length);
        to += length;
        text += taken;
    }
    *to = '\0';
    return (size_t)(to - line);
}

size_t
text_json(const char *text, char to[8], int *taken) {
    unsigned char byte = (unsigned char)*text;
    int length = text_utf8(text);
    *taken = length ? length : 1;
    if (length == 0)
        return (size_t)snprintf(to, 8, "\\ufffd");
    if (byte < ' ' || byte == 0x7f || byte == '"' || byte == '\\')
        return (size_t)snprintf(to, 8, "\\u%04x", byte);
    memcpy(to, text, (size_t)length);
    return (size_t)length;
}

void
text_json_print(FILE *out, const char *text) {
    char character[8];
    int taken;
    fputc('"', out);
    for (; *text; text += taken)
        fwrite(character, 1, text_json(text, character, &taken), out);
    fputc('"', out);
}

static locale_t c_words;

__attribute__((constructor)) static void
make_words(void) {
    c_words = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

void *
text_c_locale(void) {
    return (void *)uselocale(c_words);
}

void
text_former_locale(void *former) {
    uselocale((locale_t)former);
}

void
text_format(char *text, size_t size, const char *format, va_list args) {
    locale_t former = uselocale(c_words);
    vsnprintf(text, size, format, args);
    uselocale(former);
}
