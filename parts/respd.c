/* respd: the Redis protocol (RESP 2); connections survive reloads. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <string.h>

#include "handler.h"
#include "part.h"
#include "respd.h"

enum { WORD_MOST = 1 << 20, REQUEST_MOST = 64 << 20 };

/* The request framed last; the next call of the handler is for it. */
static struct svr_resp request;

/* ---- Requests --------------------------------------------------------- */

enum { NOT_WHOLE = -1, NO_COUNT = -2 };

/* Reads "*12\r\n" or "$12\r\n" at `*at`, and advances it. Returns the
 * number. */
static int
read_count(const struct svr_message *message, size_t *at, char kind, int most) {
    const char *data = message->data;
    size_t i = *at + 1, size = message->size;
    int count = 0;
    if (*at < size && data[*at] != kind)
        return NO_COUNT;
    for (; i < size && data[i] >= '0' && data[i] <= '9'; i++) {
        count = count * 10 + data[i] - '0';
        if (count > most)
            return NO_COUNT;
    }
    if (i + 1 >= size)
        return i >= size || data[i] == '\r' ? NOT_WHOLE : NO_COUNT;
    if (data[i] != '\r' || data[i + 1] != '\n' || i == *at + 1)
        return NO_COUNT;
    *at = i + 2;
    return count;
}

/* Reads a line of words with spaces between them. Returns its length, 0 or
 * NO_COUNT. */
static int
read_words(const struct svr_message *message) {
    int length = svr_stream_line(message);
    const char *at = message->data, *end = at + length;
    request.count = 0;
    while (at < end) {
        const char *from = at;
        while (at < end && !strchr(" \r\n", *at))
            at++;
        if (at == from)
            at++;
        else if (request.count == SVR_RESP_WORDS)
            return NO_COUNT;
        else
            request.words[request.count++] =
                (struct svr_bytes){from, (size_t)(at - from)};
    }
    return length;
}

/* Returns the length of a request, a lower bound of it, 0 or NO_COUNT. */
static int
measure_request(const struct svr_message *message) {
    size_t at = 0;
    if (*message->data != '*')
        return read_words(message);
    int count = read_count(message, &at, '*', SVR_RESP_WORDS);
    if (count < 0)
        return count == NOT_WHOLE ? 0 : NO_COUNT;
    for (int i = 0; i < count; i++) {
        int length = read_count(message, &at, '$', WORD_MOST);
        if (length < 0)
            return length == NOT_WHOLE ? 0 : NO_COUNT;
        request.words[i] =
            (struct svr_bytes){message->data + at, (size_t)length};
        at += (size_t)length + 2;
        if (at > message->size)
            return (int)at;
    }
    request.count = count;
    return (int)at;
}

static int
frame_request(void *arg) {
    const struct svr_message *message = arg;
    int length = measure_request(message);
    if (length >= 0)
        return length;
    svr_resp_error(message->stream, "ERR Protocol error: no list of at most "
                                    "1024 words of at most 1 MiB");
    return svr_fail("this is not the Redis protocol");
}

/* ---- Commands --------------------------------------------------------- */

static void
answer_ping(const struct svr_resp *ping) {
    if (ping->count > 1)
        svr_resp_word(ping->client, ping->words[1]);
    else
        svr_resp_status(ping->client, "PONG");
}

/* Answers the questions of redis-cli and redis-benchmark: nothing is set. */
static void
answer_nothing(const struct svr_resp *command) {
    svr_resp_list(command->client, command->count == 3 ? 2 : 0);
    if (command->count != 3)
        return;
    svr_resp_word(command->client, command->words[2]);
    svr_resp_word(command->client, (struct svr_bytes){"", 0});
}

static void
answer_quit(const struct svr_resp *quit) {
    svr_resp_status(quit->client, "OK");
    svr_stream_close(quit->client);
}

static const struct svr_command own_commands[] = {
    {"PING", 1, 2, answer_ping},      {"ECHO", 2, 2, answer_ping},
    {"CONFIG", 3, 3, answer_nothing}, {"COMMAND", 1, 2, answer_nothing},
    {"QUIT", 1, 1, answer_quit},      {.name = NULL},
};

static const struct svr_command *
find_command(const struct svr_command *commands, struct svr_bytes word) {
    for (; commands->name; commands++)
        if (strlen(commands->name) == word.size &&
            strncasecmp(commands->name, word.data, word.size) == 0)
            return commands;
    return NULL;
}

int
svr_resp_run(const struct svr_resp *asked, const struct svr_command *commands) {
    struct svr_bytes name = asked->words[0];
    const struct svr_command *command = find_command(commands, name);
    if (!command)
        command = find_command(own_commands, name);
    if (!command)
        svr_stream_print(asked->client, "-ERR unknown command '%.*s'\r\n",
                         name.size < 64 ? (int)name.size : 64, name.data);
    else if (asked->count < command->least || asked->count > command->most)
        svr_stream_print(asked->client,
                         "-ERR wrong number of arguments for '%s' command\r\n",
                         command->name);
    else
        command->run(asked);
    return SVR_OK;
}

bool
svr_resp_integer(const struct svr_resp *asked, struct svr_bytes word,
                 int64_t *number) {
    bool minus = word.size > 0 && word.data[0] == '-';
    bool good = word.size > minus;
    *number = 0;
    for (size_t i = minus; good && i < word.size; i++) {
        int digit = word.data[i] - '0';
        good = digit >= 0 && digit <= 9 &&
               !__builtin_mul_overflow(*number, 10, number) &&
               !__builtin_add_overflow(*number, minus ? -digit : digit, number);
    }
    if (!good)
        svr_resp_error(asked->client,
                       "ERR value is not an integer or out of range");
    return good;
}

/* ---- Answers ---------------------------------------------------------- */

/* Sends a kind, a number and the end of a line. */
static void
send_number(struct svr_stream *client, char kind, int64_t number) {
    char text[32], *at = text + sizeof text;
    uint64_t left = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    *--at = '\n';
    *--at = '\r';
    do
        *--at = (char)('0' + left % 10);
    while ((left /= 10) > 0);
    if (number < 0)
        *--at = '-';
    *--at = kind;
    svr_stream_send(client, at, (size_t)(text + sizeof text - at));
}

void
svr_resp_number(struct svr_stream *client, int64_t number) {
    send_number(client, ':', number);
}

void
svr_resp_word(struct svr_stream *client, struct svr_bytes word) {
    send_number(client, '$', (int64_t)word.size);
    svr_stream_send(client, word.data, word.size);
    svr_stream_send(client, "\r\n", 2);
}

void
svr_resp_nil(struct svr_stream *client) {
    send_number(client, '$', -1);
}

void
svr_resp_list(struct svr_stream *client, int64_t count) {
    send_number(client, '*', count);
}

void
svr_resp_status(struct svr_stream *client, const char *status) {
    svr_stream_send(client, "+", 1);
    svr_stream_send(client, status, strlen(status));
    svr_stream_send(client, "\r\n", 2);
}

void
svr_resp_error(struct svr_stream *client, const char *error) {
    svr_stream_print(client, "-%s\r\n", error);
}

/* ---- Listening -------------------------------------------------------- */

static int
take_request(void *arg) {
    const struct svr_message *message = arg;
    request.client = message->stream;
    return request.count == 0
               ? 0
               : handler_call(stream_callback(message->stream, STREAM_MESSAGE),
                              &request);
}

int
svr_resp(const char *address, svr_call *call, int64_t most, double idle) {
    struct stream_terms terms;
    struct svr_protocol protocol = {
        .frame = call,
        .message = call,
        .most = most ? most : -1, /* 0 does not mean the default here */
        .message_size = REQUEST_MOST,
        .idle = idle != 0 ? idle : -1,
        .refusal = "-ERR max number of clients reached\r\n"};
    if (stream_read_terms("svr_resp", &protocol, &terms) < 0)
        return SVR_FAILED;
    terms.calls[STREAM_FRAME] = (struct stream_call){NULL, frame_request};
    terms.calls[STREAM_MESSAGE].own = take_request;
    return stream_serve("svr_resp", "resp", address, &terms);
}

const struct part part_respd = {.name = "respd"};
