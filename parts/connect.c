/* connect: a connection to an address or a name, without blocking the loop. */
#define _GNU_SOURCE
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "connect.h"
#include "failure.h"
#include "loop.h"
#include "part.h"
#include "work.h"

/* A lookup of a name. After a cancel it belongs to no attempt. */
struct lookup {
    struct connect *attempt;
    bool pending; /* a thread of `work` uses it */
    char host[256], port[32];
    struct addrinfo *found;
};

static int try_next(struct connect *attempt);

static void
free_lookup(struct lookup *lookup) {
    if (lookup && lookup->found)
        freeaddrinfo(lookup->found);
    free(lookup);
}

/* Ends an attempt: connected, or failed for `reason`. */
static int
connect_over(struct connect *attempt, const char *reason) {
    attempt->reason = reason;
    struct lookup *lookup = attempt->lookup;
    attempt->lookup = NULL;
    free_lookup(lookup);
    return attempt->over(attempt->arg);
}

/* Called when the socket is connected, or has failed. */
static int
connect_event(void *arg) {
    struct connect *attempt = arg;
    int error = 0;
    socklen_t size = sizeof error;
    loop_unwatch(attempt->fd);
    getsockopt(attempt->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (!error)
        return connect_over(attempt, NULL);
    snprintf(attempt->text, sizeof attempt->text, "%s", strerror(error));
    return try_next(attempt);
}

/* Starts to connect a socket. Returns -1 with the reason in `text` on
 * failure. */
static int
connect_socket(struct connect *attempt, int family,
               const struct sockaddr *address, socklen_t size) {
    attempt->fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (attempt->fd >= 0 &&
        (connect(attempt->fd, address, size) == 0 || errno == EINPROGRESS) &&
        loop_watch(attempt->fd, (struct loop_watch){.events = SVR_WRITE,
                                                    .own = connect_event,
                                                    .arg = attempt}) == 0)
        return 0;
    snprintf(attempt->text, sizeof attempt->text, "%s", strerror(errno));
    return -1;
}

/* Tries the next address; ends the attempt when there is none. */
static int
try_next(struct connect *attempt) {
    const struct addrinfo *at;
    do {
        if (attempt->fd > 0)
            close(attempt->fd);
        attempt->fd = 0;
        at = attempt->next;
        if (!at)
            return connect_over(attempt, attempt->text);
        attempt->next = at->ai_next;
    } while (connect_socket(attempt, at->ai_family, at->ai_addr,
                            at->ai_addrlen) < 0);
    return 0;
}

/* Runs on a thread. */
static int
resolve_name(void *arg) {
    struct lookup *lookup = arg;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    int error = getaddrinfo(lookup->host, lookup->port, &hints, &lookup->found);
    return error ? svr_fail("%s: %s", lookup->host,
                            error == EAI_SYSTEM ? strerror(errno)
                                                : gai_strerror(error))
                 : 0;
}

static int
lookup_event(void *arg) {
    struct lookup *lookup = arg;
    struct connect *attempt = lookup->attempt;
    lookup->pending = false;
    if (!attempt)
        return free_lookup(lookup), 0;
    snprintf(attempt->text, sizeof attempt->text, "%s",
             svr_work_reason() ? svr_work_reason() : "");
    attempt->next = lookup->found;
    return try_next(attempt);
}

static int
connect_unix(struct connect *attempt, const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char whole[sizeof address.sun_path];
    int length = *path == '/'
                     ? snprintf(whole, sizeof whole, "%s", path)
                     : snprintf(whole, sizeof whole, "/proc/self/fd/%d/%s",
                                part_folder, path);
    if (length >= (int)sizeof whole) {
        snprintf(attempt->text, sizeof attempt->text, "the path is too long");
        return -1;
    }
    memcpy(address.sun_path, whole, sizeof whole);
    return connect_socket(attempt, AF_UNIX, (struct sockaddr *)&address,
                          sizeof address);
}

static int
connect_name(struct connect *attempt, const char *address) {
    const char *colon = strrchr(address, ':');
    struct lookup *lookup = calloc(1, sizeof *lookup);
    if (!lookup || !colon || colon - address >= (int)sizeof lookup->host ||
        strlen(colon + 1) >= sizeof lookup->port) {
        snprintf(attempt->text, sizeof attempt->text,
                 lookup ? "it needs HOST:PORT, [HOST]:PORT or a path with a "
                          "slash"
                        : "no memory");
        free(lookup);
        return -1;
    }
    bool brackets = *address == '[' && colon > address && colon[-1] == ']';
    snprintf(lookup->host, sizeof lookup->host, "%.*s",
             (int)(colon - address) - 2 * brackets, address + brackets);
    snprintf(lookup->port, sizeof lookup->port, "%s", colon + 1);
    lookup->attempt = attempt;
    lookup->pending = true;
    attempt->lookup = lookup;
    if (work_start("getaddrinfo", resolve_name, lookup, lookup_event) == 0)
        return 0;
    snprintf(attempt->text, sizeof attempt->text, "%s", failure_reason());
    attempt->lookup = NULL;
    free(lookup);
    return -1;
}

void
connect_begin(struct connect *attempt, const char *address, int64_t limit) {
    attempt->fd = 0;
    attempt->lookup = NULL;
    attempt->next = NULL;
    *attempt->text = '\0';
    attempt->until = loop_now() + limit;
    if ((strchr(address, '/') ? connect_unix(attempt, address)
                              : connect_name(attempt, address)) < 0)
        attempt->until = 0; /* connect_late ends it */
}

void
connect_cancel(struct connect *attempt) {
    struct lookup *lookup = attempt->lookup;
    if (attempt->fd > 0) {
        loop_unwatch(attempt->fd);
        close(attempt->fd);
    }
    if (lookup && lookup->pending && svr_work_cancel(lookup) == 0)
        lookup->attempt = NULL; /* a thread uses it */
    else
        free_lookup(lookup);
    attempt->fd = 0;
    attempt->lookup = NULL;
}

int
connect_late(struct connect *attempt) {
    if (loop_now() < attempt->until)
        return 0;
    connect_cancel(attempt);
    return connect_over(attempt, *attempt->text
                                     ? attempt->text
                                     : "no connection within the time limit");
}

const struct part part_connect = {.name = "connect"};
