/* listen: listening sockets, inherited or newly bound (svr_listen). */
#define _GNU_SOURCE
#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "inherited.h"
#include "handler.h"
#include "listen.h"
#include "loop.h"
#include "part.h"

enum { BACKLOG = 4096 };
static const double idle_least = 0.1, idle_most = 86400;

/* An address of any family, and its length. */
struct place {
    const char *path; /* of a unix socket */
    struct sockaddr_storage address;
    socklen_t size;
};

/* Reads "HOST:PORT" or "[HOST]:PORT", numbers only; no host = all addresses. */
static int
read_address(const char *text, struct place *place) {
    char host[64];
    const char *colon = strrchr(text, ':');
    struct addrinfo *found, hints = {.ai_socktype = SOCK_STREAM};
    if (!colon || colon - text >= (int)sizeof host)
        return -1;
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
    bool brackets = *text == '[' && colon[-1] == ']';
    snprintf(host, sizeof host, "%.*s", (int)(colon - text) - 2 * brackets,
             text + brackets);
    if (getaddrinfo(*host ? host : "::", colon + 1, &hints, &found) != 0)
        return -1;
    place->size = found->ai_addrlen;
    memcpy(&place->address, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return 0;
}

/* Writes the address of a unix socket: through the folder's descriptor, so that
 * its path may be long. */
static int
unix_address(const char *path, struct place *place) {
    struct sockaddr_un *address = (struct sockaddr_un *)&place->address;
    char whole[128];
    int length = *path == '/'
                     ? snprintf(whole, sizeof whole, "%s", path)
                     : snprintf(whole, sizeof whole, "/proc/self/fd/%d/%s",
                                part_folder, path);
    if (length >= (int)sizeof address->sun_path)
        return -1;
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, whole, (size_t)length + 1);
    place->size = sizeof *address;
    return 0;
}

/* Whether a socket has the wanted address. */
static bool
is_at(int fd, const void *what) {
    const struct place *place = what;
    struct place own = {.size = sizeof own.address};
    const struct sockaddr_un *local = (struct sockaddr_un *)&own.address;
    if (getsockname(fd, (struct sockaddr *)&own.address, &own.size) < 0 ||
        own.address.ss_family != place->address.ss_family)
        return false;
    if (own.address.ss_family != AF_UNIX)
        return own.size == place->size &&
               memcmp(&own.address, &place->address, own.size) == 0;
    size_t length = strlen(local->sun_path), tail = strlen(place->path);
    return length >= tail &&
           strcmp(local->sun_path + length - tail, place->path) == 0;
}

/* Removes a unix socket that no process serves any more. Returns -1 if the file
 * of that name is not a socket. */
static int
clear_socket(const struct place *place) {
    const struct sockaddr_un *address = (struct sockaddr_un *)&place->address;
    struct stat file;
    if (lstat(address->sun_path, &file) < 0)
        return 0;
    if (!S_ISSOCK(file.st_mode))
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)address, place->size) < 0 &&
        errno == ECONNREFUSED)
        unlink(address->sun_path);
    close(fd);
    return 0;
}

int
svr_listen(const char *address) {
    struct place place = {.path = address};
    int on = 1;
    bool local = strchr(address, '/') != NULL;
    if (local ? unix_address(address, &place) < 0
              : read_address(address, &place) < 0)
        return svr_fail(
            "%.200s: not an address; use HOST:PORT, [HOST]:PORT, :PORT in "
            "numbers, or a path of at most 107 bytes with a slash",
            address);
    int fd = inherited_take(is_at, &place);
    if (fd >= 0)
        return fd;
    if (local && clear_socket(&place) < 0)
        return svr_fail("listen on %.200s: this file is not a socket; "
                        "remove it or choose another path",
                        address);
    fd = socket(place.address.ss_family,
                SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&place.address, place.size) == 0 &&
        listen(fd, BACKLOG) == 0)
        return fd;
    svr_fail("listen on %.200s: %s", address, strerror(errno));
    close(fd);
    return SVR_FAILED;
}

/* ---- A socket that reloads may change --------------------------------- */

static void
listen_forget(struct listen *listen) {
    if (listen->wanted.fd > 0)
        close(listen->wanted.fd);
    listen->wanted = (struct listen_terms){0};
}

int
listen_want(struct listen *listen, const char *address, const char *name,
            int64_t most, double idle) {
    struct listen_terms *wanted = &listen->wanted;
    if (!name || strlen(name) >= sizeof wanted->call ||
        strlen(address) >= sizeof wanted->address)
        return svr_fail("%s: an address of more than 127 bytes, or no callback "
                        "of the handler's table",
                        listen->who);
    if (most < 1 || !(idle >= idle_least && idle <= idle_most))
        return svr_fail("%s: needs at least 1 client, and %g to %g seconds of "
                        "silence",
                        listen->who, idle_least, idle_most);
    listen_forget(listen);
    if (strcmp(address, listen->now.address) != 0) {
        int fd = svr_listen(address);
        if (fd < 0)
            return SVR_FAILED;
        wanted->fd = fd;
    }
    snprintf(wanted->address, sizeof wanted->address, "%s", address);
    snprintf(wanted->call, sizeof wanted->call, "%s", name);
    wanted->most = most;
    wanted->idle = (int64_t)(idle * 1e9);
    return SVR_OK;
}

void
listen_on(struct listen *listen, bool on) {
    const struct listen_terms *now = &listen->now;
    struct loop_watch watch = {.events = SVR_READ,
                               .call = now->call,
                               .own = listen->welcome,
                               .arg = listen};
    if (now->fd && !listen->closed && on)
        loop_watch(now->fd, watch);
    else if (now->fd)
        loop_unwatch(now->fd);
}

void
listen_settle(struct listen *listen, bool good) {
    struct listen_terms *now = &listen->now, *wanted = &listen->wanted;
    if (good && *wanted->address) {
        if (wanted->fd) {
            svr_info("listening on %s", wanted->address);
            listen_on(listen, false);
            if (now->fd)
                close(now->fd);
        } else {
            wanted->fd = now->fd;
        }
        *now = *wanted;
        wanted->fd = 0;
    }
    listen_forget(listen);
    listen_on(listen, true);
}

int
listen_accept(const struct listen *listen) {
    int fd = accept4(listen->now.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0)
        return fd;
    /* Most other errors concern a client that is already gone, see
     * accept(2). */
    return errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
                   errno == ENOMEM
               ? svr_fail("accept: %s", strerror(errno))
               : LISTEN_NOBODY;
}

void
listen_end(struct listen *listen, bool keeps) {
    listen->closed = true;
    listen_on(listen, false);
    if (keeps || !listen->now.fd)
        return;
    close(listen->now.fd);
    listen->now.fd = 0; /* the number may soon be in use again */
}

const struct part part_listen = {.name = "listen"};
