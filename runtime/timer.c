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

/* All in one block, with `size` places for each: the pool of timers, of which
 * the free ones are chained; a heap, and chains by a hash of the key, both of
 * indices. */
struct timers {
    uint32_t size, count, free;
    struct timer pool[];
};

static struct timers *all;
static struct timer *pool; /* the parts of `all` */
static struct slot *heap;
static uint32_t *chains;
static int64_t span = NANO;

static size_t
bytes(uint32_t size) {
    return sizeof *all + size * (sizeof *pool + sizeof *heap + sizeof *chains);
}

/* Puts a block in force. */
static void
use_block(struct timers *timers) {
    all = timers;
    pool = all->pool;
    heap = (struct slot *)&pool[all->size];
    chains = (uint32_t *)&heap[all->size];
}

/* The chain of a key. The upper half of a product depends on all bits: it is
 * rotated down before the next product, and selects the chain. */
static uint32_t *
chain(const char key[TIMER_KEY_SIZE]) {
    uint64_t hash = 0, word;
#pragma GCC unroll 6 /* the loop would cost as much as the hash */
    for (size_t i = 0; i < TIMER_KEY_SIZE; i += sizeof word) {
        memcpy(&word, key + i, sizeof word);
        hash = ((hash << 32 | hash >> 32) ^ word) * 0x9e3779b97f4a7c15;
    }
    return &chains[(hash >> 32) * all->size >> 32];
}

/* ---- The heap --------------------------------------------------------- */

static void
put_slot(uint32_t i, struct slot slot) {
    heap[i] = slot;
    pool[slot.timer].place = i;
}

/* Puts a slot at place `i`, or above it. */
static void
sift_up(uint32_t i, struct slot slot) {
    while (i > 0 && slot.due < heap[(i - 1) / ARITY].due) {
        put_slot(i, heap[(i - 1) / ARITY]);
        i = (i - 1) / ARITY;
    }
    put_slot(i, slot);
}

/* Puts a slot at place `i`, or below it. */
static void
sift_down(uint32_t i, struct slot slot) {
    for (;;) {
        uint32_t least = i * ARITY + 1, end = least + ARITY;
        for (uint32_t c = least + 1; c < end && c < all->count; c++)
            if (heap[c].due < heap[least].due)
                least = c;
        if (least >= all->count || heap[least].due >= slot.due)
            break;
        put_slot(i, heap[least]);
        i = least;
    }
    put_slot(i, slot);
}

/* When the loop wakes for a timer: for the user's, at a multiple of the span;
 * for the server's own, at the deadline. */
static int64_t
wake_at(const struct timer *timer) {
    return timer->own ? timer->due : (timer->due + span - 1) / span * span;
}

/* The slot of a timer, by its deadline. */
static struct slot
slot_of(const struct timer *timer) {
    return (struct slot){wake_at(timer), (uint32_t)(timer - pool)};
}

/* Puts a slot at place `i`, above or below it. */
static void
sift(uint32_t i, struct slot slot) {
    if (i > 0 && slot.due < heap[(i - 1) / ARITY].due)
        sift_up(i, slot);
    else
        sift_down(i, slot);
}

/* Rebuilds the heap after many deadlines changed. */
static void
order_all(void) {
    for (uint32_t i = 0; i < all->count; i++)
        sift_up(i, slot_of(&pool[heap[i].timer]));
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
    more->size = size;
    more->count = count;
    use_block(more);
    memset(chains, 0xff, size * sizeof *chains);
    for (uint32_t i = 0; i < size; i++) {
        if (i >= count) {
            pool[i].chain = i + 1;
            continue;
        }
        pool[i] = old->pool[i];
        uint32_t *first = chain(pool[i].key);
        pool[i].chain = *first;
        *first = i;
    }
    if (old)
        memcpy(heap, &old->pool[old->size], count * sizeof *heap);
    all->free = count;
    free(old);
    return 0;
}

/* Finds the link that leads to the timer of a padded key, or to nothing. */
static uint32_t *
find_link(const char key[TIMER_KEY_SIZE]) {
    uint32_t *link = chain(key);
    while (*link != NONE && memcmp(pool[*link].key, key, TIMER_KEY_SIZE) != 0)
        link = &pool[*link].chain;
    return link;
}

/* The same for a key that is not padded. */
static uint32_t *
find_key(const char *key) {
    char padded[TIMER_KEY_SIZE] = "";
    memcpy(padded, key, strnlen(key, sizeof padded));
    return find_link(padded);
}

/* Sets a timer's deadline. */
static void
move_timer(struct timer *timer, int64_t due) {
    timer->due = due;
    sift(timer->place, slot_of(timer));
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
    if (all->count == all->size && grow_timers() < 0)
        return -1;
    uint32_t *link = find_link(timer->key);
    if (*link != NONE)
        return -1;
    *link = all->free;
    struct timer *new = &pool[all->free];
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
    sift_up(all->count++, slot_of(new));
    return 0;
}

/* Removes the timer that a link leads to. */
static void
take_out(uint32_t *link) {
    uint32_t i = *link;
    struct timer *timer = &pool[i];
    *link = timer->chain;
    all->count--;
    if (timer->place < all->count)
        sift(timer->place, heap[all->count]);
    timer->chain = all->free;
    all->free = i;
}

int
timers_remove(const char *key, bool own) {
    uint32_t *link = find_key(key);
    if (*link == NONE || (pool[*link].own != NULL) != own)
        return -1;
    take_out(link);
    return 0;
}

int
timers_set(const struct timer *timer, struct timers_now now) {
    uint32_t *link = find_link(timer->key);
    if (*link == NONE)
        return timers_add(timer, now);
    struct timer *old = &pool[*link];
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
    return all->count == 0 ? INT64_MAX : heap->due;
}

/* Sets the next deadline of a period. Returns how many ticks were missed; the
 * last run misses none. */
static int64_t
tick_period(struct timer *timer, int64_t rounded, int64_t now) {
    timer->due +=
        (now - timer->due) / timer->every * timer->every + timer->every;
    return timer->runs == 1 ? 0 : (now - rounded) / timer->every;
}

/* The same by the wall clock. Returns -1 if it is too early, since the clock
 * was set or runs slower. */
static int64_t
tick_wall(struct timer *timer, struct timers_now now) {
    int64_t seconds = now.wall / NANO, unit = timer->at == 'H' ? 3600 : 60;
    int64_t next = next_tick(timer, seconds);
    if (next <= seconds)
        timer->last = seconds;
    timer->due = wall_due(timer, now);
    if (next > seconds)
        return -1;
    return timer->at == 'D' ? 0 : (seconds - next) / unit;
}

int64_t
timers_due(struct timers_now now, struct timer *tick) {
    int64_t missed = -1, rounded;
    while (missed < 0 && (rounded = timers_next()) <= now.mono) {
        struct timer *timer = &pool[heap->timer];
        missed = 0;
        if (timer->at)
            missed = tick_wall(timer, now);
        else if (timer->every)
            missed = tick_period(timer, rounded, now.mono);
        else
            timer->due = INT64_MAX / 2;
        *tick = *timer;
        sift_down(0, slot_of(timer));
        if (missed >= 0 && timer->runs > 0 && --timer->runs == 0)
            take_out(find_link(timer->key));
    }
    return missed;
}

void
timers_delay(const char *key, int64_t due) {
    uint32_t i = *find_key(key);
    if (i != NONE && pool[i].next)
        move_timer(&pool[i], due);
}

void
timers_pause(const char *key, unsigned char fails, int64_t until) {
    uint32_t i = *find_key(key);
    if (i == NONE)
        return;
    struct timer *timer = &pool[i];
    int64_t late = until - timer->due, every = timer->every;
    timer->fails = fails;
    if (!timer->at && late > 0)
        move_timer(timer,
                   timer->due +
                       (every ? (late - 1) / every * every + every : late));
}

void
timers_set_clock(struct timers_now now) {
    for (uint32_t i = 0; i < all->count; i++) {
        struct timer *timer = &pool[heap[i].timer];
        if (timer->at)
            timer->due = wall_due(timer, now);
    }
    order_all();
}

struct timer *
timers_at(uint32_t i) {
    return i < all->count ? &pool[heap[i].timer] : NULL;
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
    struct timers *copy = malloc(bytes(all->size));
    return copy ? memcpy(copy, all, bytes(all->size)) : NULL;
}

void
timers_restore(struct timers *saved) {
    free(all);
    use_block(saved);
}
