/* template: fills place-holders, with one process of GNU m4 for all files. */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "buffer.h"
#include "fail.h"
#include "template.h"

/* A byte that no template contains; it precedes each path and follows the last
 * file. */
#define MARK '\001'

enum { WORDS = 16 };

struct template {
    struct buffer text;
    FILE *out;
    char last[256];
};

struct template *
template_open(void) {
    struct template *all = calloc(1, sizeof *all);
    if (!all)
        return NULL;
    all->out = buffer_open(&all->text);
    if (!all->out) {
        free(all);
        return NULL;
    }
    /* m4 would take C's quotes and comments for its own, and keeps a few names
     * even with the prefix. */
    fputs("m4_undefine(`__unix__')m4_undefine(`__gnu__')"
          "m4_undefine(`__linux__')m4_changequote(,)m4_changecom()m4_dnl\n",
          all->out);
    return all;
}

int
template_add(struct template *all, const char *path, const char *text,
             size_t size) {
    if (memchr(text, MARK, size) || memchr(text, '\0', size))
        return fail("template %s: has a control byte", path);
    if (strcmp(all->last, path) != 0)
        fprintf(all->out, "%c%s\n", MARK, path);
    snprintf(all->last, sizeof all->last, "%s", path);
    fwrite(text, 1, size, all->out);
    return ferror(all->out) ? fail("no memory") : 0;
}

/* Runs m4 over a file; its output goes to a pipe. */
static pid_t
start_m4(int in, const struct template_word *words, int ends[2]) {
    char *argv[WORDS + 8] = {"m4", "-P", "-E", "-E"};
    posix_spawn_file_actions_t files;
    int n = 4;
    pid_t pid = -1;
    for (; words->name && n < WORDS; words++)
        if (asprintf(&argv[n++], "-D%s=%s", words->name, words->text) < 0)
            return -1;
    argv[n] = "-";
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    posix_spawn_file_actions_init(&files);
    int error = posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
    if (!error)
        error =
            posix_spawn_file_actions_adddup2(&files, ends[1], STDOUT_FILENO);
    if (!error)
        error = posix_spawn_file_actions_addopen(&files, STDERR_FILENO,
                                                 "/dev/null", O_WRONLY, 0);
    if (!error)
        error = posix_spawnp(&pid, M4, &files, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    close(ends[1]);
    if (!error)
        return pid;
    close(ends[0]);
    errno = error;
    return -1;
}

/* Returns the output of m4 for the text. */
static char *
run_m4(const char *text, size_t size, const struct template_word *words) {
    char bytes[1 << 14];
    struct buffer made;
    int ends[2], status = -1;
    ssize_t got = 0;
    int in = memfd_create("templates", MFD_CLOEXEC);
    if (in < 0 || write(in, text, size) != (ssize_t)size ||
        lseek(in, 0, SEEK_SET) < 0) {
        fail("templates: %s", strerror(errno));
        return NULL;
    }
    pid_t pid = start_m4(in, words, ends);
    close(in);
    if (pid < 0) {
        fail("m4 does not start: %s", strerror(errno));
        return NULL;
    }
    FILE *out = buffer_open(&made);
    while (out && (got = read(ends[0], bytes, sizeof bytes)) > 0)
        fwrite(bytes, 1, (size_t)got, out);
    int error = got < 0 ? errno : 0;
    close(ends[0]);
    if (buffer_close(&made, out) < 0)
        error = errno;
    if (waitpid(pid, &status, 0) < 0)
        error = error ? error : errno;
    if (!error && status == 0)
        return made.text;
    if (error)
        fail("templates: %s", strerror(error));
    else
        fail("m4 failed (status %d)", status);
    free(made.text);
    return NULL;
}

/* Looks for a place-holder that was not filled: a mistake in a template. */
static int
check_filled(const char *path, const char *text) {
    static const char *const words_of_c[] = {"__VA_ARGS__", "__FILE__",
                                             "__LINE__", NULL};
    for (const char *c = text; (c = strstr(c, "__"));) {
        size_t length = strspn(c, "_ABCDEFGHIJKLMNOPQRSTUVWXYZ");
        const char *const *word = words_of_c;
        while (*word && strncmp(*word, c, strlen(*word)) != 0)
            word++;
        if (!*word && isupper((unsigned char)c[2]))
            return fail("template %s: the place-holder %.*s is not filled",
                        path, (int)length, c);
        c += length;
    }
    return 0;
}

int
template_fill(struct template *all, const struct template_word *words,
              int (*write)(const char *path, const char *text, size_t size)) {
    fputc(MARK, all->out);
    char *made = NULL;
    if (buffer_close(&all->text, all->out) < 0)
        fail("templates: no memory");
    else
        made = run_m4(all->text.text, all->text.size, words);
    int result = made ? 0 : -1;
    char *piece = made ? strchr(made, MARK) : NULL;
    while (result == 0 && piece && piece[1]) {
        char *path = piece + 1, *text = strchr(path, '\n');
        char *end = strchr(path, MARK);
        if (!text || !end || text > end) {
            result = fail("m4 lost a piece of %.40s", path);
            break;
        }
        *text++ = *end = '\0';
        result = check_filled(path, text);
        if (result == 0)
            result = write(path, text, (size_t)(end - text));
        *end = MARK;
        piece = end;
    }
    free(made);
    free(all->text.text);
    free(all);
    return result;
}
