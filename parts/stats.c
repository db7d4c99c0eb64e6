/* stats: counters, gauges and histograms of the user's own. */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "failure.h"
#include "part.h"
#include "stats.h"

enum { NAME_SIZE = 100, BOUNDS = 64 };

/* The values of a declaration; never freed, since code that is no longer live
 * may still run in a thread. */
struct cell {
    LIST_ENTRY(cell) entry;
    char *name, *help;
    bool live, next; /* declared by the live code; by the next one */
    enum svr_stat_kind kind;
    union svr_stat_value value;
    struct figure_histogram histogram;
    double bounds[BOUNDS];
    _Atomic uint64_t counts[BOUNDS + 1];
};
/* All cells, by name. */
static LIST_HEAD(, cell) cells = LIST_HEAD_INITIALIZER(cells);

static struct svr_stat *const *next_list; /* what the next code declares */
static bool declared;                     /* it declared them */
static char wrong[256]; /* why it is refused; "" = it is not */

/* ---- Declarations ----------------------------------------------------- */

static bool
ends_in(const char *name, const char *end) {
    size_t length = strlen(name), tail = strlen(end);
    return length > tail && strcmp(name + length - tail, end) == 0;
}

/* Returns what is wrong with a declaration, or NULL. */
static const char *
find_mistake(const struct svr_stat *stat) {
    bool counts = stat->kind == SVR_STAT_COUNTER;
    size_t length = strspn(stat->name, "abcdefghijklmnopqrstuvwxyz0123456789_"
                                       "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    if (length == 0 || stat->name[length] != '\0' || length >= NAME_SIZE ||
        (*stat->name >= '0' && *stat->name <= '9'))
        return "a name has letters, digits and underscores, at most 99";
    if (strncmp(stat->name, "svr_", 4) == 0)
        return "names that begin with svr_ are reserved";
    if (counts != ends_in(stat->name, "_total"))
        return counts ? "a counter's name ends in _total"
                      : "only a counter's name ends in _total";
    if (ends_in(stat->name, "_bucket") || ends_in(stat->name, "_count") ||
        ends_in(stat->name, "_sum"))
        return "_bucket, _count and _sum are added to a histogram's name";
    if (*stat->help == '\0' || strpbrk(stat->help, "\n\\"))
        return "needs a help text of one line without a backslash";
    if (stat->count > BOUNDS)
        return "has more than 64 bounds";
    for (int i = 1; i < stat->count; i++)
        if (!(stat->bounds[i] > stat->bounds[i - 1]))
            return "the bounds must rise";
    return NULL;
}

static bool
is_cell_of(const struct cell *cell, const struct svr_stat *stat) {
    return cell->kind == stat->kind && cell->histogram.count == stat->count &&
           strcmp(cell->name, stat->name) == 0 &&
           (stat->count == 0 ||
            memcmp(cell->bounds, stat->bounds,
                   (size_t)stat->count * sizeof *stat->bounds) == 0);
}

static void
insert_cell(struct cell *cell) {
    struct cell *before = NULL, *at;
    LIST_FOREACH (at, &cells, entry)
        if (strcmp(at->name, cell->name) < 0)
            before = at;
    if (before)
        LIST_INSERT_AFTER(before, cell, entry);
    else
        LIST_INSERT_HEAD(&cells, cell, entry);
}

static struct cell *
make_cell(const struct svr_stat *stat) {
    struct cell *cell = calloc(1, sizeof *cell);
    if (cell)
        cell->name = strdup(stat->name);
    if (!cell || !cell->name) {
        free(cell);
        return NULL;
    }
    cell->kind = stat->kind;
    if (stat->count)
        memcpy(cell->bounds, stat->bounds,
               (size_t)stat->count * sizeof *stat->bounds);
    cell->histogram.count = stat->count;
    cell->histogram.bounds = cell->bounds;
    cell->histogram.counts = cell->counts;
    insert_cell(cell);
    return cell;
}

/* Finds the values of a declaration, or makes them. */
static struct cell *
find_cell(const struct svr_stat *stat) {
    struct cell *cell;
    LIST_FOREACH (cell, &cells, entry)
        if (is_cell_of(cell, stat))
            break;
    if (!cell)
        cell = make_cell(stat);
    if (cell && (!cell->help || strcmp(cell->help, stat->help) != 0)) {
        char *help = strdup(stat->help); /* a status may use the old one */
        cell->help = help ? help : cell->help;
    }
    return cell && cell->help ? cell : NULL;
}

/* Takes a declaration of the next code. Returns what is wrong, or NULL. */
static const char *
take_stat(struct svr_stat *stat) {
    const char *mistake = find_mistake(stat);
    struct cell *cell;
    if (mistake)
        return mistake;
    LIST_FOREACH (cell, &cells, entry)
        if (cell->next && strcmp(cell->name, stat->name) == 0)
            return "is declared twice";
    cell = find_cell(stat);
    if (!cell)
        return "no memory";
    cell->next = true;
    stat->value = stat->kind == SVR_STAT_HISTOGRAM
                      ? (union svr_stat_value *)(void *)&cell->histogram
                      : &cell->value;
    return NULL;
}

/* Logs the figures that the next code declares differently. */
static void
report_restarts(void) {
    const struct cell *one, *other;
    LIST_FOREACH (one, &cells, entry)
        LIST_FOREACH (other, &cells, entry)
            if (one->live && !one->next && other->next && !other->live &&
                strcmp(one->name, other->name) == 0)
                svr_info("stats: %s is another kind of figure now, or has "
                         "other buckets: it begins again at 0",
                         one->name);
}

/* The next declarations become those of the live code, or are dropped. */
static void
settle_stats(bool taken) {
    struct cell *cell;
    if (taken)
        report_restarts();
    LIST_FOREACH (cell, &cells, entry) {
        cell->live = taken ? cell->next : cell->live;
        cell->next = false;
    }
    next_list = NULL;
    declared = false;
    *wrong = '\0';
}

/* Each file of the code that includes stats.h calls this, with the same list.
 */
void
svr_stats_declare(struct svr_stat *const *first, struct svr_stat *const *end) {
    if (declared && first == next_list)
        return;
    settle_stats(false); /* those of code that was rejected */
    next_list = first;
    declared = true;
    for (struct svr_stat *const *at = first; at && at < end && !*wrong; at++) {
        const char *mistake = take_stat(*at);
        if (mistake)
            snprintf(wrong, sizeof wrong, "stats: %.120s: %s", (*at)->name,
                     mistake);
    }
}

/* ---- Values ----------------------------------------------------------- */

void
svr_gauge_set(struct svr_gauge *gauge, double level) {
    __atomic_store(&gauge->stat.value->level, &level, __ATOMIC_RELAXED);
}

double
svr_gauge_value(const struct svr_gauge *gauge) {
    double level;
    __atomic_load(&gauge->stat.value->level, &level, __ATOMIC_RELAXED);
    return level;
}

void
svr_gauge_add(struct svr_gauge *gauge, double amount) {
    double before = svr_gauge_value(gauge), after = before + amount;
    while (!__atomic_compare_exchange(&gauge->stat.value->level, &before,
                                      &after, true, __ATOMIC_RELAXED,
                                      __ATOMIC_RELAXED))
        after = before + amount;
}

void
svr_histogram_observe(struct svr_histogram *histogram, double value) {
    struct figure_histogram *of = (void *)histogram->stat.value;
    int bucket = 0;
    double before = of->sum;
    while (bucket < of->count && !(value <= of->bounds[bucket]))
        bucket++;
    atomic_fetch_add_explicit(&of->counts[bucket], 1, memory_order_relaxed);
    while (!atomic_compare_exchange_weak(&of->sum, &before, before + value))
        ;
}

/* ---- Events of the part ----------------------------------------------- */

static int
check_stats(const struct conf *conf) {
    (void)conf;
    return *wrong ? svr_fail("%s", wrong) : 0;
}

static int
stats_event(enum part_event event, const struct conf *conf, const char *text) {
    if (event == PART_BEGIN || event == PART_BIND)
        return check_stats(conf);
    if ((event == PART_READY && declared) || event == PART_RELOADED)
        settle_stats(!text);
    return 0;
}

/* ---- Checkpoints ------------------------------------------------------ */

/* A declaration and its values, as saved. */
struct kept_stat {
    char name[NAME_SIZE];
    int32_t kind, count;
    union svr_stat_value value;
    double bounds[BOUNDS], sum;
    uint64_t counts[BOUNDS + 1];
};

static void
save_stats(FILE *out) {
    struct cell *cell;
    LIST_FOREACH (cell, &cells, entry) {
        struct kept_stat kept = {.kind = (int32_t)cell->kind,
                                 .count = cell->histogram.count,
                                 .sum = cell->histogram.sum};
        if (!cell->live)
            continue;
        snprintf(kept.name, sizeof kept.name, "%s", cell->name);
        __atomic_load(&cell->value, &kept.value, __ATOMIC_RELAXED);
        memcpy(kept.bounds, cell->bounds, sizeof kept.bounds);
        for (int j = 0; j <= BOUNDS; j++)
            kept.counts[j] = cell->counts[j];
        fwrite(&kept, sizeof kept, 1, out);
    }
}

/* Drops figures that the code no longer declares, or declares differently. */
static int
load_stats(const void *bytes, size_t size) {
    struct kept_stat kept;
    for (const char *at = bytes; size >= sizeof kept; size -= sizeof kept) {
        memcpy(&kept, at, sizeof kept);
        kept.name[sizeof kept.name - 1] = '\0';
        at += sizeof kept;
        struct svr_stat stat = {.name = kept.name,
                                .kind = (enum svr_stat_kind)kept.kind,
                                .count = kept.count,
                                .bounds = kept.bounds};
        struct cell *cell;
        LIST_FOREACH (cell, &cells, entry)
            if (is_cell_of(cell, &stat))
                break;
        if (!cell)
            continue;
        cell->value = kept.value;
        cell->histogram.sum = kept.sum;
        for (int j = 0; j <= BOUNDS; j++)
            cell->counts[j] = kept.counts[j];
    }
    return 0;
}

/* The number shown for a cell. */
static double
cell_number(struct cell *cell) {
    struct svr_gauge gauge = {{.value = &cell->value}};
    struct svr_counter counter = {{.value = &cell->value}};
    return cell->kind == SVR_STAT_GAUGE ? svr_gauge_value(&gauge)
                                        : (double)svr_counter_value(&counter);
}

static void
stats_figures(struct figures *figures) {
    static const enum figure_kind kinds[] = {
        [SVR_STAT_COUNTER] = FIGURE_COUNTER,
        [SVR_STAT_GAUGE] = FIGURE_GAUGE,
        [SVR_STAT_HISTOGRAM] = FIGURE_HISTOGRAM,
    };
    struct cell *cell;
    LIST_FOREACH (cell, &cells, entry) {
        struct figure figure = {.part = figures->part,
                                .name = cell->name,
                                .help = cell->help,
                                .kind = kinds[cell->kind],
                                .own = true};
        if (!cell->live)
            continue;
        if (cell->kind == SVR_STAT_HISTOGRAM)
            figure.histogram = &cell->histogram;
        else
            figure.number = cell_number(cell);
        figure_add(figures, figure);
    }
}

const struct part part_stats = {.name = "stats",
                                .check = check_stats,
                                .event = stats_event,
                                .figures = stats_figures,
                                .save = save_stats,
                                .load = load_stats};
