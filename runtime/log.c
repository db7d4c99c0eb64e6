/* log: a line to its sinks. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "folder.h"
#include "format.h"
#include "log.h"
#include "part.h"
#include "syslogger.h"

enum { CONSOLE, SYSLOG, FILE_LOG, PART, SINKS, NOBODY = -1 };

#define CONSOLE_FILE "log/" SVR_PROJECT ".console"

struct sink {
    int row;
    enum svr_level level;
    struct format format;
};

struct log {
    struct sink sinks[SINKS]; /* those that are on */
    int count;
    const struct conf *conf;
    char *path; /* of the file, NULL when it is off */
    int file;   /* -1: it cannot be opened, for the reason `error` */
    int error;
    time_t checked; /* when the file was last looked after */
};

enum svr_level svr_log_lowest = SVR_INFO;
static char server_name[48] = SVR_PROJECT;
static int folder = AT_FDCWD;
static _Atomic double console_limit = CONSOLE_LIMIT;
static bool journal; /* standard error is systemd's journal */

static struct log first; /* before there is a configuration */
static struct log *in_use = &first;
static pthread_rwlock_t in_use_lock = PTHREAD_RWLOCK_INITIALIZER;

/* Whether JOURNAL_STREAM names the file that standard error is. */
static bool
is_journal(void) {
    char own[48];
    struct stat file;
    const char *named = getenv("JOURNAL_STREAM");
    if (!named || fstat(STDERR_FILENO, &file) < 0)
        return false;
    snprintf(own, sizeof own, "%ju:%ju", (uintmax_t)file.st_dev,
             (uintmax_t)file.st_ino);
    return strcmp(named, own) == 0;
}

/* ---- Sinks ------------------------------------------------------------ */

static int
write_all(int fd, const char *line, size_t length) {
    ssize_t written = write(fd, line, length);
    return written == (ssize_t)length ? 0 : written < 0 ? errno : ENOSPC;
}

static int
write_console(const struct log *log, enum svr_level level, const char *line,
              size_t length) {
    static const char *const prefixes[] = {"<7>", "<6>", "<4>", "<3>"};
    struct pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT};
    (void)log;
    if (poll(&ready, 1, 0) != 1)
        return EAGAIN;
    if (!journal)
        return write_all(STDERR_FILENO, line, length);
    char prefixed[LINE_SIZE + 4];
    memcpy(stpcpy(prefixed, prefixes[level]), line, length);
    return write_all(STDERR_FILENO, prefixed, length + 3);
}

static int
write_syslog(const struct log *log, enum svr_level level, const char *line,
             size_t length) {
    static const int priorities[] = {LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERR};
    (void)log;
    return syslogger_put(priorities[level], line, length - 1);
}

static int
write_file(const struct log *log, enum svr_level level, const char *line,
           size_t length) {
    (void)level;
    return log->file < 0 ? log->error : write_all(log->file, line, length);
}

static int
write_part(const struct log *log, enum svr_level level, const char *line,
           size_t length) {
    (void)log, (void)level;
    return part_sink()->line(line, length);
}

/* The sinks' rows, in use before any configuration too. Lines and losses are
 * counted over all sets. */
static struct {
    const char *key;
    /* Writes one line, never waiting for a reader. Returns 0 or the error. */
    int (*write)(const struct log *log, enum svr_level level, const char *line,
                 size_t length);
    _Atomic uint64_t lines, lost;
    _Atomic uint64_t outage; /* lines lost since it began; 0 when there is none,
                                else one more */
} rows[SINKS] = {
    [CONSOLE] = {.key = "log.console", .write = write_console},
    [SYSLOG] = {.key = "log.syslog", .write = write_syslog},
    [FILE_LOG] = {.key = "log.file_log", .write = write_file},
    [PART] = {.write = write_part},
};

/* ---- Outages ---------------------------------------------------------- */

/* The sink that this thread reports on: its own lines do not go there. */
static _Thread_local int reporting = NOBODY;

/* Counts lines that are lost; logs it to the other sinks when an outage begins.
 */
static void
count_lost(int row, int error, unsigned lines) {
    rows[row].lost += lines;
    if (atomic_fetch_add(&rows[row].outage, lines) > 0)
        return;
    int former = reporting;
    rows[row].outage++;
    reporting = row;
    svr_warn("%s: lines are lost: %s%s", rows[row].key,
             row == SYSLOG ? "/dev/log: " : "",
             error == ENOBUFS ? "the queue is full" : strerror(error));
    reporting = former;
}

/* Counts lines that were written. An outage is over if no line waits; this is
 * logged to the other sinks, with the number of lines that it cost. */
static void
count_written(int row, unsigned lines, unsigned waiting) {
    rows[row].lines += lines;
    if (waiting || rows[row].outage == 0)
        return;
    int former = reporting;
    uint64_t outage = atomic_exchange(&rows[row].outage, 0);
    reporting = row;
    if (outage)
        svr_warn("%s: works again, %ju lines were lost", rows[row].key,
                 (uintmax_t)outage - 1);
    reporting = former;
}

/* What syslog's writer reports. */
static void
count_syslog(int error, unsigned lines, unsigned waiting) {
    if (error)
        count_lost(SYSLOG, error, lines);
    else
        count_written(SYSLOG, lines, waiting);
}

/* ---- The file --------------------------------------------------------- */

/* Opens the file; `dry` makes none, and reports only whether it could. */
static int
open_path(int dir, const char *path, bool dry) {
    int flags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    int fd = folder_open(dir, path, dry ? flags : flags | O_CREAT, 0644);
    if (fd >= 0 || !dry || errno != ENOENT)
        return fd;
    char name[FOLDER_NAME];
    int parent = folder_find(dir, path, name);
    if (parent < 0 && strncmp(path, "log/", 4) == 0 && !strchr(path + 4, '/'))
        return dup(STDERR_FILENO); /* the start makes the folder */
    if (parent < 0 || faccessat(parent, ".", W_OK | X_OK, AT_EACCESS) == 0)
        return parent;
    close(parent);
    errno = EACCES;
    return -1;
}

static int
open_file(struct log *log, int dir, bool dry) {
    log->file = open_path(dir, log->path, dry);
    log->error = log->file < 0 ? errno : 0;
    return log->file < 0 ? -1 : 0;
}

int
log_console(int dir) {
    renameat(dir, CONSOLE_FILE, dir, CONSOLE_FILE ".1");
    return folder_open(dir, CONSOLE_FILE,
                       O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

/* The console that `start` gave the server is a file of its own: at its limit
 * it becomes FILE.1, in place of the one before. */
static void
bound_console(void) {
    struct stat here, there;
    if (fstat(STDERR_FILENO, &here) < 0 || !S_ISREG(here.st_mode) ||
        (double)here.st_size < console_limit ||
        !folder_names(folder, CONSOLE_FILE, AT_SYMLINK_NOFOLLOW, STDERR_FILENO))
        return;
    int fd = log_console(folder);
    if (fd < 0)
        return;
    if (fstat(STDOUT_FILENO, &there) == 0 && there.st_ino == here.st_ino)
        dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    close(fd);
}

/* Once a second: bounds the console, lets parts give the file another name, and
 * opens it again when its name leads elsewhere. */
static int
look_after_file(struct log *log, time_t now) {
    log->checked = now;
    if (log->conf)
        bound_console();
    if (!log->path)
        return 0;
    int result = part_log_file(log->conf, log->path);
    bool same = folder_names(folder, log->path, 0, log->file);
    if (!same && log->file >= 0)
        close(log->file);
    if (!same)
        open_file(log, folder, false);
    return result;
}

/* ---- Lines ------------------------------------------------------------ */

/* Sends an event to each sink that takes its level. */
static void
deliver_event(const struct event *event) {
    int result[SINKS] = {-1, -1, -1, -1};
    char line[LINE_ROOM];
    pthread_rwlock_rdlock(&in_use_lock);
    if (in_use->checked != event->now.tv_sec) {
        pthread_rwlock_unlock(&in_use_lock);
        pthread_rwlock_wrlock(&in_use_lock);
        failure_in_log(true);
        int looked = look_after_file(in_use, event->now.tv_sec);
        pthread_rwlock_unlock(&in_use_lock);
        if (looked < 0)
            svr_warn("%s: %s", rows[FILE_LOG].key, failure_reason());
        failure_in_log(false);
        pthread_rwlock_rdlock(&in_use_lock);
    }
    for (int i = 0; i < in_use->count; i++) {
        const struct sink *sink = &in_use->sinks[i];
        int row = sink->row;
        if (row == SYSLOG && journal && result[CONSOLE] == 0)
            continue; /* both lead to the journal */
        if (event->level >= sink->level && row != reporting)
            result[row] =
                rows[row].write(in_use, event->level, line,
                                format_line(&sink->format, event, line));
    }
    pthread_rwlock_unlock(&in_use_lock);
    for (int i = 0; i < SINKS; i++)
        if (result[i] > 0)
            count_lost(i, result[i], 1);
        else if (result[i] == 0 && i != SYSLOG) /* its thread reports later */
            count_written(i, 1, 0);
}

void
svr_log(enum svr_level level, const char *file, int line, const char *function,
        const char *format, ...) {
    int saved = errno;
    char message[LINE_SIZE];
    const char *slash = strrchr(file, '/');
    struct event event = {.level = level,
                          .line = line,
                          .name = server_name,
                          .file = slash ? slash + 1 : file,
                          .function = function,
                          .message = message};
    va_list args;
    va_start(args, format);
    text_format(message, sizeof message, format, args);
    va_end(args);
    clock_gettime(CLOCK_REALTIME, &event.now);
    deliver_event(&event);
    errno = saved;
}

/* ---- Sets ------------------------------------------------------------- */

/* Compiles a sink's format; without a configuration, the format that lines have
 * before there is one. */
static int
compile_format(const struct conf *conf, struct sink *sink) {
    char key[48];
    snprintf(key, sizeof key, "%s.format", rows[sink->row].key);
    const char *source =
        conf ? conf_text(conf, key)
             : "<%(levelname)s: %(name)s(%(process)d)> %(message)s";
    return format_compile(&sink->format, source, server_name) < 0
               ? conf_blame(conf, key, "%s", failure_reason())
               : 0;
}

/* In a child, lines name its own process. */
static void
begin_child(void) {
    for (int i = 0; i < in_use->count; i++)
        compile_format(in_use->conf, &in_use->sinks[i]);
}

__attribute__((constructor)) static void
begin_log(void) {
    first.sinks[0] = (struct sink){.row = CONSOLE, .level = SVR_INFO};
    first.count = 1;
    first.file = -1;
    begin_child();
    pthread_atfork(NULL, NULL, begin_child);
}

static enum svr_level
level_of(const char *word) {
    static const char initials[] = "DIWE";
    return (enum svr_level)(strchr(initials, *word) - initials);
}

/* Reads a sink's three keys: switch or path, level, format. */
static int
open_sink(const struct conf *conf, struct log *log, int row) {
    char key[48];
    struct sink *sink = &log->sinks[log->count];
    const char *text = conf_text(conf, rows[row].key);
    snprintf(key, sizeof key, "%s.level", rows[row].key);
    sink->row = row;
    sink->level = level_of(conf_text(conf, key));
    log->count += row == FILE_LOG ? *text != '\0' : strcmp(text, "true") == 0;
    return compile_format(conf, sink);
}

static int
open_file_sink(int dir, const struct conf *conf, struct log *log, bool dry) {
    const char *path = conf_text(conf, rows[FILE_LOG].key);
    if (!*path)
        return 0;
    log->path = strdup(path);
    if (!log->path)
        return svr_fail("%s: no memory", rows[FILE_LOG].key);
    if (open_file(log, dir, dry) == 0)
        return 0;
    return conf_blame(conf, rows[FILE_LOG].key, "%.256s: %s", log->path,
                      strerror(log->error));
}

/* Notes what other threads read later. */
static void
begin_names(int dir, const struct conf *conf) {
    if (part_sink())
        rows[PART].key = part_sink()->sink;
    snprintf(server_name, sizeof server_name, "%s",
             conf_text(conf, "svr.name"));
    folder = dir;
    journal = is_journal();
}

struct log *
log_open(int dir, const struct conf *conf, bool dry) {
    struct log *log = calloc(1, sizeof *log);
    int result = 0;
    if (!log) {
        svr_fail("log: no memory");
        return NULL;
    }
    log->file = -1;
    log->conf = conf;
    if (in_use == &first)
        begin_names(dir, conf);
    for (int i = 0; i < SINKS && rows[i].key && result == 0; i++)
        result = open_sink(conf, log, i);
    if (result == 0)
        result = open_file_sink(dir, conf, log, dry);
    if (result < 0) {
        log_close(log);
        return NULL;
    }
    return log;
}

struct log *
log_use(struct log *log) {
    struct log *former = in_use;
    enum svr_level lowest = SVR_ERR + 1;
    bool syslog = false;
    for (int i = 0; i < log->count; i++) {
        const struct sink *sink = &log->sinks[i];
        lowest = sink->level < lowest ? sink->level : lowest;
        syslog = syslog || sink->row == SYSLOG;
    }
    pthread_rwlock_wrlock(&in_use_lock);
    in_use = log;
    __atomic_store_n(&svr_log_lowest, lowest, __ATOMIC_RELAXED);
    pthread_rwlock_unlock(&in_use_lock);
    if (syslog)
        syslogger_start(server_name, count_syslog);
    return former;
}

void
log_close(struct log *log) {
    if (!log || log == &first)
        return;
    if (log->file >= 0)
        close(log->file);
    free(log->path);
    free(log);
}

void
log_drain(void) {
    unsigned left = syslogger_drain(1);
    if (left)
        count_lost(SYSLOG, ETIMEDOUT, left);
}

bool
log_figures(int i, struct log_figures *figures) {
    if (i >= SINKS || !rows[i].key)
        return false;
    *figures = (struct log_figures){
        .sink = rows[i].key, .lines = rows[i].lines, .lost = rows[i].lost};
    if (i == FILE_LOG && pthread_rwlock_tryrdlock(&in_use_lock) == 0) {
        if (in_use->path) /* a disk that hangs does not stop the status */
            snprintf(figures->path, sizeof figures->path, "%s", in_use->path);
        pthread_rwlock_unlock(&in_use_lock);
    }
    return true;
}

const char *
log_name(void) {
    return server_name;
}

void
log_limit(double bytes) {
    console_limit = bytes > 0 ? bytes : CONSOLE_LIMIT;
}
