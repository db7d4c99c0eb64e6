/* json: strings as JSON has them. */
#ifndef JSON_H
#define JSON_H

#include <stdio.h>

/* json_string writes `text` in quotes to `to`, at most `room` bytes (2 or more)
 * and no NUL; what does not fit is left out, never half a character. Control
 * bytes are escaped; what is no UTF-8 becomes U+FFFD. Returns the length. */
size_t json_string(char *to, size_t room, const char *text);

/* json_print writes the same to a stream, whatever the length. */
void json_print(FILE *out, const char *text);

#endif
