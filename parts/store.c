/* store: a file that is whole or not there; the one before it is kept. */
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

/* A file begins with this. */
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
    int result = folder_store(part_folder, path, file, sizeof head + size);
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

/* Reads the file behind its head. NULL with errno; 0: it is damaged. */
static unsigned char *
read_rest(int fd, size_t *size) {
    struct head head;
    struct stat file;
    if (fstat(fd, &file) < 0 || !read_whole(fd, &head, sizeof head))
        return NULL;
    errno = 0;
    if (memcmp(head.magic, form.magic, sizeof form.magic) != 0 ||
        head.size != (uint64_t)file.st_size - sizeof head)
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

/* Reads a file. NULL with errno: ENOENT, it is missing; 0, it is damaged; else
 * it cannot be read now. */
static unsigned char *
take(const char *path, size_t *size) {
    int fd = folder_open(part_folder, path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return NULL;
    unsigned char *bytes = read_rest(fd, size);
    int error = errno;
    close(fd);
    errno = error;
    return bytes;
}

/* Moves a damaged file out of the way of the next one. */
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

static void *
cannot_read(const char *path, char text[WHY_SIZE]) {
    int error = errno;
    why(text, "%.200s cannot be read: %s", path, strerror(error));
    errno = error;
    return NULL;
}

void *
store_take(const char *path, size_t *size, char text[WHY_SIZE]) {
    char before[PATH_MAX];
    unsigned char *bytes = take(path, size);
    bool damaged = !bytes && errno == 0;
    *text = '\0';
    if (bytes)
        return bytes;
    if (!damaged && errno != ENOENT)
        return cannot_read(path, text);
    snprintf(before, sizeof before, "%s.1", path);
    bytes = take(before, size);
    if (!bytes && errno != 0 && errno != ENOENT)
        return cannot_read(before, text);
    damaged = damaged || (!bytes && errno == 0);
    if (bytes)
        why(text, "%.200s %s; took the one before it", path,
            damaged ? "is damaged (now .damaged)" : "is missing");
    else if (damaged)
        why(text, "%.200s is damaged, and there is no good one before it",
            path);
    if (bytes && damaged)
        set_aside(path);
    errno = 0;
    return bytes;
}

const struct part part_store = {.name = "store"};
