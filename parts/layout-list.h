/* layout-list: a list of types: as a text, and what differs between two
 *
 * use: parts
 * program: layout-reader
 *
 * For the program layout-reader. What fails ends that program. */
#ifndef LAYOUT_LIST_H
#define LAYOUT_LIST_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { LAYOUT_MOST = 20000, LAYOUT_NO_BITS = -1 };
#define LAYOUT_HEAD "layout 1\n"

/* A member of a struct or union, or an enumerator.
 *
 * `form` spells its type for a comparison: u4 is an unsigned number of four
 * bytes, *T points to T, [N]T is an array, (T,T)R a function, {NAME} is a type
 * of the list, and ? nothing that is known. */
struct member {
    char *name, *form, *shown, *place;
    int64_t at;   /* bits from the beginning; an enumerator's value */
    int64_t bits; /* of a bit field; LAYOUT_NO_BITS: it is none */
};

/* A struct, a union or an enum. */
struct type {
    char *name;  /* of one without a tag: ~, then its typedef or its place */
    char *place; /* of its declaration */
    char kind;   /* s, u or e */
    bool tagged; /* the name is its tag, not that of a typedef */
    bool inner;  /* bytes of the state are of this type */
    bool seen;   /* it was compared, or, in `inner`, visited */
    int64_t size;
    struct member *members;
    size_t count;
};

/* What is known of a handler. */
struct list {
    struct type **types;
    size_t count;
    char *state; /* the name of the state's type; "": not known */
    int64_t version;
};

/* A line of a verdict begins with one of these words. */
#define LAYOUT_SAME     "same"
#define LAYOUT_CHANGED  "changed"
#define LAYOUT_UNKNOWN  "unknown"
#define LAYOUT_NO_STATE "does not show the type of its state" /* only that */

/* The state's types are first in a list, up to the first of these lines; the
 * other is the last. */
#define LAYOUT_REST "rest\n"
#define LAYOUT_END  "end\n"

/* layout_unknown ends the program with the verdict LAYOUT_UNKNOWN. */
_Noreturn void layout_unknown(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* layout_grow returns an array with room for one more than `count`. */
void *layout_grow(void *array, size_t count, size_t size);

/* layout_word copies a text (NULL: ""); what would not be one word of a list is
 * replaced. The caller frees. */
char *layout_word(const char *text);

/* layout_kind is C's word for a kind of type. */
const char *layout_kind(char kind);

/* layout_bare is a type's name as a person reads it. */
const char *layout_bare(const char *name);

/* layout_add adds a type. */
struct type *layout_add(struct list *list, struct type type);

/* layout_mark marks what a type consists of, the state's, as `inner`.
 * layout_single drops a type that several units have in the same form. */
void layout_mark(struct list *list, const char *name);
void layout_single(struct list *list);

/* layout_write writes a list to a new file: what the state consists of, then
 * the rest. layout_read reads what follows the first line, LAYOUT_HEAD. */
void layout_write(const char *path, const struct list *list);
void layout_read(FILE *in, struct list *list);

/* layout_compare writes what differs first between two lists, in one line.
 * `state_only`: only in what the state consists of. Returns true if nothing
 * does. */
bool layout_compare(const struct list *old, const struct list *new,
                    bool state_only, FILE *why);

/* layout_merge adds the types of another list that this one does not have, and
 * to an enum the enumerators. */
void layout_merge(struct list *list, const struct list *other);

#endif
