/* conf: svr_conf to typed values: keys, types, defaults, ranges, nearest names.
 */
#ifndef CONF_H
#define CONF_H

#include "svr.h"
#include "failure.h"

/* For each sink of the log: the words for its level, and its default format. */
#define CONF_LEVELS "level: DEBUG INFO WARN WARNING ERROR"
#define CONF_FORMAT                                                            \
    "<%(levelname)s: %(name)s(%(process)d)> [%(filename)s: %(lineno)d] "       \
    ">> %(message)s"

/* A key with its value: from its line in svr_conf, otherwise the default. */
struct conf_entry {
    const struct svr_key *row; /* NULL: no table has the key */
    const char *key;
    const char *text;   /* the value; a string without quotes and escapes */
    enum svr_type type; /* of the key: its row's, otherwise `form` */
    enum svr_type form; /* the type that the value looks like */
    double number;      /* the value of a number; true is 1 */
    int64_t integer;    /* the value of an integer */
    double least, most; /* the value's range; both 0 = any value */
    int line;           /* 0: not in the file */
    const char *above;  /* the comment lines above, each ended by NUL ... */
    const char *start;  /* ... up to here, where the key's own line starts */
    const char *beside; /* the comment behind the value, or NULL */
};

/* What a key is that no table has: an error (CONF_NONE); the user's, unless a
 * key in a table has the same first word (CONF_OWN); the user's (CONF_ANY). */
enum conf_own { CONF_NONE, CONF_OWN, CONF_ANY };

struct conf {
    char *text;
    struct conf_entry *entries;
    size_t count;              /* those with a row come first */
    struct conf_entry **index; /* by hash; NULL: a gap */
    size_t places;             /* of the index; half of them stay gaps */
    enum conf_own own;
};

/* conf_read reads a file, `path` from the folder `dir`, and checks it against
 * the built-in keys and `tables` (NULL ends the list; a row without a key ends
 * a table). A user's key that is in no table may have its range in the comment
 * beside it: `# 1 to 100` or `# 0.1s to 2h`. Free the result with conf_free.
 * Returns NULL as svr_fail, with `svr_conf:LINE: KEY: reason`. */
struct conf *conf_read(int dir, const char *path,
                       const struct svr_key *const tables[], enum conf_own own);
void conf_free(struct conf *conf);

/* The value of a known key, as text and as a number (true is 1). */
const char *conf_text(const struct conf *conf, const char *key);
double conf_number(const struct conf *conf, const char *key);

/* conf_check_table checks that the rows of a handler's table are complete and
 * that their fields are within a struct of `size` bytes. Returns 0, or -1 as
 * svr_fail.
 */
int conf_check_table(const struct svr_key *table, size_t size);

/* conf_fill writes the value of each key in `table` to its offset in `values`.
 * Strings point into `conf`. Returns 0, or -1 as svr_fail if a key has another
 * type here than in the table. */
int conf_fill(const struct conf *conf, const struct svr_key *table,
              void *values);

/* conf_changed reports whether a key's value or type differs from `old`. */
bool conf_changed(const struct conf_entry *entry, const struct conf *old);

/* conf_changes counts the keys that changed, all or only those that need a
 * restart, and writes their names as "a, b", with the types if those changed.
 * What has no room is "...". */
enum { CONF_NAMES = 700 };
int conf_changes(const struct conf *conf, const struct conf *old, bool restart,
                 char names[CONF_NAMES]);

/* conf_secret reports whether a key's value must never be shown. */
bool conf_secret(const char *key);

/* conf_blame records why the value of a key is refused, as svr_fail, with the
 * place of the key: "svr_conf:LINE: KEY: reason". Returns -1. */
__attribute__((format(printf, 3, 4))) int
conf_blame(const struct conf *conf, const char *key, const char *format, ...);

#endif
