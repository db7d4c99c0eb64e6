/* conf: text to values. Knows keys, types, defaults, ranges, nearest names. */
#ifndef CONF_H
#define CONF_H

#include "svr.h"
#include "why.h"

/* What a sink of the log has by default: the words of its level, its format. */
#define CONF_LEVELS "level: DEBUG INFO WARN WARNING ERROR"
#define CONF_FORMAT                                                            \
    "<%(levelname)s: %(name)s(%(process)d)> [%(filename)s: %(lineno)d] "       \
    ">> %(message)s"

/* A key with its value in force: the line of svr_conf, else the default. */
struct conf_entry {
    const struct svr_key *row; /* NULL: a key that no table has */
    const char *key;
    const char *text;   /* the value, a string without quotes and escapes */
    bool quoted;        /* it stood in quotes */
    int line;           /* 0: not in the file */
    const char *above;  /* the comment lines above, each ended by NUL ... */
    const char *start;  /* ... up to here, where the key's own line starts */
    const char *beside; /* the comment behind the value, or NULL */
};

/* What becomes of a key that no table has: it is a mistake; or the user's,
 * unless its first word is that of a key in a table; or the user's. */
enum conf_own { CONF_NONE, CONF_OWN, CONF_ANY };

struct conf {
    char *text;
    struct conf_entry *entries;
    size_t count, known; /* the first ones stand in a table */
    uint32_t *index; /* by the key's hash: an entry's number + 1, 0: a gap */
    size_t places;   /* of the index, a power of 2 */
    enum conf_own own;
};

/* conf_read reads a file, `path` from the folder `dir`, and holds it against
 * the built-in keys and `tables` (NULL ends the list, and each table has a last
 * row without a key). Returns NULL with the reason, `svr_conf:LINE: KEY: ...`;
 * the caller frees with conf_free. */
struct conf *conf_read(int dir, const char *path,
                       const struct svr_key *const tables[], enum conf_own own,
                       char reason[WHY_SIZE]);
void conf_free(struct conf *conf);

/* The value of a key that is known, as text and as a number (true is 1). */
const char *conf_text(const struct conf *conf, const char *key);
double conf_number(const struct conf *conf, const char *key);

/* conf_type is the type of an entry: its row's, else what it looks like. */
enum svr_type conf_type(const struct conf_entry *entry);

/* conf_check_table checks a handler's table: the fields of its keys lie in a
 * struct of `size` bytes, and no row lacks what is read of it. Returns 0, or -1
 * with the reason. */
int conf_check_table(const struct svr_key *table, size_t size,
                     char reason[WHY_SIZE]);

/* conf_fill writes the value of each key in `table` at its offset from
 * `values`. Strings point into `conf`. -1 with the reason: a key has another
 * type here than in the table. */
int conf_fill(const struct conf *conf, const struct svr_key *table,
              void *values, char reason[WHY_SIZE]);

/* conf_changes counts the keys whose value or type differs from `old`, all or
 * those that wait for a restart, and writes their names as "a, b"; a changed
 * type is part of the name. */
int conf_changes(const struct conf *conf, const struct conf *old, bool restart,
                 char names[WHY_SIZE]);

/* conf_range reads a number's range from the comment beside its key, which is
 * only that: `# 1 to 100` or `# 0.1s to 2h`. */
bool conf_range(const struct conf_entry *entry, double *min, double *max);

/* conf_secret tells whether a key's value is never to be shown. */
bool conf_secret(const char *key);

/* conf_blame puts the place of a key before a reason found by the value's
 * user: "svr_conf:LINE: KEY: because". Returns -1. */
int conf_blame(const struct conf *conf, const char *key, const char *because,
               char reason[WHY_SIZE]);

#endif
