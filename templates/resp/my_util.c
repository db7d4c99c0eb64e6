/* my_util: the commands. Each finds its words in the request, of which the
 * first is the command itself, and sends one answer. */
#include <inttypes.h>
#include <stdio.h>

#include "my_util.h"

static struct svr_map *
store(void) {
    const struct state *state = svr_state();
    return state->store;
}

static void
set(const struct svr_resp *request) {
    if (svr_map_set(store(), request->words[1], request->words[2], false) < 0)
        svr_resp_error(request->client, "ERR out of memory");
    else
        svr_resp_status(request->client, "OK");
}

static void
get(const struct svr_resp *request) {
    struct svr_bytes value;
    if (svr_map_find(store(), request->words[1], &value, NULL))
        svr_resp_word(request->client, value);
    else
        svr_resp_nil(request->client);
}

static void
del(const struct svr_resp *request) {
    int64_t gone = 0;
    for (int i = 1; i < request->count; i++)
        gone += svr_map_remove(store(), request->words[i]);
    svr_resp_number(request->client, gone);
}

static void
exists(const struct svr_resp *request) {
    struct svr_bytes value;
    int64_t found = 0;
    for (int i = 1; i < request->count; i++)
        found += svr_map_find(store(), request->words[i], &value, NULL);
    svr_resp_number(request->client, found);
}

static void
incr(const struct svr_resp *request) {
    struct svr_bytes key = request->words[1], value = {"0", 1};
    char text[24];
    int64_t number;
    svr_map_find(store(), key, &value, NULL);
    if (!svr_resp_integer(request, value, &number))
        return;
    if (number == INT64_MAX) {
        svr_resp_error(request->client, "ERR increment would overflow");
        return;
    }
    int length = snprintf(text, sizeof text, "%" PRId64, number + 1);
    value = (struct svr_bytes){text, (size_t)length};
    if (svr_map_set(store(), key, value, true) < 0)
        svr_resp_error(request->client, "ERR out of memory");
    else
        svr_resp_number(request->client, number + 1);
}

static void
expire(const struct svr_resp *request) {
    int64_t seconds;
    if (!svr_resp_integer(request, request->words[2], &seconds))
        return;
    if (seconds > INT32_MAX)
        seconds = INT32_MAX;
    svr_resp_number(request->client,
                    svr_map_expire(store(), request->words[1], seconds * 1000));
}

static void
ttl(const struct svr_resp *request) {
    struct svr_bytes value;
    int64_t left;
    if (!svr_map_find(store(), request->words[1], &value, &left))
        left = -2;
    if (left >= 0)
        left = (left + 500) / 1000; /* to seconds, rounded as Redis does */
    svr_resp_number(request->client, left);
}

static void
dbsize(const struct svr_resp *request) {
    svr_resp_number(request->client, svr_map_count(store()));
}

/* Each command: its name, and how many words it has, at least and at most. */
const struct svr_command my_commands[] = {
    {"GET", 2, 2, get},
    {"SET", 3, 3, set},
    {"INCR", 2, 2, incr},
    {"DEL", 2, SVR_RESP_WORDS, del},
    {"EXISTS", 2, SVR_RESP_WORDS, exists},
    {"EXPIRE", 3, 3, expire},
    {"TTL", 2, 2, ttl},
    {"DBSIZE", 1, 1, dbsize},
    {.name = NULL},
};
