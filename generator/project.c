/* project: makes a project's folder, wholly or not at all. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "buffer.h"
#include "data.h"
#include "derive.h"
#include "fail.h"
#include "project.h"
#include "template.h"
#include "update.h"

static struct project *project;
static char staging[PATH_MAX];
static int stage = -1; /* the folder in which the project grows */
static volatile sig_atomic_t interrupted;

static void
interrupt(int signal) {
    interrupted = signal;
}

/* ---- Files ------------------------------------------------------------ */

/* Makes the folders above a path. */
static void
make_folders(const char *path) {
    char folder[PATH_MAX];
    for (const char *slash = path; (slash = strchr(slash, '/')); slash++) {
        snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
        mkdirat(stage, folder, 0777);
    }
}

/* Writes a file of the project; scripts become executable. */
static int
write_file(const char *path, const char *text, size_t size) {
    if (interrupted)
        return fail("interrupted; nothing was made");
    project->files++;
    if (project->dry_run && !project->update) {
        printf("%s/%s\n", project->folder, path);
        return 0;
    }
    make_folders(path);
    mode_t mode = strncmp(text, "#!/bin/", 7) == 0 ? 0777 : 0666;
    int fd = openat(stage, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    ssize_t written = fd < 0 ? -1 : write(fd, text, size);
    if (fd >= 0 && close(fd) < 0)
        written = -1;
    if (written == (ssize_t)size)
        return 0;
    return fail("%s/%s: %s", project->folder, path,
                strerror(written < 0 ? errno : ENOSPC));
}

static int
copy_file(const char *folder, const char *path) {
    char target[PATH_MAX];
    size_t size;
    char *text = data_read(data_path("%s/%s", folder, path), &size);
    if (!text)
        return -1;
    snprintf(target, sizeof target, "%s/%s", folder, path);
    int result = write_file(target, text, size);
    free(text);
    return result;
}

/* ---- What a project is made of ---------------------------------------- */

/* The files of the templates, by the path that each will have. */
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

/* Adds what each part has to say in a file: parts/NAME.ENDING, between a head
 * and a tail. */
static int
add_parts(struct template *all, const char *path, const char *ending,
          const char *head, const char *tail) {
    int result = 0;
    for (char **part = project->parts; *part && result == 0; part++) {
        char text[128], source[PATH_MAX];
        snprintf(source, sizeof source, "%s",
                 data_path("parts/%s.%s", *part, ending));
        if (access(source, F_OK) < 0 && errno == ENOENT)
            continue; /* it has none */
        int length = snprintf(text, sizeof text, "%s%s\n\n", head, *part);
        result = template_add(all, path, text, (size_t)length);
        if (result == 0)
            result = add_piece(all, path, source);
        if (result == 0)
            result = template_add(all, path, tail, strlen(tail));
    }
    return result;
}

/* Adds all pieces of a path: the template's, the parts', and what all projects
 * have in common. */
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

/* The unit's type; a watchdog bites who does not feed it. */
static const char notify[] =
    "notify\n"
    "# Above svr.timer.run_status_check_time_span: who hangs can say where.\n"
    "WatchdogSec=90";

/* Fills the templates. */
static int
fill(void) {
    char folder[PATH_MAX], declarations[4096] = "", rows[4096] = "";
    size_t d = 0, r = 0;
    for (char **part = project->parts; *part; part++) {
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
    return result < 0 ? result : template_fill(all, words, write_file);
}

static int
copy_runtime(const char *path, void *unused) {
    (void)unused;
    return copy_file("runtime", path);
}

/* Copies what is Tiny's, byte for byte. */
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
derive(void) {
    const struct svr_key *tables[] = {NULL};
    char reason[WHY_SIZE];
    struct buffer text = {.text = NULL};
    if (project->dry_run && !project->update)
        return write_file("svr_conf.h", "", 0);
    struct conf *conf = conf_read(stage, "svr_conf", tables, CONF_ANY, reason);
    FILE *out = conf ? buffer_open(&text) : NULL;
    if (conf && !out)
        why(reason, "svr_conf.h: no memory");
    int result = out ? derive_header(conf, NULL, out, reason) : -1;
    if (buffer_close(&text, out) < 0 && result == 0)
        result = why(reason, "svr_conf.h: no memory");
    result = result < 0 ? fail("%s", reason)
                        : write_file("svr_conf.h", text.text, text.size);
    conf_free(conf);
    free(text.text);
    return result;
}

/* Runs a command in the project's folder. */
static int
command(const char *line) {
    pid_t pid;
    int status = -1;
    char *argv[] = {"sh", "-c", (char *)line, NULL};
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addfchdir_np(&files, stage);
    if (posix_spawn(&pid, "/bin/sh", &files, NULL, argv, environ) == 0)
        waitpid(pid, &status, 0);
    posix_spawn_file_actions_destroy(&files);
    return status == 0 ? 0 : -1;
}

/* Notes for a later --update: version, arguments, checksums. */
static int
note(void) {
    char text[4096];
    int length = snprintf(text, sizeof text, "%s\n", VERSION);
    if (write_file(".tiny/version", text, (size_t)length) < 0)
        return -1;
    length = snprintf(text, sizeof text, "%s\n", project->arguments);
    if (write_file(".tiny/arguments", text, (size_t)length) < 0)
        return -1;
    if (project->dry_run && !project->update)
        return write_file(".tiny/manifest", "", 0);
    project->files++;
    if (command("exec 2>/dev/null; set -e; export LC_ALL=C; cd .tiny; "
                "(cd .. && find runtime parts service svr.sh -type f) >found; "
                "sort found >names; "
                "(cd .. && xargs sha256sum) <names >manifest; "
                "rm found names") < 0)
        return fail("%s/.tiny/manifest: sha256sum failed", project->folder);
    return 0;
}

/* ---- All or nothing --------------------------------------------------- */

static int
remove_one(const char *path, const struct stat *file, int type,
           struct FTW *where) {
    (void)file, (void)type, (void)where;
    return remove(path);
}

/* Removes the stage; once more if a first try did not come to its end. */
static void
clear_stage(void) {
    for (int i = 0; i < 2 && access(staging, F_OK) == 0; i++)
        nftw(staging, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Makes the folder beside the one to come. */
static int
open_stage(void) {
    char parent[PATH_MAX];
    snprintf(parent, sizeof parent, "%s", project->folder);
    size_t end = strlen(parent);
    while (end > 1 && parent[end - 1] == '/')
        parent[--end] = '\0';
    char *slash = strrchr(parent, '/');
    if (slash)
        slash[slash == parent] = '\0';
    int length = project->update
                     ? snprintf(staging, sizeof staging, "%s/.tiny/next",
                                project->folder)
                     : snprintf(staging, sizeof staging, "%s/.%s.tiny-XXXXXX",
                                slash ? parent : ".", project->name);
    if (length >= (int)sizeof staging)
        return fail("%.80s...: the path is too long", project->folder);
    if (project->update) /* what one that was killed left */
        clear_stage();
    if (project->update ? mkdir(staging, 0777) < 0 : !mkdtemp(staging)) {
        fail("%s: %s", slash ? parent : ".", strerror(errno));
        *staging = '\0';
        return -1;
    }
    mode_t mask = umask(0);
    umask(mask);
    chmod(staging, 0777 & ~mask);
    stage = open(staging, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return stage < 0 ? fail("%s: %s", staging, strerror(errno)) : 0;
}

/* Tells whether the folder may be made: it is not there, or empty. */
static int
check_folder(void) {
    struct stat file;
    if (lstat(project->folder, &file) < 0)
        return errno == ENOENT
                   ? 0
                   : fail("%s: %s", project->folder, strerror(errno));
    if (!S_ISDIR(file.st_mode))
        return fail("%s: exists, and is no empty folder", project->folder);
    int fd = open(project->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    int entries = 0;
    while (folder && readdir(folder))
        entries++;
    if (folder)
        closedir(folder);
    return folder && entries <= 2
               ? 0
               : fail("%s: exists, and is no empty folder", project->folder);
}

static int
make(void) {
    if (fill() < 0 || copy_tiny() < 0 || derive() < 0 || note() < 0)
        return -1;
    if (project->update)
        return update_apply(project, stage, staging);
    if (project->dry_run)
        return 0;
    if (project->git && command("git init -q && git add -A && "
                                "git commit -q -m 'Made by tiny-new' >&2") < 0)
        return fail("git init or its first commit failed");
    if (interrupted)
        return fail("interrupted; nothing was made");
    if (rename(staging, project->folder) < 0)
        return fail("%s: %s", project->folder, strerror(errno));
    return 0;
}

int
project_make(struct project *wanted) {
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGXFSZ};
    struct sigaction action = {.sa_handler = interrupt};
    project = wanted;
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaction(signals[i], &action, NULL);
    signal(SIGCHLD, SIG_DFL); /* ignored, it would hide how children end */
    int result = project->update ? 0 : check_folder();
    if (result == 0 && (!project->dry_run || project->update))
        result = open_stage();
    if (result == 0)
        result = make();
    if ((result < 0 || project->update) && *staging)
        clear_stage();
    return result;
}
