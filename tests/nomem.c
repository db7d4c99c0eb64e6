/* nomem: a library that makes one allocation fail, for tests/faults. The file
 * NOMEM has, as three longs: which allocation (0: none), how many there were,
 * how many failed; behind them the name of the program that is meant. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

static struct plan {
    atomic_long at, count, failed;
    char name[32];
} * plan;

__attribute__((constructor)) static void
begin(void) {
    const char *path = getenv("NOMEM");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *map = MAP_FAILED;
    if (fd >= 0) {
        map =
            mmap(NULL, sizeof *plan, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        close(fd);
    }
    if (map != MAP_FAILED &&
        strcmp(program_invocation_short_name, ((struct plan *)map)->name) == 0)
        plan = map;
}

/* True for the one that fails. */
static int
fails(void) {
    if (!plan || atomic_fetch_add(&plan->count, 1) + 1 != plan->at)
        return 0;
    plan->failed++;
    errno = ENOMEM;
    return 1;
}

void *
malloc(size_t size) {
    return fails() ? NULL : __libc_malloc(size);
}

void *
calloc(size_t count, size_t size) {
    return fails() ? NULL : __libc_calloc(count, size);
}

void *
realloc(void *old, size_t size) {
    return fails() ? NULL : __libc_realloc(old, size);
}
