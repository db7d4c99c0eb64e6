/* data: Tiny's own files: templates, runtime, parts. */
#ifndef DATA_H
#define DATA_H

#include <stdbool.h>
#include <stddef.h>

/* data_find finds the folder that has them: $TINY_DATADIR, ../share/tiny beside
 * the program, the source tree when run from the build tree, the configured
 * place. Returns 0 or -1, having said why. */
int data_find(void);

/* data_path is the path of a file of Tiny's; valid until the next call. */
const char *data_path(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* data_list calls `visit` for each regular file below a folder of Tiny's, in
 * the order of their names, with the path from there. */
int data_list(const char *folder, int (*visit)(const char *path, void *arg),
              void *arg);

/* data_read returns a file's content, NUL-terminated; NULL, having said why.
 * The caller frees. */
char *data_read(const char *path, size_t *size);

/* data_lost is true once anything of Tiny's could not be read: what was read
 * since is not whole, and the reason was given. */
bool data_lost(void);

/* data_parts lists the names of all parts, sorted; NULL ends; NULL: not read.
 */
char **data_parts(void);
/* data_templates likewise. */
char **data_templates(void);

/* data_about is the line that describes a template or a part. */
char *data_about(bool part, const char *name);

/* data_words reads the line "LABEL: WORD…" of templates/NAME.txt or, with
 * " * " before it, of parts/NAME.h, each word with its space before it; "" when
 * there is none (or data_lost). A template's "parts" are those that it cannot
 * do without, "libs" what its handler is linked with, "packages" Debian's names
 * of those; a part's "needs" are other parts, its "use" says that only
 * parts use it; one with a "program" is not in the server, it makes a program
 * of that name. */
enum { WORDS_SIZE = 256 };
void data_words(bool part, const char *name, const char *label,
                char words[WORDS_SIZE]);

#endif
