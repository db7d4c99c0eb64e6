/* update: brings Tiny's files of a project to what Tiny has now. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "data.h"
#include "fail.h"
#include "update.h"

enum { EDITED = 3 };

/* What changes hands. */
static const char *const names[] = {
    "runtime",        "parts",         "service",        "svr.sh",
    ".tiny/manifest", ".tiny/version", ".tiny/arguments"};
enum { NAMES = sizeof names / sizeof *names };

int
update_read(struct project *project, char with[UPDATE_WITH]) {
    static char name[64], template[64];
    char path[PATH_MAX];
    size_t size;
    snprintf(path, sizeof path, "%s/.tiny/arguments", project->folder);
    if (access(path, R_OK) < 0)
        return fail("%s: not a project that tiny-new made: %s: %s",
                    project->folder, path, strerror(errno));
    char *text = data_read(path, &size);
    if (!text)
        return -1;
    int found = sscanf(text, "--name=%63s --template=%63s --with=%2047s", name,
                       template, with);
    free(text);
    project->name = name;
    project->template = template;
    return found == 3 ? 0 : fail("%s: cannot be read", path);
}

/* Lets the script say what changes, and make the stage ready. */
static int
prepare(const struct project *project, const char *staging) {
    pid_t pid;
    int status = -1;
    char script[PATH_MAX], *stage = realpath(staging, NULL);
    if (!stage)
        return -1;
    snprintf(script, sizeof script, "%s", data_path("generator/update.sh"));
    char *argv[] = {"sh", script, stage, project->dry_run ? "dry" : NULL, NULL};
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addchdir_np(&files, project->folder);
    posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null",
                                     O_WRONLY, 0);
    if (project->quiet)
        posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null",
                                         O_WRONLY, 0);
    fflush(stdout);
    if (posix_spawn(&pid, "/bin/sh", &files, NULL, argv, environ) == 0)
        waitpid(pid, &status, 0);
    posix_spawn_file_actions_destroy(&files);
    free(stage);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Exchanges all of them, or none: what is there already goes to the stage. */
static int
exchange(int stage, int folder) {
    for (int i = 0; i < NAMES; i++) {
        if (renameat2(stage, names[i], folder, names[i], RENAME_EXCHANGE) ==
                0 ||
            (errno == ENOENT &&
             renameat(stage, names[i], folder, names[i]) == 0))
            continue;
        int error = errno;
        while (i-- > 0)
            renameat2(stage, names[i], folder, names[i], RENAME_EXCHANGE);
        errno = error;
        return -1;
    }
    return 0;
}

int
update_apply(struct project *project, int stage, const char *staging) {
    int status = prepare(project, staging);
    if (status != 0 && status != EDITED)
        return fail("%s: the update could not be prepared; nothing changed",
                    project->folder);
    if (!project->dry_run) {
        int folder = open(project->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int result = exchange(stage, folder);
        close(folder);
        if (result < 0)
            return fail("%s: %s; nothing changed", project->folder,
                        strerror(errno));
    }
    return status == EDITED ? fail("%s: what you edited stays; compare it with "
                                   "the FILE.new beside it",
                                   project->folder)
                            : 0;
}
