/* mail: sends the log lines of a level by mail, in bounded numbers. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "child.h"
#include "log.h"
#include "loop.h"
#include "mime.h"
#include "part.h"
#include "callback.h"

enum {
    ROOM = 32768,
    NOTE = 80,
    ADDRESS = 900,
    MOST_AN_HOUR = 60,
    LIMIT_S = 30,
    LAST_WORDS_MS = 5000
};
static const int64_t hour = INT64_C(3600000000000);

/* Lines for a mail: those that arrive, and those being sent. */
static struct batch {
    unsigned lines, left_out;
    size_t used;
    char text[ROOM + NOTE];
} coming, going;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of new lines */

static _Thread_local bool reporting; /* the part's own lines are not mailed */
static struct child child;
static const char *to, *command;
static int64_t every, sent_at[MOST_AN_HOUR];
static unsigned per_hour, turn;
static bool outage;
static uint64_t sent, failed, left_out;

static int send_next(void *unused);

/* Sends the next mail after `span` nanoseconds. */
static void
plan_mail(int64_t span) {
    callback_timer((struct timer){
        .key = "svr.email", .own = send_next, .every = span, .runs = 1});
}

/* Whether there are lines to send. */
static bool
waits(void) {
    pthread_mutex_lock(&lock);
    bool some = coming.lines || going.lines;
    pthread_mutex_unlock(&lock);
    return some;
}

static int
begin_mail(void *unused) {
    if (!child.pid && going.lines == 0)
        plan_mail(every);
    return unused != NULL;
}

static int
take_line(enum svr_level level, const char *line, size_t length) {
    (void)level;
    if (reporting)
        return 0;
    pthread_mutex_lock(&lock);
    bool first = coming.lines == 0;
    bool fits = coming.used + length <= ROOM;
    if (fits) {
        memcpy(coming.text + coming.used, line, length);
        coming.used += length;
        coming.lines++;
    }
    coming.left_out += !fits;
    pthread_mutex_unlock(&lock);
    return first && loop_post("mail", begin_mail, NULL) < 0 ? ENOMEM : 0;
}

/* Runs in the child: writes the mail to the command. */
static int
deliver_mail(void *unused) {
    int file = memfd_create("mail", 0);
    FILE *mail = fdopen(dup(file), "w");
    char host[64] = "", subject[512];
    if (!mail)
        return EX_OSERR;
    gethostname(host, sizeof host - 1);
    snprintf(subject, sizeof subject, "%s on %s: %u lines", log_name(), host,
             going.lines);
    if (going.left_out)
        going.used += (size_t)snprintf(
            going.text + going.used, NOTE,
            "\n%u further lines are only in the log.\n", going.left_out);
    fprintf(mail, "To: %s\n", to);
    mime_header(mail, "Subject", subject);
    mime_body(mail, going.text, going.used);
    if (fclose(mail) != 0)
        return EX_OSERR;
    lseek(file, 0, SEEK_SET);
    dup2(file, STDIN_FILENO);
    execl("/bin/sh", "sh", "-c", command, (char *)unused);
    return EX_UNAVAILABLE;
}

/* Logs to the other sinks when an outage begins and ends. */
static void
tell_mail(const struct child *mail, int status) {
    reporting = true;
    if (status == 0 && outage)
        svr_warn("log.email: works again");
    else if (status != 0 && !outage)
        svr_warn("log.email: not sent%s: %s %d: %.*s",
                 status == EX_TEMPFAIL ? ", tries again" : "",
                 mail->late   ? "it took too long, signal"
                 : status > 0 ? "the command returned"
                              : "the command died, signal",
                 status > 0 ? status : -status,
                 (int)strcspn(mail->output, "\n"), mail->output);
    reporting = false;
    outage = status != 0;
}

static int
mail_over(struct child *mail, int status) {
    int result = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    tell_mail(mail, result);
    sent += result == 0;
    failed += result != 0;
    if (result != EX_TEMPFAIL)
        going.lines = 0;
    if (waits())
        plan_mail(every);
    return 0;
}

/* Sends the lines that arrived, if the limit per hour allows, or repeats a
 * failed mail. */
static int
send_next(void *unused) {
    int64_t now = loop_now();
    int64_t free_at = sent_at[(turn - per_hour) % MOST_AN_HOUR] + hour;
    if (going.lines == 0 && turn >= per_hour && now < free_at) {
        plan_mail(free_at - now);
        return 0;
    }
    if (going.lines == 0) {
        pthread_mutex_lock(&lock);
        going = coming;
        coming.lines = coming.left_out = 0;
        coming.used = 0;
        pthread_mutex_unlock(&lock);
        sent_at[turn++ % MOST_AN_HOUR] = now;
        left_out += going.left_out;
    }
    if (child_start(&child, "email child", deliver_mail, NULL, LIMIT_S,
                    mail_over) < 0)
        plan_mail(every);
    return unused != NULL;
}

/* Sends what is left, before the end. */
static void
finish_mail(void) {
    if (!child.pid && waits())
        send_next(NULL);
    struct pollfd end = {.fd = child.process, .events = POLLIN};
    if (child.pid && poll(&end, 1, LAST_WORDS_MS) >= 0)
        mail_over(&child, child_end(&child));
    reporting = true;
    if (waits())
        svr_warn("log.email: %u lines were not sent",
                 going.lines + coming.lines);
}

static int
mail_event(enum part_event event, const struct conf *conf, const char *text) {
    (void)text;
    if (event == PART_START || event == PART_RELOADED) {
        to = conf_text(conf, "log.email.to");
        command = conf_text(conf, "log.email.command");
        every = (int64_t)(conf_number(conf, "log.email.every") * 1e9);
        per_hour = (unsigned)conf_number(conf, "log.email.per_hour");
    } else if (event == PART_END && per_hour) {
        finish_mail();
    }
    return 0;
}

static int
check_mail(const struct conf *conf) {
    const char *address = conf_text(conf, "log.email.to");
    bool clean = *address && strlen(address) <= ADDRESS;
    for (const char *c = address; *c; c++)
        clean = clean && *c >= ' ' && *c <= '~';
    if (conf_number(conf, "log.email") == 0 || clean)
        return 0;
    return conf_blame(conf, "log.email.to",
                      "an address is needed, in one line of at most 900 bytes "
                      "of ASCII, while log.email is true");
}

static void
mail_figures(struct figures *figures) {
    figure_number(figures, "sent", FIGURE_COUNTER, (double)sent, "Mails sent.");
    figure_number(figures, "failed", FIGURE_COUNTER, (double)failed,
                  "Mails that could not be sent.");
    figure_number(figures, "left_out", FIGURE_COUNTER, (double)left_out,
                  "Lines for which a mail had no room.");
}

static const struct svr_key keys[] = {
    {"log.email", SVR_BOOL, .value = "false"},
    {"log.email.level", SVR_STRING, .value = "ERROR", .words = CONF_LEVELS},
    {"log.email.format", SVR_STRING, .value = "%(asctime)s " CONF_FORMAT},
    {"log.email.to", SVR_STRING, .value = ""},
    {"log.email.command", SVR_STRING, .value = "/usr/sbin/sendmail -i -t"},
    {"log.email.every", SVR_DOUBLE, .value = "10", .min = 0.1, .max = 3600},
    {"log.email.per_hour", SVR_INT, .value = "6", .min = 1,
     .max = MOST_AN_HOUR},
    {.key = NULL},
};

const struct part part_mail = {.name = "mail",
                               .keys = keys,
                               .check = check_mail,
                               .event = mail_event,
                               .figures = mail_figures,
                               .sink = "log.email",
                               .line = take_line};
