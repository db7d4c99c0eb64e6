/* stage: a temporary folder in which all files are made before any is
 * visible. */
#ifndef STAGE_H
#define STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Where the files go. */
enum stage_kind {
    STAGE_NEW,    /* to the folder, which must be new or empty */
    STAGE_LIST,   /* nowhere: each file's name goes to stdout instead */
    STAGE_UPDATE, /* to where an update puts them */
    STAGE_TRIAL   /* nowhere: for an update that only prints */
};

/* stage_open makes the stage for a folder, and catches signals, so that they
 * end the work between two files. Unless said otherwise, functions here return
 * 0, or -1 after printing the reason. */
int stage_open(const char *folder, const char *name, enum stage_kind kind);

/* stage_fd returns the descriptor of the stage's folder. */
int stage_fd(void);

/* stage_write makes a file and the folders above it; a script becomes
 * executable. stage_files returns the number of files. */
int stage_write(const char *path, const char *text, size_t size);
int stage_files(void);

/* stage_run runs a shell command in a folder; `in` is its standard input (-1 =
 * none), `out` takes its output (NULL = that of the caller). Returns 0, or -1
 * if it failed; it prints nothing. */
int stage_run(int folder, const char *line, int in, FILE *out);

/* stage_output returns all that stage_run wrote to `out`, NUL-terminated, or
 * NULL if it could not be read. The caller frees it. */
char *stage_output(FILE *out, size_t *size);

/* stage_show moves all files to the folder of STAGE_NEW, in one step if
 * possible. */
int stage_show(void);

/* stage_clear removes the stage if it still exists. After stage_hold(true) it
 * does not. */
void stage_clear(void);
void stage_hold(bool held);

/* make_folders makes the folders above a path. */
void make_folders(int folder, const char *path);

#endif
