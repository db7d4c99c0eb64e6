/* svr: the interface of hooks, and the only header that they need. The server
 * refuses a handler that was built with another svr.h. */
#ifndef SVR_H
#define SVR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The build defines SVR_ABI from a checksum of the public headers. */
#ifndef SVR_ABI
#define SVR_ABI 0
#endif

/* Only the names between push and pop are visible to the handler. */
#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

/* ---- Log -------------------------------------------------------------- */

enum svr_level { SVR_DEBUG, SVR_INFO, SVR_WARN, SVR_ERR };

/* svr_debug, svr_info, svr_warn and svr_err log one line, like printf(3), with
 * the caller's file and line; %m is strerror(errno), as in syslog(3). Any
 * thread, at any time; errno is unchanged. A line has at most 4096 bytes
 * (PIPE_BUF, so that a pipe does not split it); a longer one is cut and ends in
 * "...". A level that no sink takes costs one comparison. */
#define svr_debug(...) SVR_LOG(SVR_DEBUG, __VA_ARGS__)
#define svr_info(...)  SVR_LOG(SVR_INFO, __VA_ARGS__)
#define svr_warn(...)  SVR_LOG(SVR_WARN, __VA_ARGS__)
#define svr_err(...)   SVR_LOG(SVR_ERR, __VA_ARGS__)

/* Internal: __extension__, since -Wpedantic does not know %m. */
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

/* What a hook or callback returns. SVR_FAILED is the value of svr_fail, and of
 * every function that fails "as svr_fail". */
enum { SVR_OK = 0, SVR_FAILED = -1 };

/* What on_except returns. */
enum { SVR_GO_ON = 0, SVR_CLOSE = 1 };

/* An error, as passed to on_except; valid during that call. */
struct svr_error {
    const char *where;   /* name of the hook or callback that failed */
    const char *message; /* the text given to svr_fail */
    const char *file;    /* where svr_fail was called; "" = it was not */
    int line;
    const char *function;
    const char *backtrace; /* "inner < outer < ..." */
};

/* svr_fail records a failure: `return svr_fail("open %s: %m", path);`. The
 * server passes it to on_except. Loop thread. Returns SVR_FAILED. */
#define svr_fail(...)                                                          \
    (__extension__ svr_fail_at(__FILE__, __LINE__, __func__, __VA_ARGS__))
int svr_fail_at(const char *file, int line, const char *function,
                const char *format, ...) __attribute__((format(printf, 4, 5)));

/* ---- Callbacks -------------------------------------------------------- */

/* Callbacks run on the loop thread, as hooks do, one at a time, so they need no
 * lock. They return SVR_OK or svr_fail(...). */
typedef int svr_call(void *arg);

/* The handler's table lists each callback once. A reload finds it in the new
 * code by its name. */
struct svr_callback {
    const char *name;
    svr_call *call;
};

/* SVR_CALLBACKS(a, b, c) makes the table, of at most 300 functions. SVR_CALL(a)
 * is an older form of an entry. */
#define SVR_CALLBACKS(...)                                                     \
    (const struct svr_callback[]) {                                            \
        SVR_MANY(SVR_EACH(__VA_ARGS__, ()()(), ()()(), 0)) {                   \
            NULL, NULL                                                         \
        }                                                                      \
    }
#define SVR_CALL(function) function

/* Internal: a macro that calls itself for each argument up to the `()()()` at
 * the end: SVR_MORE finds the end there, as `()` completes a call of SVR_STOP;
 * SVR_MANY has the compiler look again as often as there are arguments. */
#define SVR_ROW(function) {#function, function},
#define SVR_EACH(x, next, ...)                                                 \
    SVR_ROW(x) SVR_MORE(next, SVR_AGAIN)(next, __VA_ARGS__)
#define SVR_AGAIN(x, next, ...)                                                \
    SVR_ROW(x) SVR_MORE(next, SVR_EACH)(next, __VA_ARGS__)
#define SVR_MORE(next, macro)       SVR_MORE_1(SVR_STOP next, macro)
#define SVR_MORE_1(end, macro)      SVR_MORE_2(end, macro, 0)
#define SVR_MORE_2(end, macro, ...) macro SVR_NOTHING
#define SVR_NOTHING
#define SVR_STOP(...)   SVR_STOP_1
#define SVR_STOP_1(...) SVR_STOP_2
#define SVR_STOP_2()    0, SVR_DROP
#define SVR_DROP(...)
#define SVR_MANY(...)   SVR_MANY_1(SVR_MANY_1(SVR_MANY_1(__VA_ARGS__)))
#define SVR_MANY_1(...) SVR_MANY_2(SVR_MANY_2(SVR_MANY_2(__VA_ARGS__)))
#define SVR_MANY_2(...) SVR_MANY_3(SVR_MANY_3(SVR_MANY_3(__VA_ARGS__)))
#define SVR_MANY_3(...) SVR_MANY_4(SVR_MANY_4(SVR_MANY_4(__VA_ARGS__)))
#define SVR_MANY_4(...) SVR_MANY_5(SVR_MANY_5(SVR_MANY_5(__VA_ARGS__)))
#define SVR_MANY_5(...) __VA_ARGS__

/* svr_post makes the loop thread call `call(arg)`. Any thread. Returns 0, or
 * SVR_FAILED, as svr_fail: `call` is not in the table, or memory is short.
 * After a posted call fails, the next ones are delayed, in order: by 10 ms,
 * doubling to 1 s while calls fail. Posts still queued at a close run before
 * on_close. */
int svr_post(svr_call *call, void *arg);

/* When a timer is due: one of `every`, `at`, `daily` and `next`.
 *   {.every = 2.5, .runs = 3}   every 2.5 seconds, on absolute deadlines; 3
 *                               times, 0 = no limit
 *   {.at = 'D'}                 at the first instant of each local day; 'H' and
 *                               'M': of each hour or minute. It follows changes
 *                               of the time zone and of the clock
 *   {.daily = "02:30"}          once per calendar date, at its first instant
 *                               that is not before 02:30 local time
 *   {.next = my_next}           when my_next(arg) says
 *
 * my_next is a callback in the table. It is called when the timer is added and
 * after each tick, and returns the milliseconds until the next one; a failure
 * removes the timer. */
struct svr_when {
    double every;
    int64_t runs;
    char at;
    svr_call *next;
    const char *daily;
};

/* svr_add_timer calls `call(arg)` when the timer is due, rounded up to a
 * multiple of svr.timer.min_span. Ticks that a busy loop missed are skipped and
 * logged. While its call fails, a timer is delayed more each time, by up to 1
 * s. Loop thread, callbacks included. Returns 0, or SVR_FAILED, as svr_fail,
 * with the reason logged: the key exists (the old timer stays in force), is
 * empty, has more than 47 bytes or begins with "svr."; `call` is not in the
 * table; `when` is not valid. */
int svr_add_timer(const char *key, svr_call *call, void *arg,
                  struct svr_when when);

/* svr_set_timer adds a timer as svr_add_timer does, or replaces the one with
 * that key; an `every`, `at` or `daily` that is unchanged keeps its phase. So
 * on_start and on_reload can make the same call. */
int svr_set_timer(const char *key, svr_call *call, void *arg,
                  struct svr_when when);

/* svr_remove_timer removes a timer. Returns 0, or SVR_FAILED, as svr_fail, for
 * an unknown key. */
int svr_remove_timer(const char *key);

/* ---- Descriptors ------------------------------------------------------ */

enum { SVR_READ = 1, SVR_WRITE = 2 };

/* svr_watch calls `call(arg)` while `fd` is ready for one of `events`, or has
 * hung up (level-triggered, see epoll(7)). Another call for the same fd
 * replaces the first. The fd stays yours and should not block; unwatch it
 * before you close it. A reload finds the callback in the new code by its name,
 * and is rejected if it is gone. While its call fails, a watch is delayed more
 * each time, by up to 1 s. Loop thread. Returns 0, or SVR_FAILED, as svr_fail,
 * with the reason logged: `call` is not in the table; `events` or `fd` is not
 * valid. */
int svr_watch(int fd, int events, svr_call *call, void *arg);

/* svr_unwatch ends a watch. Loop thread. Returns 0, or SVR_FAILED, as svr_fail,
 * if the descriptor was not watched. */
int svr_unwatch(int fd);

/* svr_ready returns what the descriptor of the current callback is ready for:
 * SVR_READ, SVR_WRITE or both. A hang-up or an error counts as both. Loop
 * thread. */
int svr_ready(void);

/* svr_listen returns a listening socket for "127.0.0.1:7411", "[::1]:7411",
 * ":7411" (all addresses, IPv6 and IPv4) or a path with a slash (a unix
 * socket). A socket inherited for this address (LISTEN_FDS) is used if there is
 * one. It is non-blocking and close-on-exec. The descriptor is yours: keep it
 * in the state. Returns SVR_FAILED, as svr_fail, on failure. Loop thread. Needs
 * the part `listen`. */
int svr_listen(const char *address);

/* ---- State, configuration, life --------------------------------------- */

/* svr_state returns your state: `state_size` bytes, zeroed at the start, at the
 * same address for the whole life of the server, reloads and migrations
 * included. NULL when state_size is 0. Loop thread. */
void *svr_state(void);

/* svr_conf returns the configuration in force; svr_conf.h has its fields. Valid
 * until the next reload. Loop thread. */
struct svr_conf;
const struct svr_conf *svr_conf(void);

/* svr_now returns the milliseconds of a clock that nobody sets
 * (CLOCK_MONOTONIC). Any thread. */
int64_t svr_now(void);

/* svr_close begins a safe close of the server, with exit status `exit_code`
 * (0-125). Returns 0, or -1 for any other code. Any thread. */
int svr_close(int exit_code);

/* svr_running_report reports to the watchdog that the server is alive. The loop
 * does so after each turn; with svr.timer.run_status_check_by = report only
 * your own calls count. Any thread. */
void svr_running_report(void);

/* svr_pin keeps the live code mapped permanently, for a library that keeps
 * pointers into it or a thread that runs in it. Loop thread. */
void svr_pin(void);

/* ---- The handler: your code as the server sees it ---------------------- */

/* One key of svr_conf. svr_conf.h has a table of them; `offset` is that of its
 * field in struct svr_conf, `value` its value when svr_conf.h was made. */
enum svr_type { SVR_BOOL, SVR_INT, SVR_DOUBLE, SVR_STRING };
struct svr_key {
    const char *key;
    enum svr_type type;
    size_t offset;
    const char *value;
    double min, max;   /* the range of a number or of a string's length */
    bool off;          /* 0 is allowed too and means off */
    bool restart;      /* a change takes effect at a restart */
    const char *words; /* "noun: WORD WORD ...": the allowed words */
};

/* The hooks. One that is left out does nothing. Each returns SVR_OK or
 * svr_fail(...). */
struct svr_handler {
    unsigned long abi;
    size_t conf_size;
    const struct svr_key *keys;

    int (*on_start)(void);  /* once, before the first run */
    int (*on_reload)(void); /* in the new code, with the new configuration; if
                               it fails, the reload is rejected, and the state's
                               bytes, the timers and the watches are restored */
    int (*on_close)(void);  /* once, before the end */
    /* after a failure: returns SVR_GO_ON or SVR_CLOSE */
    int (*on_except)(const struct svr_error *error);
    /* writes a line for the summary, at most `size` bytes with the NUL */
    int (*get_summary)(char *text, size_t size);
    /* does one piece of work; returns the milliseconds until its next call,
     * 0 = at once */
    int (*run)(void);

    size_t state_size;
    int state_version;
    /* fills `state` (zeroed, of the new size) from `old`, a copy of a state of
     * version `from`; must not free or move anything that the old state points
     * to, since the reload may still be rejected */
    int (*migrate)(int from, const void *old, void *state);
    const struct svr_callback *callbacks;
};

extern const struct svr_handler svr_handler;

/* Write SVR_HANDLER(.run = run, ...); once, in a file that includes svr_conf.h.
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
