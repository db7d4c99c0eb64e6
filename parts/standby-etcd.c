/* standby-etcd: a master among servers on several machines, chosen by etcd. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "etcd.h"
#include "handler.h"
#include "loop.h"
#include "part.h"
#include "server.h"
#include "standby-etcd.h"
#include "signals.h"

enum { RETRY_MS = 100, CAMPAIGN_MS = 500, TURN_MS = 1000 };
#define MS     INT64_C(1000000)
#define SECOND INT64_C(1000000000)

enum { FILES = 3 }; /* the first three of these texts are paths */

/* Keeps the lease over a restart. */
#define KEPT "SVR_STANDBY_LEASE"

/* The configuration at the start; times in nanoseconds. */
static int64_t ttl, wait_span, retry_timeout;
static bool on;
static struct etcd_conf asked; /* its texts last as long as the program */

static _Atomic int64_t token; /* 0 = slave */
static timer_t last_resort;

/* Held while using etcd: by the thread, or at the close by the loop. */
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

/* Takes the turn for the loop, if it is free in time: etcd may not answer. */
static bool
take_turn(void) {
    int64_t until = etcd_now() + TURN_MS * MS;
    while (pthread_mutex_trylock(&turn) != 0) {
        if (etcd_now() >= until)
            return false;
        poll(NULL, 0, 1);
    }
    return true;
}

int64_t
svr_fencing_token(void) {
    return token;
}

/* Called by the loop when the lease may expire soon. */
static int
lose_lease(void *unused) {
    svr_warn("standby-etcd: the lease was not renewed, token %jd has "
             "expired; this server starts again, as a slave",
             (intmax_t)token);
    if (handler_index("on_slave") >= 0)
        handler_call("on_slave", NULL);
    server_restart();
    return unused != NULL;
}

/* From here on the kernel ends a master whose lease may have expired, whatever
 * its state. */
static void
arm(void) {
    int64_t valid = etcd_valid();
    struct itimerspec end = {.it_value = {valid / SECOND, valid % SECOND}};
    timer_settime(last_resort, TIMER_ABSTIME, &end, NULL);
}

/* Logs once that etcd does not answer, and that it answers again. */
static void
report_etcd(void) {
    static bool away;
    if (etcd_answers() && away)
        svr_info("standby-etcd: etcd answers again");
    else if (!etcd_answers() && !away)
        svr_warn("standby-etcd: etcd does not answer: %s", etcd_reason());
    away = !etcd_answers();
}

/* How long a server waits before the next request. */
static int
pause_ms(bool good) {
    int64_t pause = token && wait_span > ttl / 3 ? ttl / 3 : wait_span;
    if (!token && pause > CAMPAIGN_MS * MS)
        pause = CAMPAIGN_MS * MS; /* a slave asks often, and renews rarely */
    return good ? (int)(pause / MS) : RETRY_MS;
}

/* Keeps the lease, and takes the key when it is free. */
static void *
keep_lease(void *unused) {
    for (int64_t renewed = 0;;) {
        pthread_mutex_lock(&turn);
        int64_t limit = etcd_now() + retry_timeout;
        int64_t last = etcd_valid() - ttl / 5, number = 0;
        if (token && limit > last)
            limit = last;
        bool master = token;
        bool due =
            master || !*etcd_lease() ||
            etcd_now() - renewed >= (wait_span < ttl / 3 ? wait_span : ttl / 3);
        bool good = !due || etcd_renew(limit);
        if (good && due)
            renewed = etcd_now();
        if (good && !master)
            token = number = etcd_campaign(limit);
        report_etcd();
        if (good && token)
            arm();
        if (number) {
            svr_info("standby-etcd: master, token %jd", (intmax_t)number);
            loop_post("standby-etcd", server_begin, NULL);
        } else if (token && !good && (!*etcd_lease() || etcd_now() >= last)) {
            loop_post("on_slave", lose_lease, NULL);
            pthread_mutex_unlock(&turn);
            return unused;
        }
        pthread_mutex_unlock(&turn);
        if (!number) /* a new master renews at once */
            poll(NULL, 0, pause_ms(good));
    }
}

static int
start_standby_etcd(const struct conf *conf) {
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL,
                             .sigev_signo = SIGKILL};
    const char *members = conf_text(conf, "standby_etcd.endpoints");
    const char *kept = getenv(KEPT);
    char host[64] = "", who[128];
    on = *members;
    if (!on)
        return 0;
    gethostname(host, sizeof host - 1);
    snprintf(who, sizeof who, "%s, pid %d", host, (int)getpid());
    int seconds = (int)conf_number(conf, "standby_etcd.ttl");
    ttl = seconds * SECOND;
    wait_span = (int64_t)(conf_number(conf, "standby_etcd.loop_wait") * 1e9);
    retry_timeout =
        (int64_t)(conf_number(conf, "standby_etcd.retry_timeout") * 1e9);
    asked = (struct etcd_conf){
        .members = members,
        .key = conf_text(conf, "standby_etcd.key"),
        .value = who,
        .lease = kept ? kept : "",
        .seconds = seconds,
        .patience = retry_timeout,
    };
    const struct {
        const char *key, **place;
    } texts[] = {
        {"standby_etcd.ca", &asked.ca},
        {"standby_etcd.certificate", &asked.certificate},
        {"standby_etcd.private_key", &asked.private_key},
        {"standby_etcd.user", &asked.user},
        {"standby_etcd.password", &asked.password},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const char *text = conf_text(conf, texts[i].key);
        bool is_file = i < FILES && *text;
        *texts[i].place = is_file ? realpath(text, NULL) : strdup(text);
        if (!*texts[i].place)
            return svr_fail("%s: %.200s: %s", texts[i].key, is_file ? text : "",
                            strerror(errno));
    }
    if (etcd_open(&asked) < 0 ||
        timer_create(CLOCK_BOOTTIME, &event, &last_resort) < 0 ||
        signals_thread(NULL, keep_lease, NULL) != 0)
        return svr_fail("standby-etcd: no timer or thread can be created");
    return 1;
}

static int
standby_etcd_event(enum part_event event, const struct conf *conf,
                   const char *text) {
    int64_t number = token;
    if (event == PART_START)
        return start_standby_etcd(conf);
    if (event == PART_READY && number && handler_index("on_master") >= 0)
        handler_call("on_master", &number);
    if (event == PART_CLOSE && text && number && take_turn()) {
        setenv(KEPT, etcd_lease(), 1); /* for the program after a restart */
        pthread_mutex_unlock(&turn);
    }
    if (event == PART_END && !text && number && take_turn())
        etcd_revoke(etcd_now() + SECOND); /* the turn is never given back */
    return 0;
}

static int
check_standby_etcd(const struct conf *conf) {
    double longest = conf_number(conf, "standby_etcd.loop_wait") +
                     2 * conf_number(conf, "standby_etcd.retry_timeout");
    if (longest > conf_number(conf, "standby_etcd.ttl"))
        return conf_blame(conf, "standby_etcd.ttl",
                          "is below loop_wait + 2 * retry_timeout");
    if (!*conf_text(conf, "standby_etcd.certificate") !=
        !*conf_text(conf, "standby_etcd.private_key"))
        return conf_blame(conf, "standby_etcd.certificate",
                          "needs standby_etcd.private_key, and vice versa");
    return 0;
}

static void
standby_etcd_figures(struct figures *figures) {
    int64_t number = token;
    if (!on)
        return;
    figure_word(figures, "role", number ? "master" : "slave",
                "master = this server is active; slave = it waits.");
    figure_number(figures, "token", FIGURE_GAUGE, (double)number,
                  "The fencing token; 0 = a slave.");
}

static const struct svr_key keys[] = {
    {"standby_etcd.endpoints", SVR_STRING, .value = "", .max = 1000,
     .restart = true},
    {"standby_etcd.key", SVR_STRING, .value = "/tiny/master", .min = 1,
     .max = 200, .restart = true},
    {"standby_etcd.ca", SVR_STRING, .value = "", .max = 500, .restart = true},
    {"standby_etcd.certificate", SVR_STRING, .value = "", .max = 500,
     .restart = true},
    {"standby_etcd.private_key", SVR_STRING, .value = "", .max = 500,
     .restart = true},
    {"standby_etcd.user", SVR_STRING, .value = "", .max = 200, .restart = true},
    {"standby_etcd.password", SVR_STRING, .value = "", .max = 200,
     .restart = true},
    {"standby_etcd.ttl", SVR_INT, .value = "15", .min = 2, .max = 3600,
     .restart = true},
    {"standby_etcd.loop_wait", SVR_DOUBLE, .value = "5", .min = 0.1,
     .max = 3600, .restart = true},
    {"standby_etcd.retry_timeout", SVR_DOUBLE, .value = "4", .min = 0.1,
     .max = 3600, .restart = true},
    {.key = NULL},
};

const struct part part_standby_etcd = {.name = "standby-etcd",
                                       .keys = keys,
                                       .check = check_standby_etcd,
                                       .event = standby_etcd_event,
                                       .figures = standby_etcd_figures};
