/* part: what the server asks of a part; parts/table.c lists those chosen. */
#include <string.h>

#include "part.h"

enum { TABLES = 64 };

int part_folder = -1;
const struct source source_built = {"build/handler.so", "svr_conf"};

/* The name of a part is reserved for its keys. */
static int
check_reserved(const struct conf *conf, const char *name,
               char reason[WHY_SIZE]) {
    size_t length = strlen(name);
    for (size_t i = 0; i < conf->count; i++) {
        const struct conf_entry *entry = &conf->entries[i];
        if (!entry->row && strncmp(entry->key, name, length) == 0 &&
            entry->key[length] == '.')
            return conf_blame(conf, entry->key,
                              "unknown key: that name is a part's", reason);
    }
    return 0;
}

static int
check_parts(const struct conf *conf, char reason[WHY_SIZE]) {
    for (const struct part *const *part = parts; *part; part++)
        if (check_reserved(conf, (*part)->name, reason) < 0 ||
            ((*part)->check && (*part)->check(conf, reason) < 0))
            return -1;
    return 0;
}

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
    if (conf && check_parts(conf, reason) < 0) {
        conf_free(conf);
        return NULL;
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
