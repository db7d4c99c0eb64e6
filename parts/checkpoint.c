/* checkpoint: keeps the state in a file, for the next start. */
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

/* What stands before the state's bytes, before what `save` wrote, or before the
 * number of the state's bytes, these bytes, and of what type they are. */
struct head {
    char server[48];
    int32_t version, form;
};
enum form { BYTES, BY_CALLBACK, TYPED };

static char path[512];
static int saved_version;
static uint64_t saved, failed;
static bool ready;

/* Writes the state's bytes, and of what type they are if a part knows that. */
static int
write_bytes(FILE *out, struct head *head) {
    struct buffer type;
    uint64_t size = handler_live()->table->state_size;
    FILE *text = buffer_open(&type);
    if (text)
        part_state_type(text);
    if (buffer_close(&type, text) < 0)
        return svr_fail("no memory");
    head->form = type.size > 0 ? TYPED : BYTES;
    fwrite(head, sizeof *head, 1, out);
    if (head->form == TYPED)
        fwrite(&size, sizeof size, 1, out);
    fwrite(svr_state(), 1, size, out);
    fwrite(type.text, 1, type.size, out);
    free(type.text);
    return 0;
}

/* Writes a checkpoint. */
static int
write_checkpoint(FILE *out) {
    const struct svr_handler *code = handler_live()->table;
    struct head head = {.server = SVR_PROJECT,
                        .version = code->state_version,
                        .form = BY_CALLBACK};
    if (handler_index("save") < 0)
        return write_bytes(out, &head);
    fwrite(&head, sizeof head, 1, out);
    int result = handler_call("save", out);
    return result < 0 ? failure_in("save", result) : 0;
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
        saved_version = handler_live()->table->state_version;
    else
        svr_err("checkpoint: not saved: %s", failure_reason());
    return good ? 0 : -1;
}

/* Makes the state of its bytes. */
static int
load_bytes(int version, const char *bytes, size_t size) {
    const struct svr_handler *code = handler_live()->table;
    if (version == code->state_version && size == code->state_size) {
        memcpy(svr_state(), bytes, size);
        return 0;
    }
    if (!code->migrate)
        return svr_fail("its version %d of %zu bytes needs migrate", version,
                        size);
    int result = code->migrate(version, bytes, svr_state());
    return result < 0 ? failure_in("migrate", result) : 0;
}

/* The same, if they are of a type that the code still has. */
static int
load_typed(int version, const char *rest, size_t size) {
    uint64_t used;
    char live[48];
    if (size < sizeof used)
        return svr_fail("it is no checkpoint");
    memcpy(&used, rest, sizeof used);
    rest += sizeof used;
    size -= sizeof used;
    if (used > size)
        return svr_fail("it is no checkpoint");
    handler_path(handler_live(), live);
    if (version == handler_live()->table->state_version &&
        part_state_fits(rest + used, size - used, live) < 0)
        return -1;
    return load_bytes(version, rest, used);
}

/* Lets the callback make the state of what `save` wrote. */
static int
load_by_callback(const char *text, size_t size) {
    FILE *in = fmemopen((void *)text, size, "r");
    if (!in)
        return svr_fail("no memory");
    int result = handler_call("load", in);
    if (result < 0)
        failure_in("load", result);
    fclose(in);
    return result;
}

/* Makes the state of what was saved. */
static int
load_checkpoint(const struct head *head, size_t size) {
    const struct svr_handler *code = handler_live()->table;
    const char *rest = (const char *)(head + 1);
    bool by_callback = handler_index("load") >= 0;
    if (strcmp(head->server, SVR_PROJECT) != 0)
        return svr_fail("it is of the server %.47s", head->server);
    if (head->version > code->state_version)
        return svr_fail("its version %d is newer than the code's %d",
                        head->version, code->state_version);
    if ((head->form == BY_CALLBACK) != by_callback)
        return svr_fail("it was saved %s the callbacks save and load",
                        by_callback ? "without" : "by");
    if (by_callback)
        return load_by_callback(rest, size);
    return head->form == TYPED ? load_typed(head->version, rest, size)
                               : load_bytes(head->version, rest, size);
}

/* Finds the state of the last time, if there was one. */
static int
restore(void) {
    size_t size;
    void *bytes;
    int result = store_take(path, &bytes, &size);
    bool later = result < 0 && errno != 0; /* it may be whole */
    if (result > 0 && size < sizeof(struct head))
        result = svr_fail("it is no checkpoint");
    else if (result > 0)
        result = load_checkpoint(bytes, size - sizeof(struct head));
    free(bytes);
    return result < 0 ? svr_fail("checkpoint %.64s: %.300s; %s", path,
                                 failure_reason(),
                                 later ? "start again when that is over"
                                       : "move it away to start without it")
                      : 0;
}

/* Saves on schedule; but while new code with another state is on trial, the
 * last good code must find a version that it knows. */
static int
tick(void *unused) {
    bool trial = false;
    struct timer *timer;
    (void)unused;
    for (uint32_t i = 0; (timer = timers_at(i)); i++)
        trial = trial || strcmp(timer->key, "svr.probation") == 0;
    if (!trial || saved_version == handler_live()->table->state_version)
        svr_checkpoint_save();
    return 0;
}

/* The last one; an error that passes does not lose the state. */
static int
save_last(void) {
    return svr_checkpoint_save() == 0 ? 0 : svr_checkpoint_save();
}

/* A restart must find a state that its code can read. */
static int
judge_successor(const char *file) {
    struct buffer type;
    if (handler_index("save") >= 0)
        return 0;
    FILE *text = buffer_open(&type);
    if (text)
        part_state_type(text);
    if (buffer_close(&type, text) < 0)
        return svr_fail("no memory");
    int result = part_state_fits(type.text, type.size, file);
    free(type.text);
    return result < 0 ? svr_fail("checkpoint: %.400s", failure_reason()) : 0;
}

static int
checkpoint_event(enum part_event event, const struct conf *conf,
                 const char *text) {
    if (event == PART_BEGIN) {
        snprintf(path, sizeof path, "%s", conf_text(conf, "checkpoint.file"));
        saved_version = handler_live()->table->state_version;
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
checkpoint_status(FILE *out) {
    fprintf(out, ", \"checkpoint\": {\"saved\": %ju, \"failed\": %ju}",
            (uintmax_t)saved, (uintmax_t)failed);
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
                                     .status = checkpoint_status};
