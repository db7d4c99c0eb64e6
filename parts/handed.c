/* handed: listening sockets that systemd, or a restart, handed over. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "handed.h"
#include "part.h"

enum { FIRST = 3, MOST = 64 };

/* Those that nobody took yet. */
static int handed[MOST], count;

bool
handed_listens(int fd) {
    int listens = 0;
    socklen_t size = sizeof listens;
    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size);
    return listens;
}

/* Before any other descriptor is opened: after a restart there are gaps. */
__attribute__((constructor)) static void
find(void) {
    const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
    int end = FIRST;
    if (pid && fds && atoi(pid) == getpid())
        end += atoi(fds);
    for (int fd = FIRST; fd < end && count < MOST; fd++)
        if (handed_listens(fd))
            handed[count++] = fd;
}

int
handed_take(bool (*wanted)(int fd, const void *what), const void *what) {
    int i = 0;
    while (i < count && !wanted(handed[i], what))
        i++;
    if (i == count)
        return -1;
    int fd = handed[i];
    handed[i] = handed[--count];
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    return fd;
}

/* After a restart nobody else will ask for what is left. */
static int
hear(enum part_event event, const struct conf *conf, const char *text,
     char reason[WHY_SIZE]) {
    const char *names = getenv("LISTEN_FDNAMES");
    (void)conf, (void)text, (void)reason;
    if (event == PART_READY && names && strcmp(names, HANDED_RESTART) == 0)
        while (count > 0)
            close(handed[--count]);
    return 0;
}

const struct part part_handed = {.name = "handed", .hear = hear};
