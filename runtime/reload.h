/* reload: what is in force (code, configuration, log sinks, state), and how all
 * of it changes at once, or not at all. */
#ifndef RELOAD_H
#define RELOAD_H

#include "conf.h"

enum { RELOAD_FAILED = -1, RELOAD_BAD_CONF = -2 };

/* reload_open loads the first generation in the folder `dir`; `applied` is
 * called with each configuration that comes into force, also with one that is
 * put back. Returns 0, RELOAD_FAILED or RELOAD_BAD_CONF, as svr_fail. Loop
 * thread, as all functions without another comment. */
int reload_open(int dir, void (*applied)(const struct conf *conf));

/* reload_conf is the configuration in force. reload_log_conf logs its values,
 * no secret: all (NULL), or those that differ from `former`. */
const struct conf *reload_conf(void);
void reload_log_conf(const struct conf *former);

/* reload_begin begins a reload: a thread of its own copies and tries the
 * candidate, then wakes the loop. The reload ends with a verdict for the
 * clients that wait. Control thread. */
void reload_begin(void);

/* reload_take ends a reload whose candidate was tried, if there is one: all
 * that can fail comes before the first step that cannot be undone. `started`:
 * on_start has succeeded, so that on_reload is called. */
void reload_take(bool started);

/* reload_stop: the server closes; reloads are rejected. Any thread. */
void reload_stop(void);

/* reload_state writes the state's size and version, the ABI, and the number of
 * the live code's private copy. Any thread. */
void reload_state(char *text, int size);

#endif
