/* store: a file that is whole or not there; the one before it is kept. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

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
sum(const unsigned char *bytes, size_t size) {
    uint64_t sum = 14695981039346656037u;
    for (size_t i = 0; i < size; i++)
        sum = (sum ^ bytes[i]) * 1099511628211u;
    return sum;
}

/* Names a file beside another. */
static const char *
beside(const char *path, const char *ending, char name[PATH_MAX]) {
    snprintf(name, PATH_MAX, "%s%s", path, ending);
    return name;
}

/* Renames a file of the folder, and makes that last. */
static int
move(const char *from, const char *to) {
    char folder[PATH_MAX];
    if (renameat(part_folder, from, part_folder, to) < 0)
        return -1;
    snprintf(folder, sizeof folder, "%s", to);
    int dir = openat(part_folder, dirname(folder), O_RDONLY | O_CLOEXEC);
    int result = fsync(dir);
    close(dir);
    return result;
}

int
store_put(const char *path, const void *bytes, size_t size) {
    char fresh[PATH_MAX], before[PATH_MAX];
    struct head head = form;
    struct iovec pieces[] = {{&head, sizeof head}, {(void *)bytes, size}};
    head.size = size;
    head.sum = sum(bytes, size);
    int fd = openat(part_folder, beside(path, ".new", fresh),
                    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    errno = ENOSPC; /* where a write is short */
    bool whole = writev(fd, pieces, 2) == (ssize_t)(sizeof head + size) &&
                 fsync(fd) == 0;
    close(fd);
    if (!whole ||
        (move(path, beside(path, ".1", before)) < 0 && errno != ENOENT))
        return -1;
    return move(fresh, path);
}

/* Reads a file. NULL: it is not there (errno ENOENT), or is not whole. */
static unsigned char *
take(const char *path, size_t *size) {
    struct head head = form;
    int fd = openat(part_folder, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    bool ours = read(fd, &head, sizeof head) == sizeof head &&
                memcmp(head.magic, form.magic, sizeof form.magic) == 0;
    unsigned char *bytes = ours ? malloc(head.size + 1) : NULL;
    bool whole = bytes &&
                 read(fd, bytes, head.size + 1) == (ssize_t)head.size &&
                 sum(bytes, head.size) == head.sum;
    close(fd);
    errno = 0;
    *size = head.size;
    return whole ? bytes : (free(bytes), NULL);
}

void *
store_take(const char *path, size_t *size, char text[WHY_SIZE]) {
    char before[PATH_MAX], aside[PATH_MAX];
    unsigned char *bytes = take(path, size);
    bool damaged = !bytes && errno != ENOENT;
    *text = '\0';
    if (bytes)
        return bytes;
    bytes = take(beside(path, ".1", before), size);
    if (bytes) {
        why(text, "%.200s %s; took the one before it", path,
            damaged ? "is damaged (now .damaged)" : "is missing");
        move(path, beside(path, ".damaged", aside));
    } else if (damaged || errno != ENOENT) {
        why(text, "%.200s is damaged, and there is no good one before it",
            path);
    }
    return bytes;
}

const struct part part_store = {.name = "store"};
