/* world: what is in force: code, configuration, log sinks and state; and how
 * all of it changes at once, or not at all. */
#define _GNU_SOURCE
#include <errno.h>
#include <glob.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "fault.h"
#include "guard.h"
#include "handler.h"
#include "log.h"
#include "loop.h"
#include "object.h"
#include "part.h"
#include "status.h"
#include "thread.h"
#include "timer.h"
#include "watch.h"
#include "world.h"

/* What a generation brings, but for its code. */
struct world {
    struct conf *conf;
    void *conf_values; /* the user's struct svr_conf */
    struct log *log;
};

static int folder;
static struct world now;
static struct conf *first; /* of the start, for what waits for a restart */
static void (*applied)(const struct conf *conf);

static void *state; /* never moves: state_room bytes are its */
static size_t state_room;

/* A new generation that waits for the loop to take it. */
static struct handler candidate;
static char candidate_path[48], candidate_warning[WHY_SIZE];
static atomic_bool candidate_ready;
static unsigned copies;

static const struct svr_handler *
hooks(void) {
    return handler_live()->table;
}

void *
svr_state(void) {
    return hooks()->state_size ? state : NULL;
}

const struct svr_conf *
svr_conf(void) {
    return now.conf_values;
}

/* Tells all values in force, but no secret. */
void
world_log_conf(void) {
    const struct conf *conf = now.conf;
    if (!conf_number(conf, "svr.log_conf_on_reload"))
        return;
    for (size_t i = 0; i < conf->count; i++)
        svr_info("svr_conf: %s = %s", conf->entries[i].key,
                 conf_secret(conf->entries[i].key) ? "***"
                                                   : conf->entries[i].text);
}

void
world_reject(const char *reason) {
    char text[WHY_SIZE * 2];
    snprintf(text, sizeof text, "rejected: %s; generation %u keeps running",
             reason, handler_live()->generation);
    svr_warn("%s", text);
    status_reload(1, text);
    guard_tell(GUARD_VERDICT);
}

/* Does what takes time, beside the loop: copy and check. */
static void *
prepare(void *unused) {
    char reason[WHY_SIZE];
    candidate = (struct handler){.generation = handler_live()->generation + 1,
                                 .source = part_source(),
                                 .copy = ++copies};
    struct check trial = {.source = {candidate_path, candidate.source->conf},
                          .running = true,
                          .size = hooks()->state_size,
                          .version = hooks()->state_version};
    (void)unused;
    if (handler_copy(folder, &candidate, candidate_path, reason) < 0 ||
        part_tell(PART_CANDIDATE, NULL, candidate.source->code, reason) < 0 ||
        check_run(folder, trial, reason) < 0) {
        handler_drop(folder, &candidate);
        world_reject(reason);
        return NULL;
    }
    memcpy(candidate_warning, reason, sizeof reason);
    candidate_ready = true;
    loop_wake();
    return NULL;
}

/* Loads the candidate, its configuration and its log sinks; nothing that is in
 * use is touched. */
static int
load(struct world *new, char reason[WHY_SIZE]) {
    *new = (struct world){NULL, NULL, NULL};
    if (handler_load(folder, candidate_path, &candidate, reason) < 0)
        return -1;
    new->conf = part_conf(folder, candidate.source->conf, candidate.table->keys,
                          reason);
    if (!new->conf)
        return -1;
    new->conf_values = calloc(1, candidate.table->conf_size + 1);
    if (!new->conf_values)
        return why(reason, "svr_conf: no memory");
    if (conf_fill(new->conf, candidate.table->keys, new->conf_values, reason) <
        0)
        return -1;
    new->log = log_open(folder, new->conf, false, reason);
    return new->log ? 0 : -1;
}

static void
unload(struct world *world) {
    log_close(world->log);
    free(world->conf_values);
    conf_free(world->conf);
}

/* Puts a world in use and takes the former one. */
static void
swap(struct world *world) {
    struct world former = now;
    now = *world;
    former.log = log_use(now.log);
    *world = former;
    applied(now.conf);
}

/* Binds the timers to new code by name; one whose function is gone stays
 * unbound until the reload is certain. */
static void
bind_timers(const struct svr_handler *old, const struct svr_handler *new) {
    struct timer *timer;
    for (uint32_t i = 0; (timer = timers_at(i)); i++) {
        if (timer->own)
            continue;
        if (timer->call >= 0)
            timer->call = handler_index(new, old->callbacks[timer->call].name);
        if (timer->next == TIMER_NO_NEXT)
            continue;
        timer->next = handler_index(new, old->callbacks[timer->next].name);
        if (timer->next == TIMER_NO_NEXT)
            timer->call = TIMER_UNBOUND;
    }
}

/* Binds the watches to new code by name. */
static int
bind_watches(const struct svr_handler *old, const struct svr_handler *new,
             char reason[WHY_SIZE]) {
    struct loop_watch *watch;
    for (int fd = 0; (watch = loop_watch_at(fd)); fd++) {
        if (watch->events == 0 || watch->call == LOOP_NO_CALL)
            continue;
        const char *name = old->callbacks[watch->call].name;
        watch->call = handler_index(new, name);
        if (watch->call < 0)
            return why(reason,
                       "descriptor %d is watched by %.64s, which the "
                       "new code does not have",
                       fd, name);
    }
    return 0;
}

static void
drop_unbound_timers(void) {
    struct timer *timer;
    for (uint32_t i = 0; (timer = timers_at(i));) {
        if (timer->own || timer->call != TIMER_UNBOUND) {
            i++;
            continue;
        }
        svr_warn("timer %s dropped: its function is gone", timer->key);
        char key[TIMER_KEY_SIZE];
        memcpy(key, timer->key, sizeof key);
        timers_remove(key);
    }
}

/* Makes the state what new code wants. */
static int
migrate(const struct svr_handler *old, const struct svr_handler *new,
        const void *copy, char reason[WHY_SIZE]) {
    size_t larger =
        old->state_size > new->state_size ? old->state_size : new->state_size;
    if (old->state_size == new->state_size &&
        old->state_version == new->state_version)
        return 0;
    if (handler_fits(new, old->state_size, old->state_version, reason) < 0)
        return -1;
    if (new->state_size > state_room)
        return why(reason,
                   "state: %zu bytes are more than was kept free at "
                   "the start (%zu): restart",
                   new->state_size, state_room);
    memset(state, 0, larger);
    watch_do("migrate");
    int result = new->migrate(old->state_version, copy, state);
    watch_do(NULL);
    if (result < 0)
        fault_describe("migrate", result, reason);
    return result;
}

/* Runs the new code's side of a reload; what it changed is put back when it
 * fails. */
static int
enter(const struct svr_handler *old, const struct svr_handler *new, bool begun,
      char reason[WHY_SIZE]) {
    void *copy = malloc(old->state_size + 1);
    struct timers *saved = timers_save();
    struct loop_watch *watches = loop_save();
    if (!copy || !saved || !watches) {
        free(copy);
        free(watches);
        free(saved);
        return why(reason, "no memory for a copy of the state");
    }
    memcpy(copy, state, old->state_size);
    bind_timers(old, new);
    int result = bind_watches(old, new, reason);
    if (result == 0)
        result = migrate(old, new, copy, reason);
    int (*on_reload)(void) = begun ? new->on_reload : NULL;
    if (result == 0 && (result = watch_call("on_reload", on_reload)) < 0)
        fault_describe("on_reload", result, reason);
    if (result < 0) {
        memcpy(state, copy, old->state_size);
        timers_restore(saved);
        loop_restore(watches);
    } else {
        free(saved);
        free(watches);
    }
    fault_forget();
    free(copy);
    return result;
}

/* Tells how a reload went: to the log, the status and who asked. */
static void
announce(const struct conf *former, bool same_code, int64_t pause) {
    char names[WHY_SIZE], text[WHY_SIZE * 4], pending[WHY_SIZE];
    int changed = conf_changes(now.conf, former, false, names);
    int waits = conf_changes(now.conf, first, true, pending);
    int64_t tenths = (pause + 50000) / 100000; /* of a millisecond */
    snprintf(text, sizeof text,
             "reloaded: generation %u, %d key%s changed%s%s%s, pause %d.%d ms"
             "%s%s%s%s%s",
             candidate.generation, changed, changed == 1 ? "" : "s",
             changed ? " (" : "", names, changed ? ")" : "", (int)(tenths / 10),
             (int)(tenths % 10), same_code ? ", same code" : "",
             waits ? ", waits for a restart: " : "", pending,
             *candidate_warning ? ", " : "", candidate_warning);
    status_generation(candidate.generation, candidate.build_id, pending);
    status_reload(0, text);
    svr_info("%s (build %s)", text, candidate.build_id);
    world_log_conf();
    guard_tell(GUARD_VERDICT);
}

/* Takes the candidate: all that can fail, then the swap. */
static int
take(bool begun, char reason[WHY_SIZE]) {
    struct world world;
    int64_t begin = loop_now();
    const struct svr_handler *old = hooks();
    if (load(&world, reason) < 0) {
        unload(&world);
        handler_drop(folder, &candidate);
        return -1;
    }
    struct handler *former = handler_use(&candidate);
    swap(&world);
    int result = enter(old, candidate.table, begun, reason);
    if (result == 0) {
        drop_unbound_timers();
        announce(world.conf, strcmp(former->build_id, candidate.build_id) == 0,
                 loop_now() - begin);
    } else {
        swap(&world);
        handler_back(former);
    }
    unload(&world);
    return result;
}

void
world_prepare(void) {
    int error = thread_start(NULL, prepare);
    if (error)
        world_reject(strerror(error));
}

bool
world_waits(void) {
    return candidate_ready;
}

bool
world_take(bool begun) {
    char reason[WHY_SIZE];
    candidate_ready = false;
    part_tell(PART_RELOAD, now.conf, NULL, reason);
    handler_make_room(folder);
    bool taken = take(begun, reason) == 0;
    if (!taken)
        world_reject(reason);
    part_tell(PART_RELOADED, now.conf, taken ? NULL : reason, reason);
    return taken;
}

/* Removes what a run that was killed left behind. */
static void
clear_run(void) {
    glob_t found = {.gl_pathc = 0};
    glob("run/handler.*.so", 0, NULL, &found);
    glob("run/*.new", GLOB_APPEND, NULL, &found);
    for (size_t i = 0; i < found.gl_pathc; i++)
        unlinkat(folder, found.gl_pathv[i], 0);
    globfree(&found);
}

/* Loads the first generation, its configuration and its log. */
static int
load_first(char reason[WHY_SIZE]) {
    struct world world;
    char statics[WHY_SIZE];
    clear_run();
    candidate = (struct handler){
        .generation = 1, .source = part_source(), .copy = ++copies};
    first = part_conf(folder, candidate.source->conf, NULL, reason);
    if (!first)
        return WORLD_BAD_CONF;
    if (handler_copy(folder, &candidate, candidate_path, reason) < 0 ||
        object_check(folder, candidate_path, statics, reason) < 0)
        return WORLD_FAILED;
    if (load(&world, reason) < 0)
        return candidate.code ? WORLD_BAD_CONF : WORLD_FAILED;
    handler_use(&candidate);
    swap(&world);
    status_generation(1, candidate.build_id, "");
    return 0;
}

static int
make_state(char reason[WHY_SIZE]) {
    state_room = hooks()->state_size * 16 + (1 << 20);
    state = mmap(NULL, state_room, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return state == MAP_FAILED ? why(reason, "state: %s", strerror(errno)) : 0;
}

void
world_state(char *text, int size) {
    snprintf(text, (size_t)size, "%zu %d %lx", hooks()->state_size,
             hooks()->state_version, (unsigned long)SVR_ABI);
}

const struct conf *
world_conf(void) {
    return now.conf;
}

int
world_open(int dir, void (*hears)(const struct conf *conf),
           char reason[WHY_SIZE]) {
    folder = dir;
    applied = hears;
    int result = load_first(reason);
    return result < 0 ? result : make_state(reason);
}
