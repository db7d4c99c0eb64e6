/* handler: the generations of code: copy, load, keep, drop. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder.h"
#include "handler.h"

/* A table with more is refused. Sixteen times the state must fit in memory. */
enum { MOST_CALLBACKS = 4096 };
#define MOST_STATE (SIZE_MAX / 32)

/* The generations that are mapped. */
static struct handler kept[HANDLER_KEPT];
static struct handler *_Atomic live = kept; /* the loop changes it */
static unsigned newest;
static pthread_mutex_t kept_lock = PTHREAD_MUTEX_INITIALIZER;

/* Copies all bytes, and makes a checksum of their words; the last is padded. */
static int
copy_bytes(int from, int to, uint64_t *sum) {
    char bytes[1 << 13];
    ssize_t got;
    uint64_t word;
    *sum = 0;
    while ((got = read(from, bytes, sizeof bytes)) > 0) {
        errno = ENOSPC; /* where a write is short */
        if (write(to, bytes, (size_t)got) != got)
            return -1;
        memset(bytes + got, 0, sizeof bytes - (size_t)got);
        for (ssize_t i = 0; i < got; i += (ssize_t)sizeof word) {
            memcpy(&word, bytes + i, sizeof word);
            *sum = ((*sum << 32 | *sum >> 32) ^ word) * 0x9e3779b97f4a7c15;
        }
    }
    return got < 0 ? -1 : 0;
}

void
handler_path(const struct handler *handler, char path[48]) {
    snprintf(path, 48, "run/handler.%u.so", handler->copy);
}

int
handler_copy(int dir, struct handler *handler, char path[48]) {
    uint64_t sum;
    int result = 0;
    handler_path(handler, path);
    unlinkat(dir, path, 0);
    int from = openat(dir, handler->source->code, O_RDONLY | O_CLOEXEC);
    if (from < 0)
        return svr_fail("%s: %s (run make)", handler->source->code,
                        strerror(errno));
    int to =
        folder_open(dir, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (to < 0 || copy_bytes(from, to, &sum) < 0)
        result = svr_fail("copy to %s: %s", path, strerror(errno));
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
    handler_path(handler, path);
    unlinkat(dir, path, 0);
    free(handler->names);
    if (handler->code)
        dlclose(handler->code);
    *handler = (struct handler){.code = NULL};
}

/* Returns a copy of a name that is never freed, or NULL when memory is short.
 */
static const char *
keep_name(const char *name) {
    static struct kept_name {
        struct kept_name *next;
        char text[];
    } * first;
    size_t size = strlen(name) + 1;
    pthread_mutex_lock(&kept_lock);
    struct kept_name *found = first;
    while (found && strcmp(found->text, name) != 0)
        found = found->next;
    if (!found && (found = malloc(sizeof *found + size))) {
        memcpy(found->text, name, size);
        found->next = first;
        first = found;
    }
    pthread_mutex_unlock(&kept_lock);
    return found ? found->text : NULL;
}

/* Keeps the names of the callbacks. Refuses one that has no function, and a
 * name that is listed twice. */
static int
take_callbacks(struct handler *handler) {
    const struct svr_callback *callbacks = handler->table->callbacks;
    int count = 0;
    while (callbacks && callbacks[count].name && count < MOST_CALLBACKS)
        count++;
    if (count == MOST_CALLBACKS)
        return svr_fail("more than %d callbacks, or a list without end",
                        MOST_CALLBACKS);
    handler->names = calloc((size_t)count + 1, sizeof *handler->names);
    for (int i = 0; handler->names && i < count; i++) {
        const char *name = keep_name(callbacks[i].name);
        if (!name)
            return svr_fail("no memory");
        if (!callbacks[i].call)
            return svr_fail("callback %.64s has no function", name);
        for (int n = 0; n < i; n++)
            if (handler->names[n] == name)
                return svr_fail("callback %.64s is listed twice", name);
        handler->names[i] = name;
    }
    return handler->names ? 0 : svr_fail("no memory");
}

/* Checks what the server reads or fills by the table. The ABI number, which is
 * derived from the public header, also stands for the table's size. */
static int
check_table(const struct svr_handler *table) {
    if (!table)
        return svr_fail("handler.so: no SVR_HANDLER(...) in it");
    if (table->abi != SVR_ABI)
        return svr_fail("handler.so: built for another runtime (ABI %lx, "
                        "the server has %lx): restart the server",
                        table->abi, (unsigned long)SVR_ABI);
    if (table->state_size > MOST_STATE || !table->keys)
        return svr_fail("handler.so: its table of hooks is damaged");
    return conf_check_table(table->keys, table->conf_size);
}

/* The loader's reason, without the path of the private copy. */
static int
blame_loader(void) {
    const char *error = dlerror();
    const char *file = error ? strrchr(error, '/') : NULL;
    const char *text = file ? file + 1 : error ? error : "it cannot be loaded";
    return svr_fail("%s%s", text,
                    strstr(text, "static TLS") ? ": restart the server" : "");
}

/* Reports whether an ELF file has all of its segments, and its table of
 * sections, which stands at the end: the loader would crash on one that is cut
 * off. */
static bool
is_whole(int fd) {
    struct stat file;
    ElfW(Ehdr) head;
    ElfW(Phdr) segment;
    if (fstat(fd, &file) < 0 ||
        pread(fd, &head, sizeof head, 0) != (ssize_t)sizeof head ||
        memcmp(head.e_ident, ELFMAG, SELFMAG) != 0)
        return false;
    uint64_t size = (uint64_t)file.st_size,
             sections = (uint64_t)head.e_shnum * head.e_shentsize;
    if (head.e_shoff > size || sections > size - head.e_shoff)
        return false;
    for (size_t i = 0; i < head.e_phnum; i++) {
        off_t row = (off_t)(head.e_phoff + i * sizeof segment);
        if (pread(fd, &segment, sizeof segment, row) !=
                (ssize_t)sizeof segment ||
            segment.p_offset > size ||
            segment.p_filesz > size - segment.p_offset)
            return false;
    }
    return true;
}

int
handler_load(int dir, const char *path, struct handler *handler) {
    char whole_path[96];
    handler->names = NULL;
    handler->code = NULL;
    int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return svr_fail("%s: %s", path, strerror(errno));
    bool whole = is_whole(fd);
    close(fd);
    if (!whole)
        return svr_fail("%s: no whole shared object", path);
    snprintf(whole_path, sizeof whole_path, "/proc/%d/fd/%d/%s", (int)getpid(),
             dir, path);
    handler->code = dlopen(whole_path, RTLD_NOW | RTLD_LOCAL);
    if (!handler->code)
        return blame_loader();
    handler->table = dlsym(handler->code, "svr_handler");
    if (check_table(handler->table) == 0 && take_callbacks(handler) == 0)
        return 0;
    free(handler->names);
    handler->names = NULL;
    dlclose(handler->code);
    handler->code = NULL;
    return -1;
}

int
handler_fits(const struct svr_handler *table, size_t state_size,
             int state_version) {
    if ((table->state_size == state_size &&
         table->state_version == state_version) ||
        table->migrate)
        return 0;
    return svr_fail(
        "state: version %d of %zu bytes cannot become version %d of %zu "
        "bytes without migrate",
        state_version, state_size, table->state_version, table->state_size);
}

/* The slot of the generation that makes room for the next one. */
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

const struct svr_handler *
handler_hooks(void) {
    return live->table;
}

void
svr_pin(void) {
    live->pinned = true;
}

/* The name of a generation's callback, or NULL. */
static const char *
name_in(const struct handler *handler, svr_call *call) {
    for (int i = 0; handler->names && handler->names[i]; i++)
        if (handler->table->callbacks[i].call == call)
            return handler->names[i];
    return NULL;
}

const char *
handler_name(svr_call *call) {
    pthread_mutex_lock(&kept_lock);
    const char *name = name_in(live, call);
    for (int i = 0; i < HANDLER_KEPT && !name; i++)
        name = name_in(&kept[i], call);
    pthread_mutex_unlock(&kept_lock);
    return name;
}

int
handler_index(const char *name) {
    const char **names = live->names;
    for (int i = 0; names && names[i]; i++)
        if (names[i] == name || strcmp(names[i], name) == 0)
            return i;
    return -1;
}

const char *
handler_live_name(svr_call *call) {
    const char *name = name_in(live, call);
    if (name)
        return name;
    name = handler_name(call); /* a function of a former generation */
    return name && handler_index(name) >= 0 ? name : NULL;
}

int
handler_call(const char *name, void *arg) {
    int index = handler_index(name);
    if (index >= 0)
        return live->table->callbacks[index].call(arg);
    svr_warn("%s is not called: the new code has no such callback", name);
    return HANDLER_GONE;
}
