/* part: what the server asks of a part; parts/table.c lists those chosen. */
#ifndef PART_H
#define PART_H

#include <stdio.h>

#include "conf.h"

struct status;

/* What happens in a server's life, and what `text` is then. */
enum part_event {
    PART_START,     /* a failure ends the start; 1: the server is to wait, as
                        standby, until somebody posts server_begin */
    PART_WAIT,      /* it waits */
    PART_BEGIN,     /* before on_start; a failure ends the start */
    PART_READY,     /* after on_start: the server serves */
    PART_RELOAD,    /* a reload begins to change things */
    PART_RELOADED,  /* it is over; text: why it was rejected, NULL: applied */
    PART_LOG_FILE,  /* once a second before a line goes to the log file, text:
                        its path; by whoever logs, one thread at a time, which
                        must not log: a failure is logged for it */
    PART_SUMMARY,   /* a summary was made: its text */
    PART_HUNG,      /* the loop hangs, in the guard's thread: what was found */
    PART_CANDIDATE, /* code comes up for a reload, in a thread of its own: from
                       where; a failure rejects it */
    PART_CLOSE,     /* the close begins, before on_close; text: "restart" when
                       another program is to go on, else NULL */
    PART_END        /* the hooks are closed; text: as before. A restart's
                        program takes over here; a failure makes the exit
                        status 1 */
};

/* What a part does with a request of the control socket. */
enum part_answer { PART_UNKNOWN, PART_TAKEN, PART_RELOADS };

/* Where a generation comes from, by paths from the project's folder. */
struct source {
    const char *code, *conf;
};
extern const struct source source_built; /* what make left, and svr_conf */

/* A part's row; what is left out does nothing. All run on the loop thread, but
 * for PART_HUNG, and for check, which runs in a checker too. */
struct part {
    const char *name;
    const struct svr_key *keys; /* its keys, "NAME.KEY"; the last has no name */
    /* Holds values against each other; -1 with the reason refuses them. */
    int (*check)(const struct conf *conf, char reason[WHY_SIZE]);
    /* Returns 0 (or what an event wants), or -1 with the reason. `conf` is the
     * one in force. */
    int (*hear)(enum part_event event, const struct conf *conf,
                const char *text, char reason[WHY_SIZE]);
    /* Writes its members of the status: `, "NAME": ...`. */
    void (*status)(FILE *out);
    /* The part is a sink of the log, by the keys SINK (a bool), SINK.level and
     * SINK.format. Takes a line, with its newline; any thread, at once, and
     * logs nothing meanwhile. Returns 0 or the error. */
    const char *sink;
    int (*line)(const char *line, size_t length);
    /* Another form of the status, for its option "--..."; any thread. */
    const char *form;
    void (*render)(FILE *out, const struct status *now, bool stale);
    /* Serves a request, one line, in the guard's thread, at once. Takes the
     * client's descriptor over, to answer with a digit, the exit status of
     * svr.sh, and a line (PART_TAKEN), or wants a reload to answer it. */
    enum part_answer (*request)(const char *line, int client);
    /* Where the next generation comes from; NULL: from where it always does. */
    const struct source *(*source)(void);
};

/* The project's folder, for openat(2) and its kin. */
extern int part_folder;

/* The parts of this server; NULL ends the list. */
extern const struct part *const parts[];

/* part_conf reads a configuration as this server needs it: with the keys of all
 * parts and those of a handler (NULL: all other keys are the user's), and with
 * the parts' own checks. Returns NULL with the reason. */
struct conf *part_conf(int dir, const char *file, const struct svr_key *keys,
                       char reason[WHY_SIZE]);

/* part_tell tells all parts of an event. Returns the sum of their answers, or
 * -1 with the reason of the first that failed. */
int part_tell(enum part_event event, const struct conf *conf, const char *text,
              char reason[WHY_SIZE]);

/* part_status writes the members of all parts. */
void part_status(FILE *out);

/* part_request and part_source ask the parts, till one answers. */
enum part_answer part_request(const char *line, int client);
const struct source *part_source(void);

/* part_sink is the part that is a sink of the log, or NULL. */
const struct part *part_sink(void);

/* part_form is the part that renders a form of the status, or NULL. */
const struct part *part_form(const char *form);

#endif
