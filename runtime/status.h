/* status: what the server knows about itself, for any thread at any time. */
#ifndef STATUS_H
#define STATUS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

/* status_note records the last event of a kind, with its time. */
enum status_event {
    STATUS_RELOAD,
    STATUS_SUMMARY,
    STATUS_ERROR,
    STATUS_EVENTS
};
void status_note(enum status_event event, const char *text);

/* status_state sets the state: starting, running, hung, closing, standby. */
void status_state(const char *state);

/* status_generation records a swap, and the keys that wait for a restart ("" =
 * none). */
void status_generation(unsigned generation, const char *build_id,
                       const char *pending);
/* status_reload records the verdict on a reload: 0 = applied, 1 = rejected, and
 * its line. status_verdict returns the last one. */
enum { STATUS_TEXT = 2048 };
void status_reload(int code, const char *text);
int status_verdict(char text[STATUS_TEXT]);

/* Turns of the loop, timers that ran, and timers that missed ticks. */
extern struct status_loop { _Atomic int64_t turns, ticks, late; } status_loop;

/* status_refresh takes the figures of the loop and the parts; they stay while
 * the loop hangs, or memory is short. Loop thread. */
void status_refresh(void);

/* The version of Tiny that this runtime is of. */
#define STATUS_VERSION "0.1.0"

/* What is known, for a part that renders the status. */
struct status {
    const struct figures *figures;
    const char *state;
    time_t start_time;
    unsigned generation, applied, rejected;
    int verdict; /* of the last reload: 0 = applied, 1 = rejected */
    char build_id[24], pending[256];
    struct {
        time_t time;
        char text[STATUS_TEXT];
    } events[STATUS_EVENTS];
};

/* status_rss is the resident memory in kB. */
long status_rss(void);

/* status_render returns what `svr.sh status` prints with the option `form`: "",
 * --json, or that of a part; `stale`: the loop does not answer. The caller
 * frees it. NULL: the form is unknown, or memory is short (errno ENOMEM). */
char *status_render(const char *form, bool stale);

/* status_open begins to publish the status in run/status, run/status--json and
 * so on, a file for each form, for clients of a server that does not answer. It
 * calls `changed`, in any thread, when they are out of date. status_publish, on
 * the control thread, then writes them. status_remove removes them. */
void status_open(int dir, void (*changed)(void));
void status_publish(void);
void status_remove(void);

/* status_counts writes the figures for the summary, after status_refresh. */
void status_counts(char *text, size_t size);

#endif
