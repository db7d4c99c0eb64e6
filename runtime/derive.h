/* derive: svr_conf.h from svr_conf, so that the compiler knows each key. */
#ifndef DERIVE_H
#define DERIVE_H

#include <stdio.h>

#include "conf.h"

/* derive_header writes the header for a configuration. A field with the name of
 * a macro is refused; `macros` lists them as the compiler's option -dM does,
 * NULL = none. Returns 0, or -1 as svr_fail. */
int derive_header(const struct conf *conf, FILE *macros, FILE *out);

/* derive_keyword reports whether a word is a keyword of C. */
bool derive_keyword(const char *word);

#endif
