/* status: what the server knows about itself, for any thread at any time. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "buffer.h"
#include "folder.h"
#include "log.h"
#include "part.h"
#include "status.h"
#include "text.h"
#include "watchdog.h"

struct status_loop status_loop;
static const struct figures no_figures;
static struct status now;
static struct figures *taken; /* NULL: no figures yet */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Where the status is published, and whether that is out of date. */
static int folder = -1;
static void (*notify_change)(void);
static atomic_bool changed;

/* Ends a change that began with the lock. */
static void
change_done(void) {
    pthread_mutex_unlock(&lock);
    changed = true;
    if (notify_change)
        notify_change();
}

static void
note_event(enum status_event event, const char *text) {
    now.events[event].time = time(NULL);
    snprintf(now.events[event].text, sizeof now.events[event].text, "%s", text);
}

void
status_note(enum status_event event, const char *text) {
    pthread_mutex_lock(&lock);
    note_event(event, text);
    change_done();
}

void
status_state(const char *state) {
    pthread_mutex_lock(&lock);
    now.state = state;
    if (!now.start_time)
        now.start_time = time(NULL);
    change_done();
}

void
status_generation(unsigned generation, const char *build_id,
                  const char *pending) {
    pthread_mutex_lock(&lock);
    now.generation = generation;
    snprintf(now.build_id, sizeof now.build_id, "%s", build_id);
    snprintf(now.pending, sizeof now.pending, "%s", pending);
    change_done();
}

void
status_reload(int code, const char *text) {
    pthread_mutex_lock(&lock);
    note_event(STATUS_RELOAD, text);
    now.verdict = code;
    now.applied += code == 0;
    now.rejected += code != 0;
    change_done();
}

unsigned
status_verdicts(void) {
    pthread_mutex_lock(&lock);
    unsigned count = now.applied + now.rejected;
    pthread_mutex_unlock(&lock);
    return count;
}

int
status_verdict(char text[STATUS_TEXT]) {
    pthread_mutex_lock(&lock);
    int code = now.verdict;
    memcpy(text, now.events[STATUS_RELOAD].text, STATUS_TEXT);
    pthread_mutex_unlock(&lock);
    return code;
}

void
status_refresh(void) {
    struct figures *figures = figures_begin();
    if (figures)
        part_figures(figures);
    if (!figures || figures->failed) {
        figures_free(figures);
        return;
    }
    if (taken)
        figures_rate(figures, taken);
    pthread_mutex_lock(&lock);
    struct figures *former = taken;
    now.figures = taken = figures;
    pthread_mutex_unlock(&lock);
    changed = true;
    if (notify_change)
        notify_change();
    figures_free(former);
}

long
status_rss(void) {
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
status_counts(char *text, size_t size) {
    uint64_t lines, lost;
    FILE *out = fmemopen(text, size, "w");
    if (!out)
        return;
    void *former = text_c_locale();
    log_totals(&lines, &lost);
    pthread_mutex_lock(&lock);
    fprintf(out,
            "uptime %.0f s, generation %u, reloads %u applied %u rejected, "
            "timers %jd run %jd late, log lines %ju lost %ju, rss %ld kB",
            difftime(time(NULL), now.start_time), now.generation, now.applied,
            now.rejected, (intmax_t)status_loop.ticks,
            (intmax_t)status_loop.late, (uintmax_t)lines, (uintmax_t)lost,
            status_rss());
    figures_print_own(now.figures, out, "; ");
    pthread_mutex_unlock(&lock);
    text_former_locale(former);
    fclose(out);
    text[size - 1] = '\0';
}

/* ---- JSON ------------------------------------------------------------- */

/* A member with a string; null when there is none. */
static void
member(FILE *out, const char *name, const char *text) {
    fprintf(out, ", \"%s\": ", name);
    if (*text)
        text_json_print(out, text);
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
    struct watchdog_figures loop;
    uint64_t lines, lost;
    log_totals(&lines, &lost);
    watchdog_figures(&loop);
    fputs("{\"name\": ", out);
    text_json_print(out, log_name());
    fprintf(out, ", \"version\": \"" STATUS_VERSION "\", \"pid\": %d",
            (int)getpid());
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
    fprintf(out, "}, \"turns\": %jd, \"busy_seconds\": %.6f",
            (intmax_t)status_loop.turns, loop.busy);
    member(out, "longest_call", loop.longest_name);
    fprintf(out, ", \"longest_call_seconds\": %.6f", loop.longest);
    member(out, "doing", loop.doing);
    fprintf(out, ", \"rss_kb\": %ld", status_rss());
    figures_json(now.figures, out);
    fputs(stale ? ", \"stale\": true}\n" : "}\n", out);
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
render_state(FILE *out, bool stale, const struct watchdog_figures *loop) {
    char text[32];
    iso_time(now.start_time, text);
    fprintf(out, "%s: %s, pid %d, since %s (", log_name(), now.state,
            (int)getpid(), text);
    figure_span(out, time(NULL) - now.start_time);
    fputs("), Tiny " STATUS_VERSION "\n", out);
    if (!stale)
        return;
    fputs("no answer    ", out);
    if (*loop->doing)
        fprintf(out, "the loop is in %s for %.0f s; ", loop->doing,
                loop->doing_for);
    iso_time(now.figures->wall, text);
    fprintf(out, "last known figures, of %s\n", *text ? text : "the start");
}

static void
render_log(FILE *out) {
    struct log_figures sink;
    uint64_t lines, lost;
    log_totals(&lines, &lost);
    fprintf(out, "%-12s %ju lines, %ju lost", "log", (uintmax_t)lines,
            (uintmax_t)lost);
    for (int i = 0; log_figures(i, &sink); i++)
        fprintf(out, *sink.path ? "%s %s %ju (%s)" : "%s %s %ju", i ? "," : ":",
                sink.sink + strlen("log."), (uintmax_t)sink.lines, sink.path);
    fputs("\n", out);
}

static void
render_text(FILE *out, bool stale) {
    struct watchdog_figures loop;
    double uptime = difftime(time(NULL), now.start_time);
    watchdog_figures(&loop);
    render_state(out, stale, &loop);
    fprintf(out, "%-12s %u, build %s; reloads: %u applied, %u rejected\n",
            "generation", now.generation, now.build_id, now.applied,
            now.rejected);
    if (*now.pending)
        fprintf(out, "%-12s waits for: %s\n", "restart", now.pending);
    render_event(out, "last reload", STATUS_RELOAD);
    fprintf(out, "%-12s %jd turns, busy %.1f %%, %ld kB", "loop",
            (intmax_t)status_loop.turns,
            100 * loop.busy / (uptime > loop.busy ? uptime : loop.busy + 1),
            status_rss());
    if (*loop.longest_name)
        fprintf(out, ", longest call %s %.3f s", loop.longest_name,
                loop.longest);
    fputs("\n", out);
    render_log(out);
    figures_text(now.figures, out);
    render_event(out, "summary", STATUS_SUMMARY);
    render_event(out, "last error", STATUS_ERROR);
}

char *
status_render(const char *form, bool stale) {
    struct buffer text;
    bool json = strcmp(form, "--json") == 0;
    const struct part *part = *form && !json ? part_form(form) : NULL;
    FILE *out = json || part || !*form ? buffer_open(&text) : NULL;
    if (!out)
        return NULL;
    void *former = text_c_locale();
    pthread_mutex_lock(&lock);
    if (!now.figures)
        now.figures = &no_figures;
    if (part)
        part->render(out, &now, stale);
    else if (json)
        render_json(out, stale);
    else
        render_text(out, stale);
    pthread_mutex_unlock(&lock);
    text_former_locale(former);
    return buffer_close(&text, out) == 0 ? text.text : NULL;
}

/* ---- Publishing ------------------------------------------------------- */

/* Names the file of a form. */
static const char *
status_file(const char *form, char path[64]) {
    snprintf(path, 64, "run/status%s", form);
    return path;
}

static void
publish_form(const char *form) {
    char path[64], *text = status_render(form, true);
    if (text)
        folder_replace(folder, status_file(form, path), text, strlen(text),
                       0600, NULL);
    free(text);
}

void
status_open(int dir, void (*its_change)(void)) {
    folder = dir;
    notify_change = its_change;
    changed = true;
}

void
status_publish(void) {
    if (folder < 0 || !atomic_exchange(&changed, false))
        return;
    publish_form("");
    publish_form("--json");
    for (int i = 0; parts[i]; i++)
        if (parts[i]->form)
            publish_form(parts[i]->form);
}

void
status_remove(void) {
    char path[64];
    unlinkat(folder, status_file("", path), 0);
    unlinkat(folder, status_file("--json", path), 0);
    for (int i = 0; parts[i]; i++)
        if (parts[i]->form)
            unlinkat(folder, status_file(parts[i]->form, path), 0);
    folder = -1;
}
