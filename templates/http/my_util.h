/* my_util: the pages. */
#ifndef MY_UTIL_H
#define MY_UTIL_H

#include <stdint.h>

#include "httpd.h"

/* What a reload keeps. Raise the version in my_server.c when you change it, and
 * fill `migrate` (runtime/svr.h). */
struct state {
    int64_t visits, requests;
};

/* The table of pages. */
extern const struct svr_route my_routes[];

#endif
