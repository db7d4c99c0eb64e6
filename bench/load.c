/* load: requests to a port of 127.0.0.1, one in flight on each connection, until
 * all answers have come: load PORT CONNECTIONS REQUESTS TEXT. All answers must be
 * as long as the first. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST = 1000 };

static void
need(int good, const char *what) {
    if (good)
        return;
    perror(what);
    exit(1);
}

int
main(int argc, char *argv[]) {
    static ssize_t got[MOST];
    char bytes[65536];
    need(argc == 5, "use: load PORT CONNECTIONS REQUESTS TEXT");
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)atoi(argv[1])),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int connections = atoi(argv[2]), poller = epoll_create1(0);
    long left = atol(argv[3]);
    size_t size = strlen(argv[4]);
    ssize_t whole = 0;
    for (int i = 0; i < connections; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        need(connect(fd, (struct sockaddr *)&address, sizeof address) == 0,
             "connect");
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        need(epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) == 0, "epoll");
        need(send(fd, argv[4], size, 0) == (ssize_t)size, "send");
        while (i == 0 && (got[fd] = recv(fd, bytes, sizeof bytes, 0)) > 0) {
            whole = got[fd];
            got[fd] = 0;
            need(send(fd, argv[4], size, 0) == (ssize_t)size, "send");
            break;
        }
    }
    while (left > 0) {
        struct epoll_event events[64];
        int ready = epoll_wait(poller, events, 64, 60000);
        need(ready > 0, "no answer");
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            ssize_t more = recv(fd, bytes, sizeof bytes, 0);
            need(more > 0, "recv");
            got[fd] += more;
            need(got[fd] <= whole, "an answer of another length");
            if (got[fd] < whole)
                continue;
            got[fd] = 0;
            left--;
            need(send(fd, argv[4], size, 0) == (ssize_t)size, "send");
        }
    }
    return 0;
}
