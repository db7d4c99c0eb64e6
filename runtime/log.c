/* log: sends each line to the sinks of the log. */
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

enum { CONSOLE, SYSLOG, FILE_LOG, PARTS, SINKS = PARTS + 3, NOBODY = -1 };

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
    const char *path; /* of the file; NULL: it is off */
    int file;         /* -1: it was not opened, for the reason `error` */
    int error;
    time_t checked; /* the second of the last look_after_files */
};

enum svr_level svr_log_lowest = SVR_INFO;
static char server_name[48] = SVR_PROJECT;
static int folder = AT_FDCWD;
static _Atomic double console_limit = CONSOLE_LIMIT;
static bool journal; /* standard error is systemd's journal */

/* The sinks before a configuration is read. */
static struct log first = {
    .sinks = {{.row = CONSOLE, .level = SVR_INFO}}, .count = 1, .file = -1};
static struct log *in_use = &first;
static pthread_rwlock_t in_use_lock = PTHREAD_RWLOCK_INITIALIZER;

/* Reports whether JOURNAL_STREAM names the file of standard error. */
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

/* Each sink's key, its part, if it is one, and its counts since the start. */
static struct {
    const char *key;
    const struct part *part;
    _Atomic uint64_t lines, lost;
    _Atomic uint64_t reported; /* `lost` when the last outage ended */
    _Atomic bool outage;
} rows[SINKS] = {
    [CONSOLE] = {.key = "log.console"},
    [SYSLOG] = {.key = "log.syslog"},
    [FILE_LOG] = {.key = "log.file_log"},
};

static int
write_all(int fd, const char *line, size_t length) {
    ssize_t written = write(fd, line, length);
    return written == (ssize_t)length ? 0 : written < 0 ? errno : ENOSPC;
}

static int
write_console(int priority, const char *line, size_t length) {
    char prefixed[LINE_SIZE + 4];
    struct pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&ready, 1, 0) != 1)
        return EAGAIN;
    if (!journal)
        return write_all(STDERR_FILENO, line, length);
    size_t prefix = (size_t)sprintf(prefixed, "<%d>", priority);
    memcpy(prefixed + prefix, line, length);
    return write_all(STDERR_FILENO, prefixed, prefix + length);
}

/* Writes one line to a sink and never waits for its reader. Returns 0 or the
 * error. */
static int
write_line(const struct log *log, int row, enum svr_level level,
           const char *line, size_t length) {
    static const int priorities[] = {LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERR};
    switch (row) {
    case CONSOLE:
        return write_console(priorities[level], line, length);
    case SYSLOG:
        return syslogger_put(priorities[level], line, length - 1);
    case FILE_LOG:
        return log->file < 0 ? log->error : write_all(log->file, line, length);
    default:
        return rows[row].part->line(level, line, length);
    }
}

/* ---- Outages ---------------------------------------------------------- */

/* The sink that this thread reports on; its report does not go there. */
static _Thread_local int reporting = NOBODY;

/* Logs to the other sinks that a sink loses lines, for the reason `error`, or
 * that it works again (0). */
__attribute__((cold)) static void
report_outage(int row, int error) {
    int former = reporting;
    uint64_t lost = rows[row].lost;
    reporting = row;
    if (error)
        svr_warn("%s: lines are lost: %s%s", rows[row].key,
                 row == SYSLOG ? "/dev/log: " : "",
                 error == ENOBUFS ? "the queue is full" : strerror(error));
    else
        svr_warn("%s: works again, %ju lines were lost", rows[row].key,
                 (uintmax_t)(lost - rows[row].reported));
    if (!error)
        rows[row].reported = lost;
    reporting = former;
}

/* Counts lines of a sink: lost for the reason `error`, or written (0). An
 * outage is over once a line is written and no other waits. */
static void
count_sink(int row, int error, unsigned lines, unsigned waiting) {
    bool fails = error != 0;
    *(fails ? &rows[row].lost : &rows[row].lines) += lines;
    if ((fails || waiting == 0) && rows[row].outage != fails &&
        atomic_exchange(&rows[row].outage, fails) != fails)
        report_outage(row, error);
}

/* The function that syslogger calls. */
static void
count_syslog(int error, unsigned lines, unsigned waiting) {
    count_sink(SYSLOG, error, lines, waiting);
}

/* ---- The file --------------------------------------------------------- */

/* Opens the file. `dry` creates none: it only finds out whether it could. */
static int
open_path(int dir, const char *path, bool dry) {
    int flags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    int fd = folder_open(dir, path, dry ? flags : flags | O_CREAT, 0644);
    if (fd >= 0 || !dry || errno != ENOENT)
        return fd;
    char name[FOLDER_NAME];
    int parent = folder_find(dir, path, name);
    if (parent < 0 && strncmp(path, "log/", 4) == 0 && !strchr(path + 4, '/'))
        return dup(STDERR_FILENO); /* the start creates the folder */
    if (parent < 0 || faccessat(parent, ".", W_OK | X_OK, AT_EACCESS) == 0)
        return parent;
    close(parent);
    errno = EACCES;
    return -1;
}

static void
open_file(struct log *log, int dir, bool dry) {
    log->file = open_path(dir, log->path, dry);
    log->error = errno;
}

int
log_console(int dir) {
    renameat(dir, CONSOLE_FILE, dir, CONSOLE_FILE ".1");
    return folder_open(dir, CONSOLE_FILE,
                       O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

/* Bounds the file that `start` opened for the console: at its limit it becomes
 * FILE.1 and replaces the former one. */
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

/* Once a second: bounds the console, lets parts rename the file, and opens it
 * again if its name leads elsewhere. */
__attribute__((cold)) static void
look_after_files(time_t now) {
    pthread_rwlock_wrlock(&in_use_lock);
    struct log *log = in_use;
    int result = 0;
    log->checked = now;
    failure_in_log(true);
    if (log->conf)
        bound_console();
    if (log->path)
        result = part_log_file(log->conf, log->path);
    if (log->path && !folder_names(folder, log->path, 0, log->file)) {
        folder_close(log->file);
        open_file(log, folder, false);
    }
    pthread_rwlock_unlock(&in_use_lock);
    if (result < 0)
        svr_warn("%s: %s", rows[FILE_LOG].key, failure_reason());
    failure_in_log(false);
}

/* ---- Lines ------------------------------------------------------------ */

/* Sends an event to each sink that takes its level. A result that may begin or
 * end an outage is counted after the sinks are unlocked, since it is logged. */
static void
deliver_event(const struct event *event) {
    struct outcome {
        int row, error;
    } later[SINKS];
    int count = 0;
    bool in_journal = false;
    char line[LINE_ROOM];
    pthread_rwlock_rdlock(&in_use_lock);
    if (in_use->checked != event->now.tv_sec) {
        pthread_rwlock_unlock(&in_use_lock);
        look_after_files(event->now.tv_sec);
        pthread_rwlock_rdlock(&in_use_lock);
    }
    for (int i = 0; i < in_use->count; i++) {
        const struct sink *sink = &in_use->sinks[i];
        int row = sink->row;
        if (event->level < sink->level || row == reporting ||
            (row == SYSLOG && in_journal))
            continue;
        size_t length = format_line(&sink->format, event, line);
        int error = write_line(in_use, row, event->level, line, length);
        if (row == CONSOLE && journal && error == 0)
            in_journal = true;
        if (row == SYSLOG && error == 0)
            continue; /* its thread counts the line */
        if (error == 0 && !rows[row].outage)
            rows[row].lines++;
        else
            later[count++] = (struct outcome){row, error};
    }
    pthread_rwlock_unlock(&in_use_lock);
    for (int i = 0; i < count; i++)
        count_sink(later[i].row, later[i].error, 1, 0);
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

/* ---- Configurations --------------------------------------------------- */

/* Compiles a sink's format, or without a configuration the initial one. */
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

/* After fork, in the child: its lines have its own process ID. */
static void
begin_child(void) {
    for (int i = 0; i < in_use->count; i++)
        compile_format(in_use->conf, &in_use->sinks[i]);
}

__attribute__((constructor)) static void
begin_log(void) {
    begin_child();
    pthread_atfork(NULL, NULL, begin_child);
}

static enum svr_level
level_of(const char *word) {
    static const char initials[] = "DIWE";
    return (enum svr_level)(strchr(initials, *word) - initials);
}

/* Adds a sink, if it is on, from its three keys: switch or path, level, format.
 */
static int
add_sink(const struct conf *conf, struct log *log, int row) {
    char key[48];
    struct sink *sink = &log->sinks[log->count];
    const char *text = conf_text(conf, rows[row].key);
    snprintf(key, sizeof key, "%s.level", rows[row].key);
    sink->row = row;
    sink->level = level_of(conf_text(conf, key));
    if (row == FILE_LOG && *text)
        log->path = text;
    log->count += row == FILE_LOG ? *text != '\0' : strcmp(text, "true") == 0;
    return compile_format(conf, sink);
}

/* Sets what stays the same until the process ends. */
static void
begin_names(int dir, const struct conf *conf) {
    for (int row = PARTS; row < SINKS; row++) {
        rows[row].part = part_sink(row - PARTS);
        rows[row].key = rows[row].part ? rows[row].part->sink : NULL;
    }
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
        result = add_sink(conf, log, i);
    if (result == 0 && log->path)
        open_file(log, dir, dry);
    if (result == 0 && log->path && log->file < 0)
        result = conf_blame(conf, rows[FILE_LOG].key, "%.256s: %s", log->path,
                            strerror(log->error));
    if (result == 0)
        return log;
    log_close(log);
    return NULL;
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
    folder_close(log->file);
    free(log);
}

void
log_drain(void) {
    unsigned left = syslogger_drain(1);
    if (left)
        count_sink(SYSLOG, ETIMEDOUT, left, 0);
}

bool
log_figures(int i, struct log_figures *figures) {
    if (i >= SINKS || !rows[i].key)
        return false;
    *figures = (struct log_figures){
        .sink = rows[i].key, .lines = rows[i].lines, .lost = rows[i].lost};
    /* The status does not wait for a disk that hangs. */
    if (i == FILE_LOG && pthread_rwlock_tryrdlock(&in_use_lock) == 0) {
        if (in_use->path)
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
