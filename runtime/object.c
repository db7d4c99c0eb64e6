/* object: what a shared object's file tells before anybody loads it. */
#define _GNU_SOURCE
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

/* The file's table of symbols, NULL when it was stripped. */
static const ElfW(Shdr) * symbol_table(const ElfW(Ehdr) * head) {
    const ElfW(Shdr) *section = (const void *)((char *)head + head->e_shoff);
    for (int i = 0; i < head->e_shnum; i++)
        if (section[i].sh_type == SHT_SYMTAB &&
            section[i].sh_link < head->e_shnum)
            return &section[i];
    return NULL;
}

/* Tells whether a symbol is a variable that each load makes anew; the
 * compiler's own begin with _ or have a dot and a zero. */
static bool
is_static(const ElfW(Ehdr) * head, const ElfW(Sym) * symbol, const char *name) {
    const char *base = (const char *)head;
    const ElfW(Shdr) *section = (const void *)(base + head->e_shoff);
    if (ELF64_ST_TYPE(symbol->st_info) != STT_OBJECT || *name == '_' ||
        strcmp(name, "completed.0") == 0 || symbol->st_shndx >= head->e_shnum)
        return false;
    const ElfW(Shdr) *home = &section[symbol->st_shndx];
    const char *room =
        base + section[head->e_shstrndx].sh_offset + home->sh_name;
    return (home->sh_flags & SHF_WRITE) &&
           strncmp(room, ".data.rel.ro", strlen(".data.rel.ro")) != 0;
}

/* Calls `found` with each symbol and its name until it returns true. */
static bool
each_symbol(const ElfW(Ehdr) * head, size_t size,
            bool (*found)(const ElfW(Ehdr) * head, const ElfW(Sym) * symbol,
                          const char *name, void *arg),
            void *arg) {
    const char *base = (const char *)head;
    const ElfW(Shdr) *section = (const void *)(base + head->e_shoff);
    const ElfW(Shdr) *table = symbol_table(head);
    if (!table)
        return false;
    const ElfW(Sym) *symbol = (const void *)(base + table->sh_offset);
    const char *names = base + section[table->sh_link].sh_offset;
    for (size_t n = table->sh_size / sizeof *symbol; n-- > 0; symbol++)
        if (names + symbol->st_name < base + size &&
            found(head, symbol, names + symbol->st_name, arg))
            return true;
    return false;
}

static bool
list_static(const ElfW(Ehdr) * head, const ElfW(Sym) * symbol, const char *name,
            void *arg) {
    char *list = arg;
    size_t used = strlen(list);
    if (is_static(head, symbol, name) && used < WHY_SIZE / 2)
        snprintf(list + used, WHY_SIZE - used, "%s%.64s", used ? ", " : "",
                 name);
    return false;
}

/* What object_symbol looks for, and finds. */
struct search {
    size_t offset, inner;
    char *name;
};

static bool
has_offset(const ElfW(Ehdr) * head, const ElfW(Sym) * symbol, const char *name,
           void *arg) {
    struct search *search = arg;
    (void)head;
    if (ELF64_ST_TYPE(symbol->st_info) != STT_FUNC ||
        search->offset - symbol->st_value >= symbol->st_size)
        return false;
    search->inner = search->offset - symbol->st_value;
    snprintf(search->name, 64, "%s", name);
    return true;
}

/* Maps a file; NULL with errno. */
static const ElfW(Ehdr) * map(int dir, const char *path, size_t *size) {
    struct stat file;
    void *head = MAP_FAILED;
    int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    if (fstat(fd, &file) == 0) {
        *size = (size_t)file.st_size;
        head = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0);
    }
    close(fd);
    return head == MAP_FAILED ? NULL : head;
}

int
object_check(int dir, const char *path, char statics[WHY_SIZE],
             char reason[WHY_SIZE]) {
    size_t size = 0;
    const ElfW(Ehdr) *head = map(dir, path, &size);
    *statics = '\0';
    if (!head)
        return why(reason, "%s: %s", path,
                   errno == EINVAL ? "an empty file" : strerror(errno));
    bool good = whole(head, size);
    if (good)
        each_symbol(head, size, list_static, statics);
    munmap((void *)head, size);
    return good ? 0 : why(reason, "%s: no whole shared object", path);
}

bool
object_symbol(const char *path, size_t offset, char name[64], size_t *inner) {
    struct search search = {.offset = offset, .name = name};
    size_t size = 0;
    const ElfW(Ehdr) *head = map(AT_FDCWD, path, &size);
    if (!head)
        return false;
    bool found =
        whole(head, size) && each_symbol(head, size, has_offset, &search);
    munmap((void *)head, size);
    *inner = search.inner;
    return found;
}
