/* inherited: listening sockets that systemd, or a restart, left open for us. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "inherited.h"
#include "part.h"

enum { FIRST = 3, MOST = 64 };

/* Sockets that are not taken yet. */
static int inherited[MOST], count;

bool
inherited_listens(int fd) {
    int listens = 0;
    socklen_t size = sizeof listens;
    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size);
    return listens;
}

/* Runs before any other descriptor is opened: after a restart there are
 * gaps. */
__attribute__((constructor)) static void
find_inherited(void) {
    const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
    int end = FIRST;
    if (pid && fds && atoi(pid) == getpid())
        end += atoi(fds);
    for (int fd = FIRST; fd < end && count < MOST; fd++)
        if (inherited_listens(fd))
            inherited[count++] = fd;
}

int
inherited_take(bool (*wanted)(int fd, const void *what), const void *what) {
    int i = 0;
    while (i < count && !wanted(inherited[i], what))
        i++;
    if (i == count)
        return -1;
    int fd = inherited[i];
    inherited[i] = inherited[--count];
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    return fd;
}

/* After a restart, closes the sockets that were not taken. */
static int
inherited_event(enum part_event event, const struct conf *conf,
                const char *text) {
    const char *names = getenv("LISTEN_FDNAMES");
    (void)conf, (void)text;
    if (event == PART_READY && names && strcmp(names, INHERITED_RESTART) == 0)
        while (count > 0)
            close(inherited[--count]);
    return 0;
}

const struct part part_inherited = {.name = "inherited",
                                    .event = inherited_event};
