/* format: how a log line looks; compiled once, used for each line. */
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
    [PROCESS] = "%(process)d",   /* the process */
    [FILENAME] = "%(filename)s", /* the source file of the call */
    [LINENO] = "%(lineno)d",     /* the line in it */
    [MESSAGE] = "%(message)s",   /* the message, as one line */
    [ASCTIME] = "%(asctime)s",   /* local time, with milliseconds */
    [MSECS] = "%(msecs)d",       /* the milliseconds of the time */
    [FUNCTION] = "%(funcName)s", /* the function of the call */
    [THREAD] = "%(thread)d",     /* the thread */
};

#define LETTERS "abcdefghijklmnopqrstuvwxyz"

static pid_t process; /* of which the formats are */

static enum place
find_placeholder(const char *text) {
    enum place place = LEVEL;
    while (place < PLACES &&
           strncmp(text, words[place], strlen(words[place])) != 0)
        place++;
    return place;
}

/* Adds a place, or a character where the place is PLACES. */
static int
add_step(struct format *format, enum place place, char character) {
    struct step *step = &format->steps[format->count];
    if (format->count > 0 && step[-1].place == PLACES &&
        step[-1].length < STEP_TEXT)
        step--;
    else if (format->count++ == STEPS)
        return svr_fail("a format with too many place-holders");
    step->place = (unsigned char)place;
    if (place == PLACES)
        step->text[step->length++] = character;
    return 0;
}

static int
add_text(struct format *format, const char *text) {
    int result = 0;
    for (; *text && result == 0; text++)
        result = add_step(format, PLACES, *text);
    return result;
}

int
format_compile(struct format *format, const char *source, const char *name) {
    char number[12];
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
        enum place place = find_placeholder(source);
        size_t word = strcspn(source, " ");
        if (place == PLACES && *source == '%' && source[1] != '%')
            return svr_fail("unknown placeholder \"%.*s\"",
                            word < 24 ? (int)word : 24, source);
        if (place == NAME || place == PROCESS)
            result = add_text(format, place == NAME ? name : number);
        else
            result = add_step(format, place, *source);
        source += place < PLACES   ? strlen(words[place])
                  : *source == '%' ? 2
                                   : 1;
    }
    return format->count ? result : svr_fail("an empty format");
}

/* ---- Values ----------------------------------------------------------- */

/* What is made once a second in each thread. */
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

size_t
format_value(const struct event *event, enum place place, char *to,
             size_t room) {
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
    case PLACES:
        break;
    }
    return 0;
}

/* ---- Lines ------------------------------------------------------------ */

size_t
format_line(const struct format *format, const struct event *event,
            char line[LINE_ROOM]) {
    static const char cut[] = {'.', '.', '.'};
    size_t used = 0, end = LINE_SIZE - 2;
    if (format->write)
        return format->write(event, line);
    for (int i = 0; i < format->count && used < end; i++) {
        const struct step *step = &format->steps[i];
        memcpy(line + used, step->text, sizeof step->text);
        used += step->length;
        if (used < end)
            used += format_value(event, step->place, line + used, end - used);
    }
    if (used + sizeof cut >= end) { /* full: a character has up to 4 bytes */
        used = end - sizeof cut;
        while ((line[used] & 0xc0) == 0x80)
            used--;
        memcpy(line + used, cut, sizeof cut);
        used += sizeof cut;
    }
    memcpy(line + used, "\n", 2);
    return used + 1;
}
