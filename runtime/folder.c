/* folder: opens and replaces files of the project; no link that another user
 * planted is followed. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "folder.h"

enum { LINKS = 40 };    /* the limit of the kernel */
enum { PROC = 0x9fa0 }; /* PROC_SUPER_MAGIC of <linux/magic.h> */

void
folder_close(int fd) {
    int error = errno;
    if (fd >= 0)
        close(fd);
    errno = error;
}

static int
folder_fail(int error) {
    errno = error;
    return -1;
}

/* Closes the folder `at` and returns the next one, with errno unchanged. */
static int
enter_folder(int at, int next) {
    folder_close(at);
    return next;
}

/* Copies the first name of a path. Returns what is left, or NULL. */
static const char *
first_name(const char *path, char name[FOLDER_NAME]) {
    path += strspn(path, "/");
    size_t length = strcspn(path, "/");
    if (length >= FOLDER_NAME)
        return NULL;
    snprintf(name, FOLDER_NAME, "%.*s", length ? (int)length : 1,
             length ? path : ".");
    return path + length + strspn(path + length, "/");
}

/* Reports whether a folder is in /proc, where the text of a link may be no
 * path. */
static bool
in_proc(int at) {
    struct statfs system;
    return fstatfs(at, &system) == 0 && system.f_type == PROC;
}

static int follow_path(int at, const char *path, char name[FOLDER_NAME],
                       int *links);

/* Follows the link `entry` of the folder `at`, which it closes. Not inlined, so
 * that paths without links need no room on the stack for its text. */
__attribute__((noinline)) static int
follow_link(int at, int entry, uid_t owner, char name[FOLDER_NAME],
            int *links) {
    char text[PATH_MAX + 1];
    if (owner != 0 && owner != geteuid())
        return enter_folder(at, folder_fail(EPERM));
    if (++*links > LINKS)
        return enter_folder(at, folder_fail(ELOOP));
    ssize_t length = readlinkat(entry, "", text, PATH_MAX);
    if (length < 0)
        return enter_folder(at, -1);
    text[length] = '\0';
    return follow_path(at, text, name, links);
}

/* Follows a path from the folder `at`, which it closes. Returns the folder that
 * holds the last name, or -1 with errno. */
static int
follow_path(int at, const char *path, char name[FOLDER_NAME], int *links) {
    const char *rest = path;
    if (*path == '/')
        at = enter_folder(at, open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
    while (at >= 0) {
        struct stat file = {.st_mode = 0};
        rest = first_name(rest, name);
        if (!rest)
            return enter_folder(at, folder_fail(ENAMETOOLONG));
        int entry = openat(at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (entry < 0 && (*rest || errno != ENOENT))
            return enter_folder(at, -1);
        if (entry >= 0 && fstat(entry, &file) == 0 && S_ISLNK(file.st_mode)) {
            if (!in_proc(at))
                at = follow_link(at, entry, file.st_uid, name, links);
            folder_close(entry);
            if (at < 0 || !*rest)
                return at;
            entry = openat(at, name,
                           O_PATH | O_CLOEXEC | (in_proc(at) ? 0 : O_NOFOLLOW));
        } else if (!*rest) {
            folder_close(entry);
            return at;
        }
        at = enter_folder(at, entry);
    }
    return -1;
}

int
folder_find(int dir, const char *path, char name[FOLDER_NAME]) {
    int links = 0;
    return follow_path(openat(dir, ".", O_PATH | O_DIRECTORY | O_CLOEXEC), path,
                       name, &links);
}

int
folder_open(int dir, const char *path, int flags, mode_t mode) {
    char name[FOLDER_NAME];
    int at = folder_find(dir, path, name);
    if (at < 0)
        return -1;
    int fd = openat(at, name, in_proc(at) ? flags : flags | O_NOFOLLOW, mode);
    folder_close(at);
    return fd;
}

bool
folder_names(int dir, const char *path, int flags, int fd) {
    struct stat named, ours;
    return fstatat(dir, path, &named, flags) == 0 && fstat(fd, &ours) == 0 &&
           named.st_ino == ours.st_ino && named.st_dev == ours.st_dev;
}

void
folder_each(int dir, const char *path, void (*each)(const char *name)) {
    const struct dirent *entry;
    int fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    if (!stream) {
        folder_close(fd);
        return;
    }
    while ((entry = readdir(stream)))
        if (*entry->d_name != '.')
            each(entry->d_name);
    closedir(stream);
}

/* Writes all bytes. Returns 0, or -1 with errno. */
static int
folder_write(int fd, const void *bytes, size_t size) {
    const char *next = bytes;
    while (size > 0) {
        ssize_t written = write(fd, next, size);
        if (written == 0)
            return folder_fail(ENOSPC);
        if (written < 0 && errno != EINTR)
            return -1;
        next += written > 0 ? written : 0;
        size -= written > 0 ? (size_t)written : 0;
    }
    return 0;
}

int
folder_replace(int dir, const char *path, const void *bytes, size_t size,
               mode_t mode, folder_ready *ready) {
    char name[FOLDER_NAME], fresh[FOLDER_NAME + 4];
    int at = folder_find(dir, path, name);
    if (at < 0)
        return -1;
    snprintf(fresh, sizeof fresh, "%s.new", name);
    unlinkat(at, fresh, 0);
    int fd = openat(at, fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    int result = fd < 0 ? -1 : folder_write(fd, bytes, size);
    if (result == 0 && ready)
        result = ready(at, name, fd);
    folder_close(fd);
    if (result == 0)
        result = renameat(at, fresh, at, name);
    int error = errno;
    if (result < 0)
        unlinkat(at, fresh, 0);
    close(at);
    errno = error;
    return result;
}
