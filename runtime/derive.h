/* derive: svr_conf.h out of svr_conf, for the compiler to know each key. */
#ifndef DERIVE_H
#define DERIVE_H

#include <stdio.h>

#include "conf.h"

/* derive_header writes the header for a configuration. No field may be a macro:
 * `macros` lists the compiler's, as its option -dM prints them; NULL: not
 * known. Returns 0, or -1 as svr_fail. */
int derive_header(const struct conf *conf, FILE *macros, FILE *out);

/* derive_keyword reports whether a word is a keyword of C. */
bool derive_keyword(const char *word);

#endif
