/* update: brings Tiny's files of a project to what Tiny has now. */
#ifndef UPDATE_H
#define UPDATE_H

#include "project.h"

/* update_read reads what a project was made of, from its .tiny/arguments: name,
 * template and parts, which `with` then holds ("A,B"). Returns 0, or -1, having
 * said why. */
int update_read(struct project *project, char with[UPDATE_WITH]);

/* update_apply puts Tiny's files of the folder `stage` in the place of the
 * project's, all at once. Returns 0; -1, having said why, when it failed, and
 * nothing was changed, or when something stays that was edited. */
int update_apply(struct project *project, int stage, const char *staging);

#endif
