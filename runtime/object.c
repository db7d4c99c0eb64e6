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

/* A file in memory. Nothing in it is believed: every offset, count and string
 * is held against the file's size before it is used. */
struct image {
    const char *bytes;
    size_t size;
    ElfW(Ehdr) head;
};

/* True if `count` things of `size` bytes at `offset` lie in the file. */
static bool
inside(const struct image *image, size_t offset, size_t count, size_t size) {
    return offset <= image->size && count <= (image->size - offset) / size;
}

/* Copies row `i` of a table that lies in the file; rows need no alignment. */
static void
get_row(const struct image *image, size_t table, size_t i, void *row,
        size_t size) {
    memcpy(row, image->bytes + table + i * size, size);
}

static bool
get_section(const struct image *image, size_t i, ElfW(Shdr) * section) {
    if (i >= image->head.e_shnum)
        return false;
    get_row(image, image->head.e_shoff, i, section, sizeof *section);
    return true;
}

/* Returns a string of a table of strings, or NULL if it does not end there. */
static const char *
get_text(const struct image *image, const ElfW(Shdr) * table, size_t offset) {
    if (table->sh_type != SHT_STRTAB || offset >= table->sh_size ||
        !inside(image, table->sh_offset, table->sh_size, 1))
        return NULL;
    const char *text = image->bytes + table->sh_offset + offset;
    return memchr(text, '\0', table->sh_size - offset) ? text : NULL;
}

/* True if the tables of segments and sections lie in the file. */
static bool
has_tables(const struct image *image) {
    const ElfW(Ehdr) *head = &image->head;
    return memcmp(head->e_ident, ELFMAG, SELFMAG) == 0 &&
           head->e_type == ET_DYN &&
           (head->e_phnum == 0 || head->e_phentsize == sizeof(ElfW(Phdr))) &&
           (head->e_shnum == 0 || head->e_shentsize == sizeof(ElfW(Shdr))) &&
           inside(image, head->e_phoff, head->e_phnum, sizeof(ElfW(Phdr))) &&
           inside(image, head->e_shoff, head->e_shnum, sizeof(ElfW(Shdr)));
}

/* Reads the header; true if the file has all that its tables list. */
static bool
is_whole(struct image *image) {
    ElfW(Phdr) segment;
    ElfW(Shdr) section;
    if (!inside(image, 0, 1, sizeof image->head))
        return false;
    get_row(image, 0, 0, &image->head, sizeof image->head);
    if (!has_tables(image))
        return false;
    for (size_t i = 0; i < image->head.e_phnum; i++) {
        get_row(image, image->head.e_phoff, i, &segment, sizeof segment);
        if (!inside(image, segment.p_offset, segment.p_filesz, 1))
            return false;
    }
    for (size_t i = 0; get_section(image, i, &section); i++)
        if (section.sh_type != SHT_NOBITS &&
            !inside(image, section.sh_offset, section.sh_size, 1))
            return false;
    return true;
}

/* True if a symbol is a variable that each load makes again; the compiler's own
 * begin with _ or have a dot and a zero. */
static bool
is_static(const struct image *image, const ElfW(Sym) * symbol,
          const char *name) {
    ElfW(Shdr) home, names;
    if (ELF64_ST_TYPE(symbol->st_info) != STT_OBJECT || *name == '_' ||
        strcmp(name, "completed.0") == 0 ||
        !get_section(image, symbol->st_shndx, &home) ||
        !get_section(image, image->head.e_shstrndx, &names))
        return false;
    const char *room = get_text(image, &names, home.sh_name);
    return room && (home.sh_flags & SHF_WRITE) &&
           strncmp(room, ".data.rel.ro", strlen(".data.rel.ro")) != 0;
}

typedef bool visit(const struct image *image, const ElfW(Sym) * symbol,
                   const char *name, void *arg);

/* Finds the file's table of symbols; false if it was stripped. */
static bool
find_symbols(const struct image *image, ElfW(Shdr) * table,
             ElfW(Shdr) * names) {
    for (size_t i = 0; get_section(image, i, table); i++)
        if (table->sh_type == SHT_SYMTAB)
            return get_section(image, table->sh_link, names);
    return false;
}

/* Calls `found` with each symbol and its name until it returns true. */
static bool
each_symbol(const struct image *image, visit *found, void *arg) {
    ElfW(Shdr) table, names;
    ElfW(Sym) symbol;
    if (!find_symbols(image, &table, &names))
        return false;
    for (size_t i = 0; i < table.sh_size / sizeof symbol; i++) {
        get_row(image, table.sh_offset, i, &symbol, sizeof symbol);
        const char *name = get_text(image, &names, symbol.st_name);
        if (name && found(image, &symbol, name, arg))
            return true;
    }
    return false;
}

static bool
list_static(const struct image *image, const ElfW(Sym) * symbol,
            const char *name, void *arg) {
    char *list = arg;
    size_t used = strlen(list);
    if (is_static(image, symbol, name) && used < WHY_SIZE / 2)
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
has_offset(const struct image *image, const ElfW(Sym) * symbol,
           const char *name, void *arg) {
    struct search *search = arg;
    (void)image;
    if (ELF64_ST_TYPE(symbol->st_info) != STT_FUNC ||
        search->offset - symbol->st_value >= symbol->st_size)
        return false;
    search->inner = search->offset - symbol->st_value;
    snprintf(search->name, 64, "%s", name);
    return true;
}

/* Maps a file; -1 sets errno, EINVAL for an empty one. */
static int
map(int dir, const char *path, struct image *image) {
    struct stat file;
    int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    void *bytes = MAP_FAILED;
    if (fstat(fd, &file) == 0) {
        image->size = (size_t)file.st_size;
        bytes = mmap(NULL, image->size, PROT_READ, MAP_PRIVATE, fd, 0);
    }
    int error = errno;
    close(fd);
    errno = error;
    image->bytes = bytes;
    return bytes == MAP_FAILED ? -1 : 0;
}

int
object_check(int dir, const char *path, char statics[WHY_SIZE],
             char reason[WHY_SIZE]) {
    struct image image;
    *statics = '\0';
    if (map(dir, path, &image) < 0)
        return why(reason, "%s: %s", path,
                   errno == EINVAL ? "an empty file" : strerror(errno));
    bool good = is_whole(&image);
    if (good)
        each_symbol(&image, list_static, statics);
    munmap((void *)image.bytes, image.size);
    return good ? 0 : why(reason, "%s: no whole shared object", path);
}

bool
object_symbol(const char *path, size_t offset, char name[64], size_t *inner) {
    struct search search = {.offset = offset, .name = name};
    struct image image;
    if (map(AT_FDCWD, path, &image) < 0)
        return false;
    bool found = is_whole(&image) && each_symbol(&image, has_offset, &search);
    munmap((void *)image.bytes, image.size);
    *inner = search.inner;
    return found;
}
