/* my_util: what each page says. */
#ifndef MY_UTIL_H
#define MY_UTIL_H

#include <stdint.h>

#include "httpd.h"

/* my_page answers a request; `visits` counts how often "/" was read. */
void my_page(struct svr_request *request, int64_t *visits);

#endif
