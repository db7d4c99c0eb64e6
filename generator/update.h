/* update: brings Tiny's files of a project to what Tiny has now. */
#ifndef UPDATE_H
#define UPDATE_H

#include "project.h"

/* update_read reads what a project was made of, from its .tiny/arguments: name,
 * template and parts, which `with` then holds ("A,B"). An update that was ended
 * by force is completed first. Until the program ends no other update of this
 * project begins. Returns 0, or -1, having said why. */
int update_read(struct project *project, char with[UPDATE_WITH]);

/* update_apply prints what changes and, unless the project's dry_run is set,
 * puts Tiny's files of the stage into the project. Returns 0; -1, having said
 * why, when it failed, or when something stays that was edited. */
int update_apply(const struct project *project);

#endif
