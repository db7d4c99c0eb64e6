/* project: creates a project's folder, all or nothing. */
#ifndef PROJECT_H
#define PROJECT_H

#include <stdbool.h>

enum { UPDATE_WITH = 2048 };

struct project {
    const char *folder, *name, *template;
    char **parts; /* those chosen, sorted; NULL ends */
    bool git, dry_run, quiet;
    bool update; /* the folder is there: Tiny's files in it are replaced */
    int (*apply)(const struct project *project); /* what replaces them */
    const char *arguments; /* in the form for .tiny/arguments */
    int files;             /* how many were made */
};

/* project_make makes it. Returns 0, or -1, having said why; nothing is left
 * behind then. With dry_run the files' names go to stdout instead. */
int project_make(struct project *project);

#endif
