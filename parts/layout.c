/* layout: refuses a reload whose types changed under live data. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "folder.h"
#include "handler.h"
#include "layout-list.h"
#include "part.h"
#include "trial.h"

#define READER "build/programs.d/layout-reader"
/* All types that data of this server may have, and those after a reload. */
#define LIST "run/layout"
#define NEXT "run/layout.new"
#define KEPT "run/layout.kept.new" /* from a checkpoint */

static bool unknown, warned; /* about types that are not known */

/* Reports whether `line` begins with a word, and returns what is after it. */
static const char *
after_word(const char *line, const char *word) {
    size_t length = strlen(word);
    return strncmp(line, word, length)
               ? NULL
               : line + length + strspn(line + length, ": ");
}

/* Compares the types of two files. Returns 0, with "" or why they are not known
 * in `why`; or -1, as svr_fail, with what changed. */
static int
compare_types(char *const argv[], char why[FAILURE_SIZE]) {
    char line[FAILURE_SIZE];
    int result = trial_ask(part_folder, STDOUT_FILENO, READER, argv, line);
    const char *text = result > 0 ? line : "";
    const char *changed = after_word(text, LAYOUT_CHANGED);
    const char *silent = after_word(text, LAYOUT_UNKNOWN);
    *why = '\0';
    if (changed)
        return svr_fail("%.400s: raise state_version and migrate", changed);
    if (silent)
        snprintf(why, FAILURE_SIZE, "%s", silent);
    else if (result <= 0)
        snprintf(why, FAILURE_SIZE, READER "%s %.200s%s", result < 0 ? ":" : "",
                 failure_reason(),
                 strstr(failure_reason(), "status 127")
                     ? " (is libdw1 installed?)"
                     : "");
    else if (!after_word(line, LAYOUT_SAME))
        snprintf(why, FAILURE_SIZE, READER " wrote \"%.200s\"", line);
    return 0;
}

static int
judge_types(const struct candidate *candidate, char remark[FAILURE_SIZE]) {
    char why[FAILURE_SIZE];
    bool reloads = handler_live()->code != NULL;
    bool known = faccessat(part_folder, LIST, F_OK, 0) == 0;
    char *argv[] = {"layout-reader", (char *)(known ? LIST : candidate->live),
                    (char *)candidate->copy, reloads ? NEXT : NULL, NULL};
    if (reloads)
        unlinkat(part_folder, NEXT, 0);
    if (compare_types(argv, why) < 0)
        return svr_fail("%s, or restart", failure_reason());
    unknown = *why != '\0';
    if (unknown && !warned)
        snprintf(remark, FAILURE_SIZE, "warning: %s: %.400s",
                 strstr(why, LAYOUT_NO_STATE)
                     ? "the state's type is not compared"
                     : "types are not compared",
                 why);
    return 0;
}

/* ---- Checkpoints ------------------------------------------------------- */

/* Opens the list of the live code's types; before the first reload it is made
 * here. NULL = the types are not known. */
static FILE *
open_list(void) {
    char live[48], why[FAILURE_SIZE];
    handler_path(handler_live(), live);
    char *argv[] = {"layout-reader", "-", live, LIST, NULL};
    int fd = folder_open(part_folder, LIST, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0 && compare_types(argv, why) == 0)
        fd = folder_open(part_folder, LIST, O_RDONLY | O_CLOEXEC, 0);
    return fd < 0 ? NULL : fdopen(fd, "r");
}

/* Copies the types that the state contains, as a list. */
static void
write_state_type(FILE *out) {
    char *line = NULL;
    size_t room = 0;
    FILE *list = open_list();
    while (list && getline(&line, &room, list) > 0) {
        fputs(line, out);
        if (strcmp(line, LAYOUT_REST) == 0)
            break;
    }
    free(line);
    if (list)
        fclose(list);
}

static int
judge_state(const void *type, size_t size, const char *path) {
    char why[FAILURE_SIZE];
    char *argv[] = {"layout-reader", "--state", KEPT, (char *)path, NULL};
    if (size == 0 ||
        folder_replace(part_folder, KEPT, type, size, 0600, NULL) < 0)
        return 0; /* as if nothing were known */
    int result = compare_types(argv, why);
    unlinkat(part_folder, KEPT, 0);
    if (result == 0 && *why)
        svr_warn("layout: the state's type is not compared: %.400s", why);
    return result;
}

/* ------------------------------------------------------------------------ */

static int
layout_event(enum part_event event, const struct conf *conf, const char *text) {
    (void)conf;
    if (event == PART_START) {
        unlinkat(part_folder, LIST, 0); /* of another run, with other data */
    } else if (event == PART_RELOADED && !text) {
        renameat(part_folder, NEXT, part_folder, LIST);
        warned = warned || unknown;
    }
    return 0;
}

const struct part part_layout = {.name = "layout",
                                 .event = layout_event,
                                 .candidate = judge_types,
                                 .save = write_state_type,
                                 .fits = judge_state};
