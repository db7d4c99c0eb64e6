/* layout-list: lists of types: read, written, compared
 *
 * use: parts
 * program: layout-reader
 *
 * For the program layout-reader. An error ends that program. */
#ifndef LAYOUT_LIST_H
#define LAYOUT_LIST_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { LAYOUT_MOST = 20000, LAYOUT_NO_BITS = -1 };
#define LAYOUT_HEAD "layout 1\n"

/* A member of a struct or union, or an enumerator.
 *
 * `form` is its type, spelled for comparison: u4 is an unsigned number of four
 * bytes, *T a pointer to T, [N]T an array, (T,T)R a function, {NAME} a type of
 * the list, and ? an unknown type. */
struct member {
    char *name, *form, *shown, *place;
    int64_t at;   /* offset in bits; or an enumerator's value */
    int64_t bits; /* of a bit field; LAYOUT_NO_BITS = not a bit field */
};

/* A struct, a union or an enum. */
struct type {
    char *name;  /* without a tag: ~ and its typedef or place */
    char *place; /* of its declaration */
    char kind;   /* s, u or e */
    bool tagged; /* the name is its tag, not a typedef */
    bool inner;  /* the state contains this type itself */
    bool seen;   /* already compared, or visited by layout_mark */
    int64_t size;
    struct member *members;
    size_t count;
};

/* What is known of a handler. */
struct list {
    struct type **types;
    size_t count;
    char *state; /* name of the state's type; "" = unknown */
    int64_t version;
};

/* A line of a verdict begins with one of these words. */
#define LAYOUT_SAME     "same"
#define LAYOUT_CHANGED  "changed"
#define LAYOUT_UNKNOWN  "unknown"
#define LAYOUT_NO_STATE "does not show the type of its state" /* only that */

/* A written list has the state's types first, up to LAYOUT_REST, then the
 * others, up to LAYOUT_END. */
#define LAYOUT_REST "rest\n"
#define LAYOUT_END  "end\n"

/* layout_unknown ends the program with the verdict LAYOUT_UNKNOWN. */
_Noreturn void layout_unknown(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* layout_grow returns an array with room for one more than `count`. */
void *layout_grow(void *array, size_t count, size_t size);

/* layout_word copies a text (NULL = ""), and replaces characters that would end
 * a word of a list. The caller frees the copy. */
char *layout_word(const char *text);

/* layout_kind returns C's keyword for a kind of type. */
const char *layout_kind(char kind);

/* layout_bare returns a type's name for messages. */
const char *layout_bare(const char *name);

/* layout_add adds a type. */
struct type *layout_add(struct list *list, struct type type);

/* layout_mark marks as `inner` the state's type and every type it contains.
 * layout_single removes duplicates: types that several units have in the same
 * form. */
void layout_mark(struct list *list, const char *name);
void layout_single(struct list *list);

/* layout_write writes a list to a new file: the types that the state contains,
 * then the rest. layout_read reads what follows the first line, LAYOUT_HEAD. */
void layout_write(const char *path, const struct list *list);
void layout_read(FILE *in, struct list *list);

/* layout_compare writes the first difference between two lists, in one line.
 * `state_only` = compare only the types that the state contains. Returns true
 * if there is no difference. */
bool layout_compare(const struct list *old, const struct list *new,
                    bool state_only, FILE *why);

/* layout_merge adds the types of another list that this one lacks, and to its
 * enums the enumerators that they lack. */
void layout_merge(struct list *list, const struct list *other);

#endif
