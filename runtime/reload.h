/* reload: what is in force (code, configuration, log sinks, state), and how all
 * of it changes at once, or not at all. */
#ifndef RELOAD_H
#define RELOAD_H

#include "conf.h"

enum { RELOAD_FAILED = -1, RELOAD_BAD_CONF = -2 };

/* reload_open loads the first generation in the folder `dir`; `applied` is
 * called with each configuration that comes into force, also with one that is
 * put back. Returns 0, RELOAD_FAILED or RELOAD_BAD_CONF, as svr_fail. The loop
 * thread's, as all but reload_begin, reload_ready and reload_state. */
int reload_open(int dir, void (*applied)(const struct conf *conf));

/* reload_conf is the configuration in force. reload_log_conf logs its values,
 * no secret: all (NULL), or those that differ from `former`. */
const struct conf *reload_conf(void);
void reload_log_conf(const struct conf *former);

/* A reload begins with reload_begin, which copies and tries the candidate in a
 * thread of its own, then wakes the loop. reload_ready reports whether one
 * waits for the loop, which calls reload_take: all that can fail comes before
 * the first step that cannot be undone. `started`: on_start has succeeded, so
 * that on_reload is called. Returns whether the new generation is in force. It
 * ends with a verdict for the clients that wait. */
void reload_begin(void);
bool reload_ready(void);
bool reload_take(bool started);

/* reload_reject ends a reload that takes nothing, with this thread's reason. */
void reload_reject(void);

/* reload_state writes the state's size and version, the ABI, and the number of
 * the live code's private copy. */
void reload_state(char *text, int size);

#endif
