/* status: what the server knows of itself, told at any time, by any thread. */
#ifndef STATUS_H
#define STATUS_H

#include <stdbool.h>
#include <stdio.h>

/* What happened last, each with its time. */
enum status_event {
    STATUS_RELOAD,
    STATUS_SUMMARY,
    STATUS_ERROR,
    STATUS_EVENTS
};
void status_note(enum status_event event, const char *text);

/* The word of the server's life: starting, running, closing. */
void status_state(const char *state);

/* A swap, and the keys whose change waits for a restart ("" = none). */
void status_generation(unsigned generation, const char *build_id,
                       const char *pending);
/* How a reload ended. */
void status_reload(int verdict, const char *text);

/* The loop's own figures, members of a JSON object; kept for when it hangs.
 * Takes the string over. */
void status_figures(char *members);

/* status_render makes the text of `svr.sh status`, or the JSON; `stale` when
 * the loop does not answer. The caller frees. */
char *status_render(bool json, bool stale);

/* status_uptime is the time since the start in seconds. */
double status_uptime(void);

/* status_counts writes the runtime's figures for the summary. */
void status_counts(char *text, size_t size);

/* status_quote writes a JSON string. */
void status_quote(FILE *out, const char *text);

#endif
