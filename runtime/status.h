/* status: what the server knows about itself, for any thread at any time. */
#ifndef STATUS_H
#define STATUS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

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
/* How a reload ended: 0 applied, 1 rejected, and the line to show. The last one
 * is there to be read. */
enum { STATUS_TEXT = 2048 };
void status_reload(int code, const char *text);
int status_verdict(char text[STATUS_TEXT]);

/* How often the loop turned, timers ran, and came too late for a tick. */
extern struct status_loop { _Atomic int64_t turns, ticks, late; } status_loop;

/* Further members of the JSON object, malloc'd, which are taken over; kept for
 * when the loop hangs. */
void status_figures(char *members);

/* All that is known, as a form of the status sees it. */
struct status {
    const char *state;
    time_t start_time;
    unsigned generation, applied, rejected;
    char build_id[24], pending[256];
    struct {
        time_t time;
        char text[STATUS_TEXT];
    } events[STATUS_EVENTS];
};

/* status_rss is the resident memory in kB. */
long status_rss(void);

/* status_render makes what `svr.sh status` prints with the option `form`: ""
 * for people, --json, or one that a part knows; `stale` when the loop does not
 * answer. The caller frees. NULL: nobody knows that form. */
char *status_render(const char *form, bool stale);

/* status_open begins to publish the status in the files run/status,
 * run/status--json and so on, one for each form, for clients of a server that
 * does not answer; `changed` is called when they need to be written again. Any
 * thread. status_publish writes them if something changed; the control thread
 * calls it. status_remove removes them. */
void status_open(int dir, void (*changed)(void));
void status_publish(void);
void status_remove(void);

/* status_counts writes the runtime's figures for the summary. */
void status_counts(char *text, size_t size);

#endif
