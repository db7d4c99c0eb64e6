/* derive: svr_conf.h out of svr_conf, for the compiler to know each key. */
#ifndef DERIVE_H
#define DERIVE_H

#include <stdio.h>

#include "conf.h"

/* derive_header writes svr_conf.h: struct svr_conf with a field for each key
 * of the file, and SVR_CONF_KEYS, its table. Returns 0, or -1 with the reason
 * when a key makes no field; nothing is written then. */
int derive_header(const struct conf *conf, FILE *out, char reason[WHY_SIZE]);

/* derive_keyword tells whether C has a word for its own. */
bool derive_keyword(const char *word);

#endif
