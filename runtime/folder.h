/* folder: opens and replaces files of the project; no link that another user
 * planted is followed. */
#ifndef FOLDER_H
#define FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { FOLDER_NAME = 256 }; /* NAME_MAX and the NUL */

/* folder_find follows `path`, from the folder `dir`, to the folder that holds
 * the file. A symbolic link on the way, or at its end, is followed only if it
 * belongs to root or to the user of this process. Returns a descriptor of that
 * folder (O_PATH; the caller closes it) and the file's name there; the file
 * need not exist. -1 with errno: EPERM for a link that is not followed. */
int folder_find(int dir, const char *path, char name[FOLDER_NAME]);

/* folder_open opens the file that folder_find finds, as openat(2). */
int folder_open(int dir, const char *path, int flags, mode_t mode);

/* folder_replace writes a file under a temporary name, NAME.new, and renames
 * it, so that a reader finds the former content or the new one. Returns 0, or
 * -1 with errno; the former file is then unchanged. */
int folder_replace(int dir, const char *path, const void *bytes, size_t size,
                   mode_t mode);

/* folder_store does the same with a file that must survive a crash of the
 * machine: it is on the disk when this returns, readable by its owner only
 * (mode 0600), and the former one is kept as NAME.1. */
int folder_store(int dir, const char *path, const void *bytes, size_t size);

/* folder_write writes all bytes. Returns 0, or -1 with errno. */
int folder_write(int fd, const void *bytes, size_t size);

#endif
