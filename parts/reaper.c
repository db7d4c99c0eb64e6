/* reaper: as a container's first process, reaps orphaned children.
 *
 * A process that loses its parent becomes a child of process 1, which is not
 * notified. So a child that has ended, and has not been waited for by the next
 * look, is taken for one of these. In any process other than process 1 the part
 * does nothing. */
#define _GNU_SOURCE
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "reaper.h"
#include "part.h"
#include "callback.h"

enum { AT_ONCE = 256 };

static const int64_t span = 5000000000; /* between two looks */
static pid_t seen[AT_ONCE];             /* at the last one; 0 ends */
static uint64_t reaped;

/* Reports whether a process is a child of ours that has ended. */
static bool
is_zombie(pid_t pid) {
    siginfo_t child = {.si_pid = 0};
    return pid > 1 &&
           waitid(P_PID, (id_t)pid, &child, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           child.si_pid == pid;
}

static bool
was_seen(pid_t pid) {
    for (const pid_t *p = seen; *p; p++)
        if (*p == pid)
            return true;
    return false;
}

static int
look_for_zombies(void *unused) {
    pid_t found[AT_ONCE] = {0};
    int n = 0;
    struct dirent *entry;
    DIR *all = opendir("/proc");
    (void)unused;
    while (all && n < AT_ONCE - 1 && (entry = readdir(all))) {
        pid_t pid = atoi(entry->d_name);
        if (!is_zombie(pid))
            continue;
        if (!was_seen(pid))
            found[n++] = pid;
        else if (waitpid(pid, NULL, WNOHANG) == pid)
            reaped++;
    }
    if (all)
        closedir(all);
    memcpy(seen, found, sizeof seen);
    return 0;
}

static int
reaper_event(enum part_event event, const struct conf *conf, const char *text) {
    (void)conf, (void)text;
    if (event == PART_START && getpid() == 1)
        callback_timer((struct timer){
            .key = "svr.reaper", .own = look_for_zombies, .every = span});
    return 0;
}

static void
reaper_figures(struct figures *figures) {
    figure_number(figures, "reaped", FIGURE_COUNTER, (double)reaped,
                  "Orphaned children reaped.");
}

const struct part part_reaper = {
    .name = "reaper", .event = reaper_event, .figures = reaper_figures};
