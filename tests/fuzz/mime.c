/* fuzz mime: any text is a mail with no line over 998 bytes, and comes back. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "../../parts/mime.c"
#include "../../runtime/buffer.c"
#include "../../runtime/text.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
digit(char c) {
    return c >= 'A' ? c - 'A' + 10 : c - '0';
}

/* Holds a body against the text that it was made of. */
static void
compare(const char *body, bool quoted, const uint8_t *data, size_t size) {
    size_t used = 0;
    while (*body) {
        char c = *body++;
        if (quoted && c == '=' && *body == '\n') {
            body++;
            continue;
        }
        if (quoted && c == '=') {
            c = (char)(digit(body[0]) << 4 | digit(body[1]));
            body += 2;
        }
        assert(used < size && data[used] == (uint8_t)c);
        used++;
    }
    assert(used == size);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct buffer mail;
    char *text = malloc(size + 1);
    FILE *out = buffer_open(&mail);
    if (!text || !out)
        abort();
    memcpy(text, data, size);
    text[size] = '\0';
    mime_header(out, "Subject", text);
    mime_body(out, text, size);
    if (buffer_close(&mail, out) < 0)
        abort();
    for (const char *line = mail.text; *line;) {
        size_t length = strcspn(line, "\n");
        assert(length <= LONGEST);
        line += length + (line[length] == '\n');
    }
    const char *end = strstr(mail.text, "\nMIME-Version: 1.0\n");
    assert(end);
    for (const char *c = mail.text; c < end; c++)
        assert(*c != '\n' || c[1] == ' '); /* one field */
    const char *body = strstr(mail.text, "\n\n") + 2;
    if (!memchr(data, 0, size))
        compare(body, !is_plain(text, size, LONGEST), data, size);
    free(mail.text);
    free(text);
    return 0;
}
