/* mime: a text as the header and the body of a mail
 *
 * use: parts
 *
 * For other parts, not for hooks. Texts are UTF-8; no line that is written is
 * longer than 998 bytes (RFC 5322). Any thread. */
#ifndef MIME_H
#define MIME_H

#include <stddef.h>
#include <stdio.h>

/* mime_header writes "NAME: TEXT" and a newline; a text that is not printable
 * ASCII in one line becomes encoded words (RFC 2047). */
void mime_header(FILE *out, const char *name, const char *text);

/* mime_body writes the headers that describe the encoding, an empty line and
 * the body: the text unchanged, or quoted-printable (RFC 2045) if it is not
 * ASCII or has long lines. */
void mime_body(FILE *out, const char *text, size_t length);

#endif
