/* derive: svr_conf.h out of svr_conf, for the compiler to know each key. */
#ifndef DERIVE_H
#define DERIVE_H

#include <stdio.h>

#include "conf.h"

/* derive_header writes the header for a configuration. No field may be a macro:
 * `macros` lists the compiler's, as its option -dM prints them; NULL: not
 * known. Returns 0, or -1 with the reason. */
int derive_header(const struct conf *conf, FILE *macros, FILE *out,
                  char reason[WHY_SIZE]);

/* derive_keyword tells whether C has a word for its own. */
bool derive_keyword(const char *word);

#endif
