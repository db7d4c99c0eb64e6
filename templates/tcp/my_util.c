/* my_util: the store, and what each command does with it. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "my_util.h"

struct item {
    char *key, *value;
};

static int
compare(const void *a, const void *b) {
    const struct item *one = a, *other = b;
    return strcmp(one->key, other->key);
}

static struct item *
find(const struct store *store, char *key) {
    struct item wanted = {key, NULL};
    void *node = tfind(&wanted, &store->root, compare);
    return node ? *(struct item **)node : NULL;
}

/* Adds a key without a value; NULL when memory is short. */
static struct item *
add(struct store *store, const char *key) {
    struct item *item = calloc(1, sizeof *item);
    if (item && (item->key = strdup(key)) &&
        tsearch(item, &store->root, compare)) {
        store->count++;
        return item;
    }
    free(item ? item->key : NULL);
    free(item);
    return NULL;
}

static const char *
set(struct store *store, struct item *item, char *key, char *value) {
    char *copy = strdup(value);
    item = item || !copy ? item : add(store, key);
    if (!item || !copy) {
        free(copy);
        return "ERR out of memory";
    }
    free(item->value);
    item->value = copy;
    return "OK";
}

static const char *
forget(struct store *store, struct item *item) {
    if (!item)
        return "0";
    tdelete(item, &store->root, compare);
    free(item->key);
    free(item->value);
    free(item);
    store->count--;
    return "1";
}

bool
my_operation(struct store *store, char *line, char *answer, size_t size) {
    const char *command = strsep(&line, " ");
    char *key = line ? strsep(&line, " ") : NULL, *value = line;
    struct item *item = key ? find(store, key) : NULL;
    bool alone = !key, one_key = key && *key && !value;
    if (strcmp(command, "QUIT") == 0 && alone)
        return false;
    if (strcmp(command, "COUNT") == 0 && alone)
        snprintf(answer, size, "%" PRId64, store->count);
    else if (strcmp(command, "SET") == 0 && key && *key && value)
        snprintf(answer, size, "%s", set(store, item, key, value));
    else if (strcmp(command, "GET") == 0 && one_key)
        snprintf(answer, size, "%s", item ? item->value : "NIL");
    else if (strcmp(command, "DEL") == 0 && one_key)
        snprintf(answer, size, "%s", forget(store, item));
    else
        snprintf(answer, size,
                 "ERR use SET key value, GET key, DEL key, COUNT or QUIT");
    return true;
}
