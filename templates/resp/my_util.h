/* my_util: the commands. */
#ifndef MY_UTIL_H
#define MY_UTIL_H

#include "map.h"
#include "respd.h"

/* The state: what a reload keeps, all zero at the start. When you change the
 * struct, raise .state_version in my_server.c and add .migrate (runtime/svr.h).
 */
struct state {
    struct svr_map *store;
    int64_t commands;
};

/* The table of commands; a row without a name ends it. */
extern const struct svr_command my_commands[];

#endif
