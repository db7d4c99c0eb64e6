/* object: what a shared object's file tells before anybody loads it. */
#ifndef OBJECT_H
#define OBJECT_H

#include <stdbool.h>

#include "why.h"

/* object_check makes sure that a file is a whole shared object: the loader dies
 * of one that is cut off. `statics` gets the names of its writable static
 * variables, "a, b", as far as they fit. Returns 0, or -1 with the reason. */
int object_check(int dir, const char *path, char statics[WHY_SIZE],
                 char reason[WHY_SIZE]);

/* object_symbol finds the function of a file that contains `offset`, as loaded
 * from 0, and how far in it that is. False: none, or no symbols. */
bool object_symbol(const char *path, size_t offset, char name[64],
                   size_t *inner);

#endif
