/* timer: who is due, and when is the next. Data alone: it calls nobody. */
#include <stdlib.h>
#include <string.h>

#include "timer.h"

enum { ARITY = 4, NONE = -1 };
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

static uint32_t *
chain(const char *key) {
    uint32_t *chains = (uint32_t *)&heap()[all->size];
    uint32_t hash = 2166136261;
    for (; *key; key++)
        hash = (hash ^ (unsigned char)*key) * 16777619;
    return &chains[hash & (all->size - 1)];
}

static size_t
bytes(uint32_t size) {
    return sizeof *all + size * (sizeof(struct timer) + sizeof(struct slot) +
                                 sizeof(uint32_t));
}

void
timers_span(double seconds) {
    span = (int64_t)(seconds * NANO);
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

/* ---- Add and remove --------------------------------------------------- */

/* Doubles the room; the chains are made anew. */
static int
grow(void) {
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
            all->pool[i].next = i + 1;
            continue;
        }
        all->pool[i] = old->pool[i];
        uint32_t *first = chain(all->pool[i].key);
        all->pool[i].next = *first;
        *first = i;
    }
    if (old)
        memcpy(heap(), &old->pool[old->size], count * sizeof(struct slot));
    all->free = count;
    free(old);
    return 0;
}

/* Finds the link that leads to a key's timer, or to nothing. */
static uint32_t *
find(const char *key) {
    uint32_t *link = chain(key);
    while (*link != (uint32_t)NONE && strcmp(all->pool[*link].key, key) != 0)
        link = &all->pool[*link].next;
    return link;
}

int
timers_add(const char *key, int call, void *arg, struct svr_when when,
           int64_t now) {
    if ((!all || all->count == all->size) && grow() < 0)
        return -1;
    uint32_t *link = find(key), i = all->free;
    if (*link != (uint32_t)NONE)
        return -1;
    struct timer *timer = &all->pool[i];
    all->free = timer->next;
    int64_t every = (int64_t)(when.every * NANO);
    *timer = (struct timer){.call = call,
                            .arg = arg,
                            .every = every,
                            .runs = when.runs,
                            .due = now + every,
                            .next = (uint32_t)NONE};
    strncat(timer->key, key, TIMER_KEY_SIZE - 1);
    *link = i;
    all->count++;
    sift(all->count - 1, (struct slot){timer->due, i});
    return 0;
}

int
timers_remove(const char *key) {
    uint32_t *link = all ? find(key) : NULL;
    if (!link || *link == (uint32_t)NONE)
        return -1;
    uint32_t i = *link;
    struct timer *timer = &all->pool[i];
    *link = timer->next;
    all->count--;
    if (timer->place < all->count)
        sift(timer->place, heap()[all->count]);
    *timer = (struct timer){.next = all->free};
    all->free = i;
    return 0;
}

/* ---- Time ------------------------------------------------------------- */

int64_t
timers_next(void) {
    if (!all || all->count == 0)
        return INT64_MAX;
    return (heap()->due + span - 1) / span * span;
}

bool
timers_due(int64_t now, struct timer *tick) {
    if (timers_next() > now)
        return false;
    uint32_t i = heap()->timer;
    struct timer *timer = &all->pool[i];
    int64_t rounded = timers_next(), late = now - rounded;
    timer->skipped = late / timer->every;
    timer->due +=
        (now - timer->due) / timer->every * timer->every + timer->every;
    *tick = *timer;
    if (timer->runs != 1)
        sift(0, (struct slot){timer->due, i});
    else
        timers_remove(timer->key);
    if (timer->runs > 1)
        timer->runs--;
    return true;
}

struct timer *
timers_at(uint32_t i) {
    if (!all || i >= all->count)
        return NULL;
    return &all->pool[heap()[i].timer];
}

/* ---- For a reload that may be taken back ------------------------------- */

struct timers *
timers_save(void) {
    if (!all && grow() < 0)
        return NULL;
    struct timers *copy = malloc(bytes(all->size));
    return copy ? memcpy(copy, all, bytes(all->size)) : NULL;
}

void
timers_restore(struct timers *saved) {
    free(all);
    all = saved;
}

void
timers_drop(struct timers *saved) {
    free(saved);
}
