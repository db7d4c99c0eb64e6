/* fuzz lines: clients' bytes, in any pieces, are each line once, in order. */
#include "client.h"

#include "../../parts/lines.c"

static size_t lines_seen;

/* It counts lines and answers each. */
int
handler_call(const char *name, void *arg) {
    struct svr_line *line = arg;
    (void)name;
    assert(line->length < SVR_LINE_SIZE && line->text[line->length] == '\0');
    assert(!memchr(line->text, '\n', line->length));
    lines_seen += !line->why;
    snprintf(line->answer, line->size, "%zu %s\n", line->length, line->text);
    line->last = line->last || strcmp(line->text, "QUIT") == 0;
    return strcmp(line->text, "FAIL") == 0 ? SVR_FAILED : SVR_OK;
}

static int
no_call(void *unused) {
    return unused != NULL;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    lines_seen = 0;
    most = 1;
    if (svr_lines("", no_call, 1, 1) < 0)
        abort();
    size_t ends = be_client(data, size, '\n');
    assert(lines_seen <= ends);
    return 0;
}
