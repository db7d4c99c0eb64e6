/* svr: the words between your hooks and the server. The only header a hook
 * includes; everything in it may change only together with the server binary,
 * which refuses a handler built against another svr.h. */
#ifndef SVR_H
#define SVR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The build defines SVR_ABI from a checksum of the public headers. */
#ifndef SVR_ABI
#define SVR_ABI 0
#endif

/* Only what stands between push and pop is visible to the handler. */
#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

/* ---- Log -------------------------------------------------------------- */

enum svr_level { SVR_DEBUG, SVR_INFO, SVR_WARN, SVR_ERR };

/* svr_debug ... svr_err log one line, as printf(3), with the caller's file and
 * line; %m is strerror(errno), as in syslog(3). Any thread, any moment; errno
 * is kept. A line is at most 4096 bytes (PIPE_BUF, so that pipes do not tear
 * it); a longer one is cut and ends in "...". A level that no sink takes costs
 * one comparison. */
#define svr_debug(...) SVR_LOG(SVR_DEBUG, __VA_ARGS__)
#define svr_info(...)  SVR_LOG(SVR_INFO, __VA_ARGS__)
#define svr_warn(...)  SVR_LOG(SVR_WARN, __VA_ARGS__)
#define svr_err(...)   SVR_LOG(SVR_ERR, __VA_ARGS__)

/* A format may have %m, which -Wpedantic does not know. */
#define SVR_LOG(level, ...)                                                    \
    (__extension__(                                                            \
        (level) >= __atomic_load_n(&svr_log_lowest, __ATOMIC_RELAXED)          \
            ? svr_log((level), __FILE__, __LINE__, __func__, __VA_ARGS__)      \
            : (void)0))

/* svr_log_lowest is the lowest level that any sink takes. Read only. */
extern enum svr_level svr_log_lowest;

void svr_log(enum svr_level level, const char *file, int line,
             const char *function, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* ---- Errors ----------------------------------------------------------- */

/* What a hook or callback returns. SVR_FAILED comes from svr_fail, or from a
 * function below that says "as svr_fail". */
enum { SVR_OK = 0, SVR_FAILED = -1 };

/* What on_except returns. */
enum { SVR_GO_ON = 0, SVR_CLOSE = 1 };

/* An error as on_except sees it; valid during that call. */
struct svr_error {
    const char *where;   /* the hook or callback that failed: its name */
    const char *message; /* what svr_fail was given */
    const char *file;    /* place of the svr_fail; "" when there was none */
    int line;
    const char *function;
    const char *backtrace; /* "inner < outer < ..." */
};

/* svr_fail makes a failure: `return svr_fail("open %s: %m", path);`. The
 * runtime hands it to on_except. Loop thread only. Returns SVR_FAILED. */
#define svr_fail(...)                                                          \
    (__extension__ svr_fail_at(__FILE__, __LINE__, __func__, __VA_ARGS__))
int svr_fail_at(const char *file, int line, const char *function,
                const char *format, ...) __attribute__((format(printf, 4, 5)));

/* ---- Callbacks -------------------------------------------------------- */

/* A callback runs on the loop thread, as all hooks do, one at a time, so that
 * it needs no lock. Returns SVR_OK or svr_fail(...). */
typedef int svr_call(void *arg);

/* Each callback stands once in the handler's table, with its name: a reload
 * binds timers and posts to the new code by that name. */
struct svr_callback {
    const char *name;
    svr_call *call;
};
#define SVR_CALLBACKS(...)                                                     \
    (const struct svr_callback[]) {                                            \
        __VA_ARGS__, {                                                         \
            NULL, NULL                                                         \
        }                                                                      \
    }
#define SVR_CALL(function)                                                     \
    { #function, function }

/* svr_post hands a call into the loop; the one function here, with the log,
 * that any thread may call. `arg` stays yours until the call. Returns 0, or -1
 * when `call` is not in the table or memory is short. After one that failed
 * the next posts wait for a while, in their order, up to a second when all
 * fail. Posts still waiting at close run before on_close. */
int svr_post(svr_call *call, void *arg);

/* When a timer is due: one of `every`, `at` and `next`.
 *   {.every = 2.5, .runs = 3}   each 2.5 seconds, on absolute deadlines; 3
 *                               times, 0 = no end
 *   {.at = 'D'}                 at the first instant of each local day; 'H' and
 *                               'M': at each full hour or minute. Follows the
 *                               zone and a clock that is set
 *   {.next = my_next}           my_next(arg), a callback of the table, tells at
 *                               the start and after each tick in how many
 *                               milliseconds the next is due; a failure ends
 *                               the timer
 */
struct svr_when {
    double every;
    int64_t runs;
    char at;
    svr_call *next;
};

/* svr_add_timer calls `call(arg)` when it is due, rounded up to a multiple of
 * svr.timer.min_span. Ticks that a busy loop missed are skipped and told. A
 * timer whose call keeps failing waits longer and longer, up to a second. Loop
 * thread only; inside any callback too. Returns 0, or SVR_FAILED, as svr_fail,
 * when the key exists (the old timer goes on), is empty, over 47 bytes or
 * begins with "svr.", when `call` is not in the table or `when` makes no sense;
 * the reason is logged too. */
int svr_add_timer(const char *key, svr_call *call, void *arg,
                  struct svr_when when);

/* svr_remove_timer ends a timer. Returns 0, or SVR_FAILED, as
 * svr_fail, for an unknown key. */
int svr_remove_timer(const char *key);

/* ---- Descriptors ------------------------------------------------------ */

enum { SVR_READ = 1, SVR_WRITE = 2 };

/* svr_watch calls `call(arg)` whenever `fd` is ready for one of `events`, or
 * has hung up; level-triggered, as epoll(7) has it. Again for the same fd: it
 * changes what is watched. The fd stays yours and should not block; unwatch it
 * before you close it. A reload binds the callback to the new code by its name,
 * and is rejected when that is gone. A call that
 * keeps failing is not made for a while, up to a second. Loop thread. Returns
 * 0, or SVR_FAILED, as svr_fail, with the reason logged too: `call` is not in
 * the table, `events` or `fd` make no sense. */
int svr_watch(int fd, int events, svr_call *call, void *arg);

/* svr_unwatch ends it. Loop thread. Returns 0, or SVR_FAILED, as svr_fail, when
 * it was not watched. */
int svr_unwatch(int fd);

/* svr_ready is what the descriptor whose callback runs is ready for; a hang-up
 * or an error is both. Loop thread. */
int svr_ready(void);

/* svr_listen opens a listening socket: "127.0.0.1:7411", "[::1]:7411", ":7411"
 * (all addresses, IPv6 and IPv4) or a path, with a slash, for a unix socket.
 * One that systemd handed over for this address (LISTEN_FDS) is taken instead.
 * It does not block, and is closed in children. Returns the descriptor, which
 * is yours (keep it in the state), or SVR_FAILED, as svr_fail. Loop thread. The
 * part `listen` has it. */
int svr_listen(const char *address);

/* ---- State, configuration, life --------------------------------------- */

/* svr_state is your state: `state_size` bytes, zeroed at the start, at the
 * same address for as long as the server runs, reloads and migrations
 * included. Loop thread. NULL when state_size is 0. */
void *svr_state(void);

/* svr_conf is the configuration in force, as derived in svr_conf.h. Valid until
 * the next reload. Loop thread. */
struct svr_conf;
const struct svr_conf *svr_conf(void);

/* svr_close closes the server safely, with exit status `exit_code` (0-125).
 * Returns 0; -1 for another code. Any thread. */
int svr_close(int exit_code);

/* svr_running_report says "I live" to the watchdog. The loop reports by itself
 * after each turn; with svr.timer.run_status_check_by = report only these calls
 * count. Any thread. */
void svr_running_report(void);

/* svr_pin keeps the code that is live now mapped for ever, for a library that
 * keeps pointers into it, or a thread that runs in it. Loop thread. */
void svr_pin(void);

/* ---- The handler: your code as the server sees it ---------------------- */

/* One key of svr_conf. svr_conf.h makes a table of them; a row's offset is its
 * field's place in struct svr_conf, `value` the value it had at make. */
enum svr_type { SVR_BOOL, SVR_INT, SVR_DOUBLE, SVR_STRING };
struct svr_key {
    const char *key;
    enum svr_type type;
    size_t offset;
    const char *value;
    double min, max;   /* the range of a number or of a string's length */
    bool off;          /* 0 is allowed too and means off */
    bool restart;      /* a change waits for a restart */
    const char *words; /* "noun: WORD WORD ...", the words allowed */
};

/* The hooks; one left out does nothing. Each returns SVR_OK or svr_fail(...).
 */
struct svr_handler {
    unsigned long abi;
    size_t conf_size;
    const struct svr_key *keys;

    int (*on_start)(void);  /* once, before the first run */
    int (*on_reload)(void); /* in the new code, with the new configuration;
                               a failure rejects the reload, and the runtime
                               puts back the state's bytes and the timers */
    int (*on_close)(void);  /* once, before the end */
    /* Says after a failure: SVR_GO_ON or SVR_CLOSE. */
    int (*on_except)(const struct svr_error *error);
    /* Writes a line about the work done, at most `size` bytes with the NUL. */
    int (*get_summary)(char *text, size_t size);
    /* Does one piece of work. Returns the milliseconds until it is wanted
     * again, 0 = at once. */
    int (*run)(void);

    size_t state_size;
    int state_version;
    /* Fills `state` (zeroed, of the new size) from `old`, a copy of a state of
     * version `from` and its size. Frees and moves nothing that the old state
     * reaches: the reload may still be rejected. */
    int (*migrate)(int from, const void *old, void *state);
    const struct svr_callback *callbacks;
};

extern const struct svr_handler svr_handler;

/* SVR_HANDLER(.run = run, ...); stands once, in my_server.c, after svr_conf.h.
 */
#define SVR_HANDLER(...)                                                       \
    static const struct svr_key svr_keys_[] = {SVR_CONF_KEYS{.key = NULL}};    \
    const struct svr_handler svr_handler = {.abi = SVR_ABI,                    \
                                            .conf_size =                       \
                                                sizeof(struct svr_conf),       \
                                            .keys = svr_keys_,                 \
                                            __VA_ARGS__}

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
