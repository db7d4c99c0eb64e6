/* store: a file that is whole or not there; the previous one is kept
 *
 * use: parts
 * For other parts, not for hooks. A file is written as FILE.new, synced and
 * renamed; the previous one becomes FILE.1. A symbolic link is followed, and
 * its target replaced, in the target's folder. */
#ifndef STORE_H
#define STORE_H

#include <stddef.h>

#include "failure.h"

/* store_put writes a file that must survive a crash of the machine; the path is
 * relative to the project's folder. When it returns, the file is on disk,
 * readable only by its owner, and the previous one is FILE.1. Returns 0, or -1
 * with errno set and the file unchanged. */
int store_put(const char *path, const void *bytes, size_t size);

/* store_take reads the newest file that is whole. If the newest is missing or
 * damaged, which is logged, that is the previous one; a damaged one is renamed
 * to FILE.damaged. Returns 1 with its bytes, which the caller frees; 0 if there
 * is none; -1, as svr_fail, if none is whole (errno is 0) or one cannot be read
 * now (errno is set). `bytes` is NULL unless 1 is returned. */
int store_take(const char *path, void **bytes, size_t *size);

#endif
