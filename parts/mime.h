/* mime: a text as the header and the body of a mail
 *
 * use: parts
 *
 * For other parts, not for hooks. No line is longer than 998 bytes (RFC 5322),
 * whatever the text, which is UTF-8. Any thread. */
#ifndef MIME_H
#define MIME_H

#include <stddef.h>
#include <stdio.h>

/* mime_header writes "NAME: TEXT" and a newline; a text that is not printable
 * ASCII in one line becomes encoded words (RFC 2047). */
void mime_header(FILE *out, const char *name, const char *text);

/* mime_body writes the headers that describe the encoding, an empty line
 * and the body: the text as it is, or quoted-printable (RFC 2045) when it is
 * not ASCII or has long lines. */
void mime_body(FILE *out, const char *text, size_t length);

#endif
