/* echo: the same on Tiny: an echo server at the port of BENCH_PORT. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "svr.h"
#include "svr_conf.h"

static int
serve(void *arg) {
    char bytes[65536];
    int fd = (int)(intptr_t)arg;
    ssize_t got = recv(fd, bytes, sizeof bytes, 0);
    if (got > 0)
        return send(fd, bytes, (size_t)got, MSG_NOSIGNAL) == got
                   ? SVR_OK
                   : svr_fail("the load has more than a line in flight");
    svr_unwatch(fd);
    close(fd);
    return SVR_OK;
}

static int
welcome(void *arg) {
    int fd =
        accept4((int)(intptr_t)arg, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return svr_watch(fd, SVR_READ, serve, (void *)(intptr_t)fd);
}

static int
on_start(void) {
    char address[64];
    snprintf(address, sizeof address, "127.0.0.1:%s", getenv("BENCH_PORT"));
    int fd = svr_listen(address);
    if (fd < 0 || write(STDERR_FILENO, "ready\n", 6) < 0)
        return SVR_FAILED;
    return svr_watch(fd, SVR_READ, welcome, (void *)(intptr_t)fd);
}

SVR_HANDLER(.on_start = on_start,
            .callbacks = SVR_CALLBACKS(SVR_CALL(welcome), SVR_CALL(serve)));
