/* checkpoint: saves the state in a file, for the next start. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "checkpoint.h"
#include "failure.h"
#include "handler.h"
#include "part.h"
#include "callback.h"
#include "store.h"

/* The header of a checkpoint, before the state or what `save` wrote. `flags`
 * are bits; with WITH_PARTS the size of the state is the next number, and the
 * data of the parts follow the state. */
struct head {
    char server[48];
    int32_t version, flags;
};
enum { BY_CALLBACK = 1, WITH_PARTS = 2 };

/* The header of a part's bytes. */
struct part_head {
    char name[48];
    uint64_t size;
};

static char path[512];
static int saved_version;
static uint64_t saved, failed;
static bool ready;

/* Writes the data of the parts. */
static void
write_parts(FILE *out) {
    for (const struct part *const *part = parts; *part; part++) {
        struct part_head head = {.size = 0};
        if (!(*part)->save)
            continue;
        long at = ftell(out);
        snprintf(head.name, sizeof head.name, "%s", (*part)->name);
        fwrite(&head, sizeof head, 1, out);
        (*part)->save(out);
        long end = ftell(out);
        head.size = (uint64_t)(end - at) - sizeof head;
        fseek(out, at, SEEK_SET);
        fwrite(&head, sizeof head, 1, out);
        fseek(out, end, SEEK_SET);
    }
}

/* Writes a checkpoint's bytes. */
static int
write_checkpoint(FILE *out) {
    const struct svr_handler *code = handler_hooks();
    bool by_callback = handler_index("save") >= 0;
    struct head head = {.server = SVR_PROJECT,
                        .version = code->state_version,
                        .flags = WITH_PARTS | (by_callback ? BY_CALLBACK : 0)};
    uint64_t size = 0;
    int result = 0;
    fwrite(&head, sizeof head, 1, out);
    fwrite(&size, sizeof size, 1, out);
    if (!by_callback)
        fwrite(svr_state(), 1, code->state_size, out);
    else if ((result = handler_call("save", out)) < 0)
        return failure_in("save", result);
    long end = ftell(out);
    size = (uint64_t)end - sizeof head - sizeof size;
    fseek(out, (long)sizeof head, SEEK_SET);
    fwrite(&size, sizeof size, 1, out);
    fseek(out, end, SEEK_SET);
    write_parts(out);
    return 0;
}

int
svr_checkpoint_save(void) {
    struct buffer bytes;
    FILE *out = buffer_open(&bytes);
    bool made = out && write_checkpoint(out) == 0;
    bool good = buffer_close(&bytes, out) == 0;
    if (!good)
        svr_fail("no memory");
    good = good && made;
    if (good && store_put(path, bytes.text, bytes.size) < 0)
        good = svr_fail("%s: %s", path, strerror(errno)) == 0;
    free(bytes.text);
    saved += good;
    failed += !good;
    if (good)
        saved_version = handler_hooks()->state_version;
    else
        svr_err("checkpoint: not saved: %s", failure_reason());
    return good ? 0 : -1;
}

/* Calls `load` to make the state from what `save` wrote. */
static int
load_by_callback(const char *bytes, size_t size) {
    FILE *in = fmemopen((void *)bytes, size, "r");
    if (!in)
        return svr_fail("no memory");
    int result = handler_call("load", in);
    if (result < 0)
        failure_in("load", result);
    fclose(in);
    return result;
}

/* Makes the state from what was saved. */
static int
load_state(const struct head *head, const char *bytes, size_t size) {
    const struct svr_handler *code = handler_hooks();
    bool by_callback = handler_index("load") >= 0;
    if (strcmp(head->server, SVR_PROJECT) != 0)
        return svr_fail("it belongs to the server %.47s", head->server);
    if (head->version > code->state_version)
        return svr_fail("its version %d is newer than the code's %d",
                        head->version, code->state_version);
    if (!(head->flags & BY_CALLBACK) != !by_callback)
        return svr_fail("it was saved %s the callbacks save and load",
                        by_callback ? "without" : "by");
    if (by_callback)
        return load_by_callback(bytes, size);
    if (head->version == code->state_version && size == code->state_size) {
        memcpy(svr_state(), bytes, size);
        return 0;
    }
    if (!code->migrate)
        return svr_fail("its version %d of %zu bytes needs migrate",
                        head->version, size);
    int result = code->migrate(head->version, bytes, svr_state());
    return result < 0 ? failure_in("migrate", result) : 0;
}

/* Gives a part its data; those of a part that the server lacks are dropped. */
static int
load_part(const struct head *head, const char *name, const void *bytes,
          size_t size) {
    char live[48];
    bool as_it_was = !(head->flags & BY_CALLBACK) &&
                     head->version == handler_hooks()->state_version;
    handler_path(handler_live(), live);
    for (const struct part *const *part = parts; *part; part++) {
        if (strcmp((*part)->name, name) != 0)
            continue;
        if (as_it_was && (*part)->fits && (*part)->fits(bytes, size, live) < 0)
            return -1;
        return (*part)->load ? (*part)->load(bytes, size) : 0;
    }
    return 0;
}

/* Gives the parts their data. */
static int
load_parts(const struct head *head, const char *bytes, size_t size) {
    struct part_head part;
    int result = 0;
    while (result == 0 && size >= sizeof part) {
        memcpy(&part, bytes, sizeof part);
        bytes += sizeof part;
        size -= sizeof part;
        if (part.size > size || part.name[sizeof part.name - 1])
            return svr_fail("it is not a checkpoint");
        result = load_part(head, part.name, bytes, part.size);
        bytes += part.size;
        size -= part.size;
    }
    return result;
}

/* Parses a checkpoint. */
static int
load_checkpoint(const char *bytes, size_t size) {
    const struct head *head = (const void *)bytes;
    uint64_t length;
    bytes += sizeof *head;
    size -= sizeof *head;
    if (!(head->flags & WITH_PARTS))
        return load_state(head, bytes, size);
    if (size < sizeof length)
        return svr_fail("it is not a checkpoint");
    memcpy(&length, bytes, sizeof length);
    bytes += sizeof length;
    size -= sizeof length;
    if (length > size)
        return svr_fail("it is not a checkpoint");
    int result = load_state(head, bytes, length);
    return result < 0 ? result
                      : load_parts(head, bytes + length, size - length);
}

/* Restores the saved state, if there is one. */
static int
restore(void) {
    size_t size;
    void *bytes;
    int result = store_take(path, &bytes, &size);
    bool later = result < 0 && errno != 0; /* it may be whole */
    if (result > 0 && size < sizeof(struct head))
        result = svr_fail("it is not a checkpoint");
    else if (result > 0)
        result = load_checkpoint(bytes, size);
    free(bytes);
    return result < 0 ? svr_fail("checkpoint %.64s: %.300s; %s", path,
                                 failure_reason(),
                                 later ? "start again when that is over"
                                       : "move it away to start without it")
                      : 0;
}

/* Saves on schedule, except while new code with another state is on probation:
 * the last good code must find a version that it knows. */
static int
tick(void *unused) {
    bool probation = false;
    struct timer *timer;
    (void)unused;
    for (uint32_t i = 0; (timer = timers_at(i)); i++)
        probation = probation || strcmp(timer->key, "svr.probation") == 0;
    if (!probation || saved_version == handler_hooks()->state_version)
        svr_checkpoint_save();
    return 0;
}

/* Saves at the close; a passing error does not lose the state. */
static int
save_last(void) {
    return svr_checkpoint_save() == 0 ? 0 : svr_checkpoint_save();
}

/* Whether a part's data agree with the code in a file. */
static int
judge_part(const struct part *part, const char *file) {
    struct buffer bytes;
    FILE *out = buffer_open(&bytes);
    if (out)
        part->save(out);
    if (buffer_close(&bytes, out) < 0)
        return svr_fail("no memory");
    int result = part->fits(bytes.text, bytes.size, file);
    free(bytes.text);
    return result;
}

/* A restart must find a state that its code can read. */
static int
judge_successor(const char *file) {
    int result = 0;
    if (handler_index("save") >= 0)
        return 0;
    for (const struct part *const *part = parts; *part && result == 0; part++)
        if ((*part)->save && (*part)->fits)
            result = judge_part(*part, file);
    return result < 0 ? svr_fail("checkpoint: %.400s", failure_reason()) : 0;
}

static int
checkpoint_event(enum part_event event, const struct conf *conf,
                 const char *text) {
    if (event == PART_BEGIN) {
        snprintf(path, sizeof path, "%s", conf_text(conf, "checkpoint.file"));
        saved_version = handler_hooks()->state_version;
        return restore();
    }
    if (event == PART_READY)
        ready = true;
    if (event == PART_READY || (event == PART_RELOADED && ready))
        callback_timer((struct timer){
            .key = "svr.checkpoint",
            .own = tick,
            .every = (int64_t)(conf_number(conf, "checkpoint.every") * 1e9)});
    if (event == PART_END && ready && save_last() < 0 && !text)
        return svr_fail("the state of the close was not saved");
    return 0;
}

static void
checkpoint_figures(struct figures *figures) {
    figure_number(figures, "saved", FIGURE_COUNTER, (double)saved,
                  "How often the state was saved.");
    figure_number(figures, "failed", FIGURE_COUNTER, (double)failed,
                  "How often it could not be saved.");
}

static const struct svr_key keys[] = {
    {"checkpoint.file", SVR_STRING, .value = "run/state", .min = 1, .max = 500,
     .restart = true},
    {"checkpoint.every", SVR_DOUBLE, .value = "60", .min = 0.01, .max = 86400,
     .off = true},
    {.key = NULL},
};

const struct part part_checkpoint = {.name = "checkpoint",
                                     .keys = keys,
                                     .event = checkpoint_event,
                                     .successor = judge_successor,
                                     .figures = checkpoint_figures};
