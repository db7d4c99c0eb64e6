/* part: what the server asks of a part; parts/table.c lists those chosen. */
#ifndef PART_H
#define PART_H

#include <stdio.h>

#include "conf.h"

struct event;
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
                        its path; in any thread that logs, one at a time, which
                        must not log here: a failure is logged for it */
    PART_SUMMARY,   /* a summary was made: its text */
    PART_HUNG,      /* the loop hangs, in the control thread: what was found */
    PART_CANDIDATE, /* code is a candidate, in a thread of its own: from
                       where; a failure rejects it */
    PART_CLOSE,     /* the close begins, before on_close; text: "restart" when
                       another program takes over, otherwise NULL */
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
    /* Checks values against each other. Returns 0, or -1 as svr_fail. */
    int (*check)(const struct conf *conf);
    /* Returns 0 (or what an event wants), or -1 as svr_fail. `conf` is the
     * one in force. */
    int (*event)(enum part_event event, const struct conf *conf,
                 const char *text);
    /* Writes its members of the status: `, "NAME": ...`. */
    void (*status)(FILE *out);
    /* The part is a sink of the log, by the keys SINK (a bool), SINK.level and
     * SINK.format. Takes a line, with its newline; any thread, at once, and
     * logs nothing meanwhile. Returns 0 or the error. */
    const char *sink;
    int (*line)(const char *line, size_t length);
    /* A format of log lines, by a word of its own: writes the line with its
     * newline, at most LINE_SIZE bytes with the NUL. Any thread. */
    const char *format;
    size_t (*write_line)(const struct event *event, char *line);
    /* Finds the function at an offset of a loaded file (symbols.h). */
    bool (*symbol)(const char *path, size_t offset, char name[64],
                   size_t *inner);
    /* Another form of the status, for its option "--..."; any thread. */
    const char *form;
    void (*render)(FILE *out, const struct status *now, bool stale);
    /* A command of svr.sh: the request of that name, and when its answer comes:
     * at once, with a reload's verdict, or when the next program has started.
     */
    const char *command;
    enum part_answers { PART_AT_ONCE, PART_VERDICT, PART_STARTED } answers;
    /* Serves a request, one line, in the control thread, at once. Takes the
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
 * the parts' own checks. Returns NULL as svr_fail. */
struct conf *part_conf(int dir, const char *file, const struct svr_key *keys);

/* part_send sends an event to all parts. Returns the sum of their answers, or
 * -1 as svr_fail from the first that failed. */
int part_send(enum part_event event, const struct conf *conf, const char *text);

/* part_status writes the members of all parts. */
void part_status(FILE *out);

/* part_request and part_source ask the parts, until one answers. */
enum part_answer part_request(const char *line, int client);
const struct source *part_source(void);

/* part_sink is the part that is a sink of the log, or NULL. */
const struct part *part_sink(void);

/* part_format is what writes the lines of a part's format, or NULL. */
size_t (*part_format(const char *word))(const struct event *event, char *line);

/* part_symbol asks the part that knows the names of functions. */
bool part_symbol(const char *path, size_t offset, char name[64], size_t *inner);

/* part_command is the part that brings a command, or NULL. */
const struct part *part_command(const char *name);

/* part_form is the part that renders a form of the status, or NULL. */
const struct part *part_form(const char *form);

#endif
