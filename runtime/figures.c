/* figures: what the loop and the parts know in numbers, for each form of the
 * status. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "figures.h"
#include "loop.h"
#include "text.h"
#include "timer.h"

enum { TIMERS_IN_TEXT = 4 };
#define WHOLE 9007199254740992.0 /* up to it a double is exact */
#define NANO  INT64_C(1000000000)

/* Copies a histogram, so that it is of the same moment as the other figures. */
static struct figure_histogram *
copy_histogram(const struct figure_histogram *of) {
    size_t buckets = (size_t)of->count + 1;
    struct figure_histogram *copy =
        malloc(sizeof *copy + buckets * sizeof *of->counts);
    if (!copy)
        return NULL;
    copy->count = of->count;
    copy->bounds = of->bounds;
    copy->counts = (_Atomic uint64_t *)(copy + 1);
    for (size_t i = 0; i < buckets; i++)
        copy->counts[i] = of->counts[i];
    copy->sum = of->sum;
    return copy;
}

void
figure_add(struct figures *figures, struct figure figure) {
    if (figures->count == figures->room) {
        size_t room = figures->room * 2 + 32;
        struct figure *grown =
            realloc(figures->list, room * sizeof *figures->list);
        figures->failed = figures->failed || !grown;
        if (!grown)
            return;
        figures->list = grown;
        figures->room = room;
    }
    if (figure.histogram) {
        figure.histogram = copy_histogram(figure.histogram);
        figures->failed = figures->failed || !figure.histogram;
        figure.number =
            figure.histogram ? (double)figure_observed(figure.histogram) : 0;
    }
    figures->list[figures->count++] = figure;
}

void
figure_number(struct figures *figures, const char *name, enum figure_kind kind,
              double number, const char *help) {
    figure_add(figures, (struct figure){.part = figures->part,
                                        .name = name,
                                        .help = help,
                                        .kind = kind,
                                        .number = number});
}

void
figure_word(struct figures *figures, const char *name, const char *word,
            const char *help) {
    figure_add(figures, (struct figure){.name = name,
                                        .help = help,
                                        .kind = FIGURE_WORD,
                                        .word = word});
}

static void
take_timers(struct figures *figures) {
    struct timer *first[FIGURE_TIMERS];
    int64_t now = loop_now();
    time_t wall = figures->wall = time(NULL);
    figures->timers_shown =
        timers_first(first, FIGURE_TIMERS, &figures->timers_total);
    for (int i = 0; i < figures->timers_shown; i++) {
        struct figure_timer *timer = &figures->timers[i];
        snprintf(timer->name, sizeof timer->name, "%s", first[i]->key);
        timer->next = wall + (first[i]->due - now) / NANO;
    }
}

struct figures *
figures_begin(void) {
    struct figures *figures = calloc(1, sizeof *figures);
    if (!figures)
        return NULL;
    figures->when = loop_now();
    take_timers(figures);
    return figures;
}

void
figures_rate(struct figures *figures, const struct figures *former) {
    double span = (double)(figures->when - former->when) / (double)NANO;
    if (span <= 0 || span > 60)
        return;
    for (size_t i = 0; i < figures->count && i < former->count; i++) {
        struct figure *figure = &figures->list[i];
        double grown = figure->number - former->list[i].number;
        bool grows =
            figure->kind == FIGURE_COUNTER || figure->kind == FIGURE_HISTOGRAM;
        if (grows && figure->name == former->list[i].name && grown > 0)
            figure->rate = grown / span;
    }
}

void
figures_free(struct figures *figures) {
    if (!figures)
        return;
    for (size_t i = 0; i < figures->count; i++)
        free(figures->list[i].histogram);
    free(figures->list);
    free(figures);
}

void
figure_print(FILE *out, double number) {
    bool whole =
        number > -WHOLE && number < WHOLE && number == (double)(int64_t)number;
    fprintf(out, whole ? "%.0f" : "%.15g", number);
}

uint64_t
figure_observed(const struct figure_histogram *histogram) {
    uint64_t sum = 0;
    for (int i = 0; i <= histogram->count; i++)
        sum += histogram->counts[i];
    return sum;
}

/* ---- JSON ------------------------------------------------------------- */

static void
print_histogram_json(FILE *out, const struct figure_histogram *histogram) {
    fprintf(out,
            "{\"count\": %" PRIu64 ", \"sum\": ", figure_observed(histogram));
    figure_print(out, histogram->sum);
    fputs(", \"buckets\": {", out);
    for (int i = 0; i <= histogram->count; i++) {
        fputs(i ? ", \"" : "\"", out);
        if (i < histogram->count)
            figure_print(out, histogram->bounds[i]);
        else
            fputs("+Inf", out);
        fprintf(out, "\": %" PRIu64, (uint64_t)histogram->counts[i]);
    }
    fputs("}}", out);
}

static void
print_figure_json(FILE *out, const struct figure *figure) {
    fprintf(out, "\"%s\": ", figure->name);
    if (figure->kind == FIGURE_HISTOGRAM)
        print_histogram_json(out, figure->histogram);
    else if (figure->kind == FIGURE_WORD)
        text_json_print(out, figure->word);
    else
        figure_print(out, figure->number);
}

void
figures_json(const struct figures *figures, FILE *out) {
    const char *open = NULL;
    fputs(", \"timers\": [", out);
    for (int i = 0; i < figures->timers_shown; i++) {
        fputs(i ? ", {\"name\": " : "{\"name\": ", out);
        text_json_print(out, figures->timers[i].name);
        fprintf(out, ", \"next\": %" PRId64 "}", figures->timers[i].next);
    }
    fprintf(out, "], \"timers_total\": %" PRIu32, figures->timers_total);
    for (size_t i = 0; i < figures->count; i++) {
        const struct figure *figure = &figures->list[i];
        bool same = open == figure->part;
        if (!same && open)
            fputs("}", out);
        if (same || !figure->part)
            fputs(", ", out);
        else
            fprintf(out, ", \"%s\": {", figure->part);
        open = figure->part;
        print_figure_json(out, figure);
    }
    if (open)
        fputs("}", out);
}

/* ---- Text ------------------------------------------------------------- */

void
figure_span(FILE *out, int64_t seconds) {
    if (seconds < 120)
        fprintf(out, "%" PRId64 " s", seconds < 0 ? 0 : seconds);
    else if (seconds < 7200)
        fprintf(out, "%" PRId64 " min", seconds / 60);
    else if (seconds < 172800)
        fprintf(out, "%" PRId64 " h %" PRId64 " min", seconds / 3600,
                seconds / 60 % 60);
    else
        fprintf(out, "%" PRId64 " d %" PRId64 " h", seconds / 86400,
                seconds / 3600 % 24);
}

static void
print_figure(FILE *out, const struct figure *figure) {
    const struct figure_histogram *histogram = figure->histogram;
    fprintf(out, "%s ", figure->name);
    if (figure->kind == FIGURE_WORD) {
        fputs(figure->word, out);
    } else if (figure->kind == FIGURE_HISTOGRAM) {
        figure_print(out, figure->number);
        fprintf(out, " (mean %.3g)",
                figure->number > 0 ? histogram->sum / figure->number : 0.0);
    } else {
        figure_print(out, figure->number);
    }
    if (figure->rate > 0)
        fprintf(out, " (%.3g/s)", figure->rate);
}

void
figures_print_own(const struct figures *figures, FILE *out,
                  const char *before) {
    for (size_t i = 0; i < figures->count; i++)
        if (figures->list[i].own) {
            fputs(before, out);
            print_figure(out, &figures->list[i]);
            before = ", ";
        }
}

void
figures_text(const struct figures *figures, FILE *out) {
    const char *open = NULL;
    int64_t now = time(NULL);
    int shown = figures->timers_shown;
    for (size_t i = 0; i < figures->count; i++) {
        const struct figure *figure = &figures->list[i];
        bool same = figure->part && open == figure->part;
        if (i && !same)
            fputs("\n", out);
        if (same)
            fputs(", ", out);
        else if (figure->part)
            fprintf(out, "%-12s ", figure->part);
        open = figure->part;
        if (figure->part)
            print_figure(out, figure);
        else
            fprintf(out, "%-12s %s", figure->name, figure->word);
    }
    fprintf(out, "%s%-12s %" PRIu32, figures->count ? "\n" : "", "timers",
            figures->timers_total);
    for (int i = 0; i < shown && i < TIMERS_IN_TEXT; i++) {
        fprintf(out, "%s%s in ", i ? ", " : ": ", figures->timers[i].name);
        figure_span(out, figures->timers[i].next - now);
    }
    fputs(figures->timers_total > TIMERS_IN_TEXT ? ", ...\n" : "\n", out);
}
