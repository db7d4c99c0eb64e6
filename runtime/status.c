/* status: what the server knows of itself, told at any time, by any thread. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

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
    char *figures;
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
status_figures(char *members) {
    pthread_mutex_lock(&lock);
    free(now.figures);
    now.figures = members;
    pthread_mutex_unlock(&lock);
}

double
status_uptime(void) {
    return difftime(time(NULL), now.start_time);
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
status_counts(char *text, size_t size) {
    uint64_t lines, lost;
    log_totals(&lines, &lost);
    pthread_mutex_lock(&lock);
    snprintf(text, size,
             "uptime %.0f s, generation %u, reloads %u applied %u rejected, "
             "log lines %ju lost %ju, rss %ld kB",
             status_uptime(), now.generation, now.applied, now.rejected,
             (uintmax_t)lines, (uintmax_t)lost, rss());
    pthread_mutex_unlock(&lock);
}

/* ---- JSON ------------------------------------------------------------- */

/* The bytes of the UTF-8 character at `s`, 0 when it is none. */
static int
utf8(const unsigned char *s) {
    int length = *s < 0x80   ? 1
                 : *s < 0xc2 ? 0
                 : *s < 0xe0 ? 2
                 : *s < 0xf0 ? 3
                 : *s < 0xf5 ? 4
                             : 0;
    for (int i = 1; i < length; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if (length == 3 &&
        ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f)))
        return 0;
    if (length == 4 &&
        ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f)))
        return 0;
    return length;
}

void
status_quote(FILE *out, const char *text) {
    fputc('"', out);
    for (const unsigned char *c = (const unsigned char *)text; *c;) {
        int length = utf8(c);
        if (*c < ' ' || *c == 0x7f || *c == '"' || *c == '\\')
            fprintf(out, "\\u%04x", *c);
        else if (length)
            fwrite(c, 1, (size_t)length, out);
        else
            fputs("\\ufffd", out);
        c += length ? length : 1;
    }
    fputc('"', out);
}

/* A member with a string; null when there is none. */
static void
member(FILE *out, const char *name, const char *text) {
    fprintf(out, ", \"%s\": ", name);
    if (*text)
        status_quote(out, text);
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
    status_quote(out, log_name());
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
    fprintf(out, "}, \"rss_kb\": %ld%s%s}\n", rss(),
            now.figures ? now.figures : ", \"timers\": [], \"turns\": 0",
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

char *
status_render(bool json, bool stale) {
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    pthread_mutex_lock(&lock);
    if (json)
        render_json(out, stale);
    else
        render_text(out, stale);
    pthread_mutex_unlock(&lock);
    fclose(out);
    return text;
}
