/* fuzz conf: any file is read, or refused with one line that names its place.
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "../../runtime/conf.c"
#include "../../runtime/failure.c"
#include "../../runtime/frames.c"
#include "../../runtime/text.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a handler and a part would add. */
static const struct svr_key own[] = {
    {"my.flag", SVR_BOOL, 0, "true"},
    {"my.count", SVR_INT, 8, "7", .min = 1, .max = 100},
    {"my.span", SVR_DOUBLE, 16, "0.5", .min = 0.1, .max = 1e6, .off = true},
    {"my.text", SVR_STRING, 24, "word"},
    {.key = NULL},
};
static const struct svr_key *const tables[] = {own, NULL};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static int file = -1;
    char path[48], names[FAILURE_SIZE];
    union {
        double number;
        void *pointer;
        char bytes[32];
    } values;
    if (file < 0)
        file = memfd_create("svr_conf", MFD_CLOEXEC);
    if (ftruncate(file, 0) < 0 || pwrite(file, data, size, 0) < 0)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    for (enum conf_own kind = CONF_NONE; kind <= CONF_ANY; kind++) {
        struct conf *conf = conf_read(AT_FDCWD, path, tables, kind);
        if (!conf) {
            assert(strncmp(failure_reason(), "svr_conf:", 9) == 0);
            assert(!strchr(failure_reason(), '\n'));
            continue;
        }
        assert(conf_fill(conf, own, &values) == 0);
        assert(conf_changes(conf, conf, false, names) == 0);
        double number = conf_number(conf, "svr.reload.wait");
        assert(number >= 0.1 && number <= 3600);
        conf_free(conf);
    }
    return 0;
}
