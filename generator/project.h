/* project: creates a project's folder, all or nothing. */
#ifndef PROJECT_H
#define PROJECT_H

#include <stdbool.h>

enum { UPDATE_WITH = 2048 };

struct project {
    const char *folder, *name, *template;
    char **parts; /* those chosen, sorted, with NULL at the end */
    bool git, dry_run, quiet;
    bool update; /* replace Tiny's files in an existing folder */
    int (*apply)(const struct project *project); /* replaces them */
    const char *arguments; /* the text for .tiny/arguments */
    int files;             /* number of files made */
};

/* project_make makes a project. Returns 0, or -1 after printing the reason;
 * nothing is left behind then. With dry_run it only prints the names of the
 * files. */
int project_make(struct project *project);

#endif
