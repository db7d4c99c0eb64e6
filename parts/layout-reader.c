/* layout-reader: reads from a handler's debug information the types that live
 * data may have, and compares two lists of types. */
#define _GNU_SOURCE
#include <ctype.h>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "layout-list.h"
#include "layout-reader.h"
#include "svr.h"

enum { MOST_DEPTH = 64, BYTE = 8 };
#define ROOT   "svr_types_"
#define STATE  "state"
#define VTABLE "table of virtual functions"

/* A named type of a unit. */
struct row {
    char *name;
    Dwarf_Die die;
};

/* The two texts for a type: its form, and its spelling for messages. */
struct words {
    struct text {
        char bytes[4096];
        size_t used;
    } form, shown;
    bool hidden; /* further text is not shown */
};

/* The data read from a file. */
static struct {
    struct row *rows;
    size_t count, roots, split;
    Dwarf_Die *params; /* the types that SVR_TYPES names */
    Dwarf_Die *dies;   /* those of the list's types */
    Dwarf_Die table;   /* the unit of the handler's table */
    bool has_table, cplusplus;
    Elf *elf;
    int64_t state_size, version;
    struct list *list;
} file;

static char *
keep_text(const char *text) {
    char *copy = strdup(text);
    if (!copy)
        layout_unknown("no memory");
    return copy;
}

/* Copies a name in one spelling; compilers spell the arguments of a template
 * differently. */
static char *
keep_name_of(const char *text) {
    char *name = layout_word(text), *to = name;
    int depth = 0;
    for (const char *c = name; *c; c++) {
        depth -= *c == '>' && depth > 0;
        if (depth == 0)
            *to++ = *c;
        depth += *c == '<';
    }
    *to = '\0';
    return name;
}

/* ---- The debug information -------------------------------------------- */

static int64_t
number_of(Dwarf_Die *die, unsigned name, int64_t otherwise) {
    Dwarf_Attribute attribute;
    Dwarf_Word word;
    Dwarf_Sword value;
    Dwarf_Op *steps;
    size_t count;
    if (!dwarf_attr_integrate(die, name, &attribute))
        return otherwise;
    unsigned form = dwarf_whatform(&attribute);
    if (form == DW_FORM_sdata || form == DW_FORM_implicit_const)
        return dwarf_formsdata(&attribute, &value) == 0 ? value : otherwise;
    if (dwarf_formudata(&attribute, &word) == 0)
        return (int64_t)word;
    if (dwarf_getlocation(&attribute, &steps, &count) == 0 && count == 1 &&
        steps->atom == DW_OP_plus_uconst)
        return (int64_t)steps->number;
    return otherwise;
}

/* Follows DW_AT_type. Returns false if there is none: void. */
static bool
get_type(Dwarf_Die *die, Dwarf_Die *type) {
    Dwarf_Attribute attribute;
    return dwarf_attr_integrate(die, DW_AT_type, &attribute) &&
           dwarf_formref_die(&attribute, type);
}

static bool
is_qualifier(int tag) {
    return tag == DW_TAG_const_type || tag == DW_TAG_volatile_type ||
           tag == DW_TAG_restrict_type || tag == DW_TAG_atomic_type ||
           tag == DW_TAG_immutable_type || tag == DW_TAG_packed_type ||
           tag == DW_TAG_shared_type;
}

/* Returns the type itself, without qualifiers and typedefs; `alias` gets the
 * first typedef's name if the type has none. False = void, or damaged. */
static bool
peel(Dwarf_Die *die, Dwarf_Die *type, const char **alias) {
    *alias = NULL;
    if (!get_type(die, type))
        return false;
    for (int depth = 0; depth < MOST_DEPTH; depth++) {
        int tag = dwarf_tag(type);
        if (tag == DW_TAG_typedef)
            *alias = dwarf_diename(type);
        else if (!is_qualifier(tag))
            return true;
        Dwarf_Die next;
        if (!get_type(type, &next))
            return false;
        *type = next;
    }
    layout_unknown("a typedef of itself");
}

static char
kind_of(int tag) {
    switch (tag) {
    case DW_TAG_structure_type:
    case DW_TAG_class_type:
        return 's';
    case DW_TAG_union_type:
        return 'u';
    case DW_TAG_enumeration_type:
        return 'e';
    default:
        return '\0';
    }
}

/* The file of a declaration: dwarf_decl_file(3) does not know that DWARF 5
 * counts from 0. */
static const char *
file_of(Dwarf_Die *die, Dwarf_Die *unit) {
    Dwarf_Files *files;
    size_t count;
    int64_t index = number_of(die, DW_AT_decl_file, -1);
    if (index < 0 || !dwarf_diecu(die, unit, NULL, NULL) ||
        dwarf_getsrcfiles(unit, &files, &count) != 0 || (size_t)index >= count)
        return NULL;
    return dwarf_filesrc(files, (size_t)index, NULL, NULL);
}

/* FILE:LINE of a declaration, relative to the folder where the compiler ran. */
static char *
place_of(Dwarf_Die *die) {
    char text[512];
    Dwarf_Die unit;
    Dwarf_Attribute attribute;
    int line = 0;
    const char *path = file_of(die, &unit), *folder = NULL;
    if (!path || dwarf_decl_line(die, &line) != 0)
        return layout_word("");
    if (dwarf_attr(&unit, DW_AT_comp_dir, &attribute))
        folder = dwarf_formstring(&attribute);
    size_t length = folder ? strlen(folder) : 0;
    if (length && strncmp(path, folder, length) == 0 && path[length] == '/')
        path += length + 1;
    while (strncmp(path, "./", 2) == 0)
        path += 2;
    snprintf(text, sizeof text, "%s:%d", path, line);
    return layout_word(text);
}

/* ---- All named types of a file ---------------------------------------- */

static void
add_row(Dwarf_Die *die, const char *scope) {
    char name[1024];
    snprintf(name, sizeof name, "%s%s", scope, dwarf_diename(die));
    file.rows = layout_grow(file.rows, file.count, sizeof *file.rows);
    file.rows[file.count++] =
        (struct row){.name = keep_name_of(name), .die = *die};
}

/* SVR_TYPES declares a pointer to a function whose parameters are the named
 * types. */
static void
add_roots(Dwarf_Die *variable) {
    Dwarf_Die pointer, function, param;
    const char *unused;
    if (!peel(variable, &pointer, &unused) ||
        !peel(&pointer, &function, &unused) ||
        dwarf_child(&function, &param) != 0)
        return;
    do {
        if (dwarf_tag(&param) != DW_TAG_formal_parameter)
            continue;
        file.params = layout_grow(file.params, file.roots, sizeof *file.params);
        file.params[file.roots++] = param;
    } while (dwarf_siblingof(&param, &param) == 0);
}

static void
take_variable(Dwarf_Die *die, Dwarf_Die *unit) {
    const char *name = dwarf_diename(die);
    if (!name)
        return;
    if (strncmp(name, ROOT, strlen(ROOT)) == 0)
        add_roots(die);
    if (strcmp(name, "svr_handler") == 0 &&
        dwarf_hasattr(die, DW_AT_location)) {
        file.table = *unit;
        file.has_table = true;
    }
}

/* Lists what a unit, or in C++ a namespace or class, declares. */
static void
index_scope(Dwarf_Die *scope, Dwarf_Die *unit, const char *prefix, int depth) {
    Dwarf_Die die;
    if (depth > MOST_DEPTH || dwarf_child(scope, &die) != 0)
        return;
    do {
        int tag = dwarf_tag(&die);
        const char *name =
            kind_of(tag) || tag == DW_TAG_typedef || tag == DW_TAG_namespace
                ? dwarf_diename(&die)
                : NULL;
        if (tag == DW_TAG_variable)
            take_variable(&die, unit);
        if (name && (kind_of(tag) ||
                     (tag == DW_TAG_typedef && strcmp(name, STATE) == 0)))
            add_row(&die, prefix);
        if (file.cplusplus && tag != DW_TAG_enumeration_type &&
            tag != DW_TAG_typedef && (name || tag == DW_TAG_namespace)) {
            char inner[1024];
            snprintf(inner, sizeof inner, "%s%s::", prefix, name ? name : "");
            index_scope(&die, unit, inner, depth + 1);
        }
    } while (dwarf_siblingof(&die, &die) == 0);
}

/* The languages of C++; those of newer standards have no name here yet. */
static bool
is_cplusplus(Dwarf_Die *unit) {
    int language = dwarf_srclang(unit);
    return language == DW_LANG_C_plus_plus ||
           (language >= DW_LANG_C_plus_plus_03 && language != DW_LANG_C11 &&
            language != 0x2c); /* C17 */
}

static void
index_units(Dwarf *dwarf) {
    Dwarf_CU *unit = NULL;
    Dwarf_Die die, inner;
    uint8_t type;
    while (dwarf_get_units(dwarf, unit, &unit, NULL, &type, &die, &inner) ==
           0) {
        if (dwarf_hasattr(&die, DW_AT_dwo_name) ||
            dwarf_hasattr(&die, DW_AT_GNU_dwo_name)) {
            file.split++;
            continue;
        }
        file.cplusplus = is_cplusplus(&die) || file.cplusplus;
        index_scope(&die, &die, "", 0);
    }
}

/* ---- The handler's table ---------------------------------------------- */

/* Copies bytes of the file, given their address when loaded. */
static bool
read_loaded(uint64_t address, void *bytes, size_t size) {
    Elf_Scn *section = NULL;
    GElf_Shdr head;
    while ((section = elf_nextscn(file.elf, section))) {
        if (!gelf_getshdr(section, &head) || !(head.sh_flags & SHF_ALLOC) ||
            head.sh_type == SHT_NOBITS || address < head.sh_addr ||
            address - head.sh_addr > head.sh_size ||
            head.sh_size - (address - head.sh_addr) < size)
            continue;
        Elf_Data *data = elf_rawdata(section, NULL);
        if (!data || data->d_size < head.sh_size)
            return false;
        memcpy(bytes, (char *)data->d_buf + (address - head.sh_addr), size);
        return true;
    }
    return false;
}

/* Reads the state's size and version from the table. */
static void
read_table(void) {
    Elf_Scn *section = NULL;
    GElf_Shdr head;
    GElf_Sym symbol;
    struct svr_handler table;
    while ((section = elf_nextscn(file.elf, section))) {
        if (!gelf_getshdr(section, &head) || head.sh_type != SHT_DYNSYM)
            continue;
        Elf_Data *data = elf_getdata(section, NULL);
        for (int i = 0; data && gelf_getsym(data, i, &symbol); i++) {
            const char *name =
                elf_strptr(file.elf, head.sh_link, symbol.st_name);
            if (!name || strcmp(name, "svr_handler") != 0 ||
                !read_loaded(symbol.st_value, &table, sizeof table))
                continue;
            file.state_size = (int64_t)table.state_size;
            file.version = table.state_version;
        }
    }
}

/* ---- Words for a type -------------------------------------------------- */

static void
append_words(struct text *text, const char *format, va_list args) {
    size_t room = sizeof text->bytes - text->used;
    int length = vsnprintf(text->bytes + text->used, room, format, args);
    if (length < 0 || (size_t)length >= room)
        layout_unknown("a type that takes more than %zu characters",
                       sizeof text->bytes - 1);
    text->used += (size_t)length;
}

/* add_form adds to the form, add_shown to the spelling for messages. */
__attribute__((format(printf, 2, 3))) static void
add_form(struct words *words, const char *format, ...) {
    va_list args;
    va_start(args, format);
    append_words(&words->form, format, args);
    va_end(args);
}

__attribute__((format(printf, 2, 3))) static void
add_shown(struct words *words, const char *format, ...) {
    va_list args;
    va_start(args, format);
    if (!words->hidden)
        append_words(&words->shown, format, args);
    va_end(args);
}

static void
clear_words(struct words *words) {
    words->form.used = words->shown.used = 0;
    *words->form.bytes = *words->shown.bytes = '\0';
    words->hidden = false;
}

/* ---- From a file to a list -------------------------------------------- */

static void write_form(Dwarf_Die *owner, const char *path, struct words *words,
                       int depth);

/* Adds a type to the list, once for each place in the file. */
static void
want_type(const char *name, Dwarf_Die *die, bool tagged) {
    struct list *list = file.list;
    for (size_t i = 0; i < list->count; i++)
        if (file.dies[i].addr == die->addr &&
            strcmp(list->types[i]->name, name) == 0)
            return;
    file.dies = layout_grow(file.dies, list->count, sizeof *file.dies);
    file.dies[list->count] = *die;
    layout_add(list, (struct type){.name = layout_word(name),
                                   .kind = kind_of(dwarf_tag(die)),
                                   .tagged = tagged});
}

static bool
is_declared_only(Dwarf_Die *die) {
    return dwarf_hasattr(die, DW_AT_declaration);
}

/* The name of a type in its scope; "" = it has none. */
static char *
scoped_name(Dwarf_Die *die) {
    const char *name = dwarf_diename(die);
    for (size_t i = 0; name && file.cplusplus && i < file.count; i++)
        if (file.rows[i].die.addr == die->addr)
            return layout_word(file.rows[i].name);
    return keep_name_of(name);
}

/* A struct, union or enum: adds it to the list, from another unit if this one
 * only declares it. Returns its name, which the caller frees. */
static char *
want_named(Dwarf_Die *die, const char *alias, const char *path) {
    char *name = scoped_name(die);
    bool tagged = *name || !alias;
    if (!*name) {
        char text[2048];
        free(name);
        snprintf(text, sizeof text, "~%s", alias ? alias : path);
        name = keep_name_of(text);
    }
    if (!is_declared_only(die)) {
        want_type(name, die, tagged);
        return name;
    }
    for (size_t i = 0; i < file.count; i++) {
        struct row *row = &file.rows[i];
        if (kind_of(dwarf_tag(&row->die)) == kind_of(dwarf_tag(die)) &&
            strcmp(row->name, name) == 0 && !is_declared_only(&row->die))
            want_type(name, &row->die, true);
    }
    return name;
}

static void
write_number(Dwarf_Die *die, struct words *words) {
    int64_t encoding = number_of(die, DW_AT_encoding, 0);
    char kind = 'x';
    switch (encoding) {
    case DW_ATE_boolean:
        kind = 'b';
        break;
    case DW_ATE_signed:
    case DW_ATE_signed_char:
        kind = 's';
        break;
    case DW_ATE_unsigned:
    case DW_ATE_unsigned_char:
    case DW_ATE_UTF:
        kind = 'u';
        break;
    case DW_ATE_float:
        kind = 'f';
        break;
    case DW_ATE_complex_float:
        kind = 'c';
        break;
    default:
        break;
    }
    add_form(words, "%c%jd", kind,
             (intmax_t)number_of(die, DW_AT_byte_size, 0));
    char *name = layout_word(dwarf_diename(die));
    add_shown(words, "%s", name);
    free(name);
}

/* Writes an array's lengths, for messages or for the form. [] and [0] mean the
 * same to all compilers, but each describes them differently. */
static void
write_lengths(Dwarf_Die *array, struct words *words, bool shown) {
    Dwarf_Die range;
    char text[32];
    if (dwarf_child(array, &range) != 0)
        return;
    do {
        if (dwarf_tag(&range) != DW_TAG_subrange_type)
            continue;
        int64_t count = number_of(&range, DW_AT_count,
                                  number_of(&range, DW_AT_upper_bound, -1) + 1);
        snprintf(text, sizeof text, "[%jd]", (intmax_t)count);
        if (count <= 0 || count > UINT32_MAX) /* -1 may have only 32 bits */
            snprintf(text, sizeof text, "[]");
        if (shown)
            add_shown(words, "%s", text);
        else
            add_form(words, "%s", text);
    } while (dwarf_siblingof(&range, &range) == 0);
}

static void
write_function(Dwarf_Die *die, const char *path, struct words *words,
               int depth) {
    Dwarf_Die param;
    bool hidden = words->hidden;
    add_shown(words, "function");
    words->hidden = true;
    add_form(words, "(");
    if (dwarf_child(die, &param) == 0)
        do {
            if (dwarf_tag(&param) == DW_TAG_formal_parameter)
                write_form(&param, path, words, depth + 1);
            else if (dwarf_tag(&param) == DW_TAG_unspecified_parameters)
                add_form(words, ".");
        } while (dwarf_siblingof(&param, &param) == 0);
    add_form(words, ")");
    write_form(die, path, words, depth + 1);
    words->hidden = hidden;
}

/* Writes the name of a struct, a union or an enum, and adds it to the list. */
static void
write_named(Dwarf_Die *die, const char *alias, const char *path,
            struct words *words) {
    char *name = want_named(die, alias, path);
    bool tagged = dwarf_diename(die) || !alias;
    add_form(words, "{%s}", name);
    add_shown(words, "%s%s%s",
              tagged ? layout_kind(kind_of(dwarf_tag(die))) : "",
              tagged ? " " : "", layout_bare(name));
    free(name);
}

/* Writes the type of `owner`. */
static void
write_form(Dwarf_Die *owner, const char *path, struct words *words, int depth) {
    Dwarf_Die die;
    const char *alias;
    if (depth > MOST_DEPTH)
        layout_unknown("a type of itself");
    if (!peel(owner, &die, &alias)) {
        add_form(words, "?");
        add_shown(words, "void");
        return;
    }
    switch (dwarf_tag(&die)) {
    case DW_TAG_structure_type:
    case DW_TAG_class_type:
    case DW_TAG_union_type:
    case DW_TAG_enumeration_type:
        write_named(&die, alias, path, words);
        break;
    case DW_TAG_pointer_type:
    case DW_TAG_reference_type:
    case DW_TAG_rvalue_reference_type:
        add_form(words, "*");
        write_form(&die, path, words, depth + 1);
        add_shown(words, " *");
        break;
    case DW_TAG_array_type:
        write_lengths(&die, words, false);
        write_form(&die, path, words, depth + 1);
        write_lengths(&die, words, true);
        break;
    case DW_TAG_subroutine_type:
        write_function(&die, path, words, depth);
        break;
    case DW_TAG_base_type:
        write_number(&die, words);
        break;
    default: /* nullptr_t, a pointer to a member */
        add_form(words, "x%d.", dwarf_tag(&die));
        add_shown(words, "a type of C++");
    }
}

static struct member *
add_member(struct type *type, const char *name, Dwarf_Die *die) {
    type->members =
        layout_grow(type->members, type->count, sizeof *type->members);
    struct member *member = &type->members[type->count++];
    *member = (struct member){.name = keep_name_of(name),
                              .place = place_of(die),
                              .bits = LAYOUT_NO_BITS};
    return member;
}

static void
fill_enum(struct type *type, Dwarf_Die *from) {
    Dwarf_Die die;
    if (dwarf_child(from, &die) != 0)
        return;
    do {
        if (dwarf_tag(&die) != DW_TAG_enumerator)
            continue;
        struct member *member = add_member(type, dwarf_diename(&die), &die);
        member->at = number_of(&die, DW_AT_const_value, 0);
        member->form = member->shown = keep_text("");
    } while (dwarf_siblingof(&die, &die) == 0);
}

/* Where a member begins, in bits: DWARF 4 counts a bit field from the end of
 * its unit of storage. */
static int64_t
place_in(Dwarf_Die *die) {
    int64_t bytes = number_of(die, DW_AT_data_member_location, 0);
    int64_t bits = number_of(die, DW_AT_data_bit_offset, -1);
    int64_t from_end = number_of(die, DW_AT_bit_offset, -1);
    if (bits >= 0)
        return bits;
    if (from_end < 0)
        return bytes * BYTE;
    Dwarf_Die type;
    const char *unused;
    int64_t size = number_of(die, DW_AT_byte_size, 0);
    if (size == 0 && peel(die, &type, &unused))
        size = number_of(&type, DW_AT_byte_size, 0);
    uint16_t one = 1;
    if (*(char *)&one == 0) /* big-endian */
        return bytes * BYTE + from_end;
    return (bytes + size) * BYTE - from_end - number_of(die, DW_AT_bit_size, 0);
}

/* Reports whether a member is static, and so takes no bytes. */
static bool
is_static(Dwarf_Die *die) {
    return dwarf_hasattr(die, DW_AT_declaration) ||
           dwarf_hasattr(die, DW_AT_external);
}

static void fill_members(struct type *type, Dwarf_Die *from, int64_t base,
                         int depth);

/* Gets the name of a member; for a table of virtual functions, compilers have
 * different ones. */
static void
name_member(Dwarf_Die *die, char name[1024]) {
    Dwarf_Die parent;
    const char *alias, *given = dwarf_diename(die);
    if (dwarf_tag(die) == DW_TAG_inheritance && peel(die, &parent, &alias)) {
        char *parent_name = scoped_name(&parent);
        snprintf(name, 1024, "base %s", parent_name);
        free(parent_name);
    } else if (given && dwarf_hasattr(die, DW_AT_artificial) &&
               strncmp(given, "_vptr", strlen("_vptr")) == 0) {
        snprintf(name, 1024, VTABLE);
    } else {
        snprintf(name, 1024, "%s", given ? given : "");
    }
}

static void
take_member(struct type *type, Dwarf_Die *die, int64_t base, int depth) {
    static struct words words;
    char name[1024], path[2048];
    Dwarf_Die inner;
    const char *alias;
    int64_t at = base + place_in(die);
    name_member(die, name);
    if (!*name) {
        if (peel(die, &inner, &alias) && kind_of(dwarf_tag(&inner)))
            fill_members(type, &inner, at, depth + 1);
        return; /* without that, it is padding */
    }
    struct member *member = add_member(type, name, die);
    member->at = at;
    member->bits = number_of(die, DW_AT_bit_size, LAYOUT_NO_BITS);
    snprintf(path, sizeof path, "%.1000s.%s", layout_bare(type->name),
             member->name);
    clear_words(&words);
    if (strcmp(name, VTABLE) == 0)
        add_form(&words, "*?");
    else
        write_form(die, path, &words, 0);
    member->form = keep_text(words.form.bytes);
    member->shown = keep_text(words.shown.bytes);
}

/* Adds the members of a struct or union, and those of nameless ones in it. */
static void
fill_members(struct type *type, Dwarf_Die *from, int64_t base, int depth) {
    Dwarf_Die die;
    if (depth > MOST_DEPTH)
        layout_unknown("a struct in itself");
    if (dwarf_child(from, &die) != 0)
        return;
    do {
        int tag = dwarf_tag(&die);
        if ((tag == DW_TAG_member && !is_static(&die)) ||
            tag == DW_TAG_inheritance)
            take_member(type, &die, base, depth);
    } while (dwarf_siblingof(&die, &die) == 0);
}

static void
fill_type(struct type *type, Dwarf_Die die) {
    type->size = number_of(&die, DW_AT_byte_size, -1);
    type->place = place_of(&die);
    if (type->kind == 'e')
        fill_enum(type, &die);
    else
        fill_members(type, &die, 0, 0);
}

/* ---- The roots -------------------------------------------------------- */

/* Adds the type of `owner`. Returns its name if it is a struct of the state's
 * size, else NULL. */
static char *
want_root(Dwarf_Die *owner) {
    static struct words words;
    Dwarf_Die die;
    const char *alias;
    clear_words(&words);
    write_form(owner, "nameless", &words, 0);
    if (*words.form.bytes != '{' || !peel(owner, &die, &alias) ||
        number_of(&die, DW_AT_byte_size, -1) != file.state_size)
        return NULL;
    words.form.bytes[strcspn(words.form.bytes, "}")] = '\0';
    return keep_text(words.form.bytes + 1);
}

/* Looks for a type named `state` of the state's size; the table's unit comes
 * first. */
static char *
find_by_name(void) {
    Dwarf_Die found = {.addr = NULL};
    for (size_t i = 0; i < file.count; i++) {
        struct row *row = &file.rows[i];
        Dwarf_Die die = row->die, unit;
        const char *unused;
        if (strcmp(row->name, STATE) != 0 ||
            (dwarf_tag(&row->die) == DW_TAG_typedef &&
             !peel(&row->die, &die, &unused)) ||
            !kind_of(dwarf_tag(&die)) ||
            number_of(&die, DW_AT_byte_size, -1) != file.state_size)
            continue;
        bool here = file.has_table && dwarf_diecu(&die, &unit, NULL, NULL) &&
                    unit.addr == file.table.addr;
        if (!found.addr || here)
            found = die;
        if (here)
            break;
    }
    return found.addr ? want_named(&found, STATE, STATE) : NULL;
}

/* Looks for the only struct of the state's size to which functions of the
 * table's unit have pointers. `found` is such a pointer. Returns false if there
 * are two. */
static bool
find_by_size(Dwarf_Die *scope, Dwarf_Die *found, int depth) {
    Dwarf_Die die, pointer, type, known;
    const char *alias, *known_alias;
    if (depth > MOST_DEPTH || dwarf_child(scope, &die) != 0)
        return true;
    do {
        int tag = dwarf_tag(&die);
        if ((tag == DW_TAG_subprogram || tag == DW_TAG_lexical_block) &&
            !find_by_size(&die, found, depth + 1))
            return false;
        if ((tag != DW_TAG_variable && tag != DW_TAG_formal_parameter) ||
            depth == 0 || !peel(&die, &pointer, &alias) ||
            dwarf_tag(&pointer) != DW_TAG_pointer_type ||
            !peel(&pointer, &type, &alias) || !kind_of(dwarf_tag(&type)) ||
            number_of(&type, DW_AT_byte_size, -1) != file.state_size)
            continue;
        if (!found->addr)
            *found = pointer;
        else if (peel(found, &known, &known_alias) && known.addr != type.addr)
            return false;
    } while (dwarf_siblingof(&die, &die) == 0);
    return true;
}

/* Adds what SVR_TYPES names, and the state's type: one of its name, else one of
 * its size. */
static void
want_roots(void) {
    Dwarf_Die pointer = {.addr = NULL};
    bool has_state = file.state_size > 0;
    char *state = has_state ? find_by_name() : NULL;
    for (size_t i = 0; i < file.roots; i++) {
        char *name = want_root(&file.params[i]);
        if (has_state && !state)
            state = name;
        else
            free(name);
    }
    if (has_state && !state && file.has_table &&
        find_by_size(&file.table, &pointer, 0) && pointer.addr)
        state = want_root(&pointer);
    file.list->state = state ? state : layout_word("");
}

/* ---- The program ------------------------------------------------------ */

/* Reads a handler.so. Returns why its types are not known, or NULL. */
static const char *
read_handler(int fd, struct list *list) {
    memset(&file, 0, sizeof file);
    file.list = list;
    list->state = layout_word("");
    elf_version(EV_CURRENT);
    file.elf = elf_begin(fd, ELF_C_READ, NULL);
    Dwarf *dwarf =
        file.elf ? dwarf_begin_elf(file.elf, DWARF_C_READ, NULL) : NULL;
    if (file.elf)
        read_table();
    list->version = file.version;
    if (!dwarf)
        return "has no debug information (compile with -g)";
    index_units(dwarf);
    want_roots();
    for (size_t i = 0; i < list->count; i++)
        fill_type(list->types[i], file.dies[i]);
    layout_single(list);
    if (*list->state || file.state_size == 0)
        return NULL;
    if (file.split > 0)
        return "has its types in .dwo files (compile without -gsplit-dwarf)";
    return file.count == 0
               ? "has no types in its debug information (compile with -g)"
               : LAYOUT_NO_STATE "; SVR_TYPES(struct NAME) "
                                 "in your sources names it (parts/layout.h)";
}

/* Reads a handler.so or a list. */
static const char *
read_either(const char *path, struct list *list) {
    char head[sizeof LAYOUT_HEAD] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    FILE *in = fd < 0 ? NULL : fdopen(fd, "r");
    if (!in)
        layout_unknown("%s: %s", path, strerror(errno));
    if (fread(head, 1, sizeof LAYOUT_HEAD - 1, in) != sizeof LAYOUT_HEAD - 1 ||
        strcmp(head, LAYOUT_HEAD) != 0) {
        rewind(in);
        lseek(fd, 0, SEEK_SET);
        return read_handler(fd, list);
    }
    layout_read(in, list);
    fclose(in);
    return NULL;
}

/* Compares, and prints the verdict. */
static void
judge(const char *before, const char *after, const char *path,
      bool state_only) {
    static struct list old, new;
    char *reason = NULL;
    size_t size;
    bool first = strcmp(before, "-") == 0;
    const char *unknown_old = first ? NULL : read_either(before, &old);
    const char *unknown_new = read_either(after, &new);
    FILE *why = open_memstream(&reason, &size);
    if (!why)
        layout_unknown("no memory");
    bool same = first || old.version != new.version ||
                layout_compare(&old, &new, state_only, why);
    fclose(why);
    if (!first && old.version == new.version)
        layout_merge(&new, &old);
    layout_mark(&new, new.state);
    if (path && same)
        layout_write(path, &new);
    if (!same)
        printf(LAYOUT_CHANGED ": %s\n", reason);
    else if (unknown_new || unknown_old)
        printf(LAYOUT_UNKNOWN ": the %s code %s\n",
               unknown_new ? "new" : "live",
               unknown_new ? unknown_new : unknown_old);
    else
        puts(LAYOUT_SAME);
}

int
main(int argc, char *argv[]) {
    bool state_only = argc > 1 && strcmp(argv[1], "--state") == 0;
    char **given = argv + 1 + state_only;
    int count = argc - 1 - state_only;
    if (count < 2 || count > 3) {
        fputs("usage: layout-reader [--state] OLD NEW [LIST]\n", stderr);
        return 2;
    }
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    if (!freopen("/dev/null", "w", stderr)) /* libdw may abort */
        return 2;
    judge(given[0], given[1], given[2], state_only);
    fflush(stdout);
    _exit(0);
}
