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

/* text_c_locale gives the calling thread the C locale, for numbers in a text;
 * text_former_locale gives back the one that it returned. */
void *text_c_locale(void);
void text_former_locale(void *former);

/* text_line copies `text` to `line` as one line. A control character, a C1
 * control character and a byte that is not UTF-8 become the escapes \n, \r, \t
 * or \xNN. A text that does not fit in `size` bytes, with the NUL, is cut
 * between two characters. Returns the length of the line. Any thread. */
size_t text_line(char *line, size_t size, const char *text);

/* text_json writes the character at `text` as it stands in a JSON string: a
 * control byte as its escape, what is not UTF-8 as U+FFFD. Sets how many bytes
 * of `text` it took; returns how many it wrote. text_json_print writes a whole
 * text, in quotes. */
size_t text_json(const char *text, char to[8], int *taken);
void text_json_print(FILE *out, const char *text);

#endif
