/* metrics: the server's figures in Prometheus's text format 0.0.4. */
#include <dirent.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "metrics.h"
#include "part.h"
#include "status.h"
#include "watchdog.h"

#define FORM "--metrics"

enum { SAFE = 6 }; /* rows that are right even if the loop does not answer */

/* Writes a family's head. */
static void
write_family(FILE *out, const char *name, const char *type, const char *help) {
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Writes a family of the server; the name of a counter ends in _total. */
static void
family(FILE *out, const char *name, const char *help) {
    char whole[64];
    snprintf(whole, sizeof whole, "svr_%s", name);
    write_family(out, whole, strstr(name, "_total") ? "counter" : "gauge",
                 help);
}

static void
sample(FILE *out, const char *name, const char *label, const char *value,
       double number) {
    fprintf(out, *label ? "svr_%s{%s=\"%s\"} " : "svr_%s%s%s ", name, label,
            value);
    figure_print(out, number);
    fputs("\n", out);
}

static int
count_descriptors(void) {
    int count = 0;
    DIR *dir = opendir("/proc/self/fd");
    if (!dir)
        return (int)sysconf(_SC_OPEN_MAX); /* none is free */
    while (readdir(dir))
        count++;
    closedir(dir);
    return count - 3; /* ".", ".." and the folder itself */
}

/* Prometheus's histograms are cumulative. */
static void
write_histogram(FILE *out, const char *name,
                const struct figure_histogram *histogram) {
    uint64_t sum = 0;
    for (int i = 0; i <= histogram->count; i++) {
        sum += histogram->counts[i];
        fprintf(out, "%s_bucket{le=\"", name);
        if (i < histogram->count)
            figure_print(out, histogram->bounds[i]);
        else
            fputs("+Inf", out);
        fprintf(out, "\"} %" PRIu64 "\n", sum);
    }
    fprintf(out, "%s_sum ", name);
    figure_print(out, histogram->sum);
    fprintf(out, "\n%s_count %" PRIu64 "\n", name, sum);
}

/* Writes a figure of a part, or of the user's. */
static void
write_figure(FILE *out, const struct figure *figure) {
    static const char *const types[] = {
        [FIGURE_GAUGE] = "gauge",
        [FIGURE_COUNTER] = "counter",
        [FIGURE_WORD] = "gauge",
        [FIGURE_HISTOGRAM] = "histogram",
    };
    char name[128];
    snprintf(name, sizeof name, "%s%s%s%s%s", figure->own ? "" : "svr_",
             figure->own || !figure->part ? "" : figure->part,
             figure->own || !figure->part ? "" : "_", figure->name,
             figure->kind == FIGURE_COUNTER && !figure->own ? "_total" : "");
    for (char *at = name; (at = strchr(at, '-'));)
        *at = '_';
    write_family(out, name, types[figure->kind], figure->help);
    if (figure->kind == FIGURE_HISTOGRAM) {
        write_histogram(out, name, figure->histogram);
        return;
    }
    fputs(name, out);
    if (figure->kind == FIGURE_WORD)
        fprintf(out, "{%s=\"%s\"}", figure->name, figure->word);
    fputs(" ", out);
    figure_print(out, figure->kind == FIGURE_WORD ? 1 : figure->number);
    fputs("\n", out);
}

static void
render(FILE *out, const struct status *now, bool stale) {
    struct watchdog_figures loop;
    watchdog_figures(&loop);
    const struct {
        const char *name, *help;
        double value;
    } rows[] = {
        {"up", "1 = the loop answers; 0 = it is busy or hangs.", !stale},
        {"start_time_seconds", "When the server started.",
         (double)now->start_time},
        {"generation", "The live generation of code.", now->generation},
        {"last_reload_success",
         "1 = the last reload was applied; 0 = rejected.", now->verdict == 0},
        {"last_reload_time_seconds", "When the last reload ended; 0 = none.",
         (double)now->events[STATUS_RELOAD].time},
        {"pending_restart", "1 = a changed key waits for a restart.",
         *now->pending != '\0'},
        {"resident_memory_bytes", "Resident memory.",
         (double)status_rss() * 1024},
        {"open_descriptors", "Open descriptors.", count_descriptors()},
        {"loop_turns_total", "Turns of the loop.", (double)status_loop.turns},
        {"loop_busy_seconds_total", "Time during which the loop did not wait.",
         loop.busy},
        {"longest_call_seconds", "The longest call of a hook since the start.",
         loop.longest},
        {"timers", "Timers.", now->figures->timers_total},
        {"timer_runs_total", "Calls of timers.", (double)status_loop.ticks},
        {"timer_late_total", "Ticks that timers missed.",
         (double)status_loop.late},
    };
    struct log_figures sink;
    size_t count = stale ? SAFE : sizeof rows / sizeof *rows;
    for (size_t i = 0; i < count; i++) {
        family(out, rows[i].name, rows[i].help);
        sample(out, rows[i].name, "", "", rows[i].value);
    }
    family(out, "build_info", "Which build runs; always 1.");
    fprintf(out, "svr_build_info{tiny=\"" STATUS_VERSION "\",build=\"%s\"} 1\n",
            now->build_id);
    family(out, "state", "What the server does; always 1.");
    sample(out, "state", "state", now->state, 1);
    if (stale)
        return; /* a gap is better than counters that decrease */
    family(out, "reloads_total", "Reloads, by verdict.");
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
    for (size_t i = 0; i < now->figures->count; i++)
        write_figure(out, &now->figures->list[i]);
}

char *
svr_metrics(void) {
    status_refresh();
    return status_render(FORM, false);
}

const struct part part_metrics = {
    .name = "metrics", .form = FORM, .render = render};
