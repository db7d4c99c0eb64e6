/* part: what the server asks of a part; parts/table.c lists those chosen. */
#include <string.h>

#include "part.h"

enum { TABLES = 64 };

struct conf *
part_conf(int dir, const struct svr_key *keys, char reason[WHY_SIZE]) {
    const struct svr_key *tables[TABLES + 2] = {NULL};
    size_t n = 0;
    for (const struct part *const *part = parts; *part && n < TABLES; part++)
        if ((*part)->keys)
            tables[n++] = (*part)->keys;
    tables[n] = keys;
    struct conf *conf = conf_read(dir, tables, keys == NULL, reason);
    for (const struct part *const *part = parts; conf && *part; part++) {
        if ((*part)->check && (*part)->check(conf, reason) < 0) {
            conf_free(conf);
            conf = NULL;
        }
    }
    return conf;
}

int
part_tell(enum part_event event, const struct conf *conf, const char *text,
          char reason[WHY_SIZE]) {
    for (const struct part *const *part = parts; *part; part++)
        if ((*part)->hear && (*part)->hear(event, conf, text, reason) < 0)
            return -1;
    return 0;
}

void
part_status(FILE *out) {
    for (const struct part *const *part = parts; *part; part++)
        if ((*part)->status)
            (*part)->status(out);
}

const struct part *
part_form(const char *form) {
    const struct part *const *part = parts;
    while (*part && (!(*part)->form || strcmp((*part)->form, form) != 0))
        part++;
    return *part;
}
