/* status: what the server knows of itself, told at any time, by any thread. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "json.h"
#include "log.h"
#include "status.h"

static struct {
    const char *state;
    time_t start_time;
    unsigned generation, applied, rejected;
    char build_id[24], pending[256];
    struct {
        time_t time;
        char text[1024];
    } events[STATUS_EVENTS];
    struct status_loop loop;
} now = {.state = "starting"};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void
note(enum status_event event, const char *text) {
    now.events[event].time = time(NULL);
    snprintf(now.events[event].text, sizeof now.events[event].text, "%s", text);
}

void
status_note(enum status_event event, const char *text) {
    pthread_mutex_lock(&lock);
    note(event, text);
    pthread_mutex_unlock(&lock);
}

void
status_state(const char *state) {
    pthread_mutex_lock(&lock);
    now.state = state;
    if (!now.start_time)
        now.start_time = time(NULL);
    pthread_mutex_unlock(&lock);
}

void
status_generation(unsigned generation, const char *build_id,
                  const char *pending) {
    pthread_mutex_lock(&lock);
    now.generation = generation;
    snprintf(now.build_id, sizeof now.build_id, "%s", build_id);
    snprintf(now.pending, sizeof now.pending, "%s", pending);
    pthread_mutex_unlock(&lock);
}

void
status_reload(int verdict, const char *text) {
    pthread_mutex_lock(&lock);
    note(STATUS_RELOAD, text);
    now.applied += verdict == 0;
    now.rejected += verdict != 0;
    pthread_mutex_unlock(&lock);
}

void
status_figures(struct status_loop figures) {
    pthread_mutex_lock(&lock);
    free(now.loop.members);
    now.loop = figures;
    pthread_mutex_unlock(&lock);
}

/* The resident memory in kB. */
static long
rss(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file && fscanf(file, "%*d %ld", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void
log_totals(uint64_t *lines, uint64_t *lost) {
    struct log_figures sink;
    *lines = *lost = 0;
    for (int i = 0; log_figures(i, &sink); i++) {
        *lines += sink.lines;
        *lost += sink.lost;
    }
}

void
status_counts(struct status_loop loop, char *text, size_t size) {
    uint64_t lines, lost;
    log_totals(&lines, &lost);
    pthread_mutex_lock(&lock);
    snprintf(text, size,
             "uptime %.0f s, generation %u, reloads %u applied %u rejected, "
             "timers %jd run %jd late, log lines %ju lost %ju, rss %ld kB",
             difftime(time(NULL), now.start_time), now.generation, now.applied,
             now.rejected, (intmax_t)loop.ticks, (intmax_t)loop.late,
             (uintmax_t)lines, (uintmax_t)lost, rss());
    pthread_mutex_unlock(&lock);
}

/* ---- JSON ------------------------------------------------------------- */

/* A member with a string; null when there is none. */
static void
member(FILE *out, const char *name, const char *text) {
    fprintf(out, ", \"%s\": ", name);
    if (*text)
        json_print(out, text);
    else
        fputs("null", out);
}

static void
iso_time(time_t when, char text[32]) {
    struct tm local;
    *text = '\0';
    if (when)
        strftime(text, 32, "%Y-%m-%dT%H:%M:%S%z", localtime_r(&when, &local));
}

static void
render_json(FILE *out, bool stale) {
    char text[32];
    struct log_figures sink;
    uint64_t lines, lost;
    log_totals(&lines, &lost);
    fputs("{\"name\": ", out);
    json_print(out, log_name());
    fprintf(out, ", \"pid\": %d", (int)getpid());
    member(out, "state", now.state);
    iso_time(now.start_time, text);
    member(out, "start_time", text);
    fprintf(out, ", \"generation\": %u", now.generation);
    member(out, "build_id", now.build_id);
    iso_time(now.events[STATUS_RELOAD].time, text);
    fputs(", \"last_reload\": ", out);
    if (*text) {
        fprintf(out, "{\"time\": \"%s\"", text);
        member(out, "verdict", now.events[STATUS_RELOAD].text);
        fputs("}", out);
    } else {
        fputs("null", out);
    }
    fprintf(out, ", \"reloads_applied\": %u, \"reloads_rejected\": %u",
            now.applied, now.rejected);
    member(out, "pending_restart", now.pending);
    member(out, "last_summary", now.events[STATUS_SUMMARY].text);
    iso_time(now.events[STATUS_SUMMARY].time, text);
    member(out, "last_summary_time", text);
    member(out, "last_error", now.events[STATUS_ERROR].text);
    iso_time(now.events[STATUS_ERROR].time, text);
    member(out, "last_error_time", text);
    fprintf(out, ", \"log\": {\"lines\": %ju, \"lost\": %ju", (uintmax_t)lines,
            (uintmax_t)lost);
    for (int i = 0; log_figures(i, &sink); i++)
        fprintf(out, ", \"%s\": {\"lines\": %ju, \"lost\": %ju}",
                sink.sink + strlen("log."), (uintmax_t)sink.lines,
                (uintmax_t)sink.lost);
    fprintf(out, "}, \"turns\": %jd, \"rss_kb\": %ld%s%s}\n",
            (intmax_t)now.loop.turns, rss(),
            now.loop.members ? now.loop.members : ", \"timers\": []",
            stale ? ", \"stale\": true" : "");
}

/* ---- Text ------------------------------------------------------------- */

static void
render_event(FILE *out, const char *name, enum status_event event) {
    char text[32];
    iso_time(now.events[event].time, text);
    if (*text)
        fprintf(out, "%-12s %s  %s\n", name, text, now.events[event].text);
}

static void
render_text(FILE *out, bool stale) {
    char text[32];
    iso_time(now.start_time, text);
    fprintf(out,
            "%s: %s, pid %d, since %s%s\n"
            "generation   %u, build %s; reloads: %u applied, %u rejected\n",
            log_name(), now.state, (int)getpid(), text,
            stale ? " (its loop is busy: no answer from there)" : "",
            now.generation, now.build_id, now.applied, now.rejected);
    if (*now.pending)
        fprintf(out, "restart      waits for: %s\n", now.pending);
    render_event(out, "last reload", STATUS_RELOAD);
    render_event(out, "summary", STATUS_SUMMARY);
    render_event(out, "last error", STATUS_ERROR);
}

/* ---- OpenMetrics ------------------------------------------------------ */

/* Writes a family's head. One whose name ends in _total goes without a type:
 * OpenMetrics and Prometheus's text format want it under different names. */
static void
family(FILE *out, const char *name, const char *help) {
    fprintf(out, "# HELP svr_%s %s\n", name, help);
    if (!strstr(name, "_total"))
        fprintf(out, "# TYPE svr_%s gauge\n", name);
}

static void
sample(FILE *out, const char *name, const char *label, const char *value,
       double number) {
    fprintf(out, *label ? "svr_%s{%s=\"%s\"} %.17g\n" : "svr_%s%s%s %.17g\n",
            name, label, value, number);
}

static void
render_metrics(FILE *out, bool stale) {
    const struct {
        const char *name, *help;
        double value;
    } rows[] = {
        {"up", "1: the loop answers, 0: it is busy or hangs", !stale},
        {"start_time_seconds", "When the server started.",
         (double)now.start_time},
        {"generation", "The generation of code that is live.", now.generation},
        {"resident_memory_bytes", "Resident memory.", (double)rss() * 1024},
        {"loop_turns_total", "Turns of the loop.", (double)now.loop.turns},
        {"timer_runs_total", "Timers that ran.", (double)now.loop.ticks},
        {"timer_late_total", "Timers that missed a tick.",
         (double)now.loop.late},
    };
    struct log_figures sink;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        family(out, rows[i].name, rows[i].help);
        sample(out, rows[i].name, "", "", rows[i].value);
    }
    family(out, "state", "What the server does.");
    sample(out, "state", "state", now.state, 1);
    family(out, "reloads_total", "Reloads by how they ended.");
    sample(out, "reloads_total", "verdict", "applied", now.applied);
    sample(out, "reloads_total", "verdict", "rejected", now.rejected);
    family(out, "log_lines_total", "Lines written to a sink.");
    for (int i = 0; log_figures(i, &sink); i++)
        sample(out, "log_lines_total", "sink", sink.sink + strlen("log."),
               (double)sink.lines);
    family(out, "log_lost_total", "Lines that a sink lost.");
    for (int i = 0; log_figures(i, &sink); i++)
        sample(out, "log_lost_total", "sink", sink.sink + strlen("log."),
               (double)sink.lost);
    fputs("# EOF\n", out);
}

char *
status_render(const char *form, bool stale) {
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    pthread_mutex_lock(&lock);
    if (strcmp(form, "--json") == 0)
        render_json(out, stale);
    else if (strcmp(form, "--metrics") == 0)
        render_metrics(out, stale);
    else
        render_text(out, stale);
    pthread_mutex_unlock(&lock);
    fclose(out);
    return text;
}
