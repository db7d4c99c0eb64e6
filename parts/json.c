/* json: log lines as JSON: a sink's format that is only the word json. */
#include <stdio.h>
#include <string.h>

#include "format.h"
#include "part.h"
#include "text.h"

/* The members before the message, which comes last since it may be cut. */
static const struct {
    const char *name;
    enum place place;
    bool number;
} members[] = {
    {"time", ASCTIME, false}, {"level", LEVEL, false},
    {"name", NAME, false},    {"process", PROCESS, true},
    {"thread", THREAD, true}, {"file", FILENAME, false},
    {"line", LINENO, true},   {"function", FUNCTION, false},
};

/* Writes a text in quotes, in at most `room` bytes (2 or more); what does not
 * fit is left out, never half a character. Returns the length. */
static size_t
put_json(char *to, size_t room, const char *text) {
    size_t used = 1, length;
    char character[8];
    int taken;
    *to = '"';
    for (; *text; text += taken) {
        length = text_json(text, character, &taken);
        if (used + length + 1 > room)
            break;
        memcpy(to + used, character, length);
        used += length;
    }
    to[used] = '"';
    return used + 1;
}

static size_t
json_line(const struct event *event, char *line) {
    char value[LINE_ROOM];
    size_t used = 0, count = sizeof members / sizeof *members;
    for (size_t i = 0; i < count; i++) {
        size_t length =
            format_value(event, members[i].place, value, LINE_SIZE - 1);
        value[length] = '\0';
        used += (size_t)sprintf(line + used, "%s\"%s\": ", i ? ", " : "{",
                                members[i].name);
        used += members[i].number
                    ? (size_t)sprintf(line + used, "%s", value)
                    : put_json(line + used, LINE_SIZE / 2 - used, value);
    }
    used += (size_t)sprintf(line + used, ", \"message\": ");
    used += put_json(line + used, LINE_SIZE - 4 - used, event->message);
    memcpy(line + used, "}\n", 3);
    return used + 2;
}

const struct part part_json = {
    .name = "json", .format = "json", .write_line = json_line};
