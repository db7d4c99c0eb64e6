/* mime: a text as the header and the body of a mail. */
#include <stdbool.h>
#include <string.h>

#include "mime.h"
#include "part.h"
#include "text.h"

enum { WORD = 75, LINE = 76, LONGEST = 998 };

/* Whether a text can be sent unchanged, in lines of at most `most` bytes. */
static bool
is_plain(const char *text, size_t length, size_t most) {
    size_t column = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        column = c == '\n' ? 0 : column + 1;
        if (column > most || c > '~' || (c < ' ' && c != '\n' && c != '\t'))
            return false;
    }
    return true;
}

void
mime_header(FILE *out, const char *name, const char *text) {
    static const char begin[] = "=?UTF-8?Q?", end[] = "?=";
    size_t overhead = strlen(begin) + strlen(end), column = LINE;
    size_t length = strlen(text);
    fprintf(out, "%s:", name);
    if (is_plain(text, length, LONGEST - strlen(name) - 2) &&
        !strchr(text, '\n')) {
        fprintf(out, " %s\n", text);
        return;
    }
    for (size_t i = 0, bytes; i < length; i += bytes) {
        int valid = text_utf8(text + i);
        bytes = valid ? (size_t)valid : 1; /* keep a character whole */
        if (column + 3 * bytes + overhead > WORD) {
            fprintf(out, "%s %s", i ? "?=\n" : "", begin);
            column = i ? 0 : strlen(name) + 1;
        }
        for (size_t b = 0; b < bytes; b++)
            fprintf(out, "=%02X", (unsigned char)text[i + b]);
        column += 3 * bytes;
    }
    fprintf(out, "%s\n", length ? end : "");
}

/* Writes a text in lines of at most 76 bytes. A byte that is not printable
 * ASCII, or has a meaning in this encoding, is written as its number. */
static void
quote(FILE *out, const char *text, size_t length) {
    size_t column = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        bool last = i + 1 == length || text[i + 1] == '\n';
        bool coded = c > '~' || c == '=' || (c < ' ' && c != '\t') ||
                     (column == 0 && (c == '.' || c == 'F')) ||
                     (last && (c == ' ' || c == '\t'));
        if (c == '\n') {
            fputc('\n', out);
            column = 0;
            continue;
        }
        if (column + (coded ? 3 : 1) > LINE - 1) {
            fputs("=\n", out);
            column = 0;
        }
        fprintf(out, coded ? "=%02X" : "%c", c);
        column += coded ? 3 : 1;
    }
    if (column > 0)
        fputs("=\n", out);
}

void
mime_body(FILE *out, const char *text, size_t length) {
    bool plain = is_plain(text, length, LONGEST);
    fprintf(out,
            "MIME-Version: 1.0\n"
            "Content-Type: text/plain; charset=UTF-8\n"
            "Content-Transfer-Encoding: %s\n\n",
            plain ? "7bit" : "quoted-printable");
    if (plain)
        fwrite(text, 1, length, out);
    else
        quote(out, text, length);
}

const struct part part_mime = {.name = "mime"};
