/* store: a file that is whole or not there; the previous one is kept. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder.h"
#include "part.h"
#include "store.h"

/* The header of a file. */
struct head {
    char magic[8];
    uint64_t size, sum; /* of the rest */
};
static const struct head form = {.magic = "TINYST1"};

/* A checksum: FNV-1a, 64 bits. */
static uint64_t
checksum(const unsigned char *bytes, size_t size) {
    uint64_t sum = 14695981039346656037u;
    for (size_t i = 0; i < size; i++)
        sum = (sum ^ bytes[i]) * 1099511628211u;
    return sum;
}

/* Syncs the new file to disk, and makes the previous one NAME.1 too, replacing
 * the one before. */
static int
keep_former(int at, const char *name, int fresh) {
    char former[FOLDER_NAME + 2];
    if (fsync(fresh) < 0)
        return -1;
    snprintf(former, sizeof former, "%s.1", name);
    unlinkat(at, former, 0);
    if (linkat(at, name, at, former, 0) == 0 || errno == ENOENT)
        return 0;
    return renameat(at, name, at, former); /* hard links are not supported */
}

/* Syncs the folder of a file. */
static int
sync_folder(const char *path) {
    char name[FOLDER_NAME];
    int at = folder_find(part_folder, path, name);
    int fd = openat(at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = fd < 0 ? -1 : fsync(fd);
    folder_close(fd);
    folder_close(at);
    return result;
}

int
store_put(const char *path, const void *bytes, size_t size) {
    struct head head = form;
    char *file = malloc(sizeof head + size);
    if (!file)
        return -1;
    head.size = size;
    head.sum = checksum(bytes, size);
    memcpy(file, &head, sizeof head);
    memcpy(file + sizeof head, bytes, size);
    int result = folder_replace(part_folder, path, file, sizeof head + size,
                                0600, keep_former);
    if (result == 0)
        result = sync_folder(path);
    int error = errno;
    free(file);
    errno = error;
    return result;
}

/* Reads `size` bytes. Returns false with errno, which is 0 at the file's end.
 */
static bool
read_whole(int fd, void *to, size_t size) {
    char *next = to;
    while (size > 0) {
        ssize_t got = read(fd, next, size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got == 0)
            errno = 0;
        if (got <= 0)
            return false;
        next += got;
        size -= (size_t)got;
    }
    return true;
}

/* Reads the rest of a file. Returns NULL with errno; 0 = it is damaged. */
static unsigned char *
read_rest(int fd, size_t *size) {
    struct head head;
    struct stat file;
    if (fstat(fd, &file) < 0 || !read_whole(fd, &head, sizeof head))
        return NULL;
    errno = 0;
    if (memcmp(head.magic, form.magic, sizeof form.magic) != 0 ||
        head.size != (uint64_t)file.st_size - sizeof head ||
        head.size >= SIZE_MAX) /* from a machine with a larger size_t */
        return NULL;
    unsigned char *bytes = malloc(head.size + 1);
    if (bytes && read_whole(fd, bytes, head.size)) {
        errno = 0;
        *size = head.size;
        if (checksum(bytes, head.size) == head.sum)
            return bytes;
    }
    int error = errno;
    free(bytes);
    errno = error;
    return NULL;
}

/* Reads a file. Returns NULL with errno: ENOENT = it is missing; 0 = it is
 * damaged; else it cannot be read now. */
static unsigned char *
read_stored(const char *path, size_t *size) {
    int fd = folder_open(part_folder, path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return NULL;
    unsigned char *bytes = read_rest(fd, size);
    folder_close(fd);
    return bytes;
}

/* Renames a damaged file, so that the next one can be written. */
static void
set_aside(const char *path) {
    char name[FOLDER_NAME], aside[FOLDER_NAME + 10];
    int at = folder_find(part_folder, path, name);
    snprintf(aside, sizeof aside, "%s.damaged", name);
    if (at < 0)
        return;
    renameat(at, name, at, aside);
    close(at);
}

static int
cannot_read(const char *path) {
    int error = errno;
    svr_fail("%.200s cannot be read: %s", path, strerror(error));
    errno = error;
    return -1;
}

int
store_take(const char *path, void **bytes, size_t *size) {
    char before[PATH_MAX];
    *bytes = read_stored(path, size);
    bool damaged = !*bytes && errno == 0;
    if (*bytes)
        return 1;
    if (!damaged && errno != ENOENT)
        return cannot_read(path);
    snprintf(before, sizeof before, "%s.1", path);
    *bytes = read_stored(before, size);
    if (!*bytes && errno != 0 && errno != ENOENT)
        return cannot_read(before);
    if (!*bytes && (damaged || errno == 0)) {
        svr_fail("%.200s is damaged, and there is no good older one", path);
        errno = 0;
        return -1;
    }
    if (!*bytes)
        return 0;
    svr_err("%.200s %s; the previous one is used", path,
            damaged ? "is damaged (now .damaged)" : "is missing");
    if (damaged)
        set_aside(path);
    return 1;
}

const struct part part_store = {.name = "store"};
