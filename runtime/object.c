/* object: what a shared object's file tells before anybody loads it. */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "object.h"

/* Tells whether `count` things of `size` bytes at `offset` lie in the file. */
static bool
inside(size_t file, size_t offset, size_t count, size_t size) {
    return offset <= file && count <= (file - offset) / size;
}

/* Tells whether the file has all that its headers speak of. */
static bool
whole(const ElfW(Ehdr) * head, size_t size) {
    const char *base = (const char *)head;
    if (size < sizeof *head || memcmp(head->e_ident, ELFMAG, SELFMAG) != 0 ||
        head->e_type != ET_DYN ||
        !inside(size, head->e_phoff, head->e_phnum, sizeof(ElfW(Phdr))) ||
        !inside(size, head->e_shoff, head->e_shnum, sizeof(ElfW(Shdr))))
        return false;
    const ElfW(Phdr) *part = (const void *)(base + head->e_phoff);
    for (int i = 0; i < head->e_phnum; i++)
        if (!inside(size, part[i].p_offset, part[i].p_filesz, 1))
            return false;
    const ElfW(Shdr) *section = (const void *)(base + head->e_shoff);
    for (int i = 0; i < head->e_shnum; i++)
        if (section[i].sh_type != SHT_NOBITS &&
            !inside(size, section[i].sh_offset, section[i].sh_size, 1))
            return false;
    return true;
}

/* Names the variables that lie in .data and .bss; the compiler's own begin
 * with _ or have a dot and a zero. */
static void
name_statics(const ElfW(Ehdr) * head, size_t size, char statics[WHY_SIZE]) {
    const char *base = (const char *)head;
    const ElfW(Shdr) *section = (const void *)(base + head->e_shoff);
    size_t used = 0;
    for (int i = 0; i < head->e_shnum; i++) {
        if (section[i].sh_type != SHT_SYMTAB)
            continue;
        const ElfW(Sym) *symbol = (const void *)(base + section[i].sh_offset);
        const char *names = base + section[section[i].sh_link].sh_offset;
        for (size_t n = section[i].sh_size / sizeof *symbol; n-- > 0;
             symbol++) {
            const char *name = names + symbol->st_name;
            const ElfW(Shdr) *home = &section[symbol->st_shndx];
            if (ELF64_ST_TYPE(symbol->st_info) != STT_OBJECT || *name == '_' ||
                strcmp(name, "completed.0") == 0 || name >= base + size ||
                symbol->st_shndx >= head->e_shnum ||
                !(home->sh_flags & SHF_WRITE))
                continue;
            const char *room = base + section[head->e_shstrndx].sh_offset;
            if (strncmp(room + home->sh_name, ".data.rel.ro", 12) != 0 &&
                used < WHY_SIZE / 2)
                used += (size_t)snprintf(statics + used, WHY_SIZE - used,
                                         "%s%.64s", used ? ", " : "", name);
        }
    }
}

int
object_check(int dir, const char *path, char statics[WHY_SIZE],
             char reason[WHY_SIZE]) {
    struct stat file;
    int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
    void *head = MAP_FAILED;
    if (fd >= 0 && fstat(fd, &file) == 0)
        head = mmap(NULL, (size_t)file.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    int error = errno;
    if (fd >= 0)
        close(fd);
    *statics = '\0';
    if (head == MAP_FAILED)
        return why(reason, "%s: %s", path,
                   error == EINVAL ? "an empty file" : strerror(error));
    bool good = whole(head, (size_t)file.st_size);
    if (good)
        name_statics(head, (size_t)file.st_size, statics);
    munmap(head, (size_t)file.st_size);
    return good ? 0 : why(reason, "%s: no whole shared object", path);
}
