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
 * it, so that a reader finds either the former content or the new one. Before
 * the rename it calls `ready`, unless that is NULL, with the folder, the name
 * and the open new file; if that returns -1 with errno, the file is not
 * replaced. Returns 0, or -1 with errno; the former file is then unchanged. */
typedef int folder_ready(int at, const char *name, int fresh);
int folder_replace(int dir, const char *path, const void *bytes, size_t size,
                   mode_t mode, folder_ready *ready);

/* folder_names reports whether a path, from the folder `dir`, names an open
 * file; `flags` as fstatat(2). */
bool folder_names(int dir, const char *path, int flags, int fd);

/* folder_each calls `each` with the name of each file in a folder, `path` from
 * the folder `dir`; `each` may remove that file. */
void folder_each(int dir, const char *path, void (*each)(const char *name));

/* folder_close closes a descriptor, if it is one, and keeps errno. */
void folder_close(int fd);

#endif
