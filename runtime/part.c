/* part: the interface of parts; parts/table.c lists the parts of this server.
 */
#include <string.h>

#include "part.h"

enum { TABLES = 64 };

int part_folder = -1;
const struct source source_built = {"build/handler.so", "svr_conf"};

/* The name of a part is reserved for its keys. */
static int
check_reserved(const struct conf *conf, const char *name) {
    size_t length = strlen(name);
    for (size_t i = 0; i < conf->count; i++) {
        const struct conf_entry *entry = &conf->entries[i];
        if (!entry->row && strncmp(entry->key, name, length) == 0 &&
            entry->key[length] == '.')
            return conf_blame(conf, entry->key,
                              "unknown key: that name is a part's");
    }
    return 0;
}

static int
check_parts(const struct conf *conf) {
    for (const struct part *const *part = parts; *part; part++)
        if (check_reserved(conf, (*part)->name) < 0 ||
            ((*part)->check && (*part)->check(conf) < 0))
            return -1;
    return 0;
}

struct conf *
part_conf(int dir, const char *file, const struct svr_key *keys) {
    const struct svr_key *tables[TABLES + 2] = {NULL};
    size_t n = 0;
    for (const struct part *const *part = parts; *part && n < TABLES; part++)
        if ((*part)->keys)
            tables[n++] = (*part)->keys;
    tables[n] = keys;
    struct conf *conf =
        conf_read(dir, file, tables, keys ? CONF_NONE : CONF_OWN);
    if (conf && check_parts(conf) < 0) {
        conf_free(conf);
        return NULL;
    }
    return conf;
}

int
part_send(enum part_event event, const struct conf *conf, const char *text) {
    int sum = 0;
    for (const struct part *const *part = parts; *part; part++) {
        int answer = (*part)->event ? (*part)->event(event, conf, text) : 0;
        if (answer < 0)
            return answer;
        sum += answer;
    }
    return sum;
}

int
part_candidate(const struct candidate *candidate, char warning[FAILURE_SIZE]) {
    for (const struct part *const *part = parts; *part; part++) {
        char remark[FAILURE_SIZE] = "";
        size_t used = strlen(warning);
        if ((*part)->candidate && (*part)->candidate(candidate, remark) < 0)
            return -1;
        if (*remark)
            snprintf(warning + used, FAILURE_SIZE - used, "%s%.256s",
                     used ? ", " : "", remark);
    }
    return 0;
}

int
part_successor(const char *path) {
    for (const struct part *const *part = parts; *part; part++)
        if ((*part)->successor && (*part)->successor(path) < 0)
            return -1;
    return 0;
}

int
part_log_file(const struct conf *conf, const char *path) {
    for (const struct part *const *part = parts; *part; part++)
        if ((*part)->log_file && (*part)->log_file(conf, path) < 0)
            return -1;
    return 0;
}

void
part_hung(void) {
    for (const struct part *const *part = parts; *part; part++)
        if ((*part)->hung)
            (*part)->hung();
}

void
part_figures(struct figures *figures) {
    for (const struct part *const *part = parts; *part; part++) {
        figures->part = (*part)->name;
        if ((*part)->figures)
            (*part)->figures(figures);
    }
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
part_command(const char *name) {
    const struct part *const *part = parts;
    while (*part && (!(*part)->command || strcmp((*part)->command, name) != 0))
        part++;
    return *part;
}

const struct part *
part_form(const char *form) {
    const struct part *const *part = parts;
    while (*part && (!(*part)->form || strcmp((*part)->form, form) != 0))
        part++;
    return *part;
}

const struct part *
part_sink(int i) {
    const struct part *const *part = parts;
    while (*part && (!(*part)->sink || i-- > 0))
        part++;
    return *part;
}

size_t (*part_format(const char *word))(const struct event *event, char *line) {
    const struct part *const *part = parts;
    while (*part && (!(*part)->format || strcmp((*part)->format, word) != 0))
        part++;
    return *part ? (*part)->write_line : NULL;
}

bool
part_symbol(const char *path, size_t offset, char name[64], size_t *inner) {
    const struct part *const *part = parts;
    while (*part && !(*part)->symbol)
        part++;
    return *part && (*part)->symbol(path, offset, name, inner);
}
