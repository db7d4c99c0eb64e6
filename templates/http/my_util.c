/* my_util: what each page says. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "metrics.h"

#include "my_util.h"

/* The server's figures, and before them one of our own. */
static char *
metrics(int64_t count) {
    char *own = NULL, *all = svr_metrics();
    if (all && asprintf(&own,
                        "# HELP visits_total Visits of /.\n"
                        "visits_total %jd\n%s",
                        (intmax_t)count, all) < 0)
        own = NULL;
    free(all);
    return own;
}

char *
my_page(const char *url, int64_t *count, unsigned *status) {
    char *text = NULL;
    *status = 200;
    if (strcmp(url, "/healthz") == 0)
        return strdup("ok\n");
    if (strcmp(url, "/metrics") == 0)
        return metrics(*count);
    if (strcmp(url, "/") == 0)
        return asprintf(&text, "%jd\n", (intmax_t)++ * count) < 0 ? NULL : text;
    *status = 404;
    return strdup("no such page\n");
}
