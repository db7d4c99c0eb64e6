/* symbols: every word of a shared object's tables is damaged in turn, and the
 * file is cut at many places: no read leaves it. */
#define _GNU_SOURCE
#include <assert.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "part.h"
#include "symbols.h"

extern const char __ehdr_start[];

static char *bytes;
static size_t size;
static int file;
static char path[48];

/* Reads this program's own file, which is a shared object too (PIE). */
static void
read_own(void) {
    struct stat own;
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    assert(fd >= 0 && fstat(fd, &own) == 0);
    size = (size_t)own.st_size;
    bytes = malloc(size);
    assert(bytes && read(fd, bytes, size) == (ssize_t)size);
    close(fd);
    file = memfd_create("object", MFD_CLOEXEC);
    assert(file >= 0 && write(file, bytes, size) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
}

/* Looks for the function at an offset. */
static bool
look(size_t offset, char name[64]) {
    size_t inner;
    *name = '\0';
    return symbols_find(path, offset, name, &inner);
}

/* Damages the 4 bytes at a place in several ways. */
static void
damage(size_t place, size_t offset) {
    const uint32_t values[] = {0,          1,
                               UINT32_MAX, INT32_MAX,
                               0x70000000, (uint32_t)size,
                               0xfffffff8, (uint32_t)size - 1};
    char name[64];
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        assert(pwrite(file, &values[i], 4, (off_t)place) == 4);
        look(offset, name);
    }
    assert(pwrite(file, bytes + place, 4, (off_t)place) == 4);
}

int
main(void) {
    char name[64];
    ElfW(Ehdr) head;
    read_own();
    memcpy(&head, bytes, sizeof head);
    if (head.e_type != ET_DYN) {
        puts("1..0 # SKIP this program is no shared object");
        return 0;
    }
    size_t offset = (size_t)((const char *)(uintptr_t)main - __ehdr_start);
    assert(look(offset, name) && strcmp(name, "main") == 0);
    for (size_t i = 0; i < sizeof head; i += 2)
        damage(i, offset);
    for (size_t i = 0; i < head.e_phnum * sizeof(ElfW(Phdr)); i += 4)
        damage(head.e_phoff + i, offset);
    for (size_t i = 0; i < head.e_shnum * sizeof(ElfW(Shdr)); i += 4)
        damage(head.e_shoff + i, offset);
    for (size_t cut = 0; cut < 4096 && cut < size; cut++) {
        assert(ftruncate(file, (off_t)cut) == 0);
        assert(!look(offset, name));
        assert(pwrite(file, bytes, size, 0) == (ssize_t)size);
    }
    puts("ok 1 - a damaged shared object is read within its bounds");
    puts("1..1");
    free(bytes);
    return 0;
}
