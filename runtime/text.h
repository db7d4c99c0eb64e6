/* text: makes one line of a text from a hook, a client or a file. */
#ifndef TEXT_H
#define TEXT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

/* text_utf8 returns the number of bytes of the UTF-8 character at `text`, 1 to
 * 4, or 0 if there is no valid one (RFC 3629). */
int text_utf8(const char *text);

/* text_format is vsnprintf(3) in the C locale, whatever locale a hook has
 * chosen; %m is strerror(errno). Any thread. */
__attribute__((format(printf, 3, 0))) void
text_format(char *text, size_t size, const char *format, va_list args);

/* text_c_locale sets the C locale for the calling thread, for numbers in a
 * text, and returns the former one; text_former_locale restores that. */
void *text_c_locale(void);
void text_former_locale(void *former);

/* text_line copies `text` to `line` as one line. A control character, a C1
 * control character and a byte that is not UTF-8 become the escapes \n, \r, \t
 * or \xNN. A text that does not fit in `size` bytes, with the NUL, is cut
 * between two characters. Returns the length of the line. Any thread. */
size_t text_line(char *line, size_t size, const char *text);

/* text_json writes the character at `text` as in a JSON string: a control byte
 * as its escape, a byte that is not UTF-8 as U+FFFD. Sets `taken` to the number
 * of bytes of the character; returns the number of bytes written.
 * text_json_print writes a whole text, in quotes. */
size_t text_json(const char *text, char to[8], int *taken);
void text_json_print(FILE *out, const char *text);

#endif
