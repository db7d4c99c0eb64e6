/* hooks: the server that is measured. `run` says it is ready and waits; with
 * BENCH_LINES it logs that many lines, to the file and at a level that is off,
 * with BENCH_TIMERS it adds and removes that many timers, with BENCH_PAIRS it
 * adds one and removes it that many times beside 20,000 others; then it closes.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "svr.h"
#include "svr_conf.h"

static double
now(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static int
tick(void *arg) {
    (void)arg;
    return SVR_OK;
}

static long
wanted(const char *name) {
    const char *text = getenv(name);
    return text ? atol(text) : 0;
}

static void
log_lines(long count) {
    double begin = now();
    for (long i = 0; i < count; i++)
        svr_info("request %ld took %d us", i, 42);
    double middle = now();
    for (long i = 0; i < count; i++)
        svr_debug("request %ld took %d us", i, 42);
    printf("log %.1f off %.2f\n", (middle - begin) / (double)count,
           (now() - middle) / (double)count);
}

static void
add_timers(long count) {
    char key[32];
    double begin = now();
    for (long i = 0; i < count; i++) {
        snprintf(key, sizeof key, "key %ld", i);
        svr_add_timer(key, tick, NULL, (struct svr_when){.every = 60 + i % 77});
    }
    double middle = now();
    for (long i = 0; i < count; i++) {
        snprintf(key, sizeof key, "key %ld", i);
        svr_remove_timer(key);
    }
    printf("add %.1f cancel %.1f\n", (middle - begin) / (double)count,
           (now() - middle) / (double)count);
}

/* Adds and removes a timer beside many others; their keys have a long common
 * beginning. */
static void
add_pairs(long count) {
    const long others = 20000, more = 1000;
    char(*keys)[48] = calloc((size_t)(others + more), sizeof *keys);
    if (!keys)
        return;
    for (long i = 0; i < others + more; i++)
        snprintf(keys[i], sizeof *keys, "session of the customer: %ld", i);
    for (long i = 0; i < others; i++)
        svr_add_timer(keys[i], tick, NULL,
                      (struct svr_when){.every = 60 + i * 7919 % 3600});
    for (long i = 0; i < count; i++) {
        svr_add_timer(keys[others + i % more], tick, NULL,
                      (struct svr_when){.every = 60 + i * 7919 % 3600});
        svr_remove_timer(keys[others + i % more]);
    }
    free(keys);
}

static int
run(void) {
    if (write(STDERR_FILENO, "ready\n", 6) < 0)
        return svr_fail("stderr");
    long lines = wanted("BENCH_LINES"), timers = wanted("BENCH_TIMERS");
    long pairs = wanted("BENCH_PAIRS");
    if (lines)
        log_lines(lines);
    if (timers)
        add_timers(timers);
    if (pairs)
        add_pairs(pairs);
    if (lines || timers || pairs || getenv("BENCH_CLOSE"))
        svr_close(0);
    return 1 << 30;
}

SVR_HANDLER(.run = run, .callbacks = SVR_CALLBACKS(SVR_CALL(tick)));
