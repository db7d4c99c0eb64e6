/* fuzz object: any file is taken for a shared object or refused; no read leaves
 * it. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "../../runtime/object.c"
#include "../../runtime/text.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static int file = -1;
    char path[48], statics[WHY_SIZE] = "", reason[WHY_SIZE] = "", name[64];
    size_t inner;
    if (file < 0)
        file = memfd_create("handler.so", MFD_CLOEXEC);
    if (ftruncate(file, 0) < 0 || pwrite(file, data, size, 0) < 0)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    if (object_check(AT_FDCWD, path, statics, reason) < 0)
        assert(*reason && !strchr(reason, '\n'));
    assert(memchr(statics, '\0', sizeof statics));
    size_t offset = size > 2 ? (size_t)data[size - 1] << 8 | data[size - 2] : 0;
    if (object_symbol(path, offset, name, &inner))
        assert(memchr(name, '\0', sizeof name));
    return 0;
}
