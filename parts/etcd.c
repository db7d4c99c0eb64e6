/* etcd: a lease in etcd, and a key that is bound to it. */
#define _GNU_SOURCE
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "buffer.h"
#include "etcd.h"
#include "part.h"

enum { ANSWER_SIZE = 4096, MS = 1000000, TOKEN_SIZE = 1024 };
enum { OK = 200, UNAUTHORIZED = 401 };
#define SECOND INT64_C(1000000000)

static char members[1024], key[512], value[512]; /* key and value in base64 */
static int64_t ttl, patience;
static struct etcd_conf its;
static char token[TOKEN_SIZE]; /* that etcd gave to the user; "" = none */
static char reason[2 * CURL_ERROR_SIZE];
static char lease[24];
static int64_t valid; /* the lease is certainly valid until then */
static bool answers;

int64_t
etcd_now(void) {
    struct timespec time;
    clock_gettime(CLOCK_BOOTTIME, &time);
    return time.tv_sec * SECOND + time.tv_nsec;
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
take_answer(char *bytes, size_t one, size_t count, void *answer) {
    size_t used = strlen(answer), room = ANSWER_SIZE - 1 - used;
    strncat(answer, bytes, count < room ? count : room);
    return one * count;
}

/* Asks a member. Returns the status of its answer, or 0 without one. */
static long
ask_member(CURL *curl, const char *member, const char *what,
           const char *question, int64_t millis, char answer[ANSWER_SIZE]) {
    char url[sizeof members + 64], head[TOKEN_SIZE + 32];
    char error[CURL_ERROR_SIZE] = "";
    struct curl_slist *heads = NULL;
    long status = 0;
    *answer = '\0';
    snprintf(url, sizeof url, "%s/v3/%s", member, what);
    snprintf(head, sizeof head, "Authorization: %s", token);
    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, question);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_answer);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)millis);
    if (*its.ca)
        curl_easy_setopt(curl, CURLOPT_CAINFO, its.ca);
    if (*its.certificate) {
        curl_easy_setopt(curl, CURLOPT_SSLCERT, its.certificate);
        curl_easy_setopt(curl, CURLOPT_SSLKEY, its.private_key);
    }
    if (*token)
        heads = curl_slist_append(NULL, head);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, heads);
    CURLcode result = curl_easy_perform(curl);
    if (result == CURLE_OK)
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(heads);
    if (result != CURLE_OK)
        snprintf(reason, sizeof reason, "%.200s: %s", member,
                 *error ? error : curl_easy_strerror(result));
    else if (status != OK)
        snprintf(reason, sizeof reason, "%.200s: status %ld: %.200s", member,
                 status, answer);
    return status;
}

/* Gets a token for the user, if there is one. */
static bool
log_in(CURL *curl, const char *member, int64_t millis) {
    struct buffer question;
    char answer[ANSWER_SIZE];
    if (!*its.user || *token)
        return true;
    FILE *out = buffer_open(&question);
    if (!out)
        return false;
    fputs("{\"name\":", out);
    text_json_print(out, its.user);
    fputs(",\"password\":", out);
    text_json_print(out, its.password);
    fputs("}", out);
    if (buffer_close(&question, out) < 0)
        return false;
    bool given = ask_member(curl, member, "auth/authenticate", question.text,
                            millis, answer) == OK;
    const char *found = given ? strstr(answer, "\"token\":\"") : NULL;
    explicit_bzero(question.text, question.size);
    free(question.text);
    if (found && sscanf(found, "\"token\":\"%1023[^\"]", token) == 1)
        return true;
    if (given)
        snprintf(reason, sizeof reason, "%.200s: its answer has no token",
                 member);
    return false;
}

/* Asks one member after the other, until one answers or the time is over. */
static bool
ask_etcd(const char *what, const char *question, int64_t until,
         char answer[ANSWER_SIZE]) {
    char list[sizeof members], *place = list;
    long status = 0;
    CURL *curl = curl_easy_init();
    memcpy(list, members, sizeof list);
    snprintf(reason, sizeof reason, "no time, or no memory");
    for (char *member; curl && (member = strsep(&place, ","));) {
        for (int try = 0; try < 2 && status != OK; try++) {
            int64_t left = (until - etcd_now()) / MS, share = patience / MS / 2;
            int64_t millis = left < share ? left : share;
            if (millis <= 0 || !log_in(curl, member, millis))
                break;
            status = ask_member(curl, member, what, question, millis, answer);
            if (status != UNAUTHORIZED)
                break;
            *token = '\0'; /* it has expired */
        }
        if (status == OK)
            break;
    }
    curl_easy_cleanup(curl);
    answers = status == OK;
    return answers;
}

/* Copies the digits of a member of the answer, "NAME":"DIGITS". */
static bool
copy_digits(const char *answer, const char *name, char number[24]) {
    const char *found = strstr(answer, name);
    return found && sscanf(found + strlen(name), "\":\"%23[0-9]", number) == 1;
}

/* Gets a lease, or renews it; its time counts from the request. */
bool
etcd_renew(int64_t until) {
    char question[64], answer[ANSWER_SIZE], granted[24];
    int64_t asked = etcd_now();
    if (*lease)
        snprintf(question, sizeof question, "{\"ID\":\"%s\"}", lease);
    else
        snprintf(question, sizeof question, "{\"TTL\":%d}",
                 (int)(ttl / SECOND));
    if (!ask_etcd(*lease ? "lease/keepalive" : "lease/grant", question, until,
                  answer))
        return false;
    if (!copy_digits(answer, "TTL", granted) ||
        !copy_digits(answer, "ID", lease))
        *lease = '\0'; /* it has expired */
    if (*lease)
        valid = asked + ttl;
    return *lease;
}

int64_t
etcd_campaign(int64_t until) {
    char question[4096], answer[ANSWER_SIZE], number[24], own[40];
    snprintf(question, sizeof question,
             "{\"compare\":[{\"target\":\"CREATE\",\"key\":\"%s\","
             "\"createRevision\":\"0\"}],\"success\":[{\"requestPut\":{"
             "\"key\":\"%s\",\"value\":\"%s\",\"lease\":\"%s\"}}],"
             "\"failure\":[{\"requestRange\":{\"key\":\"%s\"}}]}",
             key, key, value, lease, key);
    snprintf(own, sizeof own, "\"lease\":\"%s\"", lease);
    if (!ask_etcd("kv/txn", question, until, answer))
        return 0;
    bool taken = strstr(answer, "\"succeeded\":true");
    const char *name = taken ? "revision" : "create_revision";
    return (taken || strstr(answer, own)) && copy_digits(answer, name, number)
               ? strtoll(number, NULL, 10)
               : 0;
}

void
etcd_revoke(int64_t until) {
    char question[64], answer[ANSWER_SIZE];
    snprintf(question, sizeof question, "{\"ID\":\"%s\"}", lease);
    ask_etcd("lease/revoke", question, until, answer);
}

int
etcd_open(const struct etcd_conf *conf) {
    its = *conf;
    snprintf(members, sizeof members, "%s", its.members);
    snprintf(lease, sizeof lease, "%s", its.lease);
    base64(its.key, key);
    base64(its.value, value);
    ttl = its.seconds * SECOND;
    patience = its.patience;
    return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? 0 : -1;
}

const char *
etcd_lease(void) {
    return lease;
}

int64_t
etcd_valid(void) {
    return valid;
}

bool
etcd_answers(void) {
    return answers;
}

const char *
etcd_reason(void) {
    return reason;
}

const struct part part_etcd = {.name = "etcd"};
