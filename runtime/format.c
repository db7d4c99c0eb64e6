/* format: the form of a log line, compiled once and used for each line. */
#define _GNU_SOURCE
#include <string.h>
#include <unistd.h>

#include "failure.h"
#include "format.h"
#include "part.h"
#include "text.h"

static const char *const words[PLACES] = {
    [LEVEL] = "%(levelname)s",   /* DEBUG, INFO, WARNING or ERROR */
    [NAME] = "%(name)s",         /* the server's name, svr.name */
    [PROCESS] = "%(process)d",   /* the process ID */
    [FILENAME] = "%(filename)s", /* the source file of the call */
    [LINENO] = "%(lineno)d",     /* the line in that file */
    [MESSAGE] = "%(message)s",   /* the message, as one line */
    [ASCTIME] = "%(asctime)s",   /* local time, with milliseconds */
    [MSECS] = "%(msecs)d",       /* the milliseconds of the time */
    [FUNCTION] = "%(funcName)s", /* the function of the call */
    [THREAD] = "%(thread)d",     /* the thread ID */
    [PERCENT] = "%%",            /* a percent sign */
};

#define LETTERS "abcdefghijklmnopqrstuvwxyz"

static pid_t process; /* the process that compiled the formats */

static enum place
find_placeholder(const char *text) {
    enum place place = LEVEL;
    while (place < PLACES &&
           strncmp(text, words[place], strlen(words[place])) != 0)
        place++;
    return place;
}

static int
add_place(struct format *format, enum place place) {
    if (format->count == STEPS)
        return svr_fail("a format with too many placeholders");
    format->steps[format->count++].place = (unsigned char)place;
    return 0;
}

/* Adds text to the last step; a new one begins when that is full. */
static int
add_text(struct format *format, const char *text, size_t length) {
    for (size_t i = 0; i < length; i++) {
        int count = format->count;
        bool full = count == 0 || format->steps[count - 1].length == STEP_TEXT;
        if (full && add_place(format, PLACES) < 0)
            return -1;
        struct step *last = &format->steps[format->count - 1];
        last->text[last->length++] = text[i];
    }
    return 0;
}

int
format_compile(struct format *format, const char *source, const char *name) {
    char number[12];
    const char *const texts[PLACES] = {
        [NAME] = name, [PROCESS] = number, [PERCENT] = "%"};
    int result = 0;
    process = getpid();
    snprintf(number, sizeof number, "%d", (int)process);
    *format = (struct format){.write = part_format(source)};
    if (format->write)
        return 0;
    if (*source && source[strspn(source, LETTERS)] == '\0')
        return svr_fail("the format \"%.24s\" needs a part of this name "
                        "(tiny-new --update --with %.24s .)",
                        source, source);
    while (*source && result == 0) {
        size_t plain = strcspn(source, "%");
        enum place place = find_placeholder(source);
        if (plain > 0)
            result = add_text(format, source, plain);
        else if (place == PLACES)
            return svr_fail("unknown placeholder \"%.*s\"",
                            (int)strcspn(source, " "), source);
        else if (texts[place])
            result = add_text(format, texts[place], strlen(texts[place]));
        else
            result = add_place(format, place);
        source += plain > 0 ? plain : strlen(words[place]);
    }
    return format->count ? result : svr_fail("an empty format");
}

/* ---- Values ----------------------------------------------------------- */

/* Values that each thread makes once a second. */
static _Thread_local struct {
    time_t second;
    pid_t thread;
    char clock[24];
} present = {.second = -1};

static void
begin_second(time_t second) {
    struct tm local;
    if (second == present.second)
        return;
    present.second = second;
    present.thread = gettid();
    localtime_r(&second, &local);
    strftime(present.clock, sizeof present.clock, "%Y-%m-%d %H:%M:%S,000",
             &local);
}

static size_t
put_text(char *to, size_t room, const char *text) {
    size_t length = strnlen(text, room);
    memcpy(to, text, length);
    return length;
}

static size_t
put_number(char *to, unsigned number) {
    char digits[12], *first = digits + sizeof digits;
    do
        *--first = (char)('0' + number % 10);
    while (number /= 10);
    size_t length = (size_t)(digits + sizeof digits - first);
    memcpy(to, first, length);
    return length;
}

static size_t
put_level(char *to, enum svr_level level) {
    static const char levels[][8] = {"DEBUG", "INFO", "WARNING", "ERROR"};
    static const unsigned char lengths[] = {5, 4, 7, 5};
    memcpy(to, levels[level], sizeof *levels);
    return lengths[level];
}

static size_t
put_time(char *to, const struct timespec *now) {
    unsigned millis = (unsigned)now->tv_nsec / 1000000;
    begin_second(now->tv_sec);
    memcpy(to, present.clock, sizeof present.clock);
    to[20] = (char)('0' + millis / 100);
    to[21] = (char)('0' + millis / 10 % 10);
    to[22] = (char)('0' + millis % 10);
    return 23;
}

/* Inlined, since a line has many places. */
__attribute__((always_inline)) static inline size_t
put_value(const struct event *event, enum place place, char *to, size_t room) {
    switch (place) {
    case LEVEL:
        return put_level(to, event->level);
    case NAME:
        return put_text(to, room, event->name);
    case PROCESS:
        return put_number(to, (unsigned)process);
    case FILENAME:
        return put_text(to, room, event->file);
    case LINENO:
        return put_number(to, (unsigned)event->line);
    case MESSAGE:
        return text_line(to, room + 1, event->message);
    case ASCTIME:
        return put_time(to, &event->now);
    case MSECS:
        return put_number(to, (unsigned)event->now.tv_nsec / 1000000);
    case FUNCTION:
        return put_text(to, room, event->function);
    case THREAD:
        begin_second(event->now.tv_sec);
        return put_number(to, (unsigned)present.thread);
    case PERCENT:
    case PLACES:
        break;
    }
    return 0;
}

size_t
format_value(const struct event *event, enum place place, char *to,
             size_t room) {
    return put_value(event, place, to, room);
}

/* ---- Lines ------------------------------------------------------------ */

size_t
format_line(const struct format *format, const struct event *event,
            char line[LINE_ROOM]) {
    static const char cut[] = {'.', '.', '.'};
    const struct step *step = format->steps, *last = step + format->count;
    char *to = line, *end = line + LINE_SIZE - 2;
    if (format->write)
        return format->write(event, line);
    for (; step < last && to < end; step++) {
        to += put_value(event, step->place, to, (size_t)(end - to));
        memcpy(to, step->text, sizeof step->text);
        to += step->length;
    }
    if (to >= end - sizeof cut) { /* full: a character has up to 4 bytes */
        to = end - sizeof cut;
        while ((*to & 0xc0) == 0x80)
            to--;
        memcpy(to, cut, sizeof cut);
        to += sizeof cut;
    }
    memcpy(to, "\n", 2);
    return (size_t)(to + 1 - line);
}
