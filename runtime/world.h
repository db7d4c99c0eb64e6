/* world: what is in force: code, configuration, log sinks and state; and how
 * all of it changes at once, or not at all. */
#ifndef WORLD_H
#define WORLD_H

#include "conf.h"

enum { WORLD_FAILED = -1, WORLD_BAD_CONF = -2 };

/* world_open makes the first world in the folder `dir`; `applied` hears of each
 * configuration that comes into force, also when one is put back. Returns 0,
 * WORLD_FAILED or WORLD_BAD_CONF with the reason. The loop's thread, as all but
 * world_prepare, world_reject and world_state. */
int world_open(int dir, void (*applied)(const struct conf *conf),
               char reason[WHY_SIZE]);

/* world_conf is the configuration in force; world_log_conf logs it. */
const struct conf *world_conf(void);
void world_log_conf(void);

/* world_prepare copies and checks a new generation, beside the loop, which it
 * wakes; world_waits tells whether there is one. world_take then takes it or
 * rejects it; all that can fail comes before the first step that cannot be
 * undone; `begun`: the hooks have begun, so that on_reload is called. Returns
 * whether it was taken. Who waits hears the verdict. */
void world_prepare(void);
bool world_waits(void);
bool world_take(bool begun);

/* world_reject ends a reload without taking anything. */
void world_reject(const char *reason);

/* world_state writes the state's size and version, and the ABI. */
void world_state(char *text, int size);

#endif
