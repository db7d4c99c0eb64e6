/* conf: svr_conf to typed values: keys, types, defaults, ranges, nearest names.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf.h"

#define SPACES " \t\r\f\v"
#define KEY_LETTERS                                                            \
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_."

enum { SIZE_LIMIT = 1 << 20 };

/* The place of an error of the whole file. */
static const struct conf_entry whole_file = {.key = "file", .line = 1};

/* The built-in keys, in the order of the reference. */
static const struct svr_key builtin[] = {
    {"svr.name", SVR_STRING, .value = SVR_PROJECT, .min = 1, .max = 40,
     .restart = true},
    {"svr.log_conf_on_reload", SVR_BOOL, .value = "true"},
    {"svr.timer.min_span", SVR_DOUBLE, .value = "1", .min = 0.001, .max = 3600},
    {"svr.timer.run_status_check_time_span", SVR_DOUBLE, .value = "60",
     .min = 1, .max = 86400, .off = true},
    {"svr.timer.run_status_check_by", SVR_STRING, .value = "loop",
     .words = "reporter: loop report"},
    {"svr.timer.summary_output_time_point", SVR_STRING, .value = "M",
     .words = "summary type: D H M"},
    {"svr.close.force_close_delay", SVR_DOUBLE, .value = "10", .min = 0.1,
     .max = 3600},
    {"svr.reload.wait", SVR_DOUBLE, .value = "10", .min = 0.1, .max = 3600},
    {"log.console", SVR_BOOL, .value = "true"},
    {"log.console.level", SVR_STRING, .value = "INFO", .words = CONF_LEVELS},
    {"log.console.format", SVR_STRING, .value = CONF_FORMAT},
    {"log.syslog", SVR_BOOL, .value = "true"},
    {"log.syslog.level", SVR_STRING, .value = "WARN", .words = CONF_LEVELS},
    {"log.syslog.format", SVR_STRING, .value = CONF_FORMAT},
    {"log.file_log", SVR_STRING, .value = "log/" SVR_PROJECT ".log"},
    {"log.file_log.level", SVR_STRING, .value = "WARN", .words = CONF_LEVELS},
    {"log.file_log.format", SVR_STRING, .value = "%(asctime)s " CONF_FORMAT},
    {.key = NULL},
};

/* Records an error with its line and key. Returns -1. */
static int
blame_args(const struct conf_entry *entry, const char *format, va_list args) {
    char because[FAILURE_SIZE - 128];
    text_format(because, sizeof because, format, args);
    return svr_fail("svr_conf:%d: %.80s: %s", entry->line ? entry->line : 1,
                    entry->key, because);
}

__attribute__((format(printf, 2, 3))) static int
blame(const struct conf_entry *entry, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int result = blame_args(entry, format, args);
    va_end(args);
    return result;
}

/* ---- Values ----------------------------------------------------------- */

/* The units of sizes and times. */
static const struct unit {
    const char *name;
    double factor;
    bool time;
} units[] = {{"", 1, false},        {"k", 1 << 10, false},
             {"M", 1 << 20, false}, {"G", 1 << 30, false},
             {"ms", 0.001, true},   {"s", 1, true},
             {"m", 60, true},       {"h", 3600, true}};

static const struct unit *
find_unit(const char *name) {
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(units[i].name, name) == 0)
            return &units[i];
    return NULL;
}

/* Reads a number with its unit, whatever locale a hook has chosen. Returns its
 * type, or SVR_STRING if the text is no number. */
static enum svr_type
read_number(const char *text, int64_t *integer, double *decimal) {
    size_t sign = strspn(text, "+-"), digits = strspn(text, "0123456789+-.eE");
    bool whole = strspn(text + sign, "0123456789") == digits - sign;
    const struct unit *unit = find_unit(text + digits);
    if (digits == 0 || !unit || (!whole && !unit->time && *unit->name))
        return SVR_STRING;
    char *end;
    void *former = text_c_locale();
    errno = 0;
    double value = strtod(text, &end) * unit->factor;
    text_former_locale(former);
    if (end != text + digits || errno != 0)
        return SVR_STRING;
    *decimal = value;
    if (!whole || unit->time)
        return SVR_DOUBLE;
    *integer = strtoll(text, NULL, 10);
    bool fits = errno == 0 && !__builtin_mul_overflow(
                                  *integer, (int64_t)unit->factor, integer);
    return fits ? SVR_INT : SVR_STRING;
}

/* Reads the value in the text of an entry, and sets its type. */
static void
parse_value(struct conf_entry *entry, bool quoted) {
    bool truth = strcmp(entry->text, "true") == 0;
    if (quoted) {
        entry->form = SVR_STRING;
    } else if (truth || strcmp(entry->text, "false") == 0) {
        entry->form = SVR_BOOL;
        entry->number = truth;
    } else {
        entry->form = read_number(entry->text, &entry->integer, &entry->number);
    }
    entry->type = entry->row ? entry->row->type : entry->form;
}

/* Reports whether a value of a form is one of a type. */
static bool
fits_type(enum svr_type form, enum svr_type type) {
    return form == type || (form == SVR_INT && type == SVR_DOUBLE);
}

/* Returns how much two words differ: the length of the longer one without their
 * common beginning and end. */
static size_t
distance(const char *a, const char *b) {
    size_t i = 0, m = strlen(a), n = strlen(b);
    while (a[i] && tolower(a[i]) == tolower(b[i]))
        i++;
    while (m > i && n > i && tolower(a[m - 1]) == tolower(b[n - 1])) {
        m--;
        n--;
    }
    return (m > n ? m : n) - i;
}

/* Puts a known name into `hint` if it is the nearest one so far to an unknown
 * word. */
static void
consider(const char *word, const char *name, size_t *edits, char hint[96]) {
    size_t now = distance(word, name);
    if (now > 1 + strlen(name) / 4 || (*hint && now >= *edits))
        return;
    *edits = now;
    snprintf(hint, 96, " (did you mean \"%.64s\"?)", name);
}

/* Checks a value against the words of its row, "noun: WORD WORD ...". */
static int
check_word(const struct conf_entry *entry) {
    const char *words = entry->row->words;
    int noun = (int)strcspn(words, ":");
    size_t edits = 0;
    char list[64], hint[96] = "", *left = list + 1, *word;
    snprintf(list, sizeof list, "%s", words + noun + 1);
    while ((word = strsep(&left, " "))) {
        if (strcmp(word, entry->text) == 0)
            return 0;
        consider(entry->text, word, &edits, hint);
    }
    return blame(entry, "unknown %.*s \"%.64s\"%s", noun, words, entry->text,
                 hint);
}

/* Sets the range of a value: that of its key's row; for a user's key that of
 * the comment beside it, if it is only a range. */
static void
read_range(struct conf_entry *entry) {
    char first[32], last[32], more;
    int64_t integer;
    double least = 0, most = 0;
    if (entry->row) {
        entry->least = entry->row->min;
        entry->most = entry->row->max;
    } else if (entry->beside &&
               sscanf(entry->beside, " %31s to %31s %c", first, last, &more) ==
                   2 &&
               read_number(first, &integer, &least) != SVR_STRING &&
               read_number(last, &integer, &most) != SVR_STRING &&
               least <= most) {
        entry->least = least;
        entry->most = most;
    }
}

/* Checks a value against the type, the range and the words of its key. */
static int
check_value(const struct conf_entry *entry) {
    static const char *const needs[] = {"true or false", "an integer",
                                        "a number", "a word or a \"string\""};
    const struct svr_key *row = entry->row;
    bool text = entry->type == SVR_STRING, off = row && row->off;
    bool ranged = entry->least != 0 || entry->most != 0;
    double size = text ? (double)strlen(entry->text) : entry->number;
    if (!fits_type(entry->form, entry->type) && !row->words)
        return blame(entry, "needs %s", needs[entry->type]);
    if (!row && ranged && !fits_type(entry->type, SVR_DOUBLE))
        return blame(entry, "needs a number,%s", entry->beside);
    if (off && size == 0)
        return 0;
    if (ranged && (size < entry->least || size > entry->most))
        return blame(entry, "out of range, needs %s%g to %g%s",
                     off ? "0 (off) or " : "", entry->least, entry->most,
                     text ? " characters" : "");
    return row && row->words ? check_word(entry) : 0;
}

/* ---- Lines ------------------------------------------------------------ */

static uint32_t
hash(const char *key) {
    uint32_t sum = 2166136261;
    for (; *key; key++)
        sum = (sum ^ (unsigned char)*key) * 16777619;
    return sum;
}

/* Returns the place of a key in the index, or of the gap where it belongs. */
static struct conf_entry **
find_place(const struct conf *conf, const char *key) {
    uint32_t at = hash(key);
    for (;; at++) {
        struct conf_entry **place = &conf->index[at % conf->places];
        if (!*place || strcmp((*place)->key, key) == 0)
            return place;
    }
}

static struct conf_entry *
find_entry(const struct conf *conf, const char *key) {
    return *find_place(conf, key);
}

/* Makes room for the keys of all tables and of all lines. */
static int
reserve_entries(struct conf *conf, const struct svr_key *const tables[]) {
    size_t most = sizeof builtin / sizeof *builtin;
    for (const char *s = conf->text; s && *s; s++)
        most += *s == '=';
    for (; *tables; tables++)
        for (const struct svr_key *row = *tables; row->key; row++)
            most++;
    conf->places = 2 * most;
    conf->index = calloc(conf->places, sizeof(void *));
    conf->entries = calloc(most, sizeof *conf->entries);
    return conf->index && conf->entries ? 0 : blame(&whole_file, "no memory");
}

static void
add_entry(struct conf *conf, struct conf_entry entry) {
    struct conf_entry *added = &conf->entries[conf->count++];
    *find_place(conf, entry.key) = added;
    *added = entry;
}

/* Returns the byte that is written at `*s`, where `*s` is left at its end. An
 * escape is a letter of C's, one to three octal digits, or x and one or two
 * hexadecimal digits. Returns 0 if there is no byte, or it is 0. */
static int
decode_byte(char **s) {
    static const char names[] = "abfnrtv\\\"'?";
    static const char bytes[] = "\a\b\f\n\r\t\v\\\"'?";
    if (**s != '\\')
        return (unsigned char)**s;
    const char *name = strchr(names, (*s)[1]);
    bool hex = (*s)[1] == 'x';
    const char *digits = hex ? "0123456789abcdefABCDEF" : "01234567";
    char text[4] = "";
    *s += name || hex;
    if (name)
        return (unsigned char)bytes[name - names];
    for (int n = 0; n < (hex ? 2 : 3) && (*s)[1] && strchr(digits, (*s)[1]);
         n++)
        text[n] = *++*s;
    long byte = strtol(text, NULL, hex ? 16 : 8);
    return byte < 256 ? (int)byte : 0;
}

/* Decodes the string at the quote `s` in place, so that it begins at `s`.
 * Returns the byte behind the closing quote, or NULL. */
static char *
decode(char *s) {
    char *out = s;
    while (*++s != '"') {
        int byte = decode_byte(&s);
        if (byte == 0)
            return NULL;
        *out++ = (char)byte;
    }
    *out = '\0';
    return s + 1;
}

/* Reads the value that starts at `value`, and the comment behind it. */
static int
read_value(struct conf_entry *entry, char *value) {
    bool quoted = *value == '"';
    char *end = quoted ? decode(value) : value + strcspn(value, SPACES "#\"");
    if (!end)
        return blame(entry, "the string does not end, or has an escape "
                            "that C does not have");
    if (end == value)
        return blame(entry, "no value (\"\" is the empty string)");
    char *rest = end + strspn(end, SPACES);
    if (*rest != '\0' && *rest != '#')
        return blame(entry, "more than one value; put a text with "
                            "spaces in double quotes");
    entry->beside = *rest == '#' ? rest + 1 : NULL;
    entry->text = value;
    if (!quoted)
        *end = '\0';
    parse_value(entry, quoted);
    if (!quoted && strchr("0123456789+-", *value) && entry->form == SVR_STRING)
        return blame(entry,
                     "not a number with a known unit (k, M, G; ms, s, m, h); "
                     "put a string in double quotes");
    return 0;
}

/* Refuses a key that no table has, unless it is the user's; names the nearest
 * known key. */
static int
unknown(const struct conf *conf, const struct conf_entry *entry) {
    size_t word = strcspn(entry->key, ".") + 1, edits = 0;
    bool reserved = conf->own == CONF_NONE;
    char hint[96] = "";
    for (size_t i = 0; conf->own == CONF_OWN && i < conf->count; i++)
        reserved |= conf->entries[i].row &&
                    strncmp(conf->entries[i].key, entry->key, word) == 0;
    for (size_t i = 0; reserved && i < conf->count; i++)
        consider(entry->key, conf->entries[i].key, &edits, hint);
    return reserved ? blame(entry, "unknown key%s", hint) : 0;
}

/* Reads the line `key = value` that starts at `s`. */
static int
read_line(struct conf *conf, struct conf_entry line, char *s) {
    size_t length = strcspn(s, SPACES "=#");
    char *equals = s + length + strspn(s + length, SPACES);
    bool assigns = *equals == '=';
    s[length] = '\0';
    line.key = s;
    if (!assigns)
        return blame(&line, "not a line `key = value`");
    if (!isalpha(*s) || s[strspn(s, KEY_LETTERS)] || strstr(s, "..") ||
        s[length - 1] == '.')
        return blame(&line, "not a key: it has letters, digits, _ and "
                            "single dots, and begins with a letter");
    struct conf_entry *entry = find_entry(conf, s);
    if (entry && entry->line)
        return blame(&line, "is already set in line %d", entry->line);
    line.row = entry ? entry->row : NULL;
    if (read_value(&line, equals + 1 + strspn(equals + 1, SPACES)) < 0 ||
        (!entry && unknown(conf, &line) < 0))
        return -1;
    read_range(&line);
    if (check_value(&line) < 0)
        return -1;
    if (entry)
        *entry = line;
    else
        add_entry(conf, line);
    return 0;
}

static int
read_lines(struct conf *conf) {
    struct conf_entry line = {.line = 0};
    for (char *s = conf->text, *next; s; s = next) {
        next = strchr(s, '\n');
        if (next)
            *next++ = '\0';
        line.line++;
        line.start = s;
        s += strspn(s, SPACES);
        if (*s == '#') {
            line.above = line.above ? line.above : s;
            continue;
        }
        if (*s != '\0' && read_line(conf, line, s) < 0)
            return -1;
        line.above = NULL;
    }
    return 0;
}

/* ---- The file --------------------------------------------------------- */

/* Reads the whole file; it is an error if it changes during that. */
static int
read_file(struct conf *conf, int fd) {
    struct stat before, after;
    if (fd < 0 || fstat(fd, &before) < 0)
        return blame(&whole_file, "%s", strerror(errno));
    if (!S_ISREG(before.st_mode) || before.st_size > SIZE_LIMIT)
        return blame(&whole_file, "not a file of at most 1 MiB");
    size_t size = (size_t)before.st_size;
    conf->text = calloc(1, size + 2);
    ssize_t got = conf->text ? read(fd, conf->text, size + 1) : -1;
    if (got < 0 || fstat(fd, &after) < 0)
        return blame(&whole_file, "%s", strerror(errno));
    if ((size_t)got != size ||
        memcmp(&after.st_mtim, &before.st_mtim, sizeof after.st_mtim) != 0)
        return blame(&whole_file, "changed while it was read; try again");
    if (memchr(conf->text, '\0', size))
        return blame(&whole_file, "has a NUL byte: not a text file");
    return 0;
}

/* Adds a table's keys, with their defaults. */
static void
add_table(struct conf *conf, const struct svr_key *row) {
    for (; row->key; row++) {
        struct conf_entry entry = {
            .row = row, .key = row->key, .text = row->value};
        parse_value(&entry, row->type == SVR_STRING);
        if (!find_entry(conf, row->key))
            add_entry(conf, entry);
    }
}

struct conf *
conf_read(int dir, const char *path, const struct svr_key *const tables[],
          enum conf_own own) {
    struct conf *conf = calloc(1, sizeof *conf);
    if (!conf) {
        svr_fail("%s: no memory", path);
        return NULL;
    }
    conf->own = own;
    int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int result = read_file(conf, fd);
    if (fd >= 0)
        close(fd);
    if (result == 0)
        result = reserve_entries(conf, tables);
    if (result == 0) {
        add_table(conf, builtin);
        for (; *tables; tables++)
            add_table(conf, *tables);
        result = read_lines(conf);
    }
    if (result == 0)
        return conf;
    conf_free(conf);
    return NULL;
}

void
conf_free(struct conf *conf) {
    if (!conf)
        return;
    free(conf->entries);
    free(conf->index);
    free(conf->text);
    free(conf);
}

/* ---- Queries ---------------------------------------------------------- */

const char *
conf_text(const struct conf *conf, const char *key) {
    const struct conf_entry *entry = find_entry(conf, key);
    return entry ? entry->text : NULL;
}

double
conf_number(const struct conf *conf, const char *key) {
    const struct conf_entry *entry = find_entry(conf, key);
    return entry ? entry->number : 0;
}

int
conf_check_table(const struct svr_key *table, size_t size) {
    static const size_t sizes[] = {sizeof(bool), sizeof(int64_t),
                                   sizeof(double), sizeof(const char *)};
    if (size > SIZE_LIMIT)
        return svr_fail("handler.so: a struct svr_conf of %zu bytes", size);
    for (size_t i = 0; table[i].key; i++) {
        const struct svr_key *row = &table[i];
        if (i > SIZE_LIMIT / sizeof *row)
            return svr_fail("handler.so: its list of keys has no end");
        if (row->type > SVR_STRING || row->offset > size ||
            sizes[row->type] > size - row->offset || !row->value ||
            (row->words && !strchr(row->words, ':')))
            return svr_fail("handler.so: key %.64s: its row is damaged: run "
                            "`make clean` and make",
                            row->key);
    }
    return 0;
}

int
conf_fill(const struct conf *conf, const struct svr_key *table, void *values) {
    for (const struct svr_key *row = table; row->key; row++) {
        const struct conf_entry *entry = find_entry(conf, row->key);
        void *field = (char *)values + row->offset;
        if (row->type == SVR_STRING)
            *(const char **)field = entry->text;
        else if (!fits_type(entry->form, row->type))
            return blame(entry,
                         "has another type in the server than in handler.so: "
                         "restart the server");
        else if (row->type == SVR_BOOL)
            *(bool *)field = entry->number != 0;
        else if (row->type == SVR_INT)
            *(int64_t *)field = entry->integer;
        else
            *(double *)field = entry->number;
    }
    return 0;
}

/* Writes the name of a changed key, with the types if they differ. */
static void
name_change(const struct conf_entry *entry, const struct conf_entry *was,
            char *text, size_t size) {
    static const char *const types[] = {"a truth value", "an integer",
                                        "a decimal", "a text"};
    if (!was || was->type == entry->type)
        snprintf(text, size, "%.80s", entry->key);
    else
        snprintf(text, size, "%.80s: was %s, is now %s", entry->key,
                 types[was->type], types[entry->type]);
}

bool
conf_changed(const struct conf_entry *entry, const struct conf *old) {
    const struct conf_entry *was = find_entry(old, entry->key);
    return !was || strcmp(was->text, entry->text) != 0 ||
           was->type != entry->type;
}

int
conf_changes(const struct conf *conf, const struct conf *old, bool restart,
             char names[CONF_NAMES]) {
    int changed = 0;
    size_t used = 0;
    *names = '\0';
    for (size_t i = 0; i < conf->count; i++) {
        const struct conf_entry *entry = &conf->entries[i];
        char name[160];
        if (!conf_changed(entry, old) || (restart && !entry->row->restart))
            continue;
        name_change(entry, find_entry(old, entry->key), name, sizeof name);
        bool room = used + strlen(name) + sizeof ", , ..." < CONF_NAMES;
        if (room)
            used += (size_t)snprintf(names + used, CONF_NAMES - used, "%s%s",
                                     changed ? ", " : "", name);
        else if (names[used - 1] != '.')
            used += (size_t)snprintf(names + used, CONF_NAMES - used, ", ...");
        changed++;
    }
    return changed;
}

bool
conf_secret(const char *key) {
    const char *dot = strrchr(key, '.');
    const char *word = dot ? dot + 1 : key;
    return !strcmp(word, "password") || !strcmp(word, "secret") ||
           !strcmp(word, "token");
}

int
conf_blame(const struct conf *conf, const char *key, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int result = blame_args(find_entry(conf, key), format, args);
    va_end(args);
    return result;
}
