/* folder: opens and replaces files of the project; no link that another user
 * planted is followed. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "folder.h"

enum { LINKS = 40 }; /* as many as the kernel follows */

/* A path that is followed name by name. */
struct walk {
    int at;              /* the folder that was reached, O_PATH */
    char path[PATH_MAX]; /* what is left of the path */
    char *name;          /* its first name */
    int links;           /* that were followed */
};

/* Closes a descriptor, and keeps errno. */
static void
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

/* Goes to the next folder. */
static int
enter_folder(struct walk *walk, int next) {
    if (next < 0)
        return -1;
    folder_close(walk->at);
    walk->at = next;
    return 0;
}

/* Takes the first name off the path. Returns what is left. */
static const char *
first_name(struct walk *walk) {
    char *path = walk->path + strspn(walk->path, "/");
    size_t length = strcspn(path, "/");
    if (length >= FOLDER_NAME)
        return NULL;
    memcpy(walk->name, length ? path : ".", length ? length : 1);
    walk->name[length ? length : 1] = '\0';
    return path + length + strspn(path + length, "/");
}

/* Puts a link's text before what is left of the path. Not inlined: few paths
 * have links, and each walk's frame would have room for them. */
__attribute__((noinline)) static int
follow_link(struct walk *walk, int link, uid_t owner, const char *rest) {
    char text[PATH_MAX], path[2 * PATH_MAX];
    if (owner != 0 && owner != geteuid())
        return folder_fail(EPERM);
    if (++walk->links > LINKS)
        return folder_fail(ELOOP);
    ssize_t length = readlinkat(link, "", text, sizeof text);
    if (length < 0)
        return -1;
    int whole = snprintf(path, sizeof path, "%.*s/%s", (int)length, text, rest);
    if (whole >= PATH_MAX)
        return folder_fail(ENAMETOOLONG);
    memcpy(walk->path, path, (size_t)whole + 1);
    return *path == '/'
               ? enter_folder(walk, open("/", O_PATH | O_DIRECTORY | O_CLOEXEC))
               : 0;
}

/* Reports whether a folder is one of /proc, whose links have no path. */
static bool
in_proc(int at) {
    struct statfs system;
    return fstatfs(at, &system) == 0 && system.f_type == PROC_SUPER_MAGIC;
}

/* Follows the first name, of the file `entry`. Returns 1 at the path's end, 0
 * before it, -1 with errno. */
static int
step_to(struct walk *walk, int entry, const char *rest) {
    struct stat file;
    if (fstat(entry, &file) < 0)
        return -1;
    if (S_ISLNK(file.st_mode) && !in_proc(walk->at))
        return follow_link(walk, entry, file.st_uid, rest);
    if (!*rest)
        return 1;
    memmove(walk->path, rest, strlen(rest) + 1);
    return enter_folder(walk, openat(walk->at, walk->name,
                                     S_ISLNK(file.st_mode)
                                         ? O_PATH | O_CLOEXEC
                                         : O_PATH | O_NOFOLLOW | O_CLOEXEC));
}

static int
step(struct walk *walk) {
    const char *rest = first_name(walk);
    if (!rest)
        return folder_fail(ENAMETOOLONG);
    int entry = openat(walk->at, walk->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (entry < 0)
        return !*rest && errno == ENOENT ? 1 : -1;
    int result = step_to(walk, entry, rest);
    folder_close(entry);
    return result;
}

int
folder_find(int dir, const char *path, char name[FOLDER_NAME]) {
    struct walk walk = {.name = name};
    size_t length = strlen(path);
    int result = 0;
    if (length >= sizeof walk.path)
        return folder_fail(ENAMETOOLONG);
    memcpy(walk.path, path, length + 1);
    walk.at =
        openat(dir, *path == '/' ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (walk.at < 0)
        return -1;
    while (result == 0)
        result = step(&walk);
    if (result > 0)
        return walk.at;
    folder_close(walk.at);
    return -1;
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

int
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

/* Makes the names in a folder last. */
static int
sync_folder(int at) {
    int fd = openat(at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = fd < 0 ? -1 : fsync(fd);
    folder_close(fd);
    return result;
}

/* Keeps the file `name` as NAME.1 too, in place of the one before. */
static int
keep_former(int at, const char *name) {
    char former[FOLDER_NAME + 2];
    snprintf(former, sizeof former, "%s.1", name);
    unlinkat(at, former, 0);
    if (linkat(at, name, at, former, 0) == 0 || errno == ENOENT)
        return 0;
    return renameat(at, name, at, former); /* a disk without hard links */
}

/* How a file is replaced. */
struct manner {
    mode_t mode;
    bool lasting, keeps;
};

/* Writes the file `fresh`. */
static int
write_fresh(int at, const char *fresh, const void *bytes, size_t size,
            struct manner how) {
    unlinkat(at, fresh, 0);
    int fd =
        openat(at, fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, how.mode);
    if (fd < 0)
        return -1;
    int result = folder_write(fd, bytes, size);
    if (result == 0 && how.lasting)
        result = fsync(fd);
    folder_close(fd);
    return result;
}

/* Removes what could not be put in place; keeps errno. */
static void
remove_fresh(int at, const char *fresh) {
    int error = errno;
    unlinkat(at, fresh, 0);
    errno = error;
}

static int
replace(int dir, const char *path, const void *bytes, size_t size,
        struct manner how) {
    char name[FOLDER_NAME], fresh[FOLDER_NAME + 4];
    int at = folder_find(dir, path, name);
    if (at < 0)
        return -1;
    snprintf(fresh, sizeof fresh, "%s.new", name);
    int result = write_fresh(at, fresh, bytes, size, how);
    if (result == 0 && how.keeps)
        result = keep_former(at, name);
    if (result == 0)
        result = renameat(at, fresh, at, name);
    if (result == 0)
        result = how.lasting ? sync_folder(at) : 0;
    else
        remove_fresh(at, fresh);
    folder_close(at);
    return result;
}

int
folder_replace(int dir, const char *path, const void *bytes, size_t size,
               mode_t mode) {
    return replace(dir, path, bytes, size, (struct manner){.mode = mode});
}

int
folder_store(int dir, const char *path, const void *bytes, size_t size) {
    struct manner how = {.mode = 0600, .lasting = true, .keeps = true};
    return replace(dir, path, bytes, size, how);
}
