/* my_util: the store, and what each command does with it. */
#ifndef MY_UTIL_H
#define MY_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Keys and their values; part of the state, so it outlives reloads. Its memory
 * is malloc's. */
struct store {
    void *root; /* a tree of tsearch(3) */
    int64_t count;
};

/* my_operation does what a line says ("SET key value", "GET key", "DEL key",
 * "COUNT", "QUIT") and writes the answer with its newline; `line` is cut up.
 * Returns false, without an answer, when the client wants to go. */
bool my_operation(struct store *store, char *line, char *answer, size_t size);

/* my_save writes the store as the commands that make it. */
void my_save(const struct store *store, FILE *file);

#endif
