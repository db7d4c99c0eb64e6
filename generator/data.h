/* data: Tiny's own files: templates, runtime, parts. */
#ifndef DATA_H
#define DATA_H

#include <stdbool.h>
#include <stddef.h>

/* data_find finds the folder with them: $TINY_DATADIR, ../share/tiny beside the
 * program, the source tree if the program runs from the build tree, or the
 * configured place. Returns 0, or -1 after printing the reason. */
int data_find(void);

/* data_path returns the path of one of Tiny's files; valid until the next
 * call. */
const char *data_path(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* data_list calls `visit` for each regular file below one of Tiny's folders, in
 * the order of their names, with the path relative to that folder. */
int data_list(const char *folder, int (*visit)(const char *path, void *arg),
              void *arg);

/* data_read returns a file's content, NUL-terminated, or NULL after printing
 * the reason. The caller frees it. */
char *data_read(const char *path, size_t *size);

/* data_lost returns true once one of Tiny's files could not be read: the data
 * are then incomplete, and the reason has been printed. */
bool data_lost(void);

/* data_parts lists the names of all parts, sorted, with NULL at the end. NULL =
 * they could not be read. */
char **data_parts(void);
/* data_templates likewise. */
char **data_templates(void);

/* data_about returns the line that describes a template or a part. */
char *data_about(bool part, const char *name);

/* data_words reads the line "LABEL: WORD..." of templates/NAME.txt or, with " *
 * " before it, of parts/NAME.h, each word with a space before it; "" if there
 * is none (or data_lost). A template's "parts" are those that it needs, "libs"
 * the libraries of its handler, "packages" their names in Debian. A part's
 * "needs" are other parts; with "use" only other parts use it; one with a
 * "program" is not linked into the server, but becomes a program of that name.
 */
enum { WORDS_SIZE = 256 };
void data_words(bool part, const char *name, const char *label,
                char words[WORDS_SIZE]);

#endif
