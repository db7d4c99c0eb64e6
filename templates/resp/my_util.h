/* my_util: the commands. */
#ifndef MY_UTIL_H
#define MY_UTIL_H

#include "map.h"
#include "respd.h"

/* What a reload keeps. Raise the version in my_server.c when you change it, and
 * fill `migrate` (runtime/svr.h). */
struct state {
    struct svr_map *store;
    int64_t commands;
};

/* The table of commands. */
extern const struct svr_command my_commands[];

#endif
