/* fuzz respd: clients' bytes, in any pieces, are requests whose words lie in
 * them. */
#include "client.h"

#include "../../parts/respd.c"

static size_t requests_seen;

static void
echo(const struct svr_resp *asked) {
    int64_t number;
    for (int i = 0; i < asked->count; i++)
        svr_resp_word(asked->client, asked->words[i]);
    svr_resp_integer(asked, asked->words[0], &number);
}

static const struct svr_command table[] = {
    {"GET", 1, SVR_RESP_WORDS, echo},
    {.name = NULL},
};

int
handler_call(const char *name, void *arg) {
    const struct svr_resp *asked = arg;
    (void)name;
    assert(asked->count > 0 && asked->count <= SVR_RESP_WORDS);
    requests_seen++;
    return svr_resp_run(asked, table);
}

static int
no_call(void *unused) {
    return unused != NULL;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    requests_seen = 0;
    if (svr_resp("", no_call, 1, 1) < 0)
        abort();
    size_t ends = be_client(data, size, '\n');
    assert(requests_seen <= ends);
    return 0;
}
