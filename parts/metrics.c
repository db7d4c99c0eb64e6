/* metrics: the server's figures in Prometheus's text format 0.0.4. */
#include <string.h>

#include "log.h"
#include "metrics.h"
#include "part.h"
#include "status.h"

#define FORM "--metrics"

/* Writes a family's head; what only grows has a name that ends in _total. */
static void
family(FILE *out, const char *name, const char *help) {
    fprintf(out, "# HELP svr_%s %s\n# TYPE svr_%s %s\n", name, help, name,
            strstr(name, "_total") ? "counter" : "gauge");
}

static void
sample(FILE *out, const char *name, const char *label, const char *value,
       double number) {
    fprintf(out, *label ? "svr_%s{%s=\"%s\"} %.17g\n" : "svr_%s%s%s %.17g\n",
            name, label, value, number);
}

static void
render(FILE *out, const struct status *now, bool stale) {
    const struct {
        const char *name, *help;
        double value;
    } rows[] = {
        {"up", "1: the loop answers, 0: it is busy or hangs.", !stale},
        {"start_time_seconds", "When the server started.",
         (double)now->start_time},
        {"generation", "The generation of code that is live.", now->generation},
        {"resident_memory_bytes", "Resident memory.",
         (double)status_rss() * 1024},
        {"loop_turns_total", "Turns of the loop.", (double)status_loop.turns},
        {"timer_runs_total", "Timers that ran.", (double)status_loop.ticks},
        {"timer_late_total", "Timers that missed a tick.",
         (double)status_loop.late},
    };
    struct log_figures sink;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        family(out, rows[i].name, rows[i].help);
        sample(out, rows[i].name, "", "", rows[i].value);
    }
    family(out, "state", "What the server does.");
    sample(out, "state", "state", now->state, 1);
    family(out, "reloads_total", "Reloads by how they ended.");
    sample(out, "reloads_total", "verdict", "applied", now->applied);
    sample(out, "reloads_total", "verdict", "rejected", now->rejected);
    family(out, "log_lines_total", "Lines written to a sink.");
    for (int i = 0; log_figures(i, &sink); i++)
        sample(out, "log_lines_total", "sink", sink.sink + strlen("log."),
               (double)sink.lines);
    family(out, "log_lost_total", "Lines that a sink lost.");
    for (int i = 0; log_figures(i, &sink); i++)
        sample(out, "log_lost_total", "sink", sink.sink + strlen("log."),
               (double)sink.lost);
}

char *
svr_metrics(void) {
    return status_render(FORM, false);
}

const struct part part_metrics = {
    .name = "metrics", .form = FORM, .render = render};
