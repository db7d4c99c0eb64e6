/* format: how a log line looks; compiled once, used for each line. */
#define _GNU_SOURCE
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "failure.h"
#include "format.h"
#include "part.h"
#include "text.h"

static const char *const words[PLACES] = {
    [LEVEL] = "%(levelname)s",   /* DEBUG, INFO, WARN or ERROR */
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

static char process[12];

static enum place
find_placeholder(const char *text) {
    enum place place = LEVEL;
    while (place < PLACES &&
           strncmp(text, words[place], strlen(words[place])) != 0)
        place++;
    return place;
}

int
format_compile(struct format *format, const char *source) {
    *format = (struct format){.write = part_format(source)};
    if (format->write)
        return 0;
    if (*source && source[strspn(source, LETTERS)] == '\0')
        return svr_fail("the format \"%.24s\" needs a part of this name "
                        "(tiny-new --update --with %.24s .)",
                        source, source);
    for (const char *c = source; *c;) {
        struct step step = {PLACES, c, strcspn(c, "%")};
        const char *next = c + step.length;
        if (*c == '%' && c[1] == '%') {
            step.length = 1;
            next = c + 2;
        } else if (*c == '%') {
            size_t word = strcspn(c, " ");
            step.place = find_placeholder(c);
            if (step.place == PLACES)
                return svr_fail("unknown placeholder \"%.*s\"",
                                word < 24 ? (int)word : 24, c);
            next = c + strlen(words[step.place]);
        }
        if (format->count == STEPS)
            return svr_fail("a format with too many place-holders");
        format->steps[format->count++] = step;
        c = next;
    }
    return format->count ? 0 : svr_fail("an empty format");
}

/* ---- Values ----------------------------------------------------------- */

/* Writes a number's digits at the end of a buffer; returns where they begin. */
static const char *
write_digits(char *buffer, size_t size, long number) {
    char *c = buffer + size - 1;
    *c = '\0';
    do
        *--c = (char)('0' + number % 10);
    while (number /= 10);
    return c;
}

static void
read_process(void) {
    snprintf(process, sizeof process, "%d", (int)getpid());
}

/* Reads the process's number once, and again in a child. */
static void
know_process(void) {
    pthread_atfork(NULL, NULL, read_process);
    read_process();
}

void
format_event(struct event *event, int line) {
    static const char *const levels[] = {"DEBUG", "INFO", "WARNING", "ERROR"};
    static _Thread_local time_t second = -1;
    static _Thread_local char clock[24], thread[12];
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (event->now.tv_sec != second) {
        struct tm local;
        pthread_once(&once, know_process);
        second = event->now.tv_sec;
        localtime_r(&second, &local);
        strftime(clock, sizeof clock, "%Y-%m-%d %H:%M:%S,", &local);
        snprintf(thread, sizeof thread, "%d", (int)gettid());
    }
    const char **values = event->values;
    int millis = (int)(event->now.tv_nsec / 1000000);
    char *fraction = stpcpy(event->time, clock);
    fraction[0] = (char)('0' + millis / 100);
    fraction[1] = (char)('0' + millis / 10 % 10);
    fraction[2] = (char)('0' + millis % 10);
    fraction[3] = '\0';
    values[LEVEL] = levels[event->level];
    values[PROCESS] = process;
    values[LINENO] = write_digits(event->line, sizeof event->line, line);
    values[ASCTIME] = event->time;
    values[MSECS] = fraction + (millis < 100) + (millis < 10);
    values[THREAD] = thread;
}

/* ---- Lines ------------------------------------------------------------ */

/* Copies what a step stands for, a message as one line. Returns its length. */
static size_t
put_step(const struct step *step, const struct event *event, char *to,
         size_t room) {
    bool literal = step->place == PLACES;
    const char *text = literal ? step->text : event->values[step->place];
    if (step->place == MESSAGE)
        return text_line(to, room + 1, text);
    size_t length = literal ? step->length : strnlen(text, room);
    if (length > room)
        length = room;
    memcpy(to, text, length);
    return length;
}

size_t
format_line(const struct format *format, const struct event *event,
            char line[LINE_SIZE]) {
    static const char cut[] = {'.', '.', '.'};
    size_t used = 0, end = LINE_SIZE - 2;
    if (format->write)
        return format->write(event, line);
    for (int i = 0; i < format->count; i++)
        used += put_step(&format->steps[i], event, line + used, end - used);
    if (end - used <= sizeof cut) { /* full: a character has up to 4 bytes */
        used = end - sizeof cut;
        while ((line[used] & 0xc0) == 0x80)
            used--;
        memcpy(line + used, cut, sizeof cut);
        used += sizeof cut;
    }
    memcpy(line + used, "\n", 2);
    return used + 1;
}
