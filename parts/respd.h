/* respd: the Redis protocol (RESP 2); connections survive reloads
 *
 * needs: map stream
 *
 * Requests are arrays of bulk strings, pipelined and binary-safe, or plain
 * lines, as typed by a person. The part itself answers PING, ECHO, COMMAND,
 * CONFIG GET and QUIT. */
#ifndef RESPD_H
#define RESPD_H

#include "map.h"
#include "stream.h"

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

enum { SVR_RESP_WORDS = 1024 };

/* A request; valid during the call. words[0] is the command. */
struct svr_resp {
    struct svr_stream *client;
    int count;
    struct svr_bytes words[SVR_RESP_WORDS];
};

/* A command: its name, how many words it has (name included), and the function
 * that runs it. */
struct svr_command {
    const char *name;
    int least, most;
    void (*run)(const struct svr_resp *request);
};

/* svr_resp listens at an address (svr_listen) and hands each request to `call`,
 * a callback of the handler's table, with a struct svr_resp *; a failure closes
 * that connection. At most `most` clients at once, 1 or more; a word has at
 * most 1 MiB; a client that sends nothing for `idle` seconds, 0.1 to 86400, is
 * closed. Call it in on_start and in on_reload, where every argument may
 * change; connected clients stay. Loop thread, like all functions here. Returns
 * 0, or SVR_FAILED, as svr_fail. */
int svr_resp(const char *address, svr_call *call, int64_t most, double idle);

/* svr_resp_run finds the command of a request in a table, whose last row has no
 * name, and runs it, or answers with an error. Returns SVR_OK. */
int svr_resp_run(const struct svr_resp *request,
                 const struct svr_command *commands);

/* svr_resp_integer reads a word that is an integer. For any other it answers
 * with an error and returns false. */
bool svr_resp_integer(const struct svr_resp *request, struct svr_bytes word,
                      int64_t *number);

/* Each sends an answer: a number, bytes, nil, a list of the next `count`
 * answers, a status ("OK") or an error ("ERR ..."), both without a newline. */
void svr_resp_number(struct svr_stream *client, int64_t number);
void svr_resp_word(struct svr_stream *client, struct svr_bytes word);
void svr_resp_nil(struct svr_stream *client);
void svr_resp_list(struct svr_stream *client, int64_t count);
void svr_resp_status(struct svr_stream *client, const char *status);
void svr_resp_error(struct svr_stream *client, const char *error);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
