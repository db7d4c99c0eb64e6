/* fuzz checkpoint: any file is the state, or is refused with a reason in one
 * line; so is any file that store wrote, with bytes changed. */
#include <assert.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <unistd.h>

#include "../../parts/checkpoint.c"
#define head store_head /* each has its own */
#include "../../parts/store.c"
#undef head
#include "../../runtime/buffer.c"
#include "../../runtime/folder.c"
#include "../../runtime/failure.c"
#include "../../runtime/frames.c"
#include "../../runtime/text.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- The rooms around it ---------------------------------------------- */

enum { STATE_SIZE = 24 };
enum svr_level svr_log_lowest = SVR_ERR;
int part_folder = AT_FDCWD;
static bool by_callback;
static char *state;

static int
migrate(int from, const void *old, void *new) {
    (void)from;
    memcpy(new, old, 1);
    return 0;
}

static struct svr_handler code = {.state_size = STATE_SIZE, .state_version = 2};
static struct handler live = {.table = &code};

void
svr_log(enum svr_level level, const char *file, int line, const char *function,
        const char *format, ...) {
    (void)level, (void)file, (void)line, (void)function, (void)format;
}

struct handler *
handler_live(void) {
    return &live;
}

const struct svr_handler *
handler_hooks(void) {
    return &code;
}

int
handler_index(const char *name) {
    return name && by_callback ? 0 : -1;
}

int
handler_call(const char *name, void *arg) {
    char word[16];
    int got = fscanf(arg, "%15s", word);
    return *name == 'l' && got == 1 ? 0 : -1;
}

void *
svr_state(void) {
    return state;
}

void
handler_path(const struct handler *handler, char copy[48]) {
    (void)handler;
    *copy = '\0';
}

void
figure_number(struct figures *figures, const char *name, enum figure_kind kind,
              double number, const char *help) {
    (void)figures, (void)name, (void)kind, (void)number, (void)help;
}

static void
write_anything(FILE *out) {
    fputs("anything", out);
}

static int
look_at(const void *bytes, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (((const char *)bytes)[i] == 'y')
            return svr_fail("not wanted");
    return 0;
}

static int
compare_with(const void *bytes, size_t size, const char *file) {
    (void)file;
    return memchr(bytes, 'x', size) ? svr_fail("another type") : 0;
}

static const struct part keeper = {
    .name = "p", .save = write_anything, .load = look_at, .fits = compare_with};
const struct part *const parts[] = {&keeper, NULL};

int
callback_timer(struct timer timer) {
    (void)timer;
    return 0;
}

struct timer *
timers_at(uint32_t i) {
    (void)i;
    return NULL;
}

double
conf_number(const struct conf *conf, const char *key) {
    return conf && key ? 1 : 0;
}

const char *
conf_text(const struct conf *conf, const char *key) {
    return conf && key ? "" : "state";
}

/* ---- One file --------------------------------------------------------- */

/* Whatever is there: the state, or a reason. */
static void
try_restore(void) {
    if (restore() < 0)
        assert(*failure_reason() && !strchr(failure_reason(), '\n'));
}

static void
put_raw(const char *name, const uint8_t *data, size_t size) {
    int file = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0 || write(file, data, size) != (ssize_t)size)
        abort();
    close(file);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static int turn;
    if (size < 2)
        return 0;
    state = calloc(1, STATE_SIZE); /* exact, for the sanitizer */
    if (!state)
        abort();
    by_callback = data[0] & 1;
    code.migrate = data[0] & 2 ? migrate : NULL;
    snprintf(path, sizeof path, "state");
    unlink("state");
    unlink("state.1");
    if (turn++ % 2 == 0 && size > 2) { /* written well, and then perhaps not */
        if (store_put("state", data + 2, size - 2) < 0)
            abort();
        if (data[1]) {
            int file = open("state", O_RDWR | O_CLOEXEC);
            if (pwrite(file, data + 1, 1, data[1]) < 0)
                abort();
            close(file);
        }
    } else {
        put_raw("state", data + 2, size - 2);
        if (data[1] & 1)
            put_raw("state.1", data + 1, size - 1);
    }
    try_restore();
    free(state);
    return 0;
}
