/* template: fills place-holders, with GNU m4 in one process for all files. */
#ifndef TEMPLATE_H
#define TEMPLATE_H

#include <stdio.h>

/* A place-holder's name, __LIKE_THIS__, and its text. */
struct template_word {
    const char *name, *text;
};

/* template_open begins; template_add adds a file under a path, once for each
 * piece of it, pieces of one path behind each other. */
struct template;
struct template *template_open(void);
int template_add(struct template *all, const char *path, const char *text,
                 size_t size);

/* template_fill fills all words (a NULL name ends them) and calls `write` for
 * each path with its text. Returns 0, or -1, having said why. */
int template_fill(struct template *all, const struct template_word *words,
                  int (*write)(const char *path, const char *text,
                               size_t size));

#endif
