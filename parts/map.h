/* map: a key-value store in memory, with expiry; it survives reloads
 *
 * header: sys/queue.h libc6-dev bsd-compat-headers
 *
 * Keys and values are any bytes. One timer serves all pairs that expire, while
 * there are any. Keep the map's pointer in the state. Loop thread. */
#ifndef MAP_H
#define MAP_H

#include <stddef.h>

#include "svr.h"

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

/* Bytes, not ended by a NUL byte, and owned by their source. */
struct svr_bytes {
    const char *data;
    size_t size;
};

struct svr_map;

/* svr_map_open makes an empty map. Returns NULL, as svr_fail, if memory is
 * short. svr_map_close frees it and all pairs. */
struct svr_map *svr_map_open(void);
void svr_map_close(struct svr_map *map);

/* svr_map_find sets `value` to the value of a key, valid until the map is next
 * changed, and `left` (which may be NULL) to the milliseconds until it expires;
 * -1 = it does not. Returns false if there is no such key. */
bool svr_map_find(struct svr_map *map, struct svr_bytes key,
                  struct svr_bytes *value, int64_t *left);

/* svr_map_set sets or replaces a value, which is copied; with `keep` a replaced
 * pair keeps its expiry. Returns 0, or SVR_FAILED, as svr_fail, if memory is
 * short; the old value is then unchanged. */
int svr_map_set(struct svr_map *map, struct svr_bytes key,
                struct svr_bytes value, bool keep);

/* svr_map_expire makes a pair expire after `millis` milliseconds, at once for 0
 * or less. svr_map_remove removes a pair. Both return false if there is no such
 * key. */
bool svr_map_expire(struct svr_map *map, struct svr_bytes key, int64_t millis);
bool svr_map_remove(struct svr_map *map, struct svr_bytes key);

/* svr_map_count returns the number of pairs; an expired pair may be counted for
 * up to 10 seconds more. */
int64_t svr_map_count(const struct svr_map *map);

/* svr_map_next returns the pairs one by one, in no order: begin with *at = 0;
 * it returns false after the last. Do not change the map meanwhile. */
bool svr_map_next(const struct svr_map *map, uint64_t *at,
                  struct svr_bytes *key, struct svr_bytes *value);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
