/* update: brings Tiny's files in a project to the installed version.
 *
 * All steps are written to .tiny/journal, one a line, before the first is done:
 * an update that is killed leaves the old files, or a journal with which the
 * next update completes it. Each step can be repeated. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buffer.h"
#include "data.h"
#include "fail.h"
#include "stage.h"
#include "update.h"

enum { SUM = 64 + 2 }; /* before each path of a manifest */
#define JOURNAL ".tiny/journal"
#define NEXT    ".tiny/next/"

static int folder = -1; /* the project's */
static const char *its; /* name */

/* ---- The journal ------------------------------------------------------ */

static int
incomplete(const char *path) {
    return fail("%s: %s: %s; the update is not complete: run it again", its,
                path, strerror(errno));
}

/* Does a step: "put PATH" takes a file from the stage, "aside PATH" renames one
 * that was edited, "remove PATH" removes one. */
static int
do_step(char *step) {
    char from[PATH_MAX], *path = strchr(step, ' ');
    if (!path)
        return 0;
    *path++ = '\0';
    if (strcmp(step, "put") == 0) {
        make_folders(folder, path);
        snprintf(from, sizeof from, NEXT "%s", path);
        if (renameat(folder, from, folder, path) == 0 || errno == ENOENT)
            return 0;
    } else if (strcmp(step, "aside") == 0) {
        snprintf(from, sizeof from, "%s.orig", path);
        if (renameat(folder, path, folder, from) == 0 || errno == ENOENT)
            return 0;
    } else if (unlinkat(folder, path, 0) == 0 || errno == ENOENT) {
        char *slash = strrchr(path, '/');
        if (slash)
            *slash = '\0';
        if (slash && strchr(path, '/'))
            unlinkat(folder, path, AT_REMOVEDIR); /* unless it is not empty */
        return 0;
    }
    return incomplete(path);
}

/* Does what the journal says, then removes it. */
static int
do_journal(char *steps) {
    for (char *step; (step = strsep(&steps, "\n"));)
        if (do_step(step) < 0)
            return -1;
    syncfs(folder); /* before the journal is removed */
    return unlinkat(folder, JOURNAL, 0) < 0 ? incomplete(JOURNAL) : 0;
}

/* Completes an update that was killed, if there is one. */
static int
complete(bool quiet) {
    char path[PATH_MAX];
    size_t size;
    if (faccessat(folder, JOURNAL, F_OK, 0) < 0)
        return errno == ENOENT ? 0 : incomplete(JOURNAL);
    snprintf(path, sizeof path, "%s/" JOURNAL, its);
    char *steps = data_read(path, &size);
    int result = steps ? do_journal(steps) : -1;
    free(steps);
    if (result == 0 && !quiet)
        puts("  completed an interrupted update");
    return result;
}

/* ---- Reading the project ---------------------------------------------- */

int
update_read(struct project *project, char with[UPDATE_WITH]) {
    static char name[64], template[64];
    char path[PATH_MAX];
    size_t size;
    its = project->folder;
    snprintf(path, sizeof path, "%s/.tiny/arguments", its);
    folder = open(its, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int tiny = folder < 0 || access(path, R_OK) < 0
                   ? -1
                   : openat(folder, ".tiny", O_RDONLY | O_CLOEXEC);
    if (tiny < 0)
        return fail("%s: not a project that tiny-new made: %s: %s", its, path,
                    strerror(errno));
    if (flock(tiny, LOCK_EX | LOCK_NB) < 0)
        return fail("%s: another update of it is running", its);
    if (project->dry_run && faccessat(folder, JOURNAL, F_OK, 0) == 0)
        return fail("%s: an update was interrupted; run it without "
                    "--dry-run to complete it",
                    its);
    char *text = complete(project->quiet) < 0 ? NULL : data_read(path, &size);
    if (!text)
        return -1;
    int found = sscanf(text, "--name=%63s --template=%63s --with=%2047s", name,
                       template, with);
    free(text);
    project->name = name;
    project->template = template;
    return found == 3 ? 0 : fail("%s: cannot be read", path);
}

/* ---- Planning --------------------------------------------------------- */

static int
count_lines(const char *text) {
    int lines = 0;
    while (text && (text = strchr(text, '\n')))
        text++, lines++;
    return lines;
}

/* Compares the project's files with a manifest: one line for each, "PATH: OK"
 * or "PATH: FAILED...", with a newline before the first. NULL = sha256sum
 * failed. */
static char *
compare_files(int manifest_folder, const char *known) {
    FILE *out = tmpfile();
    size_t size;
    char *text = NULL;
    int manifest =
        openat(manifest_folder, ".tiny/manifest", O_RDONLY | O_CLOEXEC);
    if (out && manifest >= 0 &&
        stage_run(folder, "echo; LC_ALL=C sha256sum -c -; test $? -le 1",
                  manifest, out) == 0)
        text = stage_output(out, &size);
    if (out)
        fclose(out);
    if (manifest >= 0)
        close(manifest);
    if (count_lines(text) == count_lines(known) + 1)
        return text;
    free(text);
    fail("%s: sha256sum failed; nothing changed", its);
    return NULL;
}

static char *
read_manifest(const char *where) {
    char path[PATH_MAX];
    size_t size;
    snprintf(path, sizeof path, "%s/.tiny/manifest", where);
    return data_read(path, &size);
}

/* Whether a text has a line that begins with a path and a mark. */
static bool
has(const char *lines, const char *before, const char *path,
    const char *after) {
    char line[PATH_MAX];
    snprintf(line, sizeof line, "%s%s%s", before, path, after);
    return strstr(lines, line) != NULL;
}

/* The states of the project and of the stage. */
struct plan {
    char *old, *new;          /* manifests */
    char *edited, *different; /* files that differ from those manifests */
    FILE *journal;
    bool quiet;
    int kept; /* how many were edited */
};

static void
say(const struct plan *plan, const char *what, const char *path) {
    if (!plan->quiet)
        printf("  %-8s %s\n", what, path);
}

/* Renames a file of the stage, to put it beside the edited one. */
static int
put_beside(struct plan *plan, const char *path) {
    char beside[PATH_MAX];
    snprintf(beside, sizeof beside, "%s.new", path);
    plan->kept++;
    if (!plan->quiet)
        printf("  edited   %s: kept; the new one is %s\n", path, beside);
    fprintf(plan->journal, "put %s\n", beside);
    return renameat(stage_fd(), path, stage_fd(), beside) < 0
               ? fail("%s: %s; nothing changed", beside, strerror(errno))
               : 0;
}

/* Fails for an error other than ENOENT: the file may exist. */
static int
cannot_look(const char *path) {
    return fail("%s/%s: %s; nothing changed", its, path, strerror(errno));
}

/* Refuses a file that could not be compared. */
static int
check_read(const struct plan *plan, const char *path) {
    if (!has(plan->edited, "\n", path, ": FAILED open") &&
        !has(plan->different, "\n", path, ": FAILED open"))
        return 0;
    return fail("%s/%s: cannot be read; nothing changed", its, path);
}

/* Plans the steps for one of Tiny's files. */
static int
plan_file(struct plan *plan, const char *path) {
    struct stat file;
    if (fstatat(folder, path, &file, AT_SYMLINK_NOFOLLOW) < 0) {
        if (errno != ENOENT)
            return cannot_look(path);
        say(plan, "new", path);
    } else if (S_ISREG(file.st_mode) && check_read(plan, path) < 0) {
        return -1;
    } else if (!S_ISREG(file.st_mode) ||
               (has(plan->different, "\n", path, ": FAILED") &&
                (has(plan->edited, "\n", path, ": FAILED") ||
                 !has(plan->old, "  ", path, "\n")))) {
        return put_beside(plan, path);
    } else if (has(plan->different, "\n", path, ": FAILED")) {
        say(plan, "changed", path);
    } else {
        return 0; /* up to date */
    }
    fprintf(plan->journal, "put %s\n", path);
    return 0;
}

/* Plans the steps for a file that Tiny no longer has. */
static int
plan_end(struct plan *plan, const char *path) {
    struct stat file;
    char aside[PATH_MAX];
    if (has(plan->new, "  ", path, "\n"))
        return 0;
    if (fstatat(folder, path, &file, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : cannot_look(path);
    if (!S_ISREG(file.st_mode))
        return 0;
    if (check_read(plan, path) < 0)
        return -1;
    if (!has(plan->edited, "\n", path, ": FAILED")) {
        say(plan, "removed", path);
        fprintf(plan->journal, "remove %s\n", path);
        return 0;
    }
    snprintf(aside, sizeof aside, "%s.orig", path);
    if (faccessat(folder, aside, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return fail("%s/%s: is in the way; move it; nothing changed", its,
                    aside);
    if (errno != ENOENT)
        return cannot_look(aside);
    if (!plan->quiet)
        printf("  edited   %s: no longer part of Tiny; yours is %s\n", path,
               aside);
    fprintf(plan->journal, "aside %s\n", path);
    return 0;
}

/* Calls `step` for each path of a manifest. */
static int
each(struct plan *plan, const char *manifest,
     int (*step)(struct plan *plan, const char *path)) {
    int result = 0;
    for (const char *line = manifest; *line && result == 0;) {
        char path[PATH_MAX];
        size_t length = strcspn(line, "\n");
        if (length > SUM && length - SUM < sizeof path) {
            snprintf(path, sizeof path, "%.*s", (int)(length - SUM),
                     line + SUM);
            result = step(plan, path);
        }
        line += length + (line[length] == '\n');
    }
    return result;
}

/* Refuses if a step would fail: nothing has changed yet. */
static int
check_folders(void) {
    static const char *const names[] = {".", "runtime", "parts", "service",
                                        ".tiny"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct stat file;
        if (fstatat(folder, names[i], &file, AT_SYMLINK_NOFOLLOW) < 0)
            continue; /* it will be made */
        if (!S_ISDIR(file.st_mode))
            return fail("%s/%s: is not a folder; nothing changed", its,
                        names[i]);
        if (faccessat(folder, names[i], W_OK | X_OK, AT_EACCESS) < 0)
            return fail("%s/%s: %s; nothing changed", its, names[i],
                        strerror(errno));
    }
    return 0;
}

static int
make_plan(struct plan *plan, const char *stage) {
    static const char *const notes[] = {".tiny/arguments", ".tiny/version",
                                        ".tiny/manifest"};
    plan->old = read_manifest(its);
    plan->new = plan->old ? read_manifest(stage) : NULL;
    plan->edited = plan->new ? compare_files(folder, plan->old) : NULL;
    plan->different =
        plan->edited ? compare_files(stage_fd(), plan->new) : NULL;
    if (!plan->different || check_folders() < 0 ||
        each(plan, plan->new, plan_file) < 0 ||
        each(plan, plan->old, plan_end) < 0)
        return -1;
    for (size_t i = 0; i < sizeof notes / sizeof *notes; i++)
        fprintf(plan->journal, "put %s\n", notes[i]);
    return 0;
}

/* ---- Applying --------------------------------------------------------- */

/* Writes the plan to disk, then carries it out. */
static int
carry_out(struct buffer *steps) {
    if (stage_write("journal", steps->text, steps->size) < 0)
        return -1;
    if (syncfs(folder) < 0 ||
        renameat(stage_fd(), "journal", folder, JOURNAL) < 0)
        return fail("%s: %s; nothing changed", its, strerror(errno));
    stage_hold(true); /* it belongs to the journal now */
    int result = do_journal(steps->text);
    stage_hold(result < 0);
    return result;
}

int
update_apply(const struct project *project) {
    char stage[64];
    struct buffer steps = {.text = NULL};
    struct plan plan = {.quiet = project->quiet};
    snprintf(stage, sizeof stage, "/proc/self/fd/%d", stage_fd());
    plan.journal = buffer_open(&steps);
    int result = plan.journal ? make_plan(&plan, stage) : fail("no memory");
    if (buffer_close(&steps, plan.journal) < 0 && result == 0)
        result = fail("no memory");
    if (result == 0 && !project->dry_run)
        result = carry_out(&steps);
    free(steps.text);
    free(plan.old);
    free(plan.new);
    free(plan.edited);
    free(plan.different);
    return result == 0 && plan.kept > 0
               ? fail("%s: files that you edited were kept; compare each with "
                      "the FILE.new "
                      "beside it",
                      its)
               : result;
}
