/* part: the interface of parts; parts/table.c lists the parts of this server.
 */
#ifndef PART_H
#define PART_H

#include <stdio.h>

#include "conf.h"
#include "figures.h"

struct event;
struct status;

/* The events of a server's life, and the text that comes with each. */
enum part_event {
    PART_START,    /* a failure ends the start; 1 = the server must wait, as
                       standby, until server_begin is posted */
    PART_WAIT,     /* the server waits as standby */
    PART_BEGIN,    /* before on_start; a failure ends the start */
    PART_READY,    /* after on_start: the server serves */
    PART_RELOAD,   /* a reload begins to change things */
    PART_BIND,     /* the new code and configuration are in force, before
                      on_reload; a failure rejects the reload */
    PART_RELOADED, /* the reload is over; text: why it was rejected; NULL = it
                       was applied */
    PART_SUMMARY,  /* a summary is logged; text: the summary */
    PART_CLOSE,    /* the close begins, before on_close; text: "restart" when
                      another program takes over, otherwise NULL */
    PART_END       /* the hooks are closed; text: as before. A restart's
                       program takes over here; a failure makes the exit
                       status 1 */
};

/* What a part does with a request of the control socket. */
enum part_answer { PART_UNKNOWN, PART_TAKEN, PART_RELOADS };

/* The files of a generation, as paths from the project's folder. */
struct source {
    const char *code, *conf;
};
extern const struct source source_built; /* what make left, and svr_conf */

/* Code that may follow the live code. */
struct candidate {
    const char *code; /* what make left */
    const char *copy; /* the file that would be loaded, with the same bytes */
    const char *live; /* the private copy of the live code */
};

/* A part. A member that is NULL does nothing. All functions run on the loop
 * thread unless the comment says otherwise; `check` also runs in the process
 * that tries a candidate. */
struct part {
    const char *name;
    const struct svr_key *keys; /* its keys, "NAME.KEY"; the last has no name */
    /* Checks values against each other. Returns 0, or -1 as svr_fail. */
    int (*check)(const struct conf *conf);
    /* Returns 0 (or what the event asks for), or -1 as svr_fail. `conf` is the
     * configuration in force. */
    int (*event)(enum part_event event, const struct conf *conf,
                 const char *text);
    /* Judges code that a reload would take: a failure, -1 as svr_fail, rejects
     * it; a remark for the verdict may go to `remark`. The thread of the
     * reload; for `svr.sh check` another process, where handler_live has no
     * code. */
    int (*candidate)(const struct candidate *candidate,
                     char remark[FAILURE_SIZE]);
    /* Judges the code that a restart would run, in the file `path`: a failure,
     * -1 as svr_fail, rejects the restart. The thread of the restart. */
    int (*successor)(const char *path);
    /* Looks after the log file, once a second before a line goes there. Any
     * thread, one at a time. Must not log; returns 0, or -1 as svr_fail, which
     * is logged for it. */
    int (*log_file)(const struct conf *conf, const char *path);
    /* Reports more about a loop that hangs. Control thread. */
    void (*hung)(void);
    /* Adds its figures to the status, by figure_number and so on. */
    void (*figures)(struct figures *figures);
    /* A sink of the log, with the keys SINK (a bool), SINK.level and
     * SINK.format. `line` takes a line with its newline, in any thread, at
     * once, and must not log. Returns 0 or the error. A server has at most
     * three such parts; the log does not use more. */
    const char *sink;
    int (*line)(enum svr_level level, const char *line, size_t length);
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
    /* Serves a request, one line, at once; control thread. Takes the client's
     * descriptor, to answer with a digit, the exit status for svr.sh, and a
     * line (PART_TAKEN); or lets a reload answer it (PART_RELOADS). */
    enum part_answer (*request)(const char *line, int client);
    /* The files of the next generation; NULL = those that make left. */
    const struct source *(*source)(void);
    /* What the part keeps, beside the state, for the next start. `save` writes
     * it; `load` gets the bytes that were written, before on_start; if it
     * fails, the start fails. `fits` checks that such bytes agree with the code
     * in the file `path`, to which the state passes unchanged. Both return 0,
     * or -1 as svr_fail. */
    void (*save)(FILE *out);
    int (*load)(const void *bytes, size_t size);
    int (*fits)(const void *bytes, size_t size, const char *path);
};

/* A descriptor of the project's folder, for openat(2). */
extern int part_folder;

/* The parts of this server; NULL ends the list. */
extern const struct part *const parts[];

/* part_conf reads a configuration with the keys of all parts and of a handler
 * (NULL = all other keys are the user's), and runs the parts' own checks.
 * Returns NULL as svr_fail. */
struct conf *part_conf(int dir, const char *file, const struct svr_key *keys);

/* part_send sends an event to all parts. Returns the sum of their answers, or
 * -1 as svr_fail from the first that failed. */
int part_send(enum part_event event, const struct conf *conf, const char *text);

/* part_candidate and part_log_file ask all parts. Return 0, or -1 as svr_fail
 * from the first that failed. `warning` gets the remarks at its end. part_hung
 * notifies all parts. */
int part_candidate(const struct candidate *candidate,
                   char warning[FAILURE_SIZE]);
int part_log_file(const struct conf *conf, const char *path);
void part_hung(void);

/* part_figures has all parts add their figures. */
void part_figures(struct figures *figures);

/* part_successor asks all parts, as part_candidate does. */
int part_successor(const char *path);

/* part_request and part_source ask each part until one answers. */
enum part_answer part_request(const char *line, int client);
const struct source *part_source(void);

/* part_sink is part number `i`, from 0, of those that are sinks of the log, or
 * NULL. */
const struct part *part_sink(int i);

/* part_format is the function that writes the lines of a part's format, or
 * NULL. */
size_t (*part_format(const char *word))(const struct event *event, char *line);

/* part_symbol asks the first part that can name functions (struct part). */
bool part_symbol(const char *path, size_t offset, char name[64], size_t *inner);

/* part_command is the part that brings a command, or NULL. */
const struct part *part_command(const char *name);

/* part_form is the part that renders a form of the status, or NULL. */
const struct part *part_form(const char *form);

#endif
