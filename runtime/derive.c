/* derive: svr_conf.h from svr_conf, so that the compiler knows each key. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "derive.h"

bool
derive_keyword(const char *word) {
    static const char words[] =
        " auto break case char const continue default do double else enum "
        "extern float for goto if inline int long register restrict return "
        "short signed sizeof static struct switch typedef union unsigned void "
        "volatile while bool true false asm typeof ";
    const char *found = strstr(words, word);
    return found && found[-1] == ' ' && found[strlen(word)] == ' ';
}

/* How svr_conf.h writes each type, and the value that stands for a secret. */
static const struct {
    const char *field, *name, *hidden;
} types[] = {[SVR_BOOL] = {"bool ", "BOOL", "false"},
             [SVR_INT] = {"int64_t ", "INT", "0"},
             [SVR_DOUBLE] = {"double ", "DOUBLE", "0"},
             [SVR_STRING] = {"const char *", "STRING", ""}};

/* A key with its field's name. */
struct field {
    const struct conf_entry *entry;
    char name[128];
};

static int
by_name(const void *one, const void *other) {
    return strcmp(((const struct field *)one)->name,
                  ((const struct field *)other)->name);
}

static int
by_line(const void *one, const void *other) {
    return ((const struct field *)one)->entry->line -
           ((const struct field *)other)->entry->line;
}

/* Names each key's field, with underscores for dots. */
static struct field *
name_fields(const struct conf *conf) {
    struct field *fields = calloc(conf->count + 1, sizeof *fields);
    for (size_t i = 0; fields && i < conf->count; i++) {
        fields[i].entry = &conf->entries[i];
        snprintf(fields[i].name, sizeof fields[i].name, "%s",
                 conf->entries[i].key);
        for (char *c = fields[i].name; *c; c++)
            if (*c == '.')
                *c = '_';
    }
    return fields;
}

/* Refuses a field with the name of a macro. `macros` has a line `#define NAME
 * VALUE` for each. A macro with arguments does no harm. */
static int
check_macros(const struct conf *conf, const struct field *fields,
             FILE *macros) {
    char line[512];
    struct field key;
    while (macros && fgets(line, sizeof line, macros)) {
        if (sscanf(line, "#define %127s", key.name) != 1)
            continue;
        const struct field *field =
            bsearch(&key, fields, conf->count, sizeof *fields, by_name);
        if (field && field->entry->line)
            return conf_blame(conf, field->entry->key,
                              "a macro of the C library, so no field can "
                              "have this name; choose another key");
    }
    return 0;
}

/* Refuses a field whose name is a keyword or another field's. `fields` are
 * sorted by name. */
static int
check_fields(const struct conf *conf, const struct field *fields) {
    for (size_t i = 0; i < conf->count; i++) {
        const struct conf_entry *entry = fields[i].entry;
        if (strlen(entry->key) >= sizeof fields[i].name)
            return conf_blame(conf, entry->key, "over 127 characters");
        if (derive_keyword(fields[i].name))
            return conf_blame(conf, entry->key,
                              "a keyword of C, so no field can have this name");
        if (i > 0 && by_name(&fields[i - 1], &fields[i]) == 0) {
            const struct conf_entry *other = fields[i - 1].entry;
            bool later = other->line > entry->line;
            return conf_blame(conf, later ? other->key : entry->key,
                              "has the same field, %s, as %s", fields[i].name,
                              later ? entry->key : other->key);
        }
    }
    return 0;
}

/* Writes the text of a comment; a space separates `*` and `/` in it. */
static void
comment(FILE *out, const char *text) {
    for (text += strspn(text, "# \t"); *text; text++) {
        fputc(*text, out);
        if ((*text == '*' && text[1] == '/') ||
            (*text == '/' && text[1] == '*'))
            fputc(' ', out);
    }
}

/* Writes a text as a C string. */
static void
string(FILE *out, const char *text) {
    fputc('"', out);
    for (const char *c = text; *c; c++)
        fprintf(out,
                isalnum((unsigned char)*c) || strchr(" _-./:%()<>", *c)
                    ? "%c"
                    : "\\%03o",
                (unsigned char)*c);
    fputc('"', out);
}

/* Writes a key's field, with the comments above and beside it. */
static void
write_field(FILE *out, const struct field *field) {
    const struct conf_entry *entry = field->entry;
    const char *line = entry->above;
    for (; line && line < entry->start; line += strlen(line) + 1) {
        fputs(line == entry->above ? "    /* " : "\n     * ", out);
        comment(out, line);
    }
    fprintf(out, "%s    %s%s;", entry->above ? " */\n" : "",
            types[entry->type].field, field->name);
    if (entry->beside) {
        fputs(" /* ", out);
        comment(out, entry->beside);
        fputs(" */", out);
    }
    fputc('\n', out);
}

/* Writes a key's row. The value of a secret is left out, since others may be
 * able to read handler.so. */
static void
write_row(FILE *out, const struct field *field) {
    const struct conf_entry *entry = field->entry;
    fprintf(out,
            " \\\n    {\"%s\", SVR_%s, offsetof(struct svr_conf, %s), \\\n"
            "     .value = ",
            entry->key, types[entry->type].name, field->name);
    string(out,
           conf_secret(entry->key) ? types[entry->type].hidden : entry->text);
    if (!entry->row && (entry->least != 0 || entry->most != 0))
        fprintf(out, ", .min = %.17g, .max = %.17g", entry->least, entry->most);
    fputs("},", out);
}

/* Writes the header for the keys that are in the file, in its order. `fields`
 * are sorted by line. */
static void
write_header(const struct field *fields, size_t count, FILE *out) {
    size_t first = 0;
    while (first < count && fields[first].entry->line == 0)
        first++;
    fputs("/* Derived from svr_conf at each make: edit svr_conf. */\n"
          "#ifndef SVR_CONF_H\n#define SVR_CONF_H\n\n"
          "#include \"svr.h\"\n\nstruct svr_conf {\n",
          out);
    if (first == count)
        fputs("    char none_;\n", out);
    for (size_t i = first; i < count; i++)
        write_field(out, &fields[i]);
    fputs("};\n\n/* key, type, place of the field, value at make */\n"
          "#define SVR_CONF_KEYS",
          out);
    for (size_t i = first; i < count; i++)
        write_row(out, &fields[i]);
    fputs("\n\n#endif\n", out);
}

int
derive_header(const struct conf *conf, FILE *macros, FILE *out) {
    struct field *fields = name_fields(conf);
    if (!fields)
        return svr_fail("svr_conf.h: no memory");
    qsort(fields, conf->count, sizeof *fields, by_name);
    int result = check_fields(conf, fields);
    if (result == 0)
        result = check_macros(conf, fields, macros);
    qsort(fields, conf->count, sizeof *fields, by_line);
    if (result == 0)
        write_header(fields, conf->count, out);
    free(fields);
    return result;
}
