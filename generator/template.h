/* template: fills place-holders, with one process of GNU m4 for all files. */
#ifndef TEMPLATE_H
#define TEMPLATE_H

#include <stdio.h>

/* A place-holder's name, __LIKE_THIS__, and its text. */
struct template_word {
    const char *name, *text;
};

/* template_open begins; template_add adds a file under a path. A file in
 * several pieces is added piece by piece, in order. */
struct template;
struct template *template_open(void);
int template_add(struct template *all, const char *path, const char *text,
                 size_t size);

/* template_fill fills all words (the last has the name NULL) and calls `write`
 * for each path with its text. Returns 0, or -1 after printing the reason. */
int template_fill(struct template *all, const struct template_word *words,
                  int (*write)(const char *path, const char *text,
                               size_t size));

#endif
