/* update: brings Tiny's files in a project to the installed version. */
#ifndef UPDATE_H
#define UPDATE_H

#include "project.h"

/* update_read reads from a project's .tiny/arguments its name, template and
 * parts; `with` gets the parts ("A,B"). An update that was killed is completed
 * first. Other updates of the project are locked out until the program ends.
 * Returns 0, or -1 after printing the reason. */
int update_read(struct project *project, char with[UPDATE_WITH]);

/* update_apply prints what changes and, unless dry_run is set, moves the files
 * of the stage into the project. Returns 0, or -1 after printing the reason: it
 * failed, or edited files stay. */
int update_apply(const struct project *project);

#endif
