/* my_util: the work itself, apart from the server around it. Change it while
 * the server runs, then type ./svr.sh reload. */
#include <string.h>

#include "my_util.h"

void
my_operation(const char *line, int x, FILE *out) {
    int words = 0, letters = 0;
    for (const char *word = line; *word != '\0'; word += letters) {
        word += strspn(word, " ");
        letters = (int)strcspn(word, " ");
        words += letters >= x;
    }
    fprintf(out, "%d\t%s\n", words, line);
}
