/* symbols: the names of functions that the loader does not know, for backtraces
 *
 * use: parts
 * For other parts, not for hooks. Static functions and those of the server have
 * their names in the file's table of symbols only. */
#ifndef SYMBOLS_H
#define SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>

/* symbols_find finds the function of a file that contains `offset`, as loaded
 * from 0, and how far in it that is. Nothing in the file is trusted. False if
 * there is none, or no table. Any thread. */
bool symbols_find(const char *path, size_t offset, char name[64],
                  size_t *inner);

#endif
