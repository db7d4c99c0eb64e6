/* timers: a million random operations against a plain list; add and remove
 * happen while ticks are taken, as callbacks do. Runs under sanitizers. TAP. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "timer.h"

enum { KEYS = 500, OPERATIONS = 1000000, SPAN = 1000000 };

/* The plain list: what each key's timer is. */
static struct {
    bool there;
    int64_t due, every, runs;
} list[KEYS];

static struct timers_now now = {1000000000, INT64_C(1700000000000000000)};
static int count;

static void
fail(const char *what, int key) {
    printf("not ok 1 - %s, key %d\n", what, key);
    exit(1);
}

static void
add(int key) {
    struct timer timer = {.every = 1000 + random() % 50000000,
                          .runs = random() % 4};
    snprintf(timer.key, sizeof timer.key, "key %d", key);
    if ((timers_add(&timer, now) == 0) == list[key].there)
        fail("an existing key is refused, a new one is not", key);
    if (list[key].there)
        return;
    list[key].there = true;
    list[key].every = timer.every;
    list[key].runs = timer.runs;
    list[key].due = now.mono + timer.every;
    count++;
}

static void
take_away(int key) {
    char name[TIMER_KEY_SIZE];
    snprintf(name, sizeof name, "key %d", key);
    if ((timers_remove(name, false) == 0) != list[key].there)
        fail("a known key is removed, an unknown one refused", key);
    count -= list[key].there;
    list[key].there = false;
}

static int64_t
rounded(int64_t due) {
    return (due + SPAN - 1) / SPAN * SPAN;
}

/* Takes all ticks that are due; each changes some timers, its own too. */
static void
fire(void) {
    struct timer tick;
    while (timers_due(now, &tick) >= 0) {
        int key = atoi(tick.key + strlen("key "));
        if (!list[key].there || rounded(list[key].due) > now.mono)
            fail("a tick that is not due", key);
        int64_t passed = (now.mono - list[key].due) / list[key].every;
        list[key].due += (passed + 1) * list[key].every;
        if (list[key].runs > 0 && --list[key].runs == 0) {
            list[key].there = false;
            count--;
        }
        for (int i = (int)(random() % 3); i > 0; i--) {
            int other = random() % 4 ? (int)(random() % KEYS) : key;
            if (random() % 2)
                add(other);
            else
                take_away(other);
        }
    }
}

static void
check_all(void) {
    int64_t next = INT64_MAX;
    int found = 0;
    for (int key = 0; key < KEYS; key++)
        if (list[key].there && list[key].due < next)
            next = list[key].due;
    if (timers_next() != (next == INT64_MAX ? next : rounded(next)))
        fail("the next deadline", 0);
    for (uint32_t i = 0; timers_at(i); i++)
        found++;
    if (found != count)
        fail("the number of timers", found);
}

static int64_t
wall_at(int hour, int minute) {
    return (INT64_C(1700006400) + hour * 3600 + minute * 60) * 1000000000;
}

/* Sets the clock, and returns in how many minutes the timer is due. */
static int
set_clock(int hour, int minute) {
    now.wall = wall_at(hour, minute);
    timers_set_clock(now);
    return (int)((timers_next() - now.mono + 500000000) / 1000000000 / 60);
}

/* Full hours follow a clock that is set, at once. */
static int
steps(void) {
    struct timer hourly = {.key = "h", .at = 'H'}, tick;
    now.wall = wall_at(12, 10);
    timers_add(&hourly, now);
    int good = set_clock(12, 10) == 50 && set_clock(12, 40) == 20 &&
               set_clock(9, 30) == 30 && timers_due(now, &tick) < 0;
    /* forward over two full hours: due now, once, with one that was missed */
    good = good && set_clock(14, 10) <= 0 && timers_due(now, &tick) == 1 &&
           timers_due(now, &tick) < 0 && set_clock(14, 10) == 50;
    /* the monotonic clock says it is time, the wall clock not yet */
    now.mono += INT64_C(50 * 60) * 1000000000;
    now.wall = wall_at(14, 59);
    good = good && timers_due(now, &tick) < 0 && set_clock(14, 59) == 1;
    timers_remove("h", false);
    return good;
}

/* A late tick reports those that it missed; a last run misses none. */
static int
missed(int64_t runs) {
    struct timer late = {.key = "late", .every = 10 * SPAN, .runs = runs}, tick;
    timers_add(&late, now);
    now.mono += 55 * SPAN;
    int64_t result = timers_due(now, &tick);
    timers_remove("late", false);
    return (int)result;
}

int
main(void) {
    struct timers *saved = NULL;
    setenv("TZ", "UTC", 1);
    printf("1..4\n");
    if (timers_open() < 0)
        return 1;
    timers_span(SPAN / 1e9);
    srandom(42);
    for (int i = 0; i < OPERATIONS; i++) {
        int key = (int)(random() % KEYS);
        switch (random() % 4) {
        case 0:
            add(key);
            break;
        case 1:
            take_away(key);
            break;
        default:
            now.mono += random() % 200000;
            fire();
        }
        if (i % 1000 == 0)
            check_all();
    }
    printf("ok 1 - a million operations agree with the list\n");
    saved = timers_save();
    int64_t next = timers_next();
    for (int key = 0; key < KEYS; key++)
        take_away(key);
    bool empty = timers_next() == INT64_MAX;
    timers_restore(saved);
    bool back = timers_next() == next;
    printf("%s 2 - what was saved is put back\n",
           empty && back ? "ok" : "not ok");
    while (timers_at(0))
        timers_remove(timers_at(0)->key, false);
    int follows = steps();
    printf("%s 3 - full hours follow a clock that is set\n",
           follows ? "ok" : "not ok");
    int misses = missed(0) == 4 && missed(2) == 4 && missed(1) == 0;
    printf("%s 4 - a late tick reports those that it missed; a last run none\n",
           misses ? "ok" : "not ok");
    return empty && back && follows && misses ? 0 : 1;
}
