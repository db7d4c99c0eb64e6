/* my_util: the store, and what each command does with it. A pair is one piece
 * of memory, "key\0value"; read as a string it is its key. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "my_util.h"

static int
compare(const void *one, const void *other) {
    return strcmp(one, other);
}

static const char *
set(struct store *store, const char *key, const char *value) {
    char *pair = malloc(strlen(key) + strlen(value) + 2);
    char **node = pair ? (strcpy(stpcpy(pair, key) + 1, value),
                          tsearch(pair, &store->root, compare))
                       : NULL;
    if (!node) {
        free(pair);
        return "ERR out of memory";
    }
    if (*node == pair)
        store->count++;
    else
        free(*node);
    *node = pair;
    return "OK";
}

static const char *
forget(struct store *store, char *pair) {
    tdelete(pair, &store->root, compare);
    free(pair);
    store->count--;
    return "1";
}

bool
my_operation(struct store *store, char *line, char *answer, size_t size) {
    const char *text = "ERR use SET key value, GET key, DEL key, COUNT or QUIT";
    const char *command = strsep(&line, " ");
    char *key = line ? strsep(&line, " ") : "", *value = line, count[24];
    char **node = tfind(key, &store->root, compare);
    snprintf(count, sizeof count, "%" PRId64, store->count);
    if (*key && value && strcmp(command, "SET") == 0)
        text = set(store, key, value);
    else if (*key && !value && strcmp(command, "GET") == 0)
        text = node ? *node + strlen(key) + 1 : "NIL";
    else if (*key && !value && strcmp(command, "DEL") == 0)
        text = node ? forget(store, *node) : "0";
    else if (!*key && strcmp(command, "COUNT") == 0)
        text = count;
    bool quits = !*key && strcmp(command, "QUIT") == 0;
    snprintf(answer, size, "%s%s", quits ? "" : text, quits ? "" : "\n");
    return !quits;
}

static void
write_pair(const void *node, VISIT visit, void *file) {
    const char *pair = *(char *const *)node;
    if (visit == postorder || visit == leaf)
        fprintf(file, "SET %s %s\n", pair, pair + strlen(pair) + 1);
}

void
my_save(const struct store *store, FILE *file) {
    twalk_r(store->root, write_pair, file);
}
