/* symbols: the names of functions that the loader does not know, for
 * backtraces. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "part.h"
#include "symbols.h"

/* A file in memory. Nothing in it is trusted: every offset, count and string is
 * checked against the file's size before it is used. */
struct image {
    const char *bytes;
    size_t size;
    ElfW(Ehdr) head;
};

/* Returns true if `count` items of `size` bytes at `offset` are within the
 * file. */
static bool
inside(const struct image *image, size_t offset, size_t count, size_t size) {
    return offset <= image->size && count <= (image->size - offset) / size;
}

/* Copies row `i` of a table within the file; rows need no alignment. */
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

/* Returns a string of a string table, or NULL if it does not end within it. */
static const char *
get_text(const struct image *image, const ElfW(Shdr) * table, size_t offset) {
    if (table->sh_type != SHT_STRTAB || offset >= table->sh_size ||
        !inside(image, table->sh_offset, table->sh_size, 1))
        return NULL;
    const char *text = image->bytes + table->sh_offset + offset;
    return memchr(text, '\0', table->sh_size - offset) ? text : NULL;
}

/* Reads the header. Returns true if the section table is within the file. */
static bool
has_sections(struct image *image) {
    ElfW(Ehdr) *head = &image->head;
    if (!inside(image, 0, 1, sizeof *head))
        return false;
    get_row(image, 0, 0, head, sizeof *head);
    return memcmp(head->e_ident, ELFMAG, SELFMAG) == 0 &&
           head->e_shentsize == sizeof(ElfW(Shdr)) &&
           inside(image, head->e_shoff, head->e_shnum, sizeof(ElfW(Shdr)));
}

/* Finds the file's symbol table. Returns false if it was stripped, or is not
 * within the file. */
static bool
find_symbols(const struct image *image, ElfW(Shdr) * table,
             ElfW(Shdr) * names) {
    for (size_t i = 0; get_section(image, i, table); i++)
        if (table->sh_type == SHT_SYMTAB)
            return inside(image, table->sh_offset, table->sh_size, 1) &&
                   get_section(image, table->sh_link, names);
    return false;
}

/* Looks up the offset. */
static bool
search_symbols(const struct image *image, size_t offset, char name[64],
               size_t *inner) {
    ElfW(Shdr) table, names;
    ElfW(Sym) symbol;
    if (!find_symbols(image, &table, &names))
        return false;
    for (size_t i = 0; i < table.sh_size / sizeof symbol; i++) {
        get_row(image, table.sh_offset, i, &symbol, sizeof symbol);
        const char *text = get_text(image, &names, symbol.st_name);
        if (!text || ELF64_ST_TYPE(symbol.st_info) != STT_FUNC ||
            offset - symbol.st_value >= symbol.st_size)
            continue;
        *inner = offset - symbol.st_value;
        snprintf(name, 64, "%s", text);
        return true;
    }
    return false;
}

bool
symbols_find(const char *path, size_t offset, char name[64], size_t *inner) {
    struct image image = {.bytes = MAP_FAILED};
    struct stat file;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    if (fstat(fd, &file) == 0) {
        image.size = (size_t)file.st_size;
        image.bytes = mmap(NULL, image.size, PROT_READ, MAP_PRIVATE, fd, 0);
    }
    close(fd);
    if (image.bytes == MAP_FAILED)
        return false;
    bool found =
        has_sections(&image) && search_symbols(&image, offset, name, inner);
    munmap((void *)image.bytes, image.size);
    return found;
}

const struct part part_symbols = {.name = "symbols", .symbol = symbols_find};
