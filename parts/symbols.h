/* symbols: the names of functions that the loader does not know, for backtraces
 *
 * use: parts
 * For other parts, not for hooks. Names of static functions, and of the
 * server's, are only in the file's symbol table. */
#ifndef SYMBOLS_H
#define SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>

/* symbols_find finds the function of a file that contains `offset`, counted
 * from the load address, and the distance from its start. Nothing in the file
 * is trusted. Returns false if there is no such function, or no table. Any
 * thread. */
bool symbols_find(const char *path, size_t offset, char name[64],
                  size_t *inner);

#endif
