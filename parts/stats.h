/* stats: counters, gauges and histograms of your own
 *
 * header: sys/queue.h libc6-dev bsd-compat-headers
 *
 * Declare each once, outside of functions, with its name, a help text and, for
 * a histogram, the upper bounds of its buckets:
 *
 *     SVR_COUNTER(orders, "orders_total", "Orders taken.");
 *     SVR_GAUGE(waiting, "orders_waiting", "Orders that wait.");
 *     SVR_HISTOGRAM(took, "order_seconds", "Time to serve an order.",
 *                   0.001, 0.01, 0.1, 1);
 *
 * and use it anywhere: svr_counter_add(&orders, 1). Another file declares
 * `extern struct svr_counter orders;`. All appear in the status, the JSON, the
 * metrics and the summary without further code. They keep their values across
 * reloads, and with the part checkpoint across restarts. A new name begins at
 * 0, and so does one whose kind or buckets changed.
 *
 * Names follow Prometheus: letters, digits and underscores; they do not begin
 * with "svr_", and a counter's ends in "_total". An invalid or duplicate name
 * rejects the reload. Any thread may call any function. */
#ifndef STATS_H
#define STATS_H

#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

enum svr_stat_kind { SVR_STAT_COUNTER, SVR_STAT_GAUGE, SVR_STAT_HISTOGRAM };

/* The content of a declaration; the server sets `value`. */
struct svr_stat {
    const char *name, *help;
    enum svr_stat_kind kind;
    int count;
    const double *bounds;
    union svr_stat_value {
        uint64_t count;
        double level;
    } * value;
};
struct svr_counter {
    struct svr_stat stat;
};
struct svr_gauge {
    struct svr_stat stat;
};
struct svr_histogram {
    struct svr_stat stat;
};

#define SVR_COUNTER(variable, name, help)                                      \
    SVR_STAT(svr_counter, variable, name, help, SVR_STAT_COUNTER, 0, NULL)
#define SVR_GAUGE(variable, name, help)                                        \
    SVR_STAT(svr_gauge, variable, name, help, SVR_STAT_GAUGE, 0, NULL)
/* At most 64 bounds, in rising order. */
#define SVR_HISTOGRAM(variable, name, help, ...)                               \
    static const double svr_bounds_##variable[] = {__VA_ARGS__};               \
    SVR_STAT(svr_histogram, variable, name, help, SVR_STAT_HISTOGRAM,          \
             (int)(sizeof svr_bounds_##variable / sizeof(double)),             \
             svr_bounds_##variable)

/* Defines the variable, and its entry in the list of all figures. */
#define SVR_STAT(type, variable, name, help, kind, count, bounds)              \
    extern struct type variable;                                               \
    struct type variable __attribute__((section("svr_stat_data"))) = {         \
        {name, help, kind, count, bounds, NULL}};                              \
    static struct svr_stat *const svr_stat_##variable                          \
        __attribute__((used, section("svr_stats"))) = &variable.stat

/* svr_counter_add adds to a counter; svr_counter_value reads it. */
static inline void
svr_counter_add(struct svr_counter *counter, uint64_t n) {
    __atomic_fetch_add(&counter->stat.value->count, n, __ATOMIC_RELAXED);
}
static inline uint64_t
svr_counter_value(const struct svr_counter *counter) {
    return __atomic_load_n(&counter->stat.value->count, __ATOMIC_RELAXED);
}

/* svr_gauge_set sets a gauge, svr_gauge_add changes it by an amount, and
 * svr_gauge_value reads it. */
void svr_gauge_set(struct svr_gauge *gauge, double level);
void svr_gauge_add(struct svr_gauge *gauge, double amount);
double svr_gauge_value(const struct svr_gauge *gauge);

/* svr_histogram_observe counts a value in the first bucket whose bound it does
 * not exceed. */
void svr_histogram_observe(struct svr_histogram *histogram, double value);

/* svr_stats_declare is called when the code is loaded. */
void svr_stats_declare(struct svr_stat *const *first,
                       struct svr_stat *const *end);

#ifndef SVR_PROJECT /* in your code, not in the server */
extern struct svr_stat *const __start_svr_stats[]
    __attribute__((weak, visibility("hidden")));
extern struct svr_stat *const __stop_svr_stats[]
    __attribute__((weak, visibility("hidden")));
__attribute__((constructor(101))) static void
svr_stats_begin(void) {
    svr_stats_declare(__start_svr_stats, __stop_svr_stats);
}
#endif

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
