/* task: runs work in a child process, with a time limit and retries. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/random.h>
#include <sys/wait.h>

#include "child.h"
#include "handler.h"
#include "part.h"
#include "callback.h"
#include "task.h"

struct task {
    struct child child; /* the first member */
    TAILQ_ENTRY(task) entry;
    char key[39], work[64], done[64];
    void *arg;
    struct svr_task options;
    int tries;
    bool pauses;
    struct timer timer; /* of the pause */
};

static TAILQ_HEAD(, task) tasks = TAILQ_HEAD_INITIALIZER(tasks);
static int most = 1, running;
static uint64_t done, failed, retried;

static struct task *
find_task(const char *key) {
    struct task *task;
    TAILQ_FOREACH (task, &tasks, entry)
        if (strcmp(task->key, key) == 0)
            break;
    return task;
}

static void begin_waiting(void);

/* Removes a task from the list. */
static void
take_task(struct task *task) {
    running -= task->child.pid != 0;
    child_end(&task->child);
    timers_remove(task->timer.key, true);
    TAILQ_REMOVE(&tasks, task, entry);
}

/* Calls the handler with the result of a task. */
static int
finish_task(struct task *task, int status, const char *reason) {
    struct svr_result result = {.key = task->key,
                                .arg = task->arg,
                                .status = status,
                                .reason = reason,
                                .output = task->child.output,
                                .size = task->child.size,
                                .cut = task->child.cut,
                                .tries = task->tries};
    take_task(task); /* before the call, which may reuse its key */
    *(*reason ? &failed : &done) += 1;
    int heard = handler_call(task->done, &result);
    free(task);
    return heard == HANDLER_GONE ? 0 : heard;
}

static int
go_on(void *task) {
    ((struct task *)task)->pauses = false;
    begin_waiting();
    return 0;
}

/* Delays the next try of a task by a random part of a growing pause. -1 =
 * memory is short. */
static int
pause_for(struct task *task) {
    uint32_t part = 0;
    double longest = task->options.pause;
    for (int i = 1; i < task->tries && longest < task->options.pause_most; i++)
        longest *= 2;
    if (longest > task->options.pause_most)
        longest = task->options.pause_most;
    (void)!getrandom(&part, sizeof part, 0);
    task->timer.every = (int64_t)(longest * 1e9 * part / UINT32_MAX) + 1;
    task->pauses = callback_timer(task->timer) == 0;
    retried += task->pauses;
    return task->pauses ? 0 : -1;
}

static int
task_over(struct child *child, int status) {
    struct task *task = (struct task *)child;
    char reason[128] = "";
    int result = 0, returned = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    running--;
    if (child->late)
        snprintf(reason, sizeof reason, "it took longer than %g s",
                 task->options.limit);
    else if (WIFSIGNALED(status))
        snprintf(reason, sizeof reason, "it died of signal %d (%s)",
                 WTERMSIG(status), strsignal(WTERMSIG(status)));
    else if (returned != 0)
        snprintf(reason, sizeof reason, "it returned %d", returned);
    if (!*reason || task->tries >= task->options.tries || pause_for(task) < 0)
        result = finish_task(task, returned, reason);
    begin_waiting();
    return result;
}

static int
work_in_child(void *arg) {
    const struct task *task = arg;
    return handler_call(task->work, task->arg);
}

/* Begins the next tasks, as many as there is room for. */
static void
begin_waiting(void) {
    struct task *task;
    char key[TIMER_KEY_SIZE];
    TAILQ_FOREACH (task, &tasks, entry) {
        if (running >= most)
            break;
        if (task->child.pid || task->pauses)
            continue;
        snprintf(key, sizeof key, "task %s", task->key);
        if (child_start(&task->child, key, work_in_child, task,
                        task->options.limit, task_over) < 0) {
            pause_for(task); /* no process can be created now */
        } else {
            task->tries++;
            running++;
        }
    }
}

int
svr_task(const char *key, svr_call *call, void *arg, struct svr_task options) {
    const char *name = handler_name(call), *heard = handler_name(options.done);
    struct task *task = NULL;
    const char *reason = NULL;
    if (!name || !heard)
        reason = "a function is not among the handler's callbacks";
    else if (!*key || strlen(key) >= sizeof task->key)
        reason = "a key has 1 to 38 bytes";
    else if (find_task(key))
        reason = "another task has the key";
    else if (!(task = calloc(1, sizeof *task)))
        reason = "no memory";
    if (reason) {
        svr_warn("task %.38s refused: %s", key, reason);
        return svr_fail("task %.38s refused: %s", key, reason);
    }
    options.limit = options.limit > 0 ? options.limit : 10;
    options.pause = options.pause > 0 ? options.pause : 1;
    options.pause_most = options.pause_most > 0 ? options.pause_most : 60;
    task->options = options;
    task->arg = arg;
    snprintf(task->key, sizeof task->key, "%s", key);
    snprintf(task->work, sizeof task->work, "%s", name);
    snprintf(task->done, sizeof task->done, "%s", heard);
    task->timer = (struct timer){.own = go_on, .arg = task, .runs = 1};
    snprintf(task->timer.key, TIMER_KEY_SIZE, "svr.wait %s", key);
    TAILQ_INSERT_TAIL(&tasks, task, entry);
    begin_waiting();
    return 0;
}

bool
svr_task_running(const char *key) {
    return find_task(key) != NULL;
}

int
svr_task_cancel(const char *key) {
    struct task *task = find_task(key);
    if (!task)
        return svr_fail("there is no task %.38s to cancel", key);
    take_task(task);
    free(task);
    begin_waiting();
    return 0;
}

int
svr_deadline(const char *key, svr_call *late, void *arg, double seconds) {
    return svr_add_timer(key, late, arg,
                         (struct svr_when){.every = seconds, .runs = 1});
}

int
svr_deadline_met(const char *key) {
    return svr_remove_timer(key);
}

static int
task_event(enum part_event event, const struct conf *conf, const char *text) {
    struct task *task;
    (void)text;
    if (event == PART_START || event == PART_RELOADED)
        most = (int)conf_number(conf, "task.most");
    if (event == PART_SUMMARY)
        begin_waiting(); /* those for which there was no memory */
    while (event == PART_CLOSE && (task = TAILQ_FIRST(&tasks))) {
        take_task(task);
        free(task);
    }
    return 0;
}

static void
task_figures(struct figures *figures) {
    int all = 0;
    struct task *task;
    TAILQ_FOREACH (task, &tasks, entry)
        all++;
    figure_number(figures, "running", FIGURE_GAUGE, running, "Tasks that run.");
    figure_number(figures, "waiting", FIGURE_GAUGE, all - running,
                  "Tasks that wait to run, or for their next try.");
    figure_number(figures, "done", FIGURE_COUNTER, (double)done,
                  "Tasks that succeeded.");
    figure_number(figures, "failed", FIGURE_COUNTER, (double)failed,
                  "Tasks whose last try failed.");
    figure_number(figures, "retried", FIGURE_COUNTER, (double)retried,
                  "Tries after the first.");
}

static const struct svr_key keys[] = {
    {"task.most", SVR_INT, .value = "4", .min = 1, .max = 1000},
    {.key = NULL},
};

const struct part part_task = {
    .name = "task", .keys = keys, .event = task_event, .figures = task_figures};
