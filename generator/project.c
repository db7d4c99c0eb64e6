/* project: creates a project's folder, all or nothing. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buffer.h"
#include "data.h"
#include "derive.h"
#include "fail.h"
#include "project.h"
#include "stage.h"
#include "template.h"

static const struct project *project;
static char *tiny_files[256]; /* the paths of Tiny's files in the project */
static size_t tiny_count;

/* Writes a file of the project. */
static int
write_piece(const char *path, const char *text, size_t size) {
    static const char *const folders[] = {"runtime/", "parts/", "service/",
                                          "svr.sh"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        if (strncmp(path, folders[i], strlen(folders[i])) != 0)
            continue;
        if (tiny_count == sizeof tiny_files / sizeof *tiny_files)
            return fail("%s: too many files", path);
        tiny_files[tiny_count] = strdup(path);
        if (!tiny_files[tiny_count++])
            return fail("no memory");
    }
    return stage_write(path, text, size);
}

static int
copy_file(const char *folder, const char *path) {
    char target[PATH_MAX];
    size_t size;
    char *text = data_read(data_path("%s/%s", folder, path), &size);
    if (!text)
        return -1;
    snprintf(target, sizeof target, "%s/%s", folder, path);
    int result = write_piece(target, text, size);
    free(text);
    return result;
}

/* ---- The files of a project ------------------------------------------- */

/* The template files, with the path that each will have in the project. */
static struct { char *path, *source; } pieces[256];
static size_t pieces_count;
static const char *piece_folder;

static int
collect(const char *path, void *unused) {
    (void)unused;
    if (pieces_count == sizeof pieces / sizeof *pieces)
        return fail("a template with too many files");
    char target[PATH_MAX];
    const char *mark = strstr(path, "__NAME__");
    if (mark)
        snprintf(target, sizeof target, "%.*s%s%s", (int)(mark - path), path,
                 project->name, mark + strlen("__NAME__"));
    else
        snprintf(target, sizeof target, "%s", path);
    pieces[pieces_count].path = strdup(target);
    pieces[pieces_count].source =
        strdup(data_path("%s/%s", piece_folder, path));
    if (!pieces[pieces_count].path || !pieces[pieces_count].source)
        return fail("no memory");
    pieces_count++;
    return 0;
}

static int
add_piece(struct template *all, const char *path, const char *source) {
    size_t size;
    char *text = data_read(source, &size);
    int result = text ? template_add(all, path, text, size) : -1;
    free(text);
    return result;
}

/* Adds each part's text for a file, parts/NAME.ENDING, between a head and a
 * tail. */
static int
add_parts(struct template *all, const char *path, const char *ending,
          const char *head, const char *tail) {
    int result = 0;
    for (char **part = project->parts; *part && result == 0; part++) {
        char text[128], source[PATH_MAX];
        snprintf(source, sizeof source, "%s",
                 data_path("parts/%s.%s", *part, ending));
        if (access(source, F_OK) < 0 && errno == ENOENT)
            continue; /* the part has no such text */
        int length = snprintf(text, sizeof text, "%s%s\n\n", head, *part);
        result = template_add(all, path, text, (size_t)length);
        if (result == 0)
            result = add_piece(all, path, source);
        if (result == 0)
            result = template_add(all, path, tail, strlen(tail));
    }
    return result;
}

/* Adds all pieces of a path: those of the template, of the parts, and of every
 * project. */
static int
add_pieces(struct template *all, size_t i) {
    const char *path = pieces[i].path;
    for (size_t j = 0; j < i; j++)
        if (strcmp(pieces[j].path, path) == 0)
            return 0;
    int result = add_piece(all, path, pieces[i].source);
    if (result == 0 && strcmp(path, "svr_conf") == 0)
        result = add_parts(all, path, "conf", "# ---- Part ", "\n");
    for (size_t j = i + 1; j < pieces_count && result == 0; j++)
        if (strcmp(pieces[j].path, path) == 0)
            result = add_piece(all, path, pieces[j].source);
    if (result == 0 && strcmp(path, "README.md") == 0)
        result = add_parts(all, path, "md", "\n## Part ", "");
    return result;
}

/* The unit's type, if the part `notify` feeds systemd's watchdog. */
static const char notify[] =
    "notify\n"
    "# Longer than svr.timer.run_status_check_time_span, whose watchdog "
    "reports\n"
    "# where the server hung.\n"
    "WatchdogSec=90";

/* Fills the templates. */
static int
fill(void) {
    char folder[PATH_MAX], declarations[4096] = "", rows[4096] = "";
    size_t d = 0, r = 0;
    for (char **part = project->parts; *part; part++) {
        char program[WORDS_SIZE];
        data_words(true, *part, "program", program);
        if (*program)
            continue;
        d += (size_t)snprintf(declarations + d, sizeof declarations - d,
                              "extern const struct part part_%s;\n", *part);
        r += (size_t)snprintf(rows + r, sizeof rows - r, "&part_%s, ", *part);
    }
    for (char *c = declarations; *c; c++)
        *c = *c == '-' ? '_' : *c;
    for (char *c = rows; *c; c++)
        *c = *c == '-' ? '_' : *c;
    char libs[WORDS_SIZE], packages[WORDS_SIZE];
    data_words(false, project->template, "libs", libs);
    data_words(false, project->template, "packages", packages);
    for (char **part = project->parts; *part; part++) {
        size_t used = strlen(packages);
        char more[WORDS_SIZE];
        data_words(true, *part, "packages", more);
        snprintf(packages + used, sizeof packages - used, "%s", more);
    }
    if (data_lost())
        return -1;
    const struct template_word words[] = {
        {"__NAME__", project->name},
        {"__LIBS__", libs},
        {"__PACKAGES__", packages},
        {"__UNIT_TYPE__", strstr(rows, "&part_notify,") ? notify : "simple"},
        {"__PART_DECLARATIONS__", declarations},
        {"__PART_ROWS__", rows},
        {NULL, NULL}};
    snprintf(folder, sizeof folder, "templates/%s", project->template);
    piece_folder = folder;
    if (data_list(folder, collect, NULL) < 0)
        return -1;
    piece_folder = "templates/common";
    if (data_list("templates/common", collect, NULL) < 0)
        return -1;
    struct template *all = template_open();
    int result = all ? 0 : fail("no memory");
    for (size_t i = 0; i < pieces_count && result == 0; i++)
        result = add_pieces(all, i);
    return result < 0 ? result : template_fill(all, words, write_piece);
}

static int
copy_runtime(const char *path, void *unused) {
    (void)unused;
    return copy_file("runtime", path);
}

/* Copies Tiny's files, byte for byte. */
static int
copy_tiny(void) {
    char name[256];
    int result = data_list("runtime", copy_runtime, NULL);
    for (char **part = project->parts; *part && result == 0; part++) {
        snprintf(name, sizeof name, "%s.c", *part);
        result = copy_file("parts", name);
        snprintf(name, sizeof name, "%s.h", *part);
        if (result == 0)
            result = copy_file("parts", name);
    }
    return result;
}

/* Derives svr_conf.h with the parser that the server uses. */
static int
derive_header_file(void) {
    const struct svr_key *tables[] = {NULL};
    struct buffer text = {.text = NULL};
    if (stage_fd() < 0)
        return stage_write("svr_conf.h", "", 0);
    struct conf *conf = conf_read(stage_fd(), "svr_conf", tables, CONF_ANY);
    FILE *out = conf ? buffer_open(&text) : NULL;
    if (conf && !out)
        svr_fail("svr_conf.h: no memory");
    int result = out ? derive_header(conf, NULL, out) : -1;
    if (buffer_close(&text, out) < 0 && result == 0)
        result = svr_fail("svr_conf.h: no memory");
    result = result < 0 ? fail("%s", failure_reason())
                        : stage_write("svr_conf.h", text.text, text.size);
    conf_free(conf);
    free(text.text);
    return result;
}

static int
by_path(const void *one, const void *other) {
    return strcmp(*(char *const *)one, *(char *const *)other);
}

/* Writes the shell command that computes the checksums of Tiny's files. */
static int
write_command(char *text, size_t size) {
    size_t used = (size_t)snprintf(text, size, "sha256sum");
    qsort(tiny_files, tiny_count, sizeof *tiny_files, by_path);
    for (size_t i = 0; i < tiny_count && used < size; i++)
        used +=
            (size_t)snprintf(text + used, size - used, " %s", tiny_files[i]);
    return used < size ? 0 : fail("%s: too many files", project->folder);
}

/* Records for a later --update the version, arguments and checksums. */
static int
note_origin(void) {
    char text[16384];
    size_t size;
    int length = snprintf(text, sizeof text, "%s\n", VERSION);
    if (stage_write(".tiny/version", text, (size_t)length) < 0)
        return -1;
    length = snprintf(text, sizeof text, "%s\n", project->arguments);
    if (stage_write(".tiny/arguments", text, (size_t)length) < 0)
        return -1;
    if (stage_fd() < 0)
        return stage_write(".tiny/manifest", "", 0);
    if (write_command(text, sizeof text) < 0)
        return -1;
    FILE *sums = tmpfile(); /* sha256sum's output */
    int result = sums ? stage_run(stage_fd(), text, -1, sums) : -1;
    char *manifest = result < 0 ? NULL : stage_output(sums, &size);
    result = manifest
                 ? stage_write(".tiny/manifest", manifest, size)
                 : fail("%s/.tiny/manifest: sha256sum failed", project->folder);
    if (sums)
        fclose(sums);
    free(manifest);
    return result;
}

/* Makes a new repository in the folder, even if the caller is inside another
 * one. The author is the caller's setting. */
static int
commit(void) {
    for (char **word = environ; *word;) {
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(*word, "="), *word);
        if (strncmp(name, "GIT_", 4) == 0 &&
            strncmp(name, "GIT_AUTHOR_", 11) != 0 &&
            strncmp(name, "GIT_COMMITTER_", 14) != 0 && unsetenv(name) == 0)
            word = environ; /* unsetenv may have moved it */
        else
            word++;
    }
    return stage_run(stage_fd(),
                     "git init -q && git add -A && "
                     "git commit -q -m 'Made by tiny-new' >&2",
                     -1, NULL) < 0
               ? fail("git init or its first commit failed")
               : 0;
}

static int
make_all(void) {
    if (fill() < 0 || copy_tiny() < 0 || derive_header_file() < 0 ||
        note_origin() < 0)
        return -1;
    if (project->update)
        return project->apply(project);
    if (project->git && !project->dry_run && commit() < 0)
        return -1;
    return stage_show();
}

int
project_make(struct project *wanted) {
    project = wanted;
    enum stage_kind kind = !project->update
                               ? project->dry_run ? STAGE_LIST : STAGE_NEW
                           : project->dry_run ? STAGE_TRIAL
                                              : STAGE_UPDATE;
    int result = stage_open(project->folder, project->name, kind);
    if (result == 0)
        result = make_all();
    wanted->files = stage_files();
    if (result < 0 || project->update)
        stage_clear();
    return result;
}
