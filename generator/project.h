/* project: makes a project's folder, wholly or not at all. */
#ifndef PROJECT_H
#define PROJECT_H

#include <stdbool.h>

enum { UPDATE_WITH = 2048 };

struct project {
    const char *folder, *name, *template;
    char **parts; /* those chosen, sorted; NULL ends */
    bool git, dry_run, quiet;
    bool update; /* the folder is there: Tiny's files in it are made anew */
    const char *arguments; /* as they were given, for .tiny/arguments */
    int files;             /* how many were made */
};

/* project_make makes it. Returns 0, or -1, having said why; nothing is left
 * behind then. With dry_run the files' names go to stdout instead. */
int project_make(struct project *project);

#endif
