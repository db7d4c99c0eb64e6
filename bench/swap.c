/* swap: what a swap pause is compared with: a shared object is copied, loaded,
 * asked for a symbol and unloaded, 100 times. Prints the median in us. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { TIMES = 100 };

static double
now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

/* Returns 0 if all of it worked. */
static int
swap_once(const char *file, int number) {
    char name[64];
    struct stat size;
    snprintf(name, sizeof name, "./swap.%d.so", number);
    int from = open(file, O_RDONLY | O_CLOEXEC);
    int to = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
    int failed = fstat(from, &size) < 0 ||
                 sendfile(to, from, NULL, (size_t)size.st_size) != size.st_size;
    close(from);
    close(to);
    void *code = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    failed |= !code || !dlsym(code, "main") || dlclose(code) != 0;
    unlink(name);
    return failed;
}

static int
compare(const void *one, const void *other) {
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

int
main(int argc, char *argv[]) {
    double took[TIMES];
    for (int i = 0; i < TIMES; i++) {
        double begin = now();
        if (argc != 2 || swap_once(argv[1], i) != 0)
            return 1;
        took[i] = now() - begin;
    }
    qsort(took, TIMES, sizeof *took, compare);
    printf("%.1f\n", took[TIMES / 2]);
    return 0;
}
