#!/usr/bin/env bats
# Descriptors and listening sockets over reloads.

load helper

# An echo server that answers each line with a word before it; its watches and
# connections live over reloads.
echo_hooks() {
    hooks <<END
#include <sys/socket.h>
struct state { int listener, clients; };
static int serve(void *arg) {
    char line[256];
    int fd = (int)(long)arg;
    struct state *state = svr_state();
    ssize_t got = recv(fd, line, sizeof line, 0);
    if (got < 0) return SVR_OK;
    if (got == 0) { svr_unwatch(fd); close(fd); state->clients--; return SVR_OK; }
    dprintf(fd, "${1:-old} %.*s", (int)got, line);
    return SVR_OK;
}
static int accept_one(void *arg) {
    struct state *state = svr_state();
    (void)arg;
    int fd = accept4(state->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return SVR_OK;
    state->clients++;
    return svr_watch(fd, SVR_READ, serve, (void *)(long)fd);
}
static int on_start(void) {
    struct state *state = svr_state();
    state->listener = svr_listen(svr_conf()->my_listen);
    if (state->listener < 0) return SVR_FAILED;
    return svr_watch(state->listener, SVR_READ, accept_one, NULL);
}
static int on_reload(void) { ${2:-return 0;} }
static int get_summary(char *text, size_t size) {
    const struct state *state = svr_state();
    snprintf(text, size, "clients %d", state->clients);
    return 0;
}
SVR_HANDLER(.on_start = on_start, .on_reload = on_reload, .get_summary = get_summary,
            .state_size = sizeof(struct state), .state_version = 1,
            .callbacks = SVR_CALLBACKS(SVR_CALL(accept_one), SVR_CALL(serve)));
END
}

@test "a client continues across a reload; a failed reload restores the watches" {
    port=$(free_port)
    set_key my.listen "\"127.0.0.1:$port\""
    echo_hooks
    build
    run_server
    exec 5<>"/dev/tcp/127.0.0.1/$port" || wait_until 5 eval 'exec 5<>"/dev/tcp/127.0.0.1/$port"'
    say() {
        echo "$1" >&5
        read -r -t 20 answer <&5
    }
    say one
    [ "$answer" = "old one" ]
    echo_hooks new
    bounded ./svr.sh reload
    say two
    [ "$answer" = "new two" ]
    # on_reload fails after it took the watch away
    echo_hooks worse 'for (int fd = 0; fd < 100; fd++) svr_unwatch(fd); return svr_fail("no");'
    run bounded ./svr.sh reload
    [ "$status" -eq 1 ]
    say three
    [ "$answer" = "new three" ]
    # new code without the callback
    hooks <<'END'
struct state { int listener, clients; };
SVR_HANDLER(.state_size = sizeof(struct state), .state_version = 1);
END
    run bounded ./svr.sh reload
    [ "$status" -eq 1 ]
    [[ $output == *"is watched by "*", which the new code does not have; generation 2 keeps running"* ]]
    say four
    [ "$answer" = "new four" ]
    exec 5>&-
    bounded ./svr.sh close
    has_line '<SUMMARY> clients [01];'
}

@test "svr_listen removes a stale socket only, never another file or a link" {
    mkdir data
    echo precious >data/store
    mkfifo data/pipe
    ln -s store data/link
    set_key my.listen '"data/store"'
    echo_hooks
    build
    for file in store pipe link; do
        set_key my.listen "\"data/$file\""
        run bounded ./svr.sh run
        [ "$status" -eq 1 ]
        [[ $output == *"listen on data/$file: this file is not a socket; remove it"* ]]
    done
    [ "$(cat data/store)" = precious ]
    [ -p data/pipe ]
    [ -L data/link ]
}

@test "svr_listen: IPv6, all addresses, unix sockets; errors are one clear line" {
    port=$(free_port)
    for address in "[::1]:$port" ":$port" run/echo.socket; do
        rm -f server.pid status.txt
        [[ $address != \[* ]] || [ -e /proc/net/if_inet6 ] || continue
        set_key my.listen "\"$address\""
        echo_hooks
        build
        run_server
        wait_until 5 eval '[ "$(json state 2>/dev/null)" = running ]'
        python3 - "$address" "$port" <<'END'
import socket, sys
address, port = sys.argv[1], int(sys.argv[2])
if "/" in address:
    s = socket.socket(socket.AF_UNIX); s.connect(address)
else:
    s = socket.create_connection(("::1" if address[0] == "[" else "127.0.0.1", port))
s.sendall(b"hello\n")
assert s.recv(100) == b"old hello\n"
END
        # the same address again, by another server
        rm -rf other
        mkdir other
        cp -a build svr.sh svr_conf other/
        if [[ $address != */* ]]; then
            run bounded other/svr.sh run
            [ "$status" -eq 1 ]
            [[ $output == *"start failed: on_start: listen on $address: Address already in use"* ]]
        fi
        bounded ./svr.sh close
    done
    # a unix socket left behind by a killed server is no obstacle
    rm -f server.pid status.txt
    run_server
    wait_until 5 eval '[ "$(json state 2>/dev/null)" = running ]'
    kill -9 "$server"
    wait_until 5 gone "$server"
    rm -f server.pid status.txt
    run_server
    wait_until 5 eval '[ "$(json state 2>/dev/null)" = running ]'
    bounded ./svr.sh close
    set_key my.listen '"nonsense"'
    run bounded ./svr.sh run
    [ "$status" -eq 1 ]
    [[ $output == *"nonsense: not an address; use HOST:PORT"* ]]
}

@test "an inherited socket (LISTEN_FDS) is used if the pid is right" {
    port=$(free_port)
    set_key my.listen "\"127.0.0.1:$port\""
    echo_hooks
    build
    cat >hand.py <<'END'
import os, socket, sys
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(sys.argv[1])))
s.listen()
os.dup2(s.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid() + int(sys.argv[2])))
os.execv("./svr.sh", ["./svr.sh", "run"])
END
    within="python3 hand.py $port 0" run_server
    wait_until 5 eval '[ "$(json state 2>/dev/null)" = running ]'
    [ "$(python3 -c "
import socket
s = socket.create_connection(('127.0.0.1', $port)); s.sendall(b'x\n'); print(s.recv(99).decode().strip())")" = "old x" ]
    [ "$(readlink "/proc/$server/fd/3")" != "" ]
    [ "$(grep -c "$(printf ':%04X ' "$port")" /proc/net/tcp)" -ge 1 ]
    bounded ./svr.sh close
    # another pid's sockets are not ours: the address is in use then
    rm -f server.pid status.txt
    within="python3 hand.py $port 1" run_server
    [ "$(exit_status)" -eq 1 ]
    has_line 'Address already in use'
}

@test "bad watches are refused; a stale event never reaches a new watch" {
    hooks <<'END'
#include <sys/socket.h>
static int pair[4];
static int other(void *arg) {
    svr_info("other %d: ready %d", *(int *)arg, svr_ready());
    svr_unwatch(*(int *)arg);
    return 0;
}
static int first(void *arg) {
    (void)arg;
    svr_info("first: ready %d", svr_ready());
    /* the second end is ready too, in the same wait: make its number another's */
    svr_unwatch(pair[2]); svr_unwatch(pair[0]);
    int fresh[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fresh) < 0) return svr_fail("pair");
    svr_info("same number %d", dup2(fresh[0], pair[2]) == pair[2]);
    svr_watch(pair[2], SVR_READ, other, &pair[2]);
    return 0;
}
static int never(void *arg) { (void)arg; return 0; }
static int on_start(void) {
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM, 0, pair + 2) < 0) return svr_fail("pair");
    svr_info("stranger %d", svr_watch(pair[0], SVR_READ, never, NULL));
    svr_info("nothing %d", svr_watch(pair[0], 0, first, NULL));
    svr_info("closed %d", svr_watch(999, SVR_READ, first, NULL));
    svr_info("negative %d", svr_watch(-1, SVR_READ, first, NULL));
    svr_info("unwatched %d", svr_unwatch(pair[0]));
    svr_watch(pair[0], SVR_READ, first, NULL);
    svr_watch(pair[2], SVR_READ, other, &pair[2]);
    return write(pair[1], "x", 1) + write(pair[3], "x", 1) == 2 ? 0 : svr_fail("write");
}
static int run(void) { return 200; }
SVR_HANDLER(.on_start = on_start, .run = run, .callbacks = SVR_CALLBACKS(SVR_CALL(first), SVR_CALL(other)));
END
    build
    run_server
    wait_line 5 'same number'
    for line in 'stranger -1' 'nothing -1' 'closed -1' 'negative -1' 'unwatched -1' 'same number 1'; do
        has_line ">> $line$"
    done
    wait_until 5 eval '[ "$(json turns)" -gt 5 ]'
    [ "$(count_lines '>> other')" -eq 0 ]
    bounded ./svr.sh close
}
