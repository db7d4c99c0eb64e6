/* clock: when the local time next shows a full hour or minute, or a time of
 * day. */
#define _GNU_SOURCE
#include "clock.h"

enum { DAY = 86400 };

/* The local time, counted in seconds as if there were no zones. */
static long long
local(time_t t) {
    struct tm local;
    localtime_r(&t, &local);
    return (long long)t + local.tm_gmtoff;
}

/* The local date, counted in days. */
static long long
date(time_t t) {
    long long seconds = local(t);
    return seconds / DAY - (seconds % DAY < 0);
}

/* The moment at which the zone's offset changes; `to` if it is the same from
 * `from` to `to`. */
static time_t
change(time_t from, time_t to) {
    long long offset = local(from) - from;
    if (local(to) - to == offset)
        return to;
    while (to - from > 1) {
        time_t middle = from + (to - from) / 2;
        if (local(middle) - middle == offset)
            from = middle;
        else
            to = middle;
    }
    return to;
}

/* The first moment after `t` at which a local day, hour or minute begins. A
 * change of the offset begins one if it leads to its first second or, with a
 * day, to a later date. */
static time_t
after(char kind, time_t t) {
    long long unit = kind == 'D' ? DAY : kind == 'H' ? 3600 : 60;
    for (;;) {
        long long left = unit - ((local(t) % unit) + unit) % unit;
        time_t next = change(t, t + (time_t)left);
        if (((local(next) % unit) + unit) % unit == 0 ||
            (kind == 'D' && date(next) > date(next - 1)))
            return next;
        t = next;
    }
}

/* The first instant, from `t` on, of the same date that is not before a time of
 * day; 0 = the date has none. */
static time_t
time_on_date(time_t t, int second) {
    long long today = date(t), left;
    while ((left = second - (local(t) - today * DAY)) > 0) {
        t = change(t, t + (time_t)left);
        if (date(t) != today)
            return 0;
    }
    return t;
}

time_t
clock_daily(int second, time_t last, time_t now) {
    long long done = date(last), today = date(now);
    if (done > today + 1)
        done = today;
    for (time_t day = after('D', now - (time_t)3 * DAY);;
         day = after('D', day)) {
        time_t tick = time_on_date(day, second);
        if (tick && date(tick) > done)
            return tick < now ? now : tick;
    }
}

time_t
clock_begin(int second, time_t now) {
    time_t day = after('D', now - (time_t)3 * DAY), next;
    while ((next = after('D', day)) <= now)
        day = next;
    return time_on_date(day, second) > now ? day - 1 : now;
}

time_t
clock_next(char kind, time_t last, time_t now) {
    return kind == 'D' ? clock_daily(0, last, now)
                       : after(kind, last < now ? last : now);
}
