/* stage: a temporary folder in which all files are made, before any is shown.
 */
#ifndef STAGE_H
#define STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Where what is made will go. */
enum stage_kind {
    STAGE_NEW,    /* to the folder, which is not there, or empty */
    STAGE_LIST,   /* nowhere: each file's name goes to stdout instead */
    STAGE_UPDATE, /* by an update, which says where */
    STAGE_TRIAL   /* nowhere: for an update that only prints */
};

/* stage_open makes the stage for a folder, and has signals noted, so that they
 * end the work between two files. All here return 0, or -1, having said why. */
int stage_open(const char *folder, const char *name, enum stage_kind kind);

/* stage_fd is the stage's folder. */
int stage_fd(void);

/* stage_write makes a file and the folders above it; a script becomes
 * executable. stage_files counts the files. */
int stage_write(const char *path, const char *text, size_t size);
int stage_files(void);

/* stage_run runs a shell's line in a folder; `in` (-1: none) is its standard
 * input, `out` (NULL: as ours) takes its output. Returns 0, or -1 when it
 * failed; it says nothing. */
int stage_run(int folder, const char *line, int in, FILE *out);

/* stage_output is all that stage_run wrote to `out`, NUL-terminated; NULL: not
 * read. The caller frees. */
char *stage_output(FILE *out, size_t *size);

/* stage_show brings all to the folder of STAGE_NEW, at once where the system
 * can do that. */
int stage_show(void);

/* stage_clear removes the stage, if it is still there, and not held. */
void stage_clear(void);
void stage_hold(bool held);

/* make_folders makes the folders above a path. */
void make_folders(int folder, const char *path);

#endif
