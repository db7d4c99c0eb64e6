/* my_util: the work itself, separate from how it is served. Change it while the
 * server runs: ./svr.sh reload. */
#include <ctype.h>
#include <stdio.h>

#include "my_util.h"

int
my_operation(const char *line, int64_t x, char *out, size_t size) {
    int words = 0, letters = 0;
    for (const char *c = line;; c++) {
        if (isalpha((unsigned char)*c)) {
            letters++;
            continue;
        }
        words += letters > 0 && letters >= x;
        letters = 0;
        if (*c == '\0')
            break;
    }
    snprintf(out, size, "%d\t%s", words, line);
    return words;
}
