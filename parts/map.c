/* map: a key-value store in memory, with expiry; it survives reloads. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/random.h>

#include "callback.h"
#include "loop.h"
#include "map.h"
#include "part.h"

enum { FIRST_ROOM = 64, SWEEPS = 10 };
#define SECOND INT64_C(1000000000)

/* A pair is one piece of memory, in the chain of its slot. */
struct pair {
    struct pair *next;
    int64_t expires; /* monotonic nanoseconds; 0 = never */
    uint64_t hash;
    size_t key_size, value_size;
    char bytes[]; /* the key, then the value */
};

struct svr_map {
    LIST_ENTRY(svr_map) entry;
    uint64_t seed; /* keeps clients from choosing keys of one slot */
    struct pair **slots;
    size_t room, swept; /* number of slots; next one to sweep */
    int64_t count, expiring;
};
static LIST_HEAD(, svr_map) maps;

static int sweep_maps(void *unused);

struct svr_map *
svr_map_open(void) {
    struct svr_map *map = calloc(1, sizeof *map);
    struct pair **slots = calloc(FIRST_ROOM, sizeof(struct pair *));
    if (!map || !slots) {
        free(map);
        free(slots);
        svr_fail("svr_map_open: no memory");
        return NULL;
    }
    (void)!getrandom(&map->seed, sizeof map->seed, 0);
    map->slots = slots;
    map->room = FIRST_ROOM;
    LIST_INSERT_HEAD(&maps, map, entry);
    return map;
}

/* FNV-1a, with the seed. */
static uint64_t
hash_key(const struct svr_map *map, struct svr_bytes key) {
    uint64_t hash = map->seed;
    for (size_t i = 0; i < key.size; i++)
        hash = (hash ^ (unsigned char)key.data[i]) * 1099511628211u;
    return hash ^ hash >> 32;
}

/* Returns where the pointer to a pair is, or would be. */
static struct pair **
pair_place(const struct svr_map *map, struct svr_bytes key, uint64_t hash) {
    struct pair **place = &map->slots[hash & (map->room - 1)];
    while (*place &&
           ((*place)->hash != hash || (*place)->key_size != key.size ||
            (key.size > 0 && memcmp((*place)->bytes, key.data, key.size) != 0)))
        place = &(*place)->next;
    return place;
}

static void
set_expiry(struct svr_map *map, struct pair *pair, int64_t expires) {
    map->expiring += (expires != 0) - (pair->expires != 0);
    pair->expires = expires;
}

static void
remove_pair_at(struct svr_map *map, struct pair **place) {
    struct pair *pair = *place;
    *place = pair->next;
    set_expiry(map, pair, 0);
    map->count--;
    free(pair);
}

static bool
expired(const struct pair *pair, int64_t now) {
    return pair->expires != 0 && pair->expires <= now;
}

/* Returns the place of an existing pair, or NULL. */
static struct pair **
find_pair(struct svr_map *map, struct svr_bytes key) {
    struct pair **place = pair_place(map, key, hash_key(map, key));
    if (*place && (*place)->expires && expired(*place, loop_now()))
        remove_pair_at(map, place);
    return *place ? place : NULL;
}

bool
svr_map_find(struct svr_map *map, struct svr_bytes key, struct svr_bytes *value,
             int64_t *left) {
    struct pair **place = find_pair(map, key), *pair = place ? *place : NULL;
    if (pair)
        *value = (struct svr_bytes){pair->bytes + key.size, pair->value_size};
    if (pair && left)
        *left =
            pair->expires ? (pair->expires - loop_now()) / (SECOND / 1000) : -1;
    return pair != NULL;
}

/* Doubles the slots when there are as many pairs; if memory is short, the
 * chains just grow longer. */
static void
grow_map(struct svr_map *map) {
    size_t room = map->room * 2;
    struct pair **slots = map->count < (int64_t)map->room
                              ? NULL
                              : calloc(room, sizeof(struct pair *));
    if (!slots)
        return;
    for (size_t i = 0; i < map->room; i++) {
        struct pair *pair, *next;
        for (pair = map->slots[i]; pair; pair = next) {
            next = pair->next;
            pair->next = slots[pair->hash & (room - 1)];
            slots[pair->hash & (room - 1)] = pair;
        }
    }
    free(map->slots);
    map->slots = slots;
    map->room = room;
}

int
svr_map_set(struct svr_map *map, struct svr_bytes key, struct svr_bytes value,
            bool keep) {
    uint64_t hash = hash_key(map, key);
    struct pair **place = pair_place(map, key, hash), *old = *place;
    if (old && old->expires && (!keep || expired(old, loop_now())))
        set_expiry(map, old, 0);
    if (old && old->value_size == value.size) {
        if (value.size > 0)
            memmove(old->bytes + key.size, value.data, value.size);
        return 0;
    }
    struct pair *pair = malloc(sizeof *pair + key.size + value.size);
    if (!pair)
        return svr_fail("svr_map_set: no memory");
    *pair = (struct pair){.next = old ? old->next : NULL,
                          .hash = hash,
                          .key_size = key.size,
                          .value_size = value.size};
    if (key.size > 0)
        memcpy(pair->bytes, key.data, key.size);
    if (value.size > 0) /* it may be in the old pair */
        memcpy(pair->bytes + key.size, value.data, value.size);
    if (old) {
        set_expiry(map, pair, old->expires);
        remove_pair_at(map, place);
    }
    *place = pair;
    map->count++;
    grow_map(map);
    return 0;
}

bool
svr_map_expire(struct svr_map *map, struct svr_bytes key, int64_t millis) {
    struct pair **place = find_pair(map, key);
    int64_t most = (INT64_MAX - loop_now()) / (SECOND / 1000) - 1;
    if (place && millis <= 0)
        remove_pair_at(map, place);
    else if (place)
        set_expiry(map, *place,
                   loop_now() +
                       (millis < most ? millis : most) * (SECOND / 1000));
    if (map->expiring > 0)
        callback_timer((struct timer){
            .key = "svr.map", .own = sweep_maps, .every = SECOND});
    return place != NULL;
}

bool
svr_map_remove(struct svr_map *map, struct svr_bytes key) {
    struct pair **place = find_pair(map, key);
    if (place)
        remove_pair_at(map, place);
    return place != NULL;
}

int64_t
svr_map_count(const struct svr_map *map) {
    return map->count;
}

bool
svr_map_next(const struct svr_map *map, uint64_t *at, struct svr_bytes *key,
             struct svr_bytes *value) {
    size_t slot = (size_t)(*at >> 16), nth = *at & 0xffff;
    for (; slot < map->room; slot++, nth = 0) {
        const struct pair *pair = map->slots[slot];
        for (size_t i = 0; pair && i < nth; i++)
            pair = pair->next;
        if (!pair)
            continue;
        *key = (struct svr_bytes){pair->bytes, pair->key_size};
        *value =
            (struct svr_bytes){pair->bytes + pair->key_size, pair->value_size};
        *at = (uint64_t)slot << 16 | (nth + 1);
        return true;
    }
    return false;
}

/* Removes the expired pairs of some of the slots. */
static void
sweep_map(struct svr_map *map, int64_t now) {
    for (size_t n = map->room / SWEEPS + 1; n > 0; n--) {
        struct pair **place = &map->slots[map->swept++ & (map->room - 1)];
        while (*place)
            if (expired(*place, now))
                remove_pair_at(map, place);
            else
                place = &(*place)->next;
    }
}

static int
sweep_maps(void *unused) {
    struct svr_map *map;
    int64_t expiring = 0, now = loop_now();
    LIST_FOREACH (map, &maps, entry) {
        if (map->expiring > 0)
            sweep_map(map, now);
        expiring += map->expiring;
    }
    if (expiring == 0)
        callback_timer((struct timer){.key = "svr.map"});
    return unused != NULL;
}

void
svr_map_close(struct svr_map *map) {
    for (size_t i = 0; i < map->room; i++)
        while (map->slots[i])
            remove_pair_at(map, &map->slots[i]);
    LIST_REMOVE(map, entry);
    free(map->slots);
    free(map);
}

static void
map_figures(struct figures *figures) {
    const struct svr_map *map;
    int64_t pairs = 0, expiring = 0;
    LIST_FOREACH (map, &maps, entry) {
        pairs += map->count;
        expiring += map->expiring;
    }
    figure_number(figures, "pairs", FIGURE_GAUGE, (double)pairs,
                  "Pairs, in all maps.");
    figure_number(figures, "expiring", FIGURE_GAUGE, (double)expiring,
                  "Pairs that will expire.");
}

const struct part part_map = {.name = "map", .figures = map_figures};
