/* stream: buffered connections for any protocol; they survive reloads
 *
 * needs: connect listen
 * header: sys/queue.h libc6-dev bsd-compat-headers
 *
 * A message may arrive in pieces, or many at once; answers may have any size.
 * Connections may be incoming or outgoing. From a client that does not read its
 * answers nothing is read. At the close new clients are not accepted, and
 * messages already sent are answered, for a second at most; then all
 * connections end. Loop thread. */
#ifndef STREAM_H
#define STREAM_H

#include <stddef.h>
#include <sys/types.h>

#include "svr.h"

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

/* A connection. It survives reloads, and is valid until its `closed` has been
 * called. */
struct svr_stream {
    void *user;    /* yours; free it in `closed` */
    size_t unsent; /* bytes that wait to be sent; read only */
};

/* The argument of the callbacks; valid during the call. */
struct svr_message {
    struct svr_stream *stream;
    char *data;  /* in `frame` all bytes received; in `message` one message,
                    which you may change */
    size_t size; /* of it */
    bool last;   /* the peer will send no more */
    const char *reason; /* in `lost` and `closed`: why */
};

/* A protocol: callbacks of the handler's table, each called with a struct
 * svr_message *, and limits; 0 = the default given here. A reload finds the
 * callbacks in the new code by their names, and is rejected if one is gone. */
struct svr_protocol {
    /* Returns how many bytes the next message has, even if not all have
     * arrived; 0 = not known yet. It fails if the bytes violate the protocol:
     * the connection is then closed, after what waits to be sent. Required. */
    svr_call *frame;
    /* Handles a message. A failure is the server's, as in any callback, and
     * closes the connection. Required. */
    svr_call *message;
    svr_call *opened;  /* a connection is made */
    svr_call *drained; /* all is sent, after svr_stream_send had returned 1 */
    svr_call *lost; /* a connection with `retry` is lost, or could not be made;
                       unsent bytes are dropped */
    svr_call *closed;     /* it has ended: the last call for it */
    int64_t most;         /* clients at once; 1000 */
    int64_t message_size; /* bytes of a message; 1 MiB */
    int64_t unsent_size; /* bytes that may wait to be sent; 64 MiB. A connection
                            with more is closed */
    double idle; /* seconds without a byte in either direction; 300; none for
                    outgoing connections */
    double slow; /* seconds that a message may take to arrive; 30 */
    /* The text sent to a client beyond `most` before it is closed, at most 127
     * bytes. NULL = such a client is not accepted until there is room. */
    const char *refusal;
    bool plain; /* no TLS, even if the part tls has a certificate */
    /* For svr_stream_connect: */
    double limit; /* seconds that connecting may take; 10 */
    double retry; /* the longest pause, in seconds, before a lost connection is
                     made again; pauses grow and are random. 0 = it is not made
                     again */
    /* Use TLS, and verify that the certificate is for this name, at most 127
     * bytes; NULL = no TLS. Needs the part tls. */
    const char *name;
};

/* svr_stream_listen serves clients at an address (svr_listen); "" = no more.
 * `key` identifies the listener, at most 31 bytes; a server may have several.
 * Call it in on_start and in on_reload, where all else may change; connected
 * clients stay, with the new protocol. Returns 0, or SVR_FAILED, as
 * svr_fail. */
int svr_stream_listen(const char *key, const char *address,
                      struct svr_protocol protocol);

/* svr_stream_connect connects to "HOST:PORT", "[HOST]:PORT" or the path of a
 * unix socket; a name is resolved on a thread. Bytes sent before it is
 * connected wait. Each failure is reported to `lost` or `closed`. Returns the
 * connection, or NULL, as svr_fail. */
struct svr_stream *svr_stream_connect(const char *address,
                                      struct svr_protocol protocol, void *user);

/* svr_stream_send sends bytes, which it copies; any callback may send to any
 * connection. Returns 0; 1 if much is waiting to be sent, so that the caller
 * had better wait for `drained`; or SVR_FAILED, as svr_fail: the connection is
 * closing, more than `unsent_size` bytes wait, or memory is short (it is then
 * closed). svr_stream_print sends a text, formatted as by printf(3). */
int svr_stream_send(struct svr_stream *stream, const void *data, size_t size);
int svr_stream_print(struct svr_stream *stream, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* svr_stream_close closes a connection once all is sent; of its callbacks only
 * `closed` is called after that. */
void svr_stream_close(struct svr_stream *stream);

/* svr_stream_pause holds further messages back until svr_stream_resume, for
 * example while svr_work prepares an answer. A paused connection is closed
 * neither as idle nor because its peer sends no more. */
void svr_stream_pause(struct svr_stream *stream);
void svr_stream_resume(struct svr_stream *stream);

/* svr_stream_peer writes the peer's address, as "127.0.0.1:40312", for a log
 * line; "unix" for a unix socket, "" if there is none. */
void svr_stream_peer(const struct svr_stream *stream, char text[64]);

/* svr_stream_line frames lines: it returns the length up to and including the
 * next '\n', or 0. In `frame`: `return svr_stream_line(arg);` */
int svr_stream_line(const struct svr_message *message);

/* svr_stream_clients returns the number of clients of all listeners. */
int64_t svr_stream_clients(void);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop

/* ---- For parts -------------------------------------------------------- */

/* A callback: a part's own, or the handler's of that name. */
struct stream_call {
    const char *name;
    svr_call *own;
};
enum stream_calls {
    STREAM_FRAME,
    STREAM_MESSAGE,
    STREAM_OPENED,
    STREAM_DRAINED,
    STREAM_LOST,
    STREAM_CLOSED,
    STREAM_CALLS
};

/* A protocol with its callbacks by name. */
struct stream_terms {
    struct stream_call calls[STREAM_CALLS];
    int64_t most, idle, slow, limit, retry; /* times in nanoseconds */
    size_t message_size, unsent_size;
    bool plain;
    char refusal[128], name[128];
};

/* stream_read_terms reads a protocol. Returns 0, or SVR_FAILED, as svr_fail.
 * `who` is the function named in the reason. */
int stream_read_terms(const char *who, const struct svr_protocol *protocol,
                      struct stream_terms *terms);

/* stream_serve is svr_stream_listen with these terms. */
int stream_serve(const char *who, const char *key, const char *address,
                 const struct stream_terms *terms);

/* stream_callback returns the name of the handler's callback, or NULL. */
const char *stream_callback(const struct svr_stream *stream,
                            enum stream_calls which);

/* The functions that the part tls provides. A session is what `open`
 * returned. */
struct stream_tls {
    /* Returns the session of a connected socket, or NULL, as svr_fail. `name`
     * NULL = the server's side. Sets *off if no certificate is set: the socket
     * then stays plain. */
    void *(*open)(int fd, const char *name, bool *off);
    /* As recv(2) and send(2). -1 with EAGAIN = wait for `wants`. */
    ssize_t (*receive)(void *session, char *data, size_t size);
    ssize_t (*send)(void *session, const char *data, size_t size);
    int (*wants)(void *session);        /* SVR_READ or SVR_WRITE, in addition */
    bool (*established)(void *session); /* the handshake is over */
    const char *(*reason)(void *session); /* of the last failure */
    void (*close)(void *session);
};
extern const struct stream_tls *stream_tls;

#endif
