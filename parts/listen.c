/* listen: listening sockets, from systemd or bound anew (svr_listen). */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "listen.h"
#include "part.h"

enum { FIRST_HANDED = 3, HANDED = 64, BACKLOG = 4096 };

/* What systemd, or the server before a restart, handed over to this process
 * (sd_listen_fds(3)), and nobody took yet. */
static int handed[HANDED], handed_count;

/* An address of any family, and its length. */
struct place {
    struct sockaddr_storage address;
    socklen_t size;
};

/* Reads "HOST:PORT" or "[HOST]:PORT", numbers alone; no host: all of them. */
static int
read_address(const char *text, struct place *place) {
    char host[64];
    const char *colon = strrchr(text, ':');
    struct addrinfo hints = {.ai_flags =
                                 AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                             .ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    if (!colon || colon - text >= (int)sizeof host)
        return -1;
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

/* Whether a socket is the one that is wanted. */
static bool
is_at(int fd, const struct place *place, const char *path) {
    struct place own = {.size = sizeof own.address};
    const struct sockaddr_un *local = (struct sockaddr_un *)&own.address;
    if (getsockname(fd, (struct sockaddr *)&own.address, &own.size) < 0 ||
        own.address.ss_family != place->address.ss_family)
        return false;
    if (own.address.ss_family != AF_UNIX)
        return own.size == place->size &&
               memcmp(&own.address, &place->address, own.size) == 0;
    size_t length = strlen(local->sun_path), tail = strlen(path);
    return length >= tail && strcmp(local->sun_path + length - tail, path) == 0;
}

bool
listen_socket(int fd) {
    int listens = 0;
    socklen_t size = sizeof listens;
    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size);
    return listens;
}

/* Before any other descriptor is opened: after a restart there are gaps. */
__attribute__((constructor)) static void
find_handed(void) {
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    int end = FIRST_HANDED;
    if (pid && count && atoi(pid) == getpid())
        end += atoi(count);
    for (int fd = FIRST_HANDED; fd < end && handed_count < HANDED; fd++)
        if (listen_socket(fd))
            handed[handed_count++] = fd;
}

/* Takes the one that is wanted, if it was handed over. */
static int
take(const struct place *place, const char *path) {
    for (int i = 0; i < handed_count; i++) {
        int fd = handed[i];
        if (!is_at(fd, place, path))
            continue;
        handed[i] = handed[--handed_count];
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
        return fd;
    }
    return -1;
}

/* Removes a unix socket that nobody serves any more. */
static void
clear(const struct place *place) {
    const struct sockaddr_un *address = (struct sockaddr_un *)&place->address;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)address, place->size) < 0 &&
        errno == ECONNREFUSED)
        unlink(address->sun_path);
    close(fd);
}

int
svr_listen(const char *address) {
    struct place place = {.size = 0};
    int on = 1;
    bool local = strchr(address, '/') != NULL;
    if (local ? unix_address(address, &place) < 0
              : read_address(address, &place) < 0)
        return svr_fail(
            "%.200s: no address; needs HOST:PORT, [HOST]:PORT, :PORT in "
            "numbers, or a path of at most 107 bytes with a slash",
            address);
    int fd = take(&place, address);
    if (fd >= 0)
        return fd;
    if (local)
        clear(&place);
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

/* After a restart nobody else will ask for what is left. */
static int
hear(enum part_event event, const struct conf *conf, const char *text,
     char reason[WHY_SIZE]) {
    const char *names = getenv("LISTEN_FDNAMES");
    (void)conf, (void)text, (void)reason;
    if (event == PART_READY && names && strcmp(names, LISTEN_RESTART) == 0)
        while (handed_count > 0)
            close(handed[--handed_count]);
    return 0;
}

const struct part part_listen = {.name = "listen", .hear = hear};
