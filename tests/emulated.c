/* emulated: preloaded to a program that qemu runs, lets it start programs of
 * its own machine too, without binfmt_misc: an exec becomes one of qemu
 * (EMULATOR) with the file. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WORDS = 32 };

static char emulator[256], file[PATH_MAX];

/* qemu itself is of another machine, and could not load this library. What it
 * runs gets it again by QEMU_SET_ENV. */
__attribute__((constructor)) static void
begin(void) {
    snprintf(emulator, sizeof emulator, "%s", getenv("EMULATOR"));
    unsetenv("LD_PRELOAD");
}

/* The command: qemu -0 NAME FILE ARGUMENT… . The link is read here, since a
 * descriptor may be closed by the exec. */
static int
make_command(const char *path, char *const argv[], char *command[WORDS]) {
    ssize_t length = readlink(path, file, sizeof file - 1);
    int n = 0;
    if (length < 0 && errno != EINVAL)
        return -1;
    if (length < 0)
        snprintf(file, sizeof file, "%s", path);
    else
        file[length] = '\0';
    command[n++] = emulator;
    command[n++] = "-0";
    command[n++] = argv[0];
    command[n++] = file;
    for (int i = 1; argv[i] && n < WORDS - 1; i++)
        command[n++] = argv[i];
    command[n] = NULL;
    return 0;
}

int posix_spawnp(pid_t *pid, const char *path,
                 const posix_spawn_file_actions_t *actions,
                 const posix_spawnattr_t *attributes, char *const argv[],
                 char *const envp[]);

int
posix_spawn(pid_t *pid, const char *path,
            const posix_spawn_file_actions_t *actions,
            const posix_spawnattr_t *attributes, char *const argv[],
            char *const envp[]) {
    char *command[WORDS];
    if (make_command(path, argv, command) < 0)
        return errno;
    return posix_spawnp(pid, emulator, actions, attributes, command, envp);
}

int
fexecve(int fd, char *const argv[], char *const envp[]) {
    char path[32], *command[WORDS];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return make_command(path, argv, command) < 0
               ? -1
               : execve(emulator, command, envp);
}
