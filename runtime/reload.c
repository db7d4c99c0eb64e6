/* reload: what is in force (code, configuration, log sinks, state), and how all
 * of it changes at once, or not at all. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "callback.h"
#include "failure.h"
#include "folder.h"
#include "handler.h"
#include "log.h"
#include "loop.h"
#include "part.h"
#include "reload.h"
#include "signals.h"
#include "status.h"
#include "trial.h"
#include "watchdog.h"

/* What a generation brings, besides its code. */
struct setup {
    struct conf *conf;
    void *values; /* the user's struct svr_conf */
    struct log *log;
};

static int folder;
static struct setup now;
static struct conf *first; /* of the start: what differs awaits a restart */
static void (*applied)(const struct conf *conf);

static void *state; /* never moves; can grow to state_room bytes */
static size_t state_room;

/* The present reload, from the request to the verdict. */
static struct {
    struct handler candidate;
    char copy[48], warning[FAILURE_SIZE];
    atomic_bool ready; /* the loop may take it */
    atomic_bool stops; /* the server closes */
    int64_t begin;     /* of the pause */
    bool same_code;
    char verdict[STATUS_TEXT];
} reload;
static unsigned copies;

void *
svr_state(void) {
    return handler_hooks()->state_size ? state : NULL;
}

const struct svr_conf *
svr_conf(void) {
    return now.values;
}

void
reload_log_conf(const struct conf *former) {
    if (!conf_number(now.conf, "svr.log_conf_on_reload"))
        return;
    for (size_t i = 0; i < now.conf->count; i++) {
        const struct conf_entry *entry = &now.conf->entries[i];
        if (!former || conf_changed(entry, former))
            svr_info("svr_conf: %s = %s", entry->key,
                     conf_secret(entry->key) ? "***" : entry->text);
    }
}

/* ---- The verdict ------------------------------------------------------ */

/* Writes the verdict on a reload that fails, with this thread's reason. */
static void
describe_rejection(void) {
    snprintf(reload.verdict, sizeof reload.verdict,
             "rejected: %s; generation %u keeps running", failure_reason(),
             handler_live()->generation);
    svr_warn("%s", reload.verdict);
}

static void
reject(void) {
    describe_rejection();
    status_reload(1, reload.verdict);
}

/* Writes the verdict on a reload that is applied; logs the keys that changed.
 */
static void
describe_success(const struct conf *former) {
    const struct handler *code = &reload.candidate;
    char names[CONF_NAMES], pending[CONF_NAMES];
    int pause = (int)((loop_now() - reload.begin + 5000) / 10000);
    int changed = conf_changes(now.conf, former, false, names);
    int waits = conf_changes(now.conf, first, true, pending);
    snprintf(reload.verdict, sizeof reload.verdict,
             "reloaded: generation %u, %d key%s changed%s%s%s, pause %d.%02d ms"
             "%s%s%s%s%s",
             code->generation, changed, changed == 1 ? "" : "s",
             changed ? " (" : "", names, changed ? ")" : "", pause / 100,
             pause % 100, reload.same_code ? ", same code" : "",
             waits ? ", waits for a restart: " : "", pending,
             *reload.warning ? ", " : "", reload.warning);
    status_generation(code->generation, code->build_id, pending);
    svr_info("%s (build %s)", reload.verdict, code->build_id);
    reload_log_conf(former);
}

/* ---- Beside the loop: copy and try ------------------------------------ */

void
reload_stop(void) {
    reload.stops = true;
}

static int
check_stop(void) {
    return reload.stops ? svr_fail("the server is closing") : 0;
}

/* Tries the candidate by the parts, then in another process. */
static int
try_candidate(void) {
    const struct source *source = reload.candidate.source;
    char live[48];
    handler_path(handler_live(), live);
    struct candidate candidate = {source->code, reload.copy, live};
    struct trial trial = {.source = {reload.copy, source->conf},
                          .running = true,
                          .size = handler_hooks()->state_size,
                          .version = handler_hooks()->state_version};
    *reload.warning = '\0';
    return part_candidate(&candidate, reload.warning) < 0
               ? -1
               : trial_run(folder, trial, reload.warning);
}

static void *
prepare_candidate(void *unused) {
    struct handler *candidate = &reload.candidate;
    *candidate = (struct handler){.generation = handler_live()->generation + 1,
                                  .source = part_source(),
                                  .copy = ++copies};
    if (check_stop() < 0 || handler_copy(folder, candidate, reload.copy) < 0 ||
        try_candidate() < 0) {
        handler_drop(folder, candidate);
        reject();
        return unused;
    }
    reload.ready = true;
    loop_wake();
    return unused;
}

void
reload_begin(void) {
    int error = signals_thread(NULL, prepare_candidate, NULL);
    if (error) {
        svr_fail("%s", strerror(error));
        reject();
    }
}

/* ---- In the loop: what can fail, then the swap ------------------------ */

/* Loads the candidate, its configuration and its log sinks; nothing that is in
 * use is touched. */
static int
load(struct setup *new) {
    struct handler *candidate = &reload.candidate;
    *new = (struct setup){NULL, NULL, NULL};
    if (check_stop() < 0 || handler_load(folder, reload.copy, candidate) < 0)
        return -1;
    const struct svr_handler *table = candidate->table;
    new->conf = part_conf(folder, candidate->source->conf, table->keys);
    if (!new->conf)
        return -1;
    new->values = calloc(1, table->conf_size + 1);
    if (!new->values)
        return svr_fail("svr_conf: no memory");
    if (conf_fill(new->conf, table->keys, new->values) < 0)
        return -1;
    new->log = log_open(folder, new->conf, false);
    return new->log ? 0 : -1;
}

static void
unload(struct setup *setup) {
    log_close(setup->log);
    free(setup->values);
    if (setup->conf != first)
        conf_free(setup->conf);
}

/* Puts a setup in force and takes the former one. */
static void
swap(struct setup *setup) {
    struct setup former = now;
    now = *setup;
    former.log = log_use(now.log);
    *setup = former;
    applied(now.conf);
}

/* Migrates the state if the new code has another one. */
static int
migrate(const struct svr_handler *old, const struct svr_handler *new,
        const void *copy) {
    size_t larger =
        old->state_size > new->state_size ? old->state_size : new->state_size;
    if (old->state_size == new->state_size &&
        old->state_version == new->state_version)
        return 0;
    if (handler_fits(new, old->state_size, old->state_version) < 0)
        return -1;
    if (new->state_size > state_room)
        return svr_fail("state: %zu bytes are more than was kept free at the "
                        "start (%zu): restart",
                        new->state_size, state_room);
    memset(state, 0, larger);
    failure_clear();
    watchdog_enter("migrate");
    int result = new->migrate(old->state_version, copy, state);
    watchdog_leave();
    return result < 0 ? failure_in("migrate", result) : 0;
}

/* Runs the new code's side of a reload. */
static int
enter_code(const struct svr_handler *old, const struct svr_handler *new,
           const void *copy, bool started) {
    if (callback_check() < 0 || part_send(PART_BIND, now.conf, NULL) < 0 ||
        migrate(old, new, copy) < 0)
        return -1;
    int result = callback_hook("on_reload", started ? new->on_reload : NULL);
    return result < 0 ? failure_in("on_reload", result) : 0;
}

/* Enters the new code; if that fails, puts back what it changed. */
static int
enter_or_undo(const struct svr_handler *old, const struct svr_handler *new,
              bool started) {
    void *copy = malloc(old->state_size + 1);
    struct timers *timers = timers_save();
    struct loop_watch *watches = loop_save();
    int result = -1;
    if (copy && timers && watches) {
        memcpy(copy, state, old->state_size);
        result = enter_code(old, new, copy, started);
        if (result < 0) {
            memcpy(state, copy, old->state_size);
            timers_restore(timers);
            loop_restore(watches);
            timers = NULL;
            watches = NULL;
        }
    } else {
        svr_fail("no memory for a copy of the state");
    }
    free(watches);
    free(timers);
    free(copy);
    return result;
}

/* Puts the candidate in force, or fails and leaves everything unchanged. */
static int
take_candidate(bool started) {
    struct setup setup;
    const struct svr_handler *old = handler_hooks();
    if (load(&setup) < 0) {
        unload(&setup);
        handler_drop(folder, &reload.candidate);
        return -1;
    }
    struct handler *former = handler_use(&reload.candidate);
    reload.same_code = strcmp(former->build_id, reload.candidate.build_id) == 0;
    swap(&setup);
    int result = enter_or_undo(old, reload.candidate.table, started);
    if (result == 0) {
        callback_drop();
        describe_success(setup.conf);
    } else {
        swap(&setup);
        handler_back(former);
    }
    unload(&setup);
    return result;
}

void
reload_take(bool started) {
    if (!reload.ready)
        return;
    reload.ready = false;
    tzset();
    part_send(PART_RELOAD, now.conf, NULL);
    handler_make_room(folder);
    reload.begin = loop_now();
    bool taken = take_candidate(started) == 0;
    if (!taken)
        describe_rejection();
    part_send(PART_RELOADED, now.conf, taken ? NULL : reload.verdict);
    status_reload(!taken, reload.verdict);
    timers_set_clock(callback_clock()); /* the zone may be another one */
}

/* ---- The start -------------------------------------------------------- */

/* Removes a file of run/ that a server which was killed left behind. */
static void
clear_file(const char *name) {
    char path[FOLDER_NAME + 4];
    const char *end = strrchr(name, '.');
    bool copy = strncmp(name, "handler.", strlen("handler.")) == 0;
    snprintf(path, sizeof path, "run/%s", name);
    if (copy || (end && strcmp(end, ".new") == 0))
        unlinkat(folder, path, 0);
}

/* Loads the first generation, its configuration and its log. */
static int
load_first(void) {
    struct setup setup;
    struct handler *candidate = &reload.candidate;
    folder_each(folder, "run", clear_file);
    *candidate = (struct handler){
        .generation = 1, .source = part_source(), .copy = ++copies};
    if (handler_copy(folder, candidate, reload.copy) < 0)
        return RELOAD_FAILED;
    if (load(&setup) < 0)
        return candidate->code ? RELOAD_BAD_CONF : RELOAD_FAILED;
    handler_use(candidate);
    first = setup.conf;
    swap(&setup);
    status_generation(1, candidate->build_id, "");
    return 0;
}

static int
make_state(void) {
    state_room = handler_hooks()->state_size * 16 + (1 << 20);
    state = mmap(NULL, state_room, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return state == MAP_FAILED ? svr_fail("state: %s", strerror(errno)) : 0;
}

void
reload_state(char *text, int size) {
    snprintf(text, (size_t)size, "%zu %d %lx %u", handler_hooks()->state_size,
             handler_hooks()->state_version, (unsigned long)SVR_ABI,
             handler_live()->copy);
}

const struct conf *
reload_conf(void) {
    return now.conf;
}

int
reload_open(int dir, void (*its_applied)(const struct conf *conf)) {
    folder = dir;
    applied = its_applied;
    int result = load_first();
    return result < 0 ? result : make_state();
}
