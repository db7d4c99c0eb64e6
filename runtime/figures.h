/* figures: what the loop and the parts know in numbers, for each form of the
 * status. */
#ifndef FIGURES_H
#define FIGURES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

/* A gauge is a value of now, a counter only grows, a word is not a number. */
enum figure_kind {
    FIGURE_GAUGE,
    FIGURE_COUNTER,
    FIGURE_WORD,
    FIGURE_HISTOGRAM
};

/* Observations by size; any thread may read and write them. */
struct figure_histogram {
    int count;            /* of the bounds */
    const double *bounds; /* upper bounds, rising */
    /* in each bucket, and in the last what is above all bounds; their sum */
    _Atomic uint64_t *counts;
    _Atomic double sum;
};

/* A figure. No string is ever freed. */
struct figure {
    const char *part; /* whose it is; NULL: a member of the status itself */
    const char *name, *help;
    enum figure_kind kind;
    double number; /* of a histogram: how many observations */
    double rate;   /* by how much it grew a second, since the last look */
    const char *word;
    struct figure_histogram *histogram; /* figure_add copies it */
    bool own; /* the user's: in the summary too; the name is complete */
};

/* A timer, and when it is due next. */
struct figure_timer {
    char name[48];
    int64_t next;
};

enum { FIGURE_TIMERS = 100 };

/* All figures of one moment. */
struct figures {
    struct figure *list;
    size_t count, room;
    const char *part; /* whose figures come now */
    bool failed;      /* memory was short */
    int64_t when;     /* monotonic, in nanoseconds */
    time_t wall;
    struct figure_timer timers[FIGURE_TIMERS];
    int timers_shown;
    uint32_t timers_total;
};

/* figures_begin returns figures with the timers, or NULL when memory is short.
 * Loop thread. figures_free frees them; NULL does nothing. */
struct figures *figures_begin(void);
void figures_free(struct figures *figures);

/* figures_rate computes the rates since former figures, at most a minute old.
 */
void figures_rate(struct figures *figures, const struct figures *former);

/* figure_add adds a figure; figure_number one of the part that is asked;
 * figure_word a word about the whole server. */
void figure_add(struct figures *figures, struct figure figure);
void figure_number(struct figures *figures, const char *name,
                   enum figure_kind kind, double number, const char *help);
void figure_word(struct figures *figures, const char *name, const char *word,
                 const char *help);

/* figure_print writes a number: a whole one in full. figure_span writes a span
 * of time for people: "3 d 4 h". figure_observed returns how many observations
 * a histogram has. */
void figure_print(FILE *out, double number);
void figure_span(FILE *out, int64_t seconds);
uint64_t figure_observed(const struct figure_histogram *histogram);

/* figures_print_own writes the user's figures in a line for people, with
 * `before` in front. figures_json writes all members of the JSON object. */
void figures_print_own(const struct figures *figures, FILE *out,
                       const char *before);
void figures_json(const struct figures *figures, FILE *out);

/* figures_text writes the lines of the text status. */
void figures_text(const struct figures *figures, FILE *out);

#endif
