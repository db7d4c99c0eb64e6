/* layout-list: lists of types: read, written, compared. */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "layout-list.h"

enum { BYTE = 8 };

/* ---- Words ------------------------------------------------------------ */

/* Ends without a verdict on the types. */
_Noreturn void
layout_unknown(const char *format, ...) {
    va_list args;
    va_start(args, format);
    printf(LAYOUT_UNKNOWN ": ");
    vprintf(format, args);
    puts("");
    fflush(stdout);
    _exit(0);
}

void *
layout_grow(void *memory, size_t count, size_t size) {
    if (count & (count - 1) && count) /* room for the next power of two */
        return memory;
    memory = realloc(memory, (count ? count * 2 : 1) * size);
    if (!memory)
        layout_unknown("no memory");
    return memory;
}

/* Copies a text, and replaces characters that would end a word of a list. */
char *
layout_word(const char *text) {
    char *copy = strdup(text ? text : "");
    if (!copy)
        layout_unknown("no memory");
    for (char *c = copy; *c; c++)
        if (iscntrl((unsigned char)*c) || strchr("{}", *c))
            *c = '?';
    return copy;
}

const char *
layout_kind(char kind) {
    return kind == 's' ? "struct" : kind == 'u' ? "union" : "enum";
}

const char *
layout_bare(const char *name) {
    return name + (*name == '~');
}

struct type *
layout_add(struct list *list, struct type type) {
    struct type *added = layout_grow(NULL, 0, sizeof *added);
    if (list->count == LAYOUT_MOST)
        layout_unknown("more than %d types", LAYOUT_MOST);
    *added = type;
    list->types = layout_grow(list->types, list->count, sizeof(void *));
    list->types[list->count++] = added;
    return added;
}

/* ---- Reading and writing a list --------------------------------------- */

static void
write_entry(FILE *out, const struct type *type) {
    fprintf(out, "%c\t%s\t%d\t%jd\t%s\n", type->kind, type->name, type->tagged,
            (intmax_t)type->size, type->place);
    for (size_t i = 0; i < type->count; i++) {
        const struct member *member = &type->members[i];
        fprintf(out, ".\t%s\t%jd\t%jd\t%s\t%s\t%s\n", member->name,
                (intmax_t)member->at, (intmax_t)member->bits, member->form,
                member->shown, member->place);
    }
}

/* Writes a list to a new file: the types that the state contains, then the
 * rest. */
void
layout_write(const char *path, const struct list *list) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
    if (!out)
        layout_unknown("%s: %s", path, strerror(errno));
    fprintf(out, LAYOUT_HEAD "state\t%s\t%jd\n", list->state,
            (intmax_t)list->version);
    for (int inner = 1; inner >= 0; inner--) {
        for (size_t i = 0; i < list->count; i++)
            if (list->types[i]->inner == (bool)inner)
                write_entry(out, list->types[i]);
        if (inner)
            fputs(LAYOUT_REST, out);
    }
    fputs(LAYOUT_END, out);
    if (fclose(out) != 0)
        layout_unknown("%s: %s", path, strerror(errno));
}

/* The next word of a line, up to a tab; "" after the last. */
static char *
next_word(char **line) {
    static char none[1];
    char *word = strsep(line, "\t");
    return word ? word : none;
}

static int64_t
next_number(char **line) {
    return strtoll(next_word(line), NULL, 10);
}

static void
read_entry(struct list *list, char kind, char *line) {
    if (kind == '.' && list->count > 0) {
        struct type *type = list->types[list->count - 1];
        type->members =
            layout_grow(type->members, type->count, sizeof *type->members);
        struct member *member = &type->members[type->count++];
        member->name = layout_word(next_word(&line));
        member->at = next_number(&line);
        member->bits = next_number(&line);
        member->form = strdup(next_word(&line));
        member->shown = layout_word(next_word(&line));
        member->place = layout_word(next_word(&line));
        if (!member->form)
            layout_unknown("no memory");
    } else if (strchr("sue", kind)) {
        struct type *type = layout_add(list, (struct type){.kind = kind});
        type->name = layout_word(next_word(&line));
        type->tagged = next_number(&line) != 0;
        type->size = next_number(&line);
        type->place = layout_word(next_word(&line));
    } else {
        layout_unknown("a damaged list of types");
    }
}

void
layout_read(FILE *in, struct list *list) {
    char *line = NULL;
    size_t room = 0;
    bool whole = false;
    while (getline(&line, &room, in) > 0) {
        whole = strcmp(line, LAYOUT_REST) == 0 || strcmp(line, LAYOUT_END) == 0;
        line[strcspn(line, "\n")] = '\0';
        char *rest = line, *first = next_word(&rest);
        if (strcmp(first, "state") == 0) {
            list->state = layout_word(next_word(&rest));
            list->version = next_number(&rest);
        } else if (strlen(first) == 1) {
            read_entry(list, *first, rest);
        }
    }
    free(line);
    if (!list->state || !whole)
        layout_unknown("a damaged list of types");
}

/* ---- Comparing two lists ---------------------------------------------- */

/* Returns the part of a form after the next `end`. */
static const char *
behind(const char *form, const char *end) {
    form += strcspn(form, end);
    return form + (*form != '\0');
}

/* Skips one type of a form. */
static const char *
skip_form(const char *form) {
    while (*form == '*' || *form == '[')
        form = *form == '*' ? form + 1 : behind(form, "]");
    if (*form == '{')
        return behind(form, "}");
    if (*form == '(') {
        for (form++; *form && *form != ')';)
            form = skip_form(form);
        return *form ? skip_form(form + 1) : form;
    }
    if (*form == '?' || *form == '.')
        return form + 1;
    return *form ? form + 1 + strspn(form + 1, "0123456789.") : form;
}

/* Compares the first words of two forms. A nameless type matches any name: the
 * name of a typedef is lost where an old DWARF cannot express _Atomic. */
static bool
same_name(const char *one, const char *other) {
    size_t length = (size_t)(skip_form(one) - one);
    if (*one == '{' && *other == '{' && (one[1] == '~' || other[1] == '~'))
        return true;
    return length == (size_t)(skip_form(other) - other) &&
           strncmp(one, other, length) == 0;
}

/* Compares two forms, and skips them. A pointer to a type that one side does
 * not know matches any pointer. */
static bool
same_form(const char **one, const char **other) {
    while (**one == **other && (**one == '*' || **one == '[')) {
        size_t length = **one == '*' ? 1 : (size_t)(behind(*one, "]") - *one);
        if (strncmp(*one, *other, length) != 0)
            return false;
        bool pointer = **one == '*';
        *one += length;
        *other += length;
        if (pointer && (**one == '?' || **other == '?')) {
            *one = skip_form(*one);
            *other = skip_form(*other);
            return true;
        }
    }
    if (**one == '(' && **other == '(') {
        for (++*one, ++*other; **one && **one != ')';)
            if (**other == ')' || !same_form(one, other))
                return false;
        if (**other != ')' || !**one)
            return false;
        ++*one;
        ++*other;
        return same_form(one, other);
    }
    bool same = same_name(*one, *other);
    *one = skip_form(*one);
    *other = skip_form(*other);
    return same;
}

static const struct member *
find_member(const struct type *type, const char *name) {
    for (size_t i = 0; i < type->count; i++)
        if (strcmp(type->members[i].name, name) == 0)
            return &type->members[i];
    return NULL;
}

/* Finds the member that an old one became. In types from system headers,
 * members may differ between two compilers in their names only: each has its
 * own <stdatomic.h>. */
static const struct member *
find_counterpart(const struct type *old, const struct type *new, size_t i) {
    const struct member *found = find_member(new, old->members[i].name);
    bool foreign = *old->place == '/' && *new->place == '/';
    return !found && foreign && old->count == new->count ? &new->members[i]
                                                         : found;
}

__attribute__((format(printf, 4, 5))) static void
describe_change(FILE *why, const struct type *type, const char *place,
                const char *format, ...) {
    va_list args;
    if (!why)
        return;
    va_start(args, format);
    fprintf(why, "%s%s%s: ", type->tagged ? layout_kind(type->kind) : "",
            type->tagged ? " " : "", layout_bare(type->name));
    vfprintf(why, format, args);
    if (*place || *type->place) /* enumerators have no place */
        fprintf(why, " (%s)", *place ? place : type->place);
    va_end(args);
}

/* Reports whether a member changed, and writes how. */
static bool
member_differs(const struct type *type, const struct member *old,
               const struct member *new, FILE *why) {
    const char *one = old->form, *other = new->form;
    bool bits = old->bits != LAYOUT_NO_BITS || new->bits != LAYOUT_NO_BITS ||
                old->at % BYTE;
    int unit = bits ? 1 : BYTE;
    if (!same_form(&one, &other))
        describe_change(why, type, new->place, "member %s was %s, is %s",
                        old->name, old->shown, new->shown);
    else if (old->at != new->at)
        describe_change(why, type, new->place,
                        "member %s moved from %s%jd to %s%jd", old->name,
                        bits ? "bit " : "", (intmax_t)old->at / unit,
                        bits ? "bit " : "", (intmax_t) new->at / unit);
    else if (old->bits != new->bits)
        describe_change(why, type, new->place,
                        "member %s is a different bit field", old->name);
    else
        return false;
    return true;
}

/* The same for enumerators. One that is gone matters if its value now has a new
 * name. */
static bool
enum_differs(const struct type *old, const struct type *new, FILE *why) {
    for (size_t i = 0; i < old->count; i++) {
        const struct member *was = &old->members[i];
        const struct member *is = find_member(new, was->name);
        if (is && is->at != was->at) {
            describe_change(why, new, is->place, "%s was %jd, is %jd",
                            was->name, (intmax_t)was->at, (intmax_t)is->at);
            return true;
        }
        for (size_t n = 0; !is && n < new->count; n++)
            if (new->members[n].at == was->at &&
                !find_member(old, new->members[n].name)) {
                describe_change(why, new, new->members[n].place,
                                "%jd was %s, is %s", (intmax_t)was->at,
                                was->name, new->members[n].name);
                return true;
            }
    }
    return false;
}

static bool
struct_differs(const struct type *old, const struct type *new, FILE *why) {
    for (size_t i = 0; i < old->count; i++) {
        const struct member *was = &old->members[i];
        const struct member *is = find_counterpart(old, new, i);
        if (!is)
            describe_change(why, new, new->place, "member %s is gone",
                            was->name);
        if (!is || member_differs(new, was, is, why))
            return true;
    }
    for (size_t i = 0; i < new->count; i++) {
        const struct member *is = &new->members[i];
        if (!find_counterpart(new, old, i)) {
            describe_change(why, new, is->place, "member %s is new, at %jd",
                            is->name, (intmax_t)is->at / BYTE);
            return true;
        }
    }
    return false;
}

/* Reports whether a type changed, and writes the first change to `why`. */
static bool
type_differs(const struct type *old, const struct type *new, FILE *why) {
    if (old->kind != new->kind) {
        describe_change(why, new, new->place, "it was %s %s",
                        layout_kind(old->kind), layout_bare(old->name));
        return true;
    }
    if (old->kind == 'e' ? enum_differs(old, new, why)
                         : struct_differs(old, new, why))
        return true;
    if (old->size == new->size)
        return false;
    describe_change(why, new, new->place, "its size was %jd, is %jd",
                    (intmax_t)old->size, (intmax_t) new->size);
    return true;
}

/* Reports whether two types were declared in the same file. */
static bool
same_file(const struct type *one, const struct type *other) {
    size_t length = strcspn(one->place, ":");
    return length == strcspn(other->place, ":") &&
           strncmp(one->place, other->place, length) == 0;
}

/* Counts the types of a name: each unit may have its own. */
static size_t
count_types(const struct list *list, const char *name) {
    size_t count = 0;
    for (size_t i = 0; i < list->count; i++)
        count += strcmp(list->types[i]->name, name) == 0;
    return count;
}

/* Finds the new version of a type: an equal one, else the one of the same file,
 * else the only one of that name. NULL = it is gone. */
static const struct type *
find_successor(const struct list *old, const struct list *new,
               const struct type *type, const char *name) {
    const struct type *found = NULL;
    for (size_t i = 0; i < new->count; i++) {
        const struct type *now = new->types[i];
        if (strcmp(now->name, name) != 0)
            continue;
        if (!type_differs(type, now, NULL))
            return now;
        if (!found || same_file(type, now))
            found = now;
    }
    bool only =
        count_types(old, type->name) == 1 && count_types(new, name) == 1;
    return found && (only || same_file(type, found)) ? found : NULL;
}

/* Copies the next name in a form, and skips it. NULL = there is none. */
static char *
next_name(const char **form) {
    const char *from = strchr(*form, '{');
    if (!from)
        return NULL;
    char *name = layout_word(from + 1);
    name[strcspn(from + 1, "}")] = '\0';
    *form = from + 1;
    return name;
}

/* Reports whether a form is that of a named type itself, not of a pointer to
 * it. */
static bool
is_inner(const char *form) {
    while (*form == '[')
        form = behind(form, "]");
    return *form == '{';
}

static size_t
count_names(const char *form) {
    size_t count = 0;
    for (; *form; form++)
        count += *form == '{';
    return count;
}

static bool compare_name(const struct list *old, const struct list *new,
                         const char *name, const char *now, FILE *why);

/* Compares the types that a member contains, and nameless types that it leads
 * to, under their new names. */
static bool
compare_member(const struct list *old, const struct list *new, const char *was,
               const char *is, FILE *why) {
    const char *one = was, *other = is;
    bool pairs = same_form(&one, &other) && count_names(was) == count_names(is);
    bool inner = is_inner(was), same = true;
    char *name;
    while (same && (name = next_name(&was))) {
        char *now = pairs ? next_name(&is) : layout_word(name);
        if (inner || strcmp(name, now) != 0)
            same = compare_name(old, new, name, now, why);
        inner = false;
        free(name);
        free(now);
    }
    return same;
}

/* Compares a type, after the types that it contains, since a change there is
 * the cause. */
static bool
compare_type(const struct list *old, const struct list *new, struct type *type,
             const char *name, FILE *why) {
    if (type->seen)
        return true;
    type->seen = true;
    const struct type *now = find_successor(old, new, type, name);
    for (size_t i = 0; i < type->count; i++) {
        const struct member *was = &type->members[i];
        const struct member *is = now ? find_member(now, was->name) : NULL;
        if (!compare_member(old, new, was->form, is ? is->form : was->form,
                            why))
            return false;
    }
    return !now || !type_differs(type, now, why);
}

static bool
compare_name(const struct list *old, const struct list *new, const char *name,
             const char *now, FILE *why) {
    for (size_t i = 0; i < old->count; i++)
        if (strcmp(old->types[i]->name, name) == 0 &&
            !compare_type(old, new, old->types[i], now, why))
            return false;
    return true;
}

/* Compares all types with those of the same names; nameless ones last, when the
 * others are matched. */
static bool
compare_all(const struct list *old, const struct list *new, bool nameless,
            FILE *why) {
    for (size_t i = 0; i < old->count; i++) {
        struct type *type = old->types[i];
        if ((*type->name == '~') == nameless &&
            !compare_type(old, new, type, type->name, why))
            return false;
    }
    return true;
}

bool
layout_compare(const struct list *old, const struct list *new, bool state_only,
               FILE *why) {
    if (*old->state && *new->state &&
        !compare_name(old, new, old->state, new->state, why))
        return false;
    return state_only || (compare_all(old, new, false, why) &&
                          compare_all(old, new, true, why));
}

/* ---- Merging and marking ---------------------------------------------- */

/* Keeps the known target of a pointer that is now a void pointer. */
static void
keep_targets(struct type *type, const struct type *former) {
    for (size_t i = 0; i < type->count && type->kind != 'e'; i++) {
        struct member *member = &type->members[i];
        const struct member *was = find_member(former, member->name);
        if (was && strchr(member->form, '?') && !strchr(was->form, '?')) {
            member->form = was->form;
            member->shown = was->shown;
        }
    }
}

/* Adds the types of another list that this one lacks, and to its enums the
 * enumerators that they lack. */
void
layout_merge(struct list *list, const struct list *other) {
    size_t count = list->count;
    for (size_t i = 0; i < other->count; i++) {
        struct type *type = other->types[i];
        const struct type *now = NULL;
        for (size_t n = 0; n < count && !now; n++)
            if (strcmp(list->types[n]->name, type->name) == 0 &&
                !type_differs(type, list->types[n], NULL))
                now = list->types[n];
        struct type *kept = (struct type *)now;
        if (!now) {
            list->types = layout_grow(list->types, list->count, sizeof(void *));
            list->types[list->count++] = type;
        }
        if (kept)
            keep_targets(kept, type);
        for (size_t n = 0; kept && kept->kind == 'e' && n < type->count; n++)
            if (!find_member(kept, type->members[n].name)) {
                kept->members = layout_grow(kept->members, kept->count,
                                            sizeof *kept->members);
                kept->members[kept->count++] = type->members[n];
            }
    }
    if (!*list->state)
        list->state = other->state;
}

/* Marks the types that the state contains. */
void
layout_mark(struct list *list, const char *name) {
    for (size_t i = 0; i < list->count; i++) {
        struct type *type = list->types[i];
        if (type->inner || strcmp(type->name, name) != 0)
            continue;
        type->inner = true;
        for (size_t n = 0; n < type->count; n++) {
            const char *form = type->members[n].form;
            char *inner = is_inner(form) ? next_name(&form) : NULL;
            if (inner)
                layout_mark(list, inner);
            free(inner);
        }
    }
}

void
layout_single(struct list *list) {
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        bool copy = false;
        for (size_t n = 0; n < kept && !copy; n++)
            copy = strcmp(list->types[n]->name, list->types[i]->name) == 0 &&
                   list->types[n]->kind == list->types[i]->kind &&
                   list->types[n]->count == list->types[i]->count &&
                   !type_differs(list->types[n], list->types[i], NULL);
        if (!copy)
            list->types[kept++] = list->types[i];
    }
    list->count = kept;
}
