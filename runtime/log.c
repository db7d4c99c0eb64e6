/* log: a line to its sinks; a sink is a row of level, format and write. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

enum { LINE_SIZE = 4096, STEPS = 64 };

/* One log call, as the formats see it. */
struct event {
    enum svr_level level;
    const char *file, *function, *message;
    int line;
    struct timespec now;
};

/* A line while it is put together; always room for the end. */
struct line {
    char text[LINE_SIZE];
    size_t used;
};

/* A step of a compiled format: a place-holder, or a piece of text. */
struct step {
    int place; /* an index of places, or TEXT */
    const char *text;
    size_t length;
};

struct log_sink {
    bool on;
    enum svr_level level;
    int fd;
    char *format;
    struct step steps[STEPS];
};

enum { CONSOLE, FILE_LOG, SINKS };

/* The sinks' rows. Lines and losses are counted over all sets. */
static struct {
    const char *key;
    bool stalls; /* a write may wait for a reader */
    _Atomic uint64_t lines, lost;
    _Atomic uint64_t outage; /* lines lost since the last one that went out */
} rows[SINKS] = {
    [CONSOLE] = {.key = "log.console", .stalls = true},
    [FILE_LOG] = {.key = "log.file_log"},
};

struct log {
    struct log_sink sinks[SINKS];
};

enum svr_level svr_log_lowest = SVR_INFO;
static char server_name[48] = SVR_PROJECT;

/* ---- Formats ---------------------------------------------------------- */

static const char *const places[] = {
    "levelname)s", "name)s",    "process)d", "filename)s", "lineno)d",
    "message)s",   "asctime)s", "msecs)d",   "funcName)s", "thread)d",
};
enum {
    LEVEL,
    NAME,
    PROCESS,
    FILENAME,
    LINENO,
    MESSAGE,
    ASCTIME,
    MSECS,
    FUNCTION,
    THREAD,
    PLACES,
    TEXT
};

/* What is in use before any configuration. */
static struct log first = {.sinks[CONSOLE] = {.on = true,
                                              .level = SVR_INFO,
                                              .fd = STDERR_FILENO,
                                              .steps = {{TEXT, "<", 1},
                                                        {.place = LEVEL},
                                                        {TEXT, ": ", 2},
                                                        {.place = NAME},
                                                        {TEXT, "(", 1},
                                                        {.place = PROCESS},
                                                        {TEXT, ")> ", 3},
                                                        {.place = MESSAGE},
                                                        {.place = PLACES}}}};
static struct log *in_use = &first;
static pthread_rwlock_t in_use_lock = PTHREAD_RWLOCK_INITIALIZER;

/* Compiles a format into steps, which point into it. */
static int
compile(const char *format, struct step steps[STEPS], char reason[WHY_SIZE]) {
    int n = 0;
    for (const char *c = format; *c && n < STEPS - 1; n++) {
        steps[n] = (struct step){TEXT, c, 0};
        if (*c != '%') {
            steps[n].length = strcspn(c, "%");
            c += steps[n].length;
        } else if (c[1] == '%') {
            steps[n].length = 1;
            c += 2;
        } else {
            int p = 0;
            while (p < PLACES &&
                   (c[1] != '(' ||
                    strncmp(c + 2, places[p], strlen(places[p])) != 0))
                p++;
            if (p == PLACES)
                return why(
                    reason, "unknown placeholder \"%.*s\"",
                    (int)strcspn(c, " ") < 24 ? (int)strcspn(c, " ") : 24, c);
            steps[n].place = p;
            c += 2 + strlen(places[p]);
        }
        if (c[0] && n == STEPS - 2)
            return why(reason, "a format with too many place-holders");
    }
    steps[n] = (struct step){PLACES, NULL, 0};
    return 0;
}

static void
put(struct line *line, const char *text, size_t length) {
    size_t room = LINE_SIZE - 5 - line->used;
    size_t fits = length < room ? length : room;
    memcpy(line->text + line->used, text, fits);
    line->used += fits;
    if (fits < length && room > 0)
        memcpy(line->text + LINE_SIZE - 8, "...", 3);
}

static void
put_number(struct line *line, long number) {
    char digits[24], *c = digits + sizeof digits;
    do
        *--c = (char)('0' + number % 10);
    while (number /= 10);
    put(line, c, (size_t)(digits + sizeof digits - c));
}

/* The local time to the second, made once a second and thread. */
static void
put_time(struct line *line, const struct timespec *now) {
    static _Thread_local time_t second = -1;
    static _Thread_local char text[32];
    if (now->tv_sec != second) {
        struct tm local;
        second = now->tv_sec;
        localtime_r(&second, &local);
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &local);
    }
    char millis[8];
    int length = snprintf(millis, sizeof millis, ",%03d",
                          (int)(now->tv_nsec / 1000000 % 1000));
    put(line, text, strlen(text));
    put(line, millis, (size_t)length);
}

static void
put_text(struct line *line, const char *text) {
    put(line, text, strlen(text));
}

static void
render(struct line *line, const struct step *step, const struct event *event) {
    static const char *const levels[] = {"DEBUG", "INFO", "WARNING", "ERROR"};
    for (; step->place != PLACES; step++) {
        switch (step->place) {
        case LEVEL:
            put_text(line, levels[event->level]);
            break;
        case NAME:
            put_text(line, server_name);
            break;
        case PROCESS:
            put_number(line, getpid());
            break;
        case FILENAME:
            put_text(line, event->file);
            break;
        case LINENO:
            put_number(line, event->line);
            break;
        case MESSAGE:
            put_text(line, event->message);
            break;
        case ASCTIME:
            put_time(line, &event->now);
            break;
        case MSECS:
            put_number(line, event->now.tv_nsec / 1000000);
            break;
        case FUNCTION:
            put_text(line, event->function);
            break;
        case THREAD:
            put_number(line, gettid());
            break;
        default:
            put(line, step->text, step->length);
        }
    }
    line->text[line->used++] = '\n';
}

/* ---- Sinks ------------------------------------------------------------ */

/* Writes one line, never waiting for a reader. Returns 0 or the error. */
static int
write_line(int row, int fd, const struct line *line) {
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    if (rows[row].stalls && poll(&ready, 1, 0) != 1)
        return EAGAIN;
    ssize_t written = write(fd, line->text, line->used);
    return written == (ssize_t)line->used ? 0 : written < 0 ? errno : ENOSPC;
}

/* Counts a line, and tells on the other sinks when an outage begins and ends,
 * with the number of lines that it cost. */
static void
count(int row, int failure) {
    static _Thread_local bool telling;
    uint64_t outage = 0;
    if (failure == 0) {
        rows[row].lines++;
        outage = rows[row].outage ? atomic_exchange(&rows[row].outage, 0) : 0;
    } else {
        rows[row].lost++;
    }
    if (telling)
        return;
    telling = true;
    if (failure && rows[row].outage++ == 0)
        svr_warn("%s: lines are lost: %s", rows[row].key, strerror(failure));
    if (outage)
        svr_warn("%s: works again, %ju lines were lost", rows[row].key,
                 (uintmax_t)outage);
    telling = false;
}

/* Sends an event to each sink that takes its level. */
static void
deliver(const struct event *event) {
    int result[SINKS];
    pthread_rwlock_rdlock(&in_use_lock);
    for (int i = 0; i < SINKS; i++) {
        const struct log_sink *sink = &in_use->sinks[i];
        struct line line;
        line.used = 0;
        result[i] = -1;
        if (sink->on && event->level >= sink->level) {
            render(&line, sink->steps, event);
            result[i] = write_line(i, sink->fd, &line);
        }
    }
    pthread_rwlock_unlock(&in_use_lock);
    for (int i = 0; i < SINKS; i++)
        if (result[i] >= 0)
            count(i, result[i]);
}

void
svr_log(enum svr_level level, const char *file, int line, const char *function,
        const char *format, ...) {
    int saved = errno;
    char message[LINE_SIZE];
    const char *slash = strrchr(file, '/');
    struct event event = {.level = level,
                          .file = slash ? slash + 1 : file,
                          .function = function,
                          .message = message,
                          .line = line};
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    clock_gettime(CLOCK_REALTIME, &event.now);
    deliver(&event);
    errno = saved;
}

/* ---- Sets ------------------------------------------------------------- */

static enum svr_level
level_of(const char *word) {
    const char *const initials = "DIWE";
    return (enum svr_level)(strchr(initials, *word) - initials);
}

/* Opens a file; `dry` makes none, and tells only whether it could. */
static int
open_file(int dir, const char *path, bool dry) {
    int flags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    int fd = openat(dir, path, dry ? flags : flags | O_CREAT, 0644);
    if (fd >= 0 || !dry || errno != ENOENT)
        return fd;
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "./%s", path);
    *strrchr(folder, '/') = '\0';
    if (strcmp(folder, "./log") == 0)
        return dup(STDERR_FILENO); /* the start makes it */
    return openat(dir, *path == '/' ? folder + 2 : folder,
                  O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Opens a sink by its three keys: switch or path, level, format. */
static int
open_sink(int dir, const struct conf *conf, bool dry, int row,
          struct log_sink *sink, char reason[WHY_SIZE]) {
    char key[48], because[WHY_SIZE];
    const char *path = conf_text(conf, rows[row].key);
    snprintf(key, sizeof key, "%s.level", rows[row].key);
    sink->level = level_of(conf_text(conf, key));
    snprintf(key, sizeof key, "%s.format", rows[row].key);
    sink->format = strdup(conf_text(conf, key));
    if (compile(sink->format, sink->steps, because) < 0)
        return conf_blame(conf, key, because, reason);
    if (row == FILE_LOG && *path) {
        sink->fd = open_file(dir, path, dry);
        if (sink->fd < 0) {
            why(because, "%.256s: %s", path, strerror(errno));
            return conf_blame(conf, rows[row].key, because, reason);
        }
    }
    sink->on = row == FILE_LOG ? *path != '\0' : strcmp(path, "true") == 0;
    return 0;
}

struct log *
log_open(int dir, const struct conf *conf, bool dry, char reason[WHY_SIZE]) {
    struct log *log = calloc(1, sizeof *log);
    for (int i = 0; i < SINKS; i++)
        log->sinks[i].fd = i == CONSOLE ? STDERR_FILENO : -1;
    for (int i = 0; i < SINKS; i++) {
        if (open_sink(dir, conf, dry, i, &log->sinks[i], reason) < 0) {
            log_close(log);
            return NULL;
        }
    }
    if (in_use == &first)
        snprintf(server_name, sizeof server_name, "%s",
                 conf_text(conf, "svr.name"));
    return log;
}

struct log *
log_use(struct log *log) {
    struct log *former = in_use;
    enum svr_level lowest = SVR_ERR + 1;
    for (int i = 0; i < SINKS; i++)
        if (log->sinks[i].on && log->sinks[i].level < lowest)
            lowest = log->sinks[i].level;
    pthread_rwlock_wrlock(&in_use_lock);
    in_use = log;
    svr_log_lowest = lowest;
    pthread_rwlock_unlock(&in_use_lock);
    return former;
}

void
log_close(struct log *log) {
    if (!log || log == &first)
        return;
    for (int i = 0; i < SINKS; i++) {
        if (log->sinks[i].fd > STDERR_FILENO)
            close(log->sinks[i].fd);
        free(log->sinks[i].format);
    }
    free(log);
}

bool
log_figures(int i, struct log_figures *figures) {
    if (i >= SINKS)
        return false;
    *figures = (struct log_figures){rows[i].key, rows[i].lines, rows[i].lost};
    return true;
}

const char *
log_name(void) {
    return server_name;
}
