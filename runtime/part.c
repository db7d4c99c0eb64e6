/* part: what the server asks of a part; parts/table.c lists those chosen. */
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
