/* status: what the server knows of itself, told at any time, by any thread. */
#ifndef STATUS_H
#define STATUS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* What happened last, each with its time. */
enum status_event {
    STATUS_RELOAD,
    STATUS_SUMMARY,
    STATUS_ERROR,
    STATUS_EVENTS
};
void status_note(enum status_event event, const char *text);

/* The word of the server's life: starting, running, hung, closing. */
void status_state(const char *state);

/* A swap, and the keys whose change waits for a restart ("" = none). */
void status_generation(unsigned generation, const char *build_id,
                       const char *pending);
/* How a reload ended. */
void status_reload(int verdict, const char *text);

/* The loop's own figures, kept for when it hangs: how often it turned, timers
 * ran and came too late for a tick; and further members of a JSON object, which
 * are taken over. */
struct status_loop {
    int64_t turns, ticks, late;
    char *members;
};
void status_figures(struct status_loop figures);

/* status_render makes what `svr.sh status` prints with the option `form`: ""
 * for people, --json, --metrics (OpenMetrics); `stale` when the loop does not
 * answer. The caller frees. */
char *status_render(const char *form, bool stale);

/* status_counts writes the runtime's figures for the summary. */
void status_counts(struct status_loop loop, char *text, size_t size);

#endif
