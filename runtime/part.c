/* part: what the server asks of a part; parts/table.c lists those chosen. */
#include <string.h>

#include "part.h"

enum { TABLES = 64 };

int part_folder = -1;
const struct source source_built = {"build/handler.so", "svr_conf"};

struct conf *
part_conf(int dir, const char *file, const struct svr_key *keys,
          char reason[WHY_SIZE]) {
    const struct svr_key *tables[TABLES + 2] = {NULL};
    size_t n = 0;
    for (const struct part *const *part = parts; *part && n < TABLES; part++)
        if ((*part)->keys)
            tables[n++] = (*part)->keys;
    tables[n] = keys;
    struct conf *conf =
        conf_read(dir, file, tables, keys ? CONF_NONE : CONF_OWN, reason);
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
    int sum = 0;
    for (const struct part *const *part = parts; *part; part++) {
        int heard =
            (*part)->hear ? (*part)->hear(event, conf, text, reason) : 0;
        if (heard < 0)
            return heard;
        sum += heard;
    }
    return sum;
}

void
part_status(FILE *out) {
    for (const struct part *const *part = parts; *part; part++)
        if ((*part)->status)
            (*part)->status(out);
}

enum part_answer
part_request(const char *line, int client) {
    enum part_answer answer = PART_UNKNOWN;
    for (const struct part *const *part = parts; *part && !answer; part++)
        if ((*part)->request)
            answer = (*part)->request(line, client);
    return answer;
}

const struct source *
part_source(void) {
    const struct source *source = NULL;
    for (const struct part *const *part = parts; *part && !source; part++)
        if ((*part)->source)
            source = (*part)->source();
    return source ? source : &source_built;
}

const struct part *
part_form(const char *form) {
    const struct part *const *part = parts;
    while (*part && (!(*part)->form || strcmp((*part)->form, form) != 0))
        part++;
    return *part;
}

const struct part *
part_sink(void) {
    const struct part *const *part = parts;
    while (*part && !(*part)->sink)
        part++;
    return *part;
}
