/* stream: buffered connections for any protocol, in and out, over reloads
 *
 * needs: connect listen
 * header: sys/queue.h libc6-dev bsd-compat-headers
 *
 * Bytes may come in pieces or many messages at once; answers may have any size.
 * A client that does not read its answers is not read from. At the close no
 * more clients come, and those who have asked get their answers, for a second
 * at most; then all connections end. All of it on the loop thread. */
#ifndef STREAM_H
#define STREAM_H

#include <stddef.h>
#include <sys/types.h>

#include "svr.h"

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

/* A connection. It lives over reloads, and is valid until its `closed` was
 * called. */
struct svr_stream {
    void *user;    /* yours; free it in `closed` */
    size_t unsent; /* how many bytes wait to be sent; read only */
};

/* What the callbacks get; valid during the call. */
struct svr_message {
    struct svr_stream *stream;
    char *data;         /* frame: all bytes that have come; message: those of
                           one message, yours to change */
    size_t size;        /* of it */
    bool last;          /* the peer sends no more */
    const char *reason; /* lost, closed: why */
};

/* A protocol: callbacks of the handler's table, each called with a struct
 * svr_message *, and limits; 0 = the default given here. A reload finds the
 * callbacks in the new code by their names, and is rejected if one is gone. */
struct svr_protocol {
    /* Returns how many bytes make the next message, also if they have not all
     * come yet; 0 = that cannot be known yet; a failure: these bytes are not
     * of the protocol, and the connection is closed, after what was sent to
     * it. Required. */
    svr_call *frame;
    /* Handles a message. A failure is one of the server, as in any callback,
     * and closes the connection. Required. */
    svr_call *message;
    svr_call *opened;  /* a connection is there */
    svr_call *drained; /* all is sent, after svr_stream_send returned 1 */
    svr_call *lost;    /* a connection that is made again (`retry`) is lost, or
                          could not be made; what was unsent is dropped */
    svr_call *closed;  /* it is over: the last call for it */
    int64_t most;      /* clients at once; 1000 */
    int64_t message_size; /* bytes of a message; 1 MiB */
    int64_t unsent_size;  /* bytes that may wait to be sent; 64 MiB; with more
                             a connection is closed */
    double idle; /* seconds without a byte in either direction; 300, out: no
           limit */
    double slow; /* seconds that a message may take to come; 30 */
    /* What a client beyond `most` is sent before it is closed, at most 127
     * bytes. NULL: it waits, not accepted, until there is room. */
    const char *refusal;
    bool plain; /* no TLS, also where the part tls has a certificate */
    /* svr_stream_connect: */
    double limit;     /* seconds that connecting may take; 10 */
    double retry;     /* the longest pause in seconds before a connection that
                         was lost is made again, in growing, random steps;
                         0 = it is not */
    const char *name; /* TLS, verified for this name, at most 127 bytes; NULL =
                         none. Needs the part tls */
};

/* svr_stream_listen serves clients at an address (svr_listen); "" = no more.
 * `key` names the place, at most 31 bytes; a server may have several. For
 * on_start, and for on_reload, which may change all of it: the clients there
 * are stay, with the new protocol. Returns 0, or SVR_FAILED, as svr_fail. */
int svr_stream_listen(const char *key, const char *address,
                      struct svr_protocol protocol);

/* svr_stream_connect connects to "HOST:PORT", "[HOST]:PORT" or the path of a
 * unix socket; a name is resolved on a thread. What is sent meanwhile waits.
 * Each failure is given to `lost` or `closed`. Returns the connection, or NULL,
 * as svr_fail. */
struct svr_stream *svr_stream_connect(const char *address,
                                      struct svr_protocol protocol, void *user);

/* svr_stream_send sends bytes, which are copied; in any callback, to any
 * connection. Returns 0; 1 if much waits to be sent now: better go on when
 * `drained` is called; or SVR_FAILED, as svr_fail: the connection is closing,
 * more than `unsent_size` bytes wait, or memory is short (it is closed then).
 * svr_stream_print does it for a text, as printf(3). */
int svr_stream_send(struct svr_stream *stream, const void *data, size_t size);
int svr_stream_print(struct svr_stream *stream, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* svr_stream_close closes a connection when all is sent; `closed` is called
 * later, and no other callback for it. */
void svr_stream_close(struct svr_stream *stream);

/* svr_stream_pause lets messages wait, for an answer that comes later, by
 * svr_work for one; svr_stream_resume ends it. A connection that is paused is
 * not closed as idle, nor when its peer sends no more. */
void svr_stream_pause(struct svr_stream *stream);
void svr_stream_resume(struct svr_stream *stream);

/* svr_stream_peer writes the peer's address, "127.0.0.1:40312", for a log line;
 * "unix" for a unix socket, "" for none. */
void svr_stream_peer(const struct svr_stream *stream, char text[64]);

/* svr_stream_line is a frame for lines: the length up to and with the next
 * '\n', or 0. `return svr_stream_line(arg);` */
int svr_stream_line(const struct svr_message *message);

/* svr_stream_clients is how many clients there are, of all places. */
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

/* stream_terms reads a protocol. Returns 0, or SVR_FAILED, as svr_fail. `who`
 * is for the reason. */
int stream_read_terms(const char *who, const struct svr_protocol *protocol,
                      struct stream_terms *terms);

/* stream_serve is svr_stream_listen with these terms. */
int stream_serve(const char *who, const char *key, const char *address,
                 const struct stream_terms *terms);

/* stream_callback is the handler's callback of that name, or NULL. */
const char *stream_callback(const struct svr_stream *stream,
                            enum stream_calls which);

/* What the part tls sets: how bytes go through TLS. A session is what `open`
 * returned. */
struct stream_tls {
    /* Returns the session of a connected socket, NULL as svr_fail; `name` NULL:
     * the server's side. *off: no certificate is set, it stays plain. */
    void *(*open)(int fd, const char *name, bool *off);
    /* As recv(2) and send(2): -1 with EAGAIN: it waits for `wants`. */
    ssize_t (*receive)(void *session, char *data, size_t size);
    ssize_t (*send)(void *session, const char *data, size_t size);
    int (*wants)(void *session); /* SVR_READ or SVR_WRITE beyond the usual */
    bool (*established)(void *session);   /* the handshake is over */
    const char *(*reason)(void *session); /* of the last failure */
    void (*close)(void *session);
};
extern const struct stream_tls *stream_tls;

#endif
