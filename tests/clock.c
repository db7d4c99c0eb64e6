/* clock: every full day, hour and minute of six zones around each change of
 * their offset, and after random steps of the clock, against a walk second by
 * second. TAP. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"

static const struct {
    const char *zone;
    int from, to; /* years */
} zones[] = {
    {"Europe/Berlin", 1975, 2037},       {"America/New_York", 1970, 2037},
    {"Australia/Lord_Howe", 1981, 2037}, {"Asia/Shanghai", 1985, 1992},
    {"America/Sao_Paulo", 1985, 2020},   {"Pacific/Apia", 2009, 2022},
    {"Africa/Casablanca", 2008, 2030},   {"Asia/Kathmandu", 1985, 1987},
};

static int tests, failures;

static struct tm
show(time_t t) {
    struct tm local;
    localtime_r(&t, &local);
    return local;
}

static long
date_of(time_t t) {
    struct tm local = show(t);
    return (local.tm_year * 12L + local.tm_mon) * 31 + local.tm_mday;
}

/* What the rule says in words: is there a tick at `t`, the second after t - 1?
 * `done` is the latest date that has ticked. */
static int
ticks(char kind, int second, time_t t, long done) {
    struct tm local = show(t);
    if (kind == 'D')
        return date_of(t) > done &&
               (local.tm_hour * 60 + local.tm_min) * 60 + local.tm_sec >=
                   second;
    return local.tm_sec == 0 && (kind == 'M' || local.tm_min == 0);
}

static time_t
next_tick(char kind, int second, time_t last, time_t now) {
    return second ? clock_daily(second, last, now)
                  : clock_next(kind, last, now);
}

/* Walks from one moment to another, and holds each tick against clock_next. */
static void
walk(const char *zone, char kind, int second, time_t from, time_t to,
     int step) {
    time_t last = kind == 'D' ? clock_begin(second, from) : from;
    time_t expected = next_tick(kind, second, last, from);
    long done = date_of(last);
    for (time_t t = from + step; t <= to; t += step) {
        int tick = ticks(kind, second, t, done);
        if (tick != (t == expected)) {
            struct tm local = show(t);
            printf("# %s %c: %ld (%02d:%02d:%02d) %s, next was %ld\n", zone,
                   kind, (long)t, local.tm_hour, local.tm_min, local.tm_sec,
                   tick ? "ticks" : "does not tick", (long)expected);
            failures++;
            return;
        }
        if (tick) {
            done = date_of(t) > done ? date_of(t) : done;
            expected = next_tick(kind, second, t, t);
        }
    }
}

/* Walks around each change of the zone's offset. */
static int
changes(const char *zone, int from, int to) {
    int count = 0;
    time_t start = (from - 1970) * 31556952L, end = (to - 1970) * 31556952L;
    start -= start % 3600;
    for (time_t t = start; t < end; t += 3600) {
        if (show(t).tm_gmtoff == show(t + 3600).tm_gmtoff)
            continue;
        count++;
        walk(zone, 'M', 0, t - 600, t + 4200, 1);
        walk(zone, 'H', 0, t - 7200, t + 3 * 3600, 1);
        for (int minute = 0; minute < 1440; minute += minute < 210 ? 15 : 255)
            walk(zone, 'D', minute * 60, t - 30 * 3600, t + 50 * 3600, 60);
    }
    return count;
}

static void
ok(int good, const char *text) {
    printf("%s %d - %s\n", good ? "ok" : "not ok", ++tests, text);
    failures += !good;
}

/* A clock that is set anywhere, at any time. */
static int
steps(void) {
    srandom(4711);
    for (int i = 0; i < 20000; i++) {
        time_t last = 1300000000 + random() % 400000000;
        time_t now = last + random() % 400000 - 200000;
        for (const char *kind = "HM"; *kind; kind++) {
            int unit = *kind == 'H' ? 3600 : 60;
            time_t next = clock_next(*kind, last, now), t = last;
            if (now < last)
                t = now;
            if (next <= t || next > t + unit || !ticks(*kind, 0, next, 0))
                return 0;
            for (time_t u = t + 1; u < next; u += 7)
                if (ticks(*kind, 0, u, 0))
                    return 0;
        }
        time_t day = clock_next('D', last, now);
        int late = date_of(now) > date_of(last);
        if (late ? day != now : day <= now || date_of(day) <= date_of(now))
            return 0;
        if (!late && now > last - 80000 && date_of(day) <= date_of(last))
            return 0;
        if (day > now + 3 * 86400)
            return 0;
    }
    return 1;
}

int
main(void) {
    int count = sizeof zones / sizeof *zones;
    printf("1..%d\n", count + 4);
    for (int i = 0; i < count; i++) {
        char text[96];
        int before = failures;
        setenv("TZ", zones[i].zone, 1);
        tzset();
        int found = changes(zones[i].zone, zones[i].from, zones[i].to);
        snprintf(text, sizeof text, "%s: %d changes of the offset",
                 zones[i].zone, found);
        int good = failures == before && found > 0;
        failures = before;
        ok(good, text);
    }
    setenv("TZ", "Europe/Berlin", 1);
    tzset();
    ok(steps(), "a clock that is set at random, Europe/Berlin");
    setenv("TZ", "Pacific/Apia", 1);
    tzset();
    ok(clock_next('D', 1325239200 - 3600, 1325239200 - 3600) == 1325239200,
       "Apia: the day after 29 December 2011 begins as the 31st");
    setenv("TZ", "America/Sao_Paulo", 1);
    tzset();
    time_t night = 1541300400 - 60; /* 3 November 2018, 23:59 */
    time_t first = clock_next('D', night, night);
    ok(first == 1541300400 && show(first).tm_hour == 1,
       "Sao Paulo: 4 November 2018 begins at 01:00");
    ok(clock_next('D', 1541300400, 1541300400 - 7200) > 1541300400,
       "a clock put back over midnight: the date does not tick twice");
    return failures != 0;
}
