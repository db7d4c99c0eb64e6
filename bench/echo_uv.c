/* echo_uv: an echo server on libuv, the one to be held against. */
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

static char bytes[65536];

static void
allocate(uv_handle_t *handle, size_t size, uv_buf_t *buffer) {
    (void)handle, (void)size;
    *buffer = uv_buf_init(bytes, sizeof bytes);
}

static void
received(uv_stream_t *client, ssize_t size, const uv_buf_t *buffer) {
    uv_buf_t answer = uv_buf_init(buffer->base, (unsigned)size);
    if (size < 0) {
        uv_close((uv_handle_t *)client, (uv_close_cb)free);
        return;
    }
    if (uv_try_write(client, &answer, 1) == size)
        return;
    abort(); /* the load never has more than a line in flight */
}

static void
welcome(uv_stream_t *listener, int status) {
    uv_tcp_t *client = malloc(sizeof *client);
    (void)status;
    uv_tcp_init(listener->loop, client);
    uv_accept(listener, (uv_stream_t *)client);
    uv_read_start((uv_stream_t *)client, allocate, received);
}

int
main(int argc, char *argv[]) {
    struct sockaddr_in address;
    uv_tcp_t listener;
    uv_ip4_addr("127.0.0.1", argc > 1 ? atoi(argv[1]) : 0, &address);
    uv_tcp_init(uv_default_loop(), &listener);
    uv_tcp_bind(&listener, (struct sockaddr *)&address, 0);
    uv_listen((uv_stream_t *)&listener, 128, welcome);
    fprintf(stderr, "ready\n");
    return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
