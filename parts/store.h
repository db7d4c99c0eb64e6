/* store: a file that is whole or not there; the one before it is kept
 *
 * use: parts
 * For other parts, not for hooks. A file is written beside (FILE.new), synced
 * and renamed; then the one before is FILE.1. A symbolic link at its path is
 * followed: what it leads to is replaced beside itself. */
#ifndef STORE_H
#define STORE_H

#include <stddef.h>

#include "failure.h"

/* store_put writes a file, of a path from the project's folder, that must
 * survive a crash of the machine: it is on the disk when this returns, readable
 * by its owner only, and the former one is kept as NAME.1. Returns 0, or -1
 * with errno; the file is then unchanged. */
int store_put(const char *path, const void *bytes, size_t size);

/* store_take reads the newest file that is whole: the one before, where the
 * newest is missing or damaged, which is logged; a damaged one goes to
 * FILE.damaged. Returns 1 with its bytes, which the caller frees; 0 if there is
 * none; -1, as svr_fail, if none is whole (errno 0), or if one cannot be read
 * now (errno). `bytes` is NULL then. */
int store_take(const char *path, void **bytes, size_t *size);

#endif
