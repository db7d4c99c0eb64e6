/* my_util: what each page says. */
#ifndef MY_UTIL_H
#define MY_UTIL_H

#include <stdint.h>

/* my_page makes the text of a page, and sets the status of the answer; `count`
 * counts the visits of "/". The caller frees; NULL: no memory. */
char *my_page(const char *url, int64_t *count, unsigned *status);

#endif
