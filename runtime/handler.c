/* handler: which code is live: copy, load, bind names, swap or keep. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "folder.h"
#include "handler.h"

/* More is taken for a damaged table; the server keeps room for 16 states. */
enum { MOST_CALLBACKS = 4096 };
#define MOST_STATE (SIZE_MAX / 32)

/* The generations that are mapped. */
static struct handler kept[HANDLER_KEPT];
static struct handler *_Atomic live = kept; /* the loop changes it */
static unsigned newest;
static pthread_mutex_t kept_lock = PTHREAD_MUTEX_INITIALIZER;

/* Copies all bytes, and makes their checksum (FNV-1a, 64 bits). */
static int
copy_bytes(int from, int to, uint64_t *sum) {
    char bytes[1 << 14];
    ssize_t got;
    *sum = 14695981039346656037u;
    while ((got = read(from, bytes, sizeof bytes)) > 0) {
        for (ssize_t i = 0; i < got; i++)
            *sum = (*sum ^ (unsigned char)bytes[i]) * 1099511628211u;
        errno = ENOSPC; /* where a write is short */
        if (write(to, bytes, (size_t)got) != got)
            return -1;
    }
    return got < 0 ? -1 : 0;
}

int
handler_copy(int dir, struct handler *handler, char path[48],
             char reason[WHY_SIZE]) {
    uint64_t sum;
    int result = 0;
    snprintf(path, 48, "run/handler.%u.so", handler->copy);
    unlinkat(dir, path, 0);
    int from = openat(dir, handler->source->code, O_RDONLY | O_CLOEXEC);
    if (from < 0)
        return why(reason, "%s: %s (run make)", handler->source->code,
                   strerror(errno));
    int to =
        folder_open(dir, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (to < 0 || copy_bytes(from, to, &sum) < 0)
        result = why(reason, "copy to %s: %s", path, strerror(errno));
    else
        snprintf(handler->build_id, HANDLER_ID_SIZE, "%016jx", (uintmax_t)sum);
    close(from);
    if (to >= 0)
        close(to);
    return result;
}

void
handler_drop(int dir, struct handler *handler) {
    char path[48];
    snprintf(path, sizeof path, "run/handler.%u.so", handler->copy);
    unlinkat(dir, path, 0);
    if (handler->code)
        dlclose(handler->code);
    *handler = (struct handler){.code = NULL};
}

/* Each callback has a function and a name of its own. */
static int
check_callbacks(const struct svr_handler *table, char reason[WHY_SIZE]) {
    const struct svr_callback *callbacks = table->callbacks;
    for (int i = 0; callbacks && callbacks[i].name; i++) {
        if (i == MOST_CALLBACKS)
            return why(reason, "more than %d callbacks, or a list without end",
                       MOST_CALLBACKS);
        if (!callbacks[i].call)
            return why(reason, "callback %.64s has no function",
                       callbacks[i].name);
        if (handler_index(table, callbacks[i].name) != i)
            return why(reason, "callback %.64s is listed twice",
                       callbacks[i].name);
    }
    return 0;
}

/* Checks all that the server will read or fill by the table. */
static int
check_table(const struct handler *handler, char reason[WHY_SIZE]) {
    const struct svr_handler *table = handler->table;
    const ElfW(Sym) *symbol = NULL;
    Dl_info unused;
    if (!table || !dladdr1(table, &unused, (void **)&symbol, RTLD_DL_SYMENT) ||
        !symbol || symbol->st_size < sizeof table->abi)
        return why(reason, "handler.so: no SVR_HANDLER(...) in it");
    if (table->abi != SVR_ABI)
        return why(reason,
                   "handler.so: built for another runtime (ABI %lx, "
                   "the server has %lx): restart the server",
                   table->abi, (unsigned long)SVR_ABI);
    if (symbol->st_size < sizeof *table || table->state_size > MOST_STATE ||
        !table->keys)
        return why(reason, "handler.so: its table of hooks is damaged");
    if (conf_check_table(table->keys, table->conf_size, reason) < 0)
        return -1;
    return check_callbacks(table, reason);
}

/* The loader's reason, without the path of the private copy. */
static int
blame_loader(char reason[WHY_SIZE]) {
    const char *error = dlerror();
    const char *file = error ? strrchr(error, '/') : NULL;
    const char *text = file ? file + 1 : error ? error : "it cannot be loaded";
    return why(reason, "%s%s", text,
               strstr(text, "static TLS") ? ": restart the server" : "");
}

int
handler_load(int dir, const char *path, struct handler *handler,
             char reason[WHY_SIZE]) {
    char whole_path[96];
    snprintf(whole_path, sizeof whole_path, "/proc/%d/fd/%d/%s", (int)getpid(),
             dir, path);
    handler->code = dlopen(whole_path, RTLD_NOW | RTLD_LOCAL);
    if (!handler->code)
        return blame_loader(reason);
    handler->table = dlsym(handler->code, "svr_handler");
    if (check_table(handler, reason) == 0)
        return 0;
    dlclose(handler->code);
    handler->code = NULL;
    return -1;
}

int
handler_fits(const struct svr_handler *table, size_t state_size,
             int state_version, char reason[WHY_SIZE]) {
    if ((table->state_size == state_size &&
         table->state_version == state_version) ||
        table->migrate)
        return 0;
    return why(reason,
               "state: version %d of %zu bytes cannot become version %d of %zu "
               "bytes without migrate",
               state_version, state_size, table->state_version,
               table->state_size);
}

/* The place of the generation that is to go when another one comes. */
static struct handler *
oldest(void) {
    struct handler *place = &kept[(newest + 1) % HANDLER_KEPT];
    return place == live && live->code ? &kept[(newest + 2) % HANDLER_KEPT]
                                       : place;
}

void
handler_make_room(int dir) {
    pthread_mutex_lock(&kept_lock);
    struct handler *place = oldest();
    if (place->code && !place->pinned)
        handler_drop(dir, place);
    *place = (struct handler){.code = NULL};
    pthread_mutex_unlock(&kept_lock);
}

struct handler *
handler_use(const struct handler *handler) {
    struct handler *former = live;
    pthread_mutex_lock(&kept_lock);
    struct handler *place = oldest();
    newest = (unsigned)(place - kept);
    *place = *handler;
    live = place;
    pthread_mutex_unlock(&kept_lock);
    return former;
}

void
handler_back(struct handler *former) {
    live = former;
}

struct handler *
handler_live(void) {
    return live;
}

void
svr_pin(void) {
    live->pinned = true;
}

const char *
handler_name(svr_call *call) {
    const char *name = NULL;
    pthread_mutex_lock(&kept_lock);
    for (int i = 0; i < HANDLER_KEPT && !name; i++) {
        const struct svr_handler *table = kept[i].table;
        const struct svr_callback *c = table ? table->callbacks : NULL;
        while (c && c->name && c->call != call)
            c++;
        name = c ? c->name : NULL;
    }
    pthread_mutex_unlock(&kept_lock);
    return name;
}

int
handler_index(const struct svr_handler *table, const char *name) {
    const struct svr_callback *callbacks = table->callbacks;
    for (int i = 0; callbacks && callbacks[i].name; i++)
        if (strcmp(callbacks[i].name, name) == 0)
            return i;
    return -1;
}

int
handler_call(const char *name, void *arg) {
    const struct svr_handler *table = live->table;
    int index = handler_index(table, name);
    if (index >= 0)
        return table->callbacks[index].call(arg);
    svr_warn("%s is not called: the new code has no such callback", name);
    return HANDLER_GONE;
}
