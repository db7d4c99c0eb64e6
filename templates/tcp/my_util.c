/* my_util: the store, and what each command does with it. A key and its value
 * are one piece of memory, "key\0value", so a pair read as a string is its key.
 */
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
    if (!pair)
        return "ERR out of memory";
    strcpy(stpcpy(pair, key) + 1, value);
    char **node = tsearch(pair, &store->root, compare);
    if (!node) {
        free(pair);
        return "ERR out of memory";
    }
    if (*node == pair)
        store->count++; /* a new key */
    else
        free(*node); /* the key's former pair */
    *node = pair;
    return "OK";
}

static const char *
get(const struct store *store, const char *key) {
    char **node = tfind(key, &store->root, compare);
    return node ? *node + strlen(key) + 1 : "NIL";
}

static const char *
del(struct store *store, const char *key) {
    char **node = tfind(key, &store->root, compare);
    if (!node)
        return "0";
    char *pair = *node;
    tdelete(pair, &store->root, compare);
    free(pair);
    store->count--;
    return "1";
}

bool
my_operation(struct store *store, char *line, char *answer, size_t size) {
    const char *text = "ERR use SET key value, GET key, DEL key, COUNT or QUIT";
    const char *command = strsep(&line, " ");
    const char *key = line ? strsep(&line, " ") : "";
    const char *value = line; /* what is left of the line, or NULL */
    char count[24];
    if (*key && value && strcmp(command, "SET") == 0)
        text = set(store, key, value);
    else if (*key && !value && strcmp(command, "GET") == 0)
        text = get(store, key);
    else if (*key && !value && strcmp(command, "DEL") == 0)
        text = del(store, key);
    else if (!*key && strcmp(command, "QUIT") == 0)
        return false;
    else if (!*key && strcmp(command, "COUNT") == 0) {
        snprintf(count, sizeof count, "%" PRId64, store->count);
        text = count;
    }
    snprintf(answer, size, "%s\n", text);
    return true;
}

/* twalk_r calls this for each node: once for a leaf, three times for another.
 */
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
