/* text: a text from outside (a hook, a client, a file) made one line. */
#ifndef TEXT_H
#define TEXT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

/* text_utf8 returns the number of bytes of the UTF-8 character at `text`, 1 to
 * 4, or 0 if there is no valid one (RFC 3629). */
int text_utf8(const char *text);

/* text_format is vsnprintf(3) with the points and words of the C locale, which
 * ever a hook has chosen; %m is as errno was. Any thread. */
__attribute__((format(printf, 3, 0))) void
text_format(char *text, size_t size, const char *format, va_list args);

/* text_line copies `text` to `line` as one line. A control character, a C1
 * control character and a byte that is not UTF-8 become the escapes \n, \r, \t
 * or \xNN. A text that does not fit in `size` bytes, with the NUL, is cut
 * between two characters. Returns the length of the line. Any thread. */
size_t text_line(char *line, size_t size, const char *text);

/* text_json writes `text` as a JSON string, in quotes, to `to`, at most `room`
 * bytes (2 or more) and no NUL; what does not fit is left out, never half a
 * character. Control bytes are escaped; what is not UTF-8 becomes U+FFFD.
 * Returns the length. text_json_print writes the same to a stream, all of it.
 */
size_t text_json(char *to, size_t room, const char *text);
void text_json_print(FILE *out, const char *text);

#endif
