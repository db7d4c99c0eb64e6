/* fuzz etcd: any answer of etcd's is understood, or is none; a lease and a
 * token are digits and text, whatever they say. */
#include <assert.h>
#include <stdarg.h>
#include <stdint.h>

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

#undef curl_easy_setopt
#undef curl_easy_getinfo
#define curl_easy_init()              ((CURL *)&nothing)
#define curl_easy_cleanup(curl)       (void)(curl)
#define curl_easy_reset(curl)         (void)(curl)
#define curl_easy_setopt(...)         setopt(__VA_ARGS__)
#define curl_easy_getinfo(...)        getinfo(__VA_ARGS__)
#define curl_easy_perform(curl)       perform(curl)
#define curl_easy_strerror(result)    "fault"
#define curl_slist_append(list, text) NULL
#define curl_slist_free_all(list)     (void)(list)
#define curl_global_init(what)        CURLE_OK

static int nothing, setopt(CURL *curl, CURLoption option, ...);
static int getinfo(CURL *curl, CURLINFO what, long *status);
static CURLcode perform(CURL *curl);

#include "../../parts/etcd.c"
#include "../../runtime/buffer.c"
#include "../../runtime/text.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *input;
static size_t left;
static char *target;

static int
setopt(CURL *curl, CURLoption option, ...) {
    va_list args;
    (void)curl;
    va_start(args, option);
    if (option == CURLOPT_WRITEDATA)
        target = va_arg(args, char *);
    va_end(args);
    return 0;
}

static int
getinfo(CURL *curl, CURLINFO what, long *status) {
    (void)curl, (void)what;
    *status = left % 5 == 0 ? 401 : left % 7 == 0 ? 500 : 200;
    return 0;
}

/* The next piece of the input, up to a NUL byte, is the answer. */
static CURLcode
perform(CURL *curl) {
    (void)curl;
    const uint8_t *end = left ? memchr(input, 0, left) : NULL;
    size_t length = end ? (size_t)(end - input) : left;
    char *copy = malloc(length + 1); /* exact, for the sanitizer */
    if (!copy)
        abort();
    memcpy(copy, input, length);
    size_t half = length / 2;
    take_answer(copy, 1, half, target);
    take_answer(copy + half, 1, length - half, target);
    free(copy);
    assert(strlen(target) < ANSWER_SIZE);
    length += end != NULL;
    input += length;
    left -= length;
    return left % 11 == 3 ? CURLE_COULDNT_CONNECT : CURLE_OK;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct etcd_conf conf = {.members = "http://a:1,http://b:2",
                             .key = "/key",
                             .value = "who",
                             .lease = "",
                             .seconds = 15,
                             .patience = 4 * SECOND,
                             .ca = "",
                             .certificate = "",
                             .private_key = "",
                             .user = size % 2 ? "user" : "",
                             .password = "a\"b"};
    input = data;
    left = size;
    *token = '\0';
    etcd_open(&conf);
    for (int turn = 0; turn < 3; turn++) {
        int64_t until = etcd_now() + SECOND;
        etcd_renew(until);
        assert(strspn(etcd_lease(), "0123456789") == strlen(etcd_lease()));
        assert(strlen(etcd_lease()) < 24);
        etcd_campaign(until);
        assert(strlen(token) < sizeof token);
    }
    etcd_revoke(etcd_now() + SECOND);
    assert(strlen(etcd_reason()) < sizeof reason);
    return 0;
}
