/* minimal: what start, memory and idling are compared with: a C program that
 * says it is ready and waits for events. */
#include <sys/epoll.h>
#include <unistd.h>

int
main(void) {
    struct epoll_event event;
    int poller = epoll_create1(EPOLL_CLOEXEC);
    if (write(STDERR_FILENO, "ready\n", 6) < 0)
        return 1;
    return epoll_wait(poller, &event, 1, -1);
}
