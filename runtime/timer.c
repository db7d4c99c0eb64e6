/* timer: which timer is due, and when is the next one. Only data: it calls
 * nothing. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "timer.h"

enum { ARITY = 4 };
#define NONE UINT32_MAX
#define NANO 1000000000

/* A place in the heap; the deadline stands here too, to be near when compared.
 */
struct slot {
    int64_t due;
    uint32_t timer;
};

/* Timers in a pool, the free ones chained; a heap and a hash of indices. All in
 * one block: pool, heap and chains have `size` places each. */
struct timers {
    uint32_t size, count, free;
    struct timer pool[];
};

static struct timers *all;
static int64_t span = NANO;

static struct slot *
heap(void) {
    return (struct slot *)&all->pool[all->size];
}

/* The chain of a key, by a hash of its words. The upper half of a product
 * depends on all bits, so it comes down before the next one, and at the end. */
static uint32_t *
chain(const char key[TIMER_KEY_SIZE]) {
    uint32_t *chains = (uint32_t *)&heap()[all->size];
    uint64_t hash = 0, word;
    for (size_t i = 0; i < TIMER_KEY_SIZE; i += sizeof word) {
        memcpy(&word, key + i, sizeof word);
        hash = ((hash << 32 | hash >> 32) ^ word) * 0x9e3779b97f4a7c15;
    }
    return &chains[(hash >> 32) * all->size >> 32];
}

static size_t
bytes(uint32_t size) {
    return sizeof *all + size * (sizeof(struct timer) + sizeof(struct slot) +
                                 sizeof(uint32_t));
}

/* ---- The heap --------------------------------------------------------- */

static void
place(uint32_t i, struct slot slot) {
    heap()[i] = slot;
    all->pool[slot.timer].place = i;
}

/* Puts a slot where the order wants it, from place `i` on. */
static void
sift(uint32_t i, struct slot slot) {
    struct slot *h = heap();
    while (i > 0 && slot.due < h[(i - 1) / ARITY].due) {
        place(i, h[(i - 1) / ARITY]);
        i = (i - 1) / ARITY;
    }
    for (;;) {
        uint32_t least = i * ARITY + 1, end = least + ARITY;
        for (uint32_t c = least + 1; c < end && c < all->count; c++)
            if (h[c].due < h[least].due)
                least = c;
        if (least >= all->count || h[least].due >= slot.due)
            break;
        place(i, h[least]);
        i = least;
    }
    place(i, slot);
}

/* When a timer is looked at: the user's at a multiple of the span, the server's
 * own at its deadline. */
static int64_t
wake_at(const struct timer *timer) {
    return timer->own ? timer->due : (timer->due + span - 1) / span * span;
}

/* Makes the heap's order again, after many deadlines changed. */
static void
order_all(void) {
    uint32_t count = all ? all->count : 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t timer = heap()[i].timer;
        all->count = i + 1;
        sift(i, (struct slot){wake_at(&all->pool[timer]), timer});
    }
}

void
timers_span(double seconds) {
    span = (int64_t)(seconds * NANO);
    order_all();
}

/* ---- Add and remove --------------------------------------------------- */

/* Doubles the capacity; the chains are built again. */
static int
grow_timers(void) {
    uint32_t size = all ? all->size * 2 : 8, count = all ? all->count : 0;
    struct timers *more = calloc(1, bytes(size)), *old = all;
    if (!more)
        return -1;
    all = more;
    all->size = size;
    all->count = count;
    memset(&heap()[size], 0xff, size * sizeof(uint32_t));
    for (uint32_t i = 0; i < size; i++) {
        if (i >= count) {
            all->pool[i].chain = i + 1;
            continue;
        }
        all->pool[i] = old->pool[i];
        uint32_t *first = chain(all->pool[i].key);
        all->pool[i].chain = *first;
        *first = i;
    }
    if (old)
        memcpy(heap(), &old->pool[old->size], count * sizeof(struct slot));
    all->free = count;
    free(old);
    return 0;
}

/* Finds the link that leads to the timer of a padded key, or to nothing. */
static uint32_t *
find_link(const char key[TIMER_KEY_SIZE]) {
    uint32_t *link = chain(key);
    while (*link != NONE &&
           memcmp(all->pool[*link].key, key, TIMER_KEY_SIZE) != 0)
        link = &all->pool[*link].chain;
    return link;
}

/* Finds the link that leads to a timer; NULL = there is none. */
static uint32_t *
find_timer(const char *key) {
    char padded[TIMER_KEY_SIZE] = "";
    memcpy(padded, key, strnlen(key, sizeof padded));
    uint32_t *link = all ? find_link(padded) : NULL;
    return link && *link != NONE ? link : NULL;
}

static int64_t
next_tick(const struct timer *timer, int64_t now) {
    return timer->at == 'D' ? clock_daily(timer->second, timer->last, now)
                            : clock_next(timer->at, timer->last, now);
}

/* The deadline of a timer by the wall clock. */
static int64_t
wall_due(const struct timer *timer, struct timers_now now) {
    int64_t next = next_tick(timer, now.wall / NANO);
    return now.mono + next * NANO - now.wall;
}

int
timers_open(void) {
    return all ? 0 : grow_timers();
}

int
timers_add(const struct timer *timer, struct timers_now now) {
    if ((!all || all->count == all->size) && grow_timers() < 0)
        return -1;
    uint32_t *link = find_link(timer->key), i = all->free;
    if (*link != NONE)
        return -1;
    struct timer *new = &all->pool[i];
    all->free = new->chain;
    *new = *timer;
    new->chain = NONE;
    if (new->at) {
        int64_t seconds = now.wall / NANO;
        new->last =
            new->at == 'D' ? clock_begin(new->second, seconds) : seconds;
        new->due = wall_due(new, now);
    } else if (new->every) {
        new->due = now.mono + new->every;
    }
    *link = i;
    all->count++;
    sift(all->count - 1, (struct slot){wake_at(new), i});
    return 0;
}

/* Removes the timer that a link leads to. */
static void
take_out(uint32_t *link) {
    uint32_t i = *link;
    struct timer *timer = &all->pool[i];
    *link = timer->chain;
    all->count--;
    if (timer->place < all->count)
        sift(timer->place, heap()[all->count]);
    timer->chain = all->free;
    all->free = i;
}

int
timers_remove(const char *key, bool own) {
    uint32_t *link = find_timer(key);
    if (!link || (all->pool[*link].own != NULL) != own)
        return -1;
    take_out(link);
    return 0;
}

int
timers_set(const struct timer *timer, struct timers_now now) {
    uint32_t *link = find_timer(timer->key);
    if (!link)
        return timers_add(timer, now);
    struct timer *old = &all->pool[*link];
    if (!timer->next && !old->next && !timer->runs && !old->runs &&
        old->every == timer->every && old->at == timer->at &&
        old->second == timer->second) {
        old->own = timer->own;
        old->call = timer->call;
        old->arg = timer->arg;
        return 0;
    }
    take_out(link);
    return timers_add(timer, now);
}

/* ---- Time ------------------------------------------------------------- */

int64_t
timers_next(void) {
    return !all || all->count == 0 ? INT64_MAX : heap()->due;
}

/* Sets the next deadline of a period, and how many were missed. */
static void
tick_period(struct timer *timer, int64_t rounded, int64_t now) {
    timer->skipped = (now - rounded) / timer->every;
    timer->due +=
        (now - timer->due) / timer->every * timer->every + timer->every;
}

/* The same by the wall clock. False: it is too early, since the clock was set
 * or runs slower. */
static bool
tick_wall(struct timer *timer, struct timers_now now) {
    int64_t seconds = now.wall / NANO, unit = timer->at == 'H' ? 3600 : 60;
    int64_t next = next_tick(timer, seconds);
    bool early = next > seconds;
    timer->skipped = early || timer->at == 'D' ? 0 : (seconds - next) / unit;
    timer->last = early ? timer->last : seconds;
    timer->due = wall_due(timer, now);
    return !early;
}

bool
timers_due(struct timers_now now, struct timer *tick) {
    bool early = true;
    while (early) {
        int64_t rounded = timers_next();
        if (rounded > now.mono)
            return false;
        uint32_t i = heap()->timer;
        struct timer *timer = &all->pool[i];
        early = timer->at && !tick_wall(timer, now);
        if (timer->every)
            tick_period(timer, rounded, now.mono);
        else if (!timer->at)
            timer->due = INT64_MAX / 2;
        *tick = *timer;
        sift(0, (struct slot){wake_at(timer), i});
        if (!early && timer->runs > 0 && --timer->runs == 0)
            take_out(find_link(timer->key));
    }
    return true;
}

void
timers_delay(const char *key, int64_t due) {
    uint32_t *link = find_timer(key);
    if (!link)
        return;
    struct timer *timer = &all->pool[*link];
    timer->due = due;
    if (timer->next)
        sift(timer->place, (struct slot){wake_at(timer), *link});
}

void
timers_pause(const char *key, int64_t pause, int64_t now) {
    uint32_t *link = find_timer(key);
    if (!link)
        return;
    struct timer *timer = &all->pool[*link];
    int64_t late = now + pause - timer->due;
    timer->pause = pause;
    if (timer->at || late <= 0)
        return;
    timer->due += timer->every
                      ? (late - 1) / timer->every * timer->every + timer->every
                      : late;
    sift(timer->place, (struct slot){wake_at(timer), *link});
}

void
timers_set_clock(struct timers_now now) {
    struct timer *timer;
    for (uint32_t i = 0; (timer = timers_at(i)); i++)
        if (timer->at)
            timer->due = wall_due(timer, now);
    order_all();
}

struct timer *
timers_at(uint32_t i) {
    if (!all || i >= all->count)
        return NULL;
    return &all->pool[heap()[i].timer];
}

int
timers_first(struct timer *first[], int most, uint32_t *total) {
    struct timer *timer;
    int count = 0;
    for (*total = 0; (timer = timers_at(*total)); ++*total) {
        int i = count;
        for (; i > 0 && timer->due < first[i - 1]->due; i--)
            if (i < most)
                first[i] = first[i - 1];
        if (i < most)
            first[i] = timer;
        count += count < most;
    }
    return count;
}

/* ---- For a reload that may be taken back ------------------------------- */

struct timers *
timers_save(void) {
    if (timers_open() < 0)
        return NULL;
    struct timers *copy = malloc(bytes(all->size));
    return copy ? memcpy(copy, all, bytes(all->size)) : NULL;
}

void
timers_restore(struct timers *saved) {
    free(all);
    all = saved;
}
