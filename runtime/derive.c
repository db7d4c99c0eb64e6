/* derive: svr_conf.h out of svr_conf, for the compiler to know each key. */
#include <ctype.h>
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

/* Writes a key as the field's name. */
static void
field(const char *key, char name[128]) {
    snprintf(name, 128, "%s", key);
    for (char *c = name; *c; c++)
        if (*c == '.')
            *c = '_';
}

/* Each field's name is to be its own, and no word of C. */
static int
check(const struct conf *conf, char reason[WHY_SIZE]) {
    char name[128], other[128], text[256];
    for (size_t i = 0; i < conf->count; i++) {
        const struct conf_entry *entry = &conf->entries[i];
        field(entry->key, name);
        if (strlen(entry->key) >= sizeof name)
            return conf_blame(conf, entry->key, "over 127 characters", reason);
        if (derive_keyword(name))
            return conf_blame(conf, entry->key, "a word of C, no field's name",
                              reason);
        for (size_t j = 0; j < i; j++) {
            field(conf->entries[j].key, other);
            snprintf(text, sizeof text, "has the same field, %s, as %s", name,
                     conf->entries[j].key);
            if (strcmp(name, other) == 0)
                return conf_blame(conf, entry->key, text, reason);
        }
    }
    return 0;
}

/* Writes a comment's text; nothing in it may end the comment. */
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

/* The entry that stands in the file next after a line, or NULL. */
static const struct conf_entry *
next(const struct conf *conf, int line) {
    const struct conf_entry *best = NULL;
    for (size_t i = 0; i < conf->count; i++)
        if (conf->entries[i].line > line &&
            (!best || conf->entries[i].line < best->line))
            best = &conf->entries[i];
    return best;
}

/* Writes a key's field, with the comments above and beside it. */
static void
write_field(FILE *out, const struct conf_entry *entry) {
    static const char *const types[] = {"bool ", "int64_t ", "double ",
                                        "const char *"};
    char name[128];
    const char *line = entry->above;
    for (; line && line < entry->start; line += strlen(line) + 1) {
        fputs(line == entry->above ? "    /* " : "\n     * ", out);
        comment(out, line);
    }
    field(entry->key, name);
    fprintf(out, "%s    %s%s;", entry->above ? " */\n" : "",
            types[conf_type(entry)], name);
    if (entry->beside) {
        fputs(" /* ", out);
        comment(out, entry->beside);
        fputs(" */", out);
    }
    fputc('\n', out);
}

/* Writes a key's row. */
static void
write_row(FILE *out, const struct conf_entry *entry) {
    static const char *const types[] = {"BOOL", "INT", "DOUBLE", "STRING"};
    char name[128];
    field(entry->key, name);
    fprintf(out,
            " \\\n    {\"%s\", SVR_%s, offsetof(struct svr_conf, %s), \\\n"
            "     .value = ",
            entry->key, types[conf_type(entry)], name);
    string(out, entry->text);
    fputs("},", out);
}

int
derive_header(const struct conf *conf, FILE *out, char reason[WHY_SIZE]) {
    const struct conf_entry *entry = NULL;
    if (check(conf, reason) < 0)
        return -1;
    fputs("/* Derived from svr_conf at each make: edit svr_conf. */\n"
          "#ifndef SVR_CONF_H\n#define SVR_CONF_H\n\n"
          "#include \"svr.h\"\n\nstruct svr_conf {\n",
          out);
    if (!next(conf, 0))
        fputs("    char none_;\n", out);
    while ((entry = next(conf, entry ? entry->line : 0)))
        write_field(out, entry);
    fputs("};\n\n/* key, type, place of the field, value at make */\n"
          "#define SVR_CONF_KEYS",
          out);
    while ((entry = next(conf, entry ? entry->line : 0)))
        write_row(out, entry);
    fputs("\n\n#endif\n", out);
    return 0;
}
