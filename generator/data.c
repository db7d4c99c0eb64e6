/* data: Tiny's own files: templates, runtime, parts. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buffer.h"
#include "data.h"
#include "fail.h"

static char root[PATH_MAX];
static bool lost;

bool
data_lost(void) {
    return lost;
}

/* Reports why a file was not read. */
static int
lose_data(const char *path, int error) {
    lost = true;
    return fail("%s: %s", path, strerror(error));
}

static bool
is_data(const char *folder) {
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/runtime/svr.h", folder);
    if (access(path, R_OK) < 0)
        return false;
    return realpath(folder, root) != NULL;
}

/* The source tree of a build tree: make wrote its path there. */
static const char *
source_of(const char *build) {
    static char source[PATH_MAX];
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/tiny-new.source", build);
    FILE *file = fopen(path, "re");
    char *line = file ? fgets(source, sizeof source, file) : NULL;
    if (file)
        fclose(file);
    source[line ? strcspn(line, "\n") : 0] = '\0';
    return source;
}

int
data_find(void) {
    char program[PATH_MAX], folder[PATH_MAX + 16];
    const char *given = getenv("TINY_DATADIR");
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    program[length < 0 ? 0 : length] = '\0';
    char *slash = strrchr(program, '/');
    if (slash)
        *slash = '\0';
    snprintf(folder, sizeof folder, "%s/../share/tiny", program);
    if (given)
        return is_data(given)
                   ? 0
                   : fail("TINY_DATADIR: %s does not have Tiny's files", given);
    if (is_data(folder) || is_data(source_of(program)) || is_data(DATA_DIR))
        return 0;
    return fail("Tiny's own files are neither in %s nor in %s; set "
                "TINY_DATADIR",
                folder, DATA_DIR);
}

const char *
data_path(const char *format, ...) {
    static char path[PATH_MAX * 2];
    va_list args;
    int used = snprintf(path, sizeof path, "%s/", root);
    va_start(args, format);
    vsnprintf(path + used, sizeof path - (size_t)used, format, args);
    va_end(args);
    return path;
}

static int
walk(const char *folder, const char *below,
     int (*visit)(const char *path, void *arg), void *arg) {
    struct dirent **entries;
    int n =
        scandir(data_path("%s/%s", folder, below), &entries, NULL, alphasort);
    int result =
        n < 0 ? lose_data(data_path("%s/%s", folder, below), errno) : 0;
    for (int i = 0; i < n; i++) {
        char path[PATH_MAX];
        struct stat file;
        const char *name = entries[i]->d_name;
        snprintf(path, sizeof path, "%s%s%s", below, *below ? "/" : "", name);
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || result < 0)
            ;
        else if (stat(data_path("%s/%s", folder, path), &file) < 0)
            result = lose_data(data_path("%s/%s", folder, path), errno);
        else if (S_ISDIR(file.st_mode))
            result = walk(folder, path, visit, arg);
        else
            result = visit(path, arg);
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
    return result;
}

int
data_list(const char *folder, int (*visit)(const char *path, void *arg),
          void *arg) {
    return walk(folder, "", visit, arg);
}

char *
data_read(const char *path, size_t *size) {
    char bytes[8192];
    struct buffer text = {.text = NULL};
    size_t got;
    FILE *file = fopen(path, "re");
    if (!file) {
        lose_data(path, errno);
        return NULL;
    }
    FILE *out = buffer_open(&text);
    while (out && (got = fread(bytes, 1, sizeof bytes, file)) > 0)
        fwrite(bytes, 1, got, out);
    int error = ferror(file) ? errno : 0;
    fclose(file);
    if (buffer_close(&text, out) < 0)
        error = errno;
    *size = text.size;
    if (!error)
        return text.text;
    lose_data(path, error);
    free(text.text);
    return NULL;
}

/* Lists the files with an ending in one of Tiny's folders, without that
 * ending. */
static char **
names(const char *folder, const char *ending) {
    struct dirent **entries;
    int n = scandir(data_path("%s", folder), &entries, NULL, alphasort);
    char **list = n < 0 ? NULL : calloc((size_t)n + 1, sizeof *list);
    size_t used = 0;
    int error = list ? 0 : errno;
    for (int i = 0; i < n; i++) {
        char *name = entries[i]->d_name;
        size_t length = strlen(name), tail = strlen(ending);
        if (list && length > tail &&
            strcmp(name + length - tail, ending) == 0) {
            list[used] = strndup(name, length - tail);
            error = list[used] ? error : errno;
            used += list[used] != NULL;
        }
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
    if (error) {
        lose_data(folder, error);
        free(list);
        list = NULL;
    }
    return list;
}

char **
data_parts(void) {
    return names("parts", ".h");
}

char **
data_templates(void) {
    return names("templates", ".txt");
}

char *
data_about(bool part, const char *name) {
    size_t size;
    char *text = data_read(part ? data_path("parts/%s.h", name)
                                : data_path("templates/%s.txt", name),
                           &size);
    if (!text)
        return NULL;
    text[strcspn(text, "\n")] = '\0';
    char *from = part ? strchr(text, ':') : NULL;
    char *end = part ? strstr(text, " */") : NULL;
    if (end)
        *end = '\0';
    char *about = strdup(from ? from + 2 : text);
    if (!about)
        lose_data(name, errno);
    free(text);
    return about;
}

void
data_words(bool part, const char *name, const char *label,
           char words[WORDS_SIZE]) {
    char head[64];
    size_t size, length = (size_t)snprintf(head, sizeof head,
                                           part ? "\n * %s:" : "\n%s:", label);
    char *text = data_read(part ? data_path("parts/%s.h", name)
                                : data_path("templates/%s.txt", name),
                           &size);
    const char *from = text ? strstr(text, head) : NULL;
    snprintf(words, WORDS_SIZE, "%s", from ? from + length : "");
    words[strcspn(words, "\n")] = '\0';
    free(text);
}
