/* map: keys and values of any bytes in memory, with expiry, over reloads
 *
 * header: sys/queue.h libc6-dev bsd-compat-headers
 *
 * One timer of the server's serves all pairs that expire, while there are some.
 * Keep the map's pointer in the state. Loop thread. */
#ifndef MAP_H
#define MAP_H

#include <stddef.h>

#include "svr.h"

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

/* Bytes, not ended by a NUL byte; not copied. */
struct svr_bytes {
    const char *data;
    size_t size;
};

struct svr_map;

/* svr_map_open makes an empty map. Returns NULL, as svr_fail, without memory.
 * svr_map_close frees it, and all pairs. */
struct svr_map *svr_map_open(void);
void svr_map_close(struct svr_map *map);

/* svr_map_find finds the value of a key, valid until the map is next changed;
 * also how many milliseconds are left to it, -1 = it does not expire (`left`
 * may be NULL). Returns false if there is none. */
bool svr_map_find(struct svr_map *map, struct svr_bytes key,
                  struct svr_bytes *value, int64_t *left);

/* svr_map_set sets or replaces a value, which is copied; one that it replaces
 * keeps its expiry if `keep`. Returns 0, or SVR_FAILED, as svr_fail, without
 * memory: the old value is still there. */
int svr_map_set(struct svr_map *map, struct svr_bytes key,
                struct svr_bytes value, bool keep);

/* svr_map_expire lets a pair expire after `millis` milliseconds; at once for 0
 * or less. svr_map_remove removes it. Both return false if there is none. */
bool svr_map_expire(struct svr_map *map, struct svr_bytes key, int64_t millis);
bool svr_map_remove(struct svr_map *map, struct svr_bytes key);

/* svr_map_count is how many pairs there are; those that expired and were not
 * asked for count for 10 seconds more, at most. */
int64_t svr_map_count(const struct svr_map *map);

/* svr_map_next goes through all pairs, in no order: begin with *at = 0; returns
 * false after the last. Do not change the map meanwhile. */
bool svr_map_next(const struct svr_map *map, uint64_t *at,
                  struct svr_bytes *key, struct svr_bytes *value);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
