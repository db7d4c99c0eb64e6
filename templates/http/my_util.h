/* my_util: the pages. */
#ifndef MY_UTIL_H
#define MY_UTIL_H

#include <stdint.h>

#include "httpd.h"

/* The state: what a reload keeps, all zero at the start. When you change the
 * struct, raise .state_version in my_server.c and add .migrate (runtime/svr.h).
 */
struct state {
    int64_t visits, requests;
};

/* The table of pages; a row without a method ends it. */
extern const struct svr_route my_routes[];

#endif
