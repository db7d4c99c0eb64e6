/* stage: a temporary folder in which all files are made before any is visible.
 *
 * It is created beside the new folder, and renamed at the end. Nothing can be
 * renamed onto the current folder or a mount point: there the stage is inside,
 * and its files are moved up one by one. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fail.h"
#include "stage.h"

static const char *target; /* the new folder */
static enum stage_kind kind;
static bool inside; /* the stage is inside it */
static bool held;
static char staging[PATH_MAX];
static int stage = -1, files;
static volatile sig_atomic_t interrupted;

static void
interrupt(int signal) {
    interrupted = signal;
}

static void
note_signals(void) {
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGXFSZ};
    struct sigaction action = {.sa_handler = interrupt};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaction(signals[i], &action, NULL);
    signal(SIGCHLD, SIG_DFL); /* if it is ignored, wait(2) gets no status */
}

int
stage_fd(void) {
    return stage;
}

int
stage_files(void) {
    return files;
}

/* ---- Files ------------------------------------------------------------ */

void
make_folders(int folder, const char *path) {
    char above[PATH_MAX];
    for (const char *slash = path; (slash = strchr(slash, '/')); slash++) {
        snprintf(above, sizeof above, "%.*s", (int)(slash - path), path);
        mkdirat(folder, above, 0777);
    }
}

int
stage_write(const char *path, const char *text, size_t size) {
    if (interrupted)
        return fail("interrupted; nothing was made");
    files++;
    if (kind == STAGE_LIST) {
        printf("%s/%s\n", target, path);
        return 0;
    }
    make_folders(stage, path);
    mode_t mode = strncmp(text, "#!/bin/", 7) == 0 ? 0777 : 0666;
    int fd = openat(stage, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    ssize_t written = fd < 0 ? -1 : write(fd, text, size);
    if (fd >= 0 && close(fd) < 0)
        written = -1;
    if (written == (ssize_t)size)
        return 0;
    return fail("%s/%s: %s", target, path,
                strerror(written < 0 ? errno : ENOSPC));
}

int
stage_run(int folder, const char *line, int in, FILE *out) {
    pid_t pid;
    int status = -1;
    char *argv[] = {"sh", "-c", (char *)line, NULL};
    posix_spawn_file_actions_t changes;
    posix_spawn_file_actions_init(&changes);
    int error = posix_spawn_file_actions_addfchdir_np(&changes, folder);
    if (in >= 0 && !error)
        error = posix_spawn_file_actions_adddup2(&changes, in, STDIN_FILENO);
    if (out && !error)
        error = posix_spawn_file_actions_adddup2(&changes, fileno(out),
                                                 STDOUT_FILENO);
    if (out && !error)
        error = posix_spawn_file_actions_addopen(&changes, STDERR_FILENO,
                                                 "/dev/null", O_WRONLY, 0);
    if (!error &&
        posix_spawn(&pid, "/bin/sh", &changes, NULL, argv, environ) == 0)
        waitpid(pid, &status, 0);
    posix_spawn_file_actions_destroy(&changes);
    return status == 0 ? 0 : -1;
}

char *
stage_output(FILE *out, size_t *size) {
    long end = fseek(out, 0, SEEK_END) < 0 ? -1 : ftell(out);
    char *text = end < 0 ? NULL : malloc((size_t)end + 1);
    if (!text)
        return NULL;
    rewind(out);
    *size = fread(text, 1, (size_t)end, out);
    text[*size] = '\0';
    if (*size == (size_t)end)
        return text;
    free(text);
    return NULL;
}

/* ---- Opening ---------------------------------------------------------- */

/* Checks that the folder may be filled: it does not exist, or is empty. Writes
 * its attributes; the mode is 0 if it does not exist. */
static int
check_folder(struct statx *is) {
    memset(is, 0, sizeof *is);
    if (statx(AT_FDCWD, target, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, is) < 0)
        return errno == ENOENT ? 0 : fail("%s: %s", target, strerror(errno));
    int fd = S_ISDIR(is->stx_mode)
                 ? open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
                 : -1;
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    int entries = 0;
    while (folder && readdir(folder))
        entries++;
    if (folder)
        closedir(folder);
    return folder && entries <= 2
               ? 0
               : fail("%s: exists, and is not an empty folder", target);
}

/* Whether nothing can be renamed onto a folder: the current one, a mount
 * point. */
static bool
stays(const struct statx *is) {
    struct statx here;
    if (!is->stx_mode)
        return false;
    return is->stx_attributes & STATX_ATTR_MOUNT_ROOT ||
           (statx(AT_FDCWD, ".", 0, STATX_INO, &here) == 0 &&
            here.stx_ino == is->stx_ino &&
            here.stx_dev_major == is->stx_dev_major &&
            here.stx_dev_minor == is->stx_dev_minor);
}

/* The folder that contains the target. */
static const char *
above(char path[PATH_MAX]) {
    snprintf(path, PATH_MAX, "%s", target);
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/')
        path[--end] = '\0';
    char *slash = strrchr(path, '/');
    if (!slash)
        return ".";
    slash[slash == path] = '\0';
    return path;
}

static int
remove_one(const char *path, const struct stat *file, int type,
           struct FTW *where) {
    (void)file, (void)type, (void)where;
    return remove(path);
}

void
stage_hold(bool is) {
    held = is;
}

void
stage_clear(void) {
    for (int i = 0; !held && *staging && i < 2; i++)
        nftw(staging, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int
stage_open(const char *folder, const char *name, enum stage_kind what) {
    char parent[PATH_MAX];
    const char *temporary = getenv("TMPDIR"), *where;
    struct statx is = {.stx_mode = 0};
    target = folder;
    kind = what;
    note_signals();
    if (kind < STAGE_UPDATE && check_folder(&is) < 0)
        return -1;
    if (kind == STAGE_LIST)
        return 0;
    inside = kind == STAGE_UPDATE || stays(&is);
    where = kind == STAGE_TRIAL ? temporary && *temporary ? temporary : "/tmp"
            : inside            ? folder
                                : above(parent);
    int length = kind == STAGE_UPDATE
                     ? snprintf(staging, sizeof staging, "%s/.tiny/next", where)
                     : snprintf(staging, sizeof staging, "%s/.%s.tiny-XXXXXX",
                                where, name);
    if (length >= (int)sizeof staging) {
        *staging = '\0';
        return fail("%.80s...: the path is too long", folder);
    }
    struct stat made;
    if (kind == STAGE_UPDATE) /* left by an update that was killed */
        stage_clear();
    if (kind == STAGE_UPDATE ? mkdir(staging, 0777) < 0 : !mkdtemp(staging)) {
        fail("%s: %s", where, strerror(errno));
        *staging = '\0';
        return -1;
    }
    mode_t mask = umask(0);
    umask(mask);
    stage = open(staging, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (stage < 0 || fstat(stage, &made) < 0)
        return fail("%s: %s", staging, strerror(errno));
    /* The parent's set-group-ID bit was inherited, and stays. */
    fchmod(stage, (made.st_mode & S_ISGID) |
                      (is.stx_mode ? is.stx_mode & 07777 : 0777 & ~mask));
    return 0;
}

/* ---- Moving to the folder --------------------------------------------- */

/* Moves an entry; the target must not exist. */
static int
move_one(int from, int to, const char *name) {
    int result = renameat2(from, name, to, name, RENAME_NOREPLACE);
    return result < 0 && errno == EINVAL /* not on every file system */
               ? renameat(from, name, to, name)
               : result;
}

static int
is_entry(const struct dirent *entry) {
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

/* Moves all entries of the stage to a folder, or none. */
static int
move_all(int folder) {
    struct dirent **entries;
    int n = scandirat(stage, ".", &entries, is_entry, alphasort);
    int error = n < 0 ? errno : 0, moved = 0;
    while (!error && moved < n)
        if (move_one(stage, folder, entries[moved]->d_name) < 0)
            error = errno;
        else
            moved++;
    while (error && moved > 0)
        move_one(folder, stage, entries[--moved]->d_name);
    for (int i = 0; i < n; i++)
        free(entries[i]);
    if (n >= 0)
        free(entries);
    errno = error;
    return error ? -1 : 0;
}

int
stage_show(void) {
    if (interrupted)
        return fail("interrupted; nothing was made");
    if (kind == STAGE_LIST)
        return 0;
    if (!inside)
        return rename(staging, target) < 0
                   ? fail("%s: %s", target, strerror(errno))
                   : 0;
    int folder = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = folder < 0 ? -1 : move_all(folder);
    int error = errno;
    if (folder >= 0)
        close(folder);
    stage_clear();
    return result < 0 ? fail("%s: %s", target, strerror(error)) : 0;
}
