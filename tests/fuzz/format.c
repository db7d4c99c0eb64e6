/* fuzz format: any format and any message make one line within LINE_SIZE. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../parts/json.c"
#include "../../runtime/format.c"
#include "../../runtime/failure.c"
#include "../../runtime/frames.c"
#include "../../runtime/text.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

size_t (*part_format(const char *word))(const struct event *event, char *line) {
    return strcmp(word, "json") == 0 ? json_line : NULL;
}

/* The input: a format, a NUL byte, a message. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *source = calloc(1, size + 2), line[LINE_ROOM];
    struct format format;
    memcpy(source, data, size);
    const char *message = source + strlen(source) + 1;
    if (format_compile(&format, source, "demo") == 0) {
        struct event event = {.level = SVR_WARN,
                              .line = 42,
                              .now = {1700000000, 5000000},
                              .name = "demo",
                              .file = "my_server.c",
                              .function = "run",
                              .message = message};
        size_t length = format_line(&format, &event, line);
        assert(length > 0 && length < LINE_SIZE);
        assert(line[length - 1] == '\n' && line[length] == '\0');
    } else {
        assert(*failure_reason() && !strchr(failure_reason(), '\n'));
    }
    free(source);
    return 0;
}
