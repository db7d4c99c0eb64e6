/* standby-etcd: a master among servers on several machines, chosen by etcd. */
#define _GNU_SOURCE
#include <curl/curl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "handler.h"
#include "loop.h"
#include "part.h"
#include "server.h"
#include "standby-etcd.h"
#include "thread.h"

enum { ANSWER_SIZE = 4096, RETRY_MS = 100, MS = 1000000 };

#define SECOND INT64_C(1000000000)

/* Keeps the lease over a restart. */
#define KEPT "SVR_STANDBY_LEASE"

/* As configured at the start; times in nanoseconds. */
static char endpoints[1024], key[512], who[512]; /* those two in base64 */
static char seconds[24];                         /* the ttl */
static int64_t ttl, wait_span, retry_timeout;

static int64_t valid; /* till then the lease is there, for sure */
static char lease[24];
static bool answers;          /* etcd did, the last time */
static _Atomic int64_t token; /* 0: a slave */
static timer_t last_resort;

/* The clock that goes on while the machine sleeps, too. */
static int64_t
now(void) {
    struct timespec time;
    clock_gettime(CLOCK_BOOTTIME, &time);
    return time.tv_sec * SECOND + time.tv_nsec;
}

int64_t
svr_fencing_token(void) {
    return token;
}

static void
base64(const char *text, char *out) {
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t left; (left = strlen(text)) > 0; text += left > 3 ? 3 : left) {
        unsigned char b[3] = {0};
        memcpy(b, text, left > 3 ? 3 : left);
        *out++ = digits[b[0] >> 2];
        *out++ = digits[(b[0] & 3) << 4 | b[1] >> 4];
        *out++ = left > 1 ? digits[(b[1] & 15) << 2 | b[2] >> 6] : '=';
        *out++ = left > 2 ? digits[b[2] & 63] : '=';
    }
    *out = '\0';
}

static size_t
take(char *bytes, size_t one, size_t count, void *answer) {
    size_t used = strlen(answer), room = ANSWER_SIZE - 1 - used;
    strncat(answer, bytes, count < room ? count : room);
    return one * count;
}

/* Asks one member after the other, until one answers or the time is over. */
static bool
ask(const char *what, const char *question, int64_t until,
    char answer[ANSWER_SIZE]) {
    char list[sizeof endpoints], url[sizeof endpoints + 64], *place = list;
    long status = 0;
    CURL *curl = curl_easy_init();
    memcpy(list, endpoints, sizeof list);
    for (char *member; status != 200 && (member = strsep(&place, ","));) {
        int64_t left = (until - now()) / MS, share = retry_timeout / MS / 2;
        if (left <= 0)
            break;
        *answer = '\0';
        snprintf(url, sizeof url, "%s/v3/%s", member, what);
        curl_easy_setopt(curl, CURLOPT_URL, url);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, question);
        curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
        curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS,
                         (long)(left < share ? left : share));
        if (curl_easy_perform(curl) == CURLE_OK)
            curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    }
    curl_easy_cleanup(curl);
    answers = status == 200;
    return answers;
}

/* Copies the digits of a member of the answer, "NAME":"DIGITS". */
static bool
digits(const char *answer, const char *name, char number[24]) {
    const char *found = strstr(answer, name);
    return found && sscanf(found + strlen(name), "\":\"%23[0-9]", number) == 1;
}

/* Has a lease, or has it anew; it counts from the question. */
static bool
renew(int64_t until) {
    char question[64], answer[ANSWER_SIZE], granted[24];
    int64_t asked = now();
    snprintf(question, sizeof question,
             *lease ? "{\"ID\":\"%s\"}" : "{\"TTL\":\"%s\"}",
             *lease ? lease : seconds);
    if (!ask(*lease ? "lease/keepalive" : "lease/grant", question, until,
             answer))
        return false;
    if (!digits(answer, "TTL", granted) || !digits(answer, "ID", lease))
        *lease = '\0'; /* it is over */
    valid = asked + ttl;
    return *lease;
}

/* Takes the key, if nobody has it; or finds that it is ours. */
static bool
campaign(int64_t until) {
    char question[4096], answer[ANSWER_SIZE], number[24], own[40];
    snprintf(question, sizeof question,
             "{\"compare\":[{\"target\":\"CREATE\",\"key\":\"%s\","
             "\"createRevision\":\"0\"}],\"success\":[{\"requestPut\":{"
             "\"key\":\"%s\",\"value\":\"%s\",\"lease\":\"%s\"}}],"
             "\"failure\":[{\"requestRange\":{\"key\":\"%s\"}}]}",
             key, key, who, lease, key);
    snprintf(own, sizeof own, "\"lease\":\"%s\"", lease);
    if (!ask("kv/txn", question, until, answer) ||
        (strstr(answer, "\"succeeded\":true")
             ? !digits(answer, "revision", number)
             : !strstr(answer, own) ||
                   !digits(answer, "create_revision", number)))
        return false;
    token = strtoll(number, NULL, 10);
    return true;
}

/* What the loop does when the lease may be over soon. */
static int
lose(void *unused) {
    svr_warn("standby-etcd: the lease was not renewed, token %jd is over; "
             "begins anew, as a slave",
             (intmax_t)token);
    if (handler_index(handler_live()->table, "on_slave") >= 0)
        handler_call("on_slave", NULL);
    server_restart();
    return unused != NULL;
}

/* From here the kernel ends a master whose lease may be over, whatever it does
 * or does not. */
static void
arm(void) {
    struct itimerspec end = {.it_value = {valid / SECOND, valid % SECOND}};
    timer_settime(last_resort, TIMER_ABSTIME, &end, NULL);
}

/* Tells once that etcd is away, and that it is back. */
static void
tell(void) {
    static bool away;
    if (answers && away)
        svr_info("standby-etcd: etcd answers again");
    else if (!answers && !away)
        svr_warn("standby-etcd: etcd does not answer");
    away = !answers;
}

/* Keeps the lease, and the key when it can be had. */
static void *
work(void *unused) {
    for (;;) {
        int64_t limit = now() + retry_timeout, last = valid - ttl / 5;
        if (token && limit > last)
            limit = last;
        bool good = renew(limit), master = token;
        tell();
        if (good && (master || campaign(limit)))
            arm();
        if (token && !master) {
            svr_info("standby-etcd: master, token %jd", (intmax_t)token);
            loop_post("standby-etcd", server_begin, NULL);
        } else if (token && !good && (!*lease || now() >= last)) {
            loop_post("on_slave", lose, NULL);
            return unused;
        }
        int64_t pause = token && wait_span > ttl / 3 ? ttl / 3 : wait_span;
        poll(NULL, 0, good ? (int)(pause / MS) : RETRY_MS);
    }
}

static int
start(const struct conf *conf, char reason[WHY_SIZE]) {
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL,
                             .sigev_signo = SIGKILL};
    const char *kept = getenv(KEPT);
    char host[64] = "", text[128];
    snprintf(endpoints, sizeof endpoints, "%s",
             conf_text(conf, "standby_etcd.endpoints"));
    if (!*endpoints)
        return 0;
    base64(conf_text(conf, "standby_etcd.key"), key);
    gethostname(host, sizeof host - 1);
    snprintf(text, sizeof text, "%s, pid %d", host, (int)getpid());
    base64(text, who);
    snprintf(seconds, sizeof seconds, "%s",
             conf_text(conf, "standby_etcd.ttl"));
    snprintf(lease, sizeof lease, "%s", kept ? kept : "");
    ttl = atoi(seconds) * SECOND;
    wait_span = (int64_t)(conf_number(conf, "standby_etcd.loop_wait") * 1e9);
    retry_timeout =
        (int64_t)(conf_number(conf, "standby_etcd.retry_timeout") * 1e9);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0 ||
        timer_create(CLOCK_BOOTTIME, &event, &last_resort) < 0 ||
        thread_start(NULL, work) != 0)
        return why(reason, "standby-etcd: no timer or thread can be had");
    return 1;
}

static int
hear(enum part_event event, const struct conf *conf, const char *text,
     char reason[WHY_SIZE]) {
    char question[64], answer[ANSWER_SIZE];
    int64_t number = token;
    if (event == PART_START)
        return start(conf, reason);
    if (event == PART_READY && number &&
        handler_index(handler_live()->table, "on_master") >= 0)
        handler_call("on_master", &number);
    if (event == PART_CLOSE && text && number)
        setenv(KEPT, lease, 1); /* for the program after a restart */
    if (event == PART_END && !text && number) {
        snprintf(question, sizeof question, "{\"ID\":\"%s\"}", lease);
        ask("lease/revoke", question, now() + SECOND, answer);
    }
    return 0;
}

static int
check(const struct conf *conf, char reason[WHY_SIZE]) {
    double longest = conf_number(conf, "standby_etcd.loop_wait") +
                     2 * conf_number(conf, "standby_etcd.retry_timeout");
    if (longest <= conf_number(conf, "standby_etcd.ttl"))
        return 0;
    return conf_blame(conf, "standby_etcd.ttl",
                      "is below loop_wait + 2 * retry_timeout", reason);
}

static void
status(FILE *out) {
    if (*endpoints)
        fprintf(out, ", \"role\": \"%s\", \"standby-etcd\": {\"token\": %jd}",
                token ? "master" : "slave", (intmax_t)token);
}

static const struct svr_key keys[] = {
    {"standby_etcd.endpoints", SVR_STRING, .value = "", .max = 1000,
     .restart = true},
    {"standby_etcd.key", SVR_STRING, .value = "/tiny/master", .min = 1,
     .max = 200, .restart = true},
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
                                       .check = check,
                                       .hear = hear,
                                       .status = status};
