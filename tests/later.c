/* later: preloaded to a program, puts its calendar 2^31 seconds ahead, beyond
 * what 32 bits of time can say. Build it with -D_TIME_BITS=64. */
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_clock_gettime64
#define SYS_clock_gettime64 SYS_clock_gettime
#endif

int
clock_gettime(clockid_t clock, struct timespec *now) {
    int result = (int)syscall(SYS_clock_gettime64, clock, now);
    if (clock == CLOCK_REALTIME)
        now->tv_sec += INT64_C(1) << 31;
    return result;
}

time_t
time(time_t *copy) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (copy != NULL)
        *copy = now.tv_sec;
    return now.tv_sec;
}
