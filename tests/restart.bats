#!/usr/bin/env bats
# Restart in place: the same process, sockets open all along; what is refused
# changes nothing.

bats_require_minimum_version 1.5.0
load helper

setup_file() {
    make_base --template tcp
}

serve() {
    port=$(free_port)
    set_key tcp.listen "\"127.0.0.1:$port\""
    set_key log.syslog false
    build
    run_server
    wait_line 5 'listening on'
}

# Nobody listens at the port any more.
is_refused() {
    run python3 -c "import socket; socket.create_connection(('127.0.0.1', $1))"
    [[ $output == *ConnectionRefused* ]]
}

descriptors() {
    find "/proc/$1/fd" -mindepth 1 | wc -l
}

@test "restart: a new binary, the same pid, and no connection refused meanwhile" {
    serve
    [ "$(ask 'SET k v')" = OK ]
    cat >hammer.py <<END
import socket, os
refused = served = 0
while not os.path.exists("enough"):
    try:
        s = socket.create_connection(("127.0.0.1", $port), 60)
        s.sendall(b"COUNT\n")
        served += s.recv(100) in (b"0\n", b"1\n")  # or closed by the restart
    except ConnectionRefusedError:
        refused += 1
    except ConnectionResetError:
        pass
open("hammered", "w").write("%d %d\n" % (refused, served))
END
    timeout 300 python3 hammer.py 3>&- &
    helpers+=("$!")
    before=$(descriptors "$server")
    sed -i 's/svr_info("svr_conf: %s = %s"/svr_info("changed %s = %s"/' runtime/reload.c
    for _ in 1 2 3 4 5; do
        run --separate-stderr bounded ./svr.sh restart
        [ "$status" -eq 0 ] || { echo "$output $stderr"; return 1; }
        [[ $output == "demo: started, pid $server" ]]
        [ "$(json generation)" = 1 ]
    done
    touch enough
    wait_until 10 test -s hammered
    read -r refused served <hammered
    [ "$refused" -eq 0 ]
    [ "$served" -gt 0 ]
    alive "$server"
    [ "$(cat run/demo.pid)" = "$server" ]
    has_line 'changed svr.name = demo'
    [ "$(count_lines 'then a restart')" -eq 5 ]
    [ "$(cat "/proc/$server/comm")" = demo ]
    [ "$(ask COUNT)" = 0 ] # the state is new: there is no checkpoint here
    wait_until 5 eval '[ "$(descriptors "$server")" -le "$before" ]'
    bounded ./svr.sh close
    [ "$(exit_status)" -eq 0 ]
    is_refused "$port"
}

@test "a refused binary changes nothing: garbage, truncated, another server's, a mistake in svr_conf" {
    serve
    [ "$(ask 'SET k v')" = OK ]
    cp build/demo good
    refused() {
        SVR_BUILD=0 run --separate-stderr bounded ./svr.sh restart
        [ "$status" -eq 1 ] || { echo "$1: $status $output $stderr"; return 1; }
        [[ $stderr == *"$2"* ]] || { echo "$1: $stderr"; return 1; }
        [ "$(ask 'GET k')" = v ]
    }
    put() {
        cat >build/demo.new
        chmod +x build/demo.new
        mv build/demo.new build/demo
    }
    echo garbage | put
    refused garbage 'no program build/demo: run make'
    head -c 20000 good | put
    refused 'cut short' 'build/demo cannot be run'
    put </bin/true
    refused stranger 'build/demo cannot be run'
    rm build/demo
    refused absent 'no program build/demo: run make'
    put <good
    cp build/handler.so good.so
    head -c 5000 good.so >build/handler.so.new
    mv build/handler.so.new build/handler.so
    refused 'code cut short' 'no whole shared object; the server keeps running'
    mv good.so build/handler.so
    cp svr_conf good.conf
    set_key log.console.level WRAN
    refused mistake 'did you mean "WARN"'
    cp good.conf svr_conf
    # what does not compile does not even get there
    echo garbage >>my_util.c
    run bounded ./svr.sh restart
    [ "$status" -eq 1 ]
    [[ $output == *"does not compile; the running code keeps running"* ]]
    [ "$(ask 'GET k')" = v ]
    [ "$(count_lines 'then a restart')" -eq 0 ]
    bounded ./svr.sh close
}

@test "a loop that does not begin the close in time: exit 1, no exec, the server keeps running" {
    hooks <<'END'
static int turns;
static int run(void) {
    svr_info("turn %d", ++turns);
    if (turns == 2)
        while (access("go", F_OK) < 0) usleep(10000);
    return 100;
}
SVR_HANDLER(.run = run);
END
    set_key svr.close.force_close_delay 1
    build
    run_server
    wait_line 5 'turn 2'
    run --separate-stderr bounded ./svr.sh restart
    [ "$status" -eq 1 ]
    [[ $stderr == *"the loop is busy"* ]]
    touch go
    wait_line 5 'turn 4'
    [ "$(count_lines 'then a restart')" -eq 0 ]
    bounded ./svr.sh restart
    bounded ./svr.sh close
    [ "$(exit_status)" -eq 0 ]
}

@test "on_close is called, and buffered output is written; a failed start is reported, exit 1" {
    hooks <<'END'
static int on_start(void) { printf("hello\n"); return access("bad", F_OK) ? 0 : svr_fail("bad is there"); }
static int on_close(void) { printf("bye\n"); svr_info("on_close"); return 0; }
SVR_HANDLER(.on_start = on_start, .on_close = on_close);
END
    build
    run_server
    wait_until 5 eval '[ "$(json state 2>/dev/null)" = running ]'
    bounded ./svr.sh restart
    [ "$(cat out.txt)" = $'hello\nbye' ]
    touch bad
    run --separate-stderr bounded ./svr.sh restart
    [ "$status" -eq 1 ]
    [[ $stderr == *"demo: start failed: on_start: bad is there (my_server.c:"* ]]
    [ "$(exit_status)" -eq 1 ]
    [ ! -e run/demo.pid ]
    # no server: restart starts one
    rm bad
    run bounded ./svr.sh restart
    [ "$status" -eq 0 ]
    [[ $output == *"not running, starting it"*"started, pid "* ]]
    bounded ./svr.sh close
}

@test "an exec that fails after on_close: the server ends with 1" {
    hooks <<'END'
static int on_close(void) { svr_info("on_close"); return unlink("run/loader"); }
SVR_HANDLER(.on_close = on_close);
END
    build
    # a binary whose loader goes away while the hooks close
    loader=$(readlink -f "$(sed -n 's/.* \(\/.*ld-linux[^ ]*\)$/\1/p' "/proc/$$/maps" | head -n 1)")
    [ -e "$loader" ] || loader=$(readlink -f /lib64/ld-linux-x86-64.so.2)
    run_server
    wait_until 5 eval '[ "$(json state 2>/dev/null)" = running ]'
    cp "$loader" run/loader
    "${CC:-cc}" -rdynamic -o build/demo.new "-Wl,--dynamic-linker=$P/run/loader" \
        build/objects.d/runtime/*.o build/objects.d/parts/*.o -pthread -ldl
    mv build/demo.new build/demo
    SVR_BUILD=0 run --separate-stderr bounded ./svr.sh restart
    [ "$status" -eq 1 ]
    [[ $stderr == *"exec failed: "* ]]
    [ "$(exit_status)" -eq 1 ]
    has_line '>> on_close'
    has_line 'restart: exec build/demo: '
}

@test "a close requested during a restart takes precedence" {
    hooks <<'END'
static int on_close(void) { svr_info("on_close"); while (access("go", F_OK) < 0) usleep(10000); return 0; }
SVR_HANDLER(.on_close = on_close);
END
    build
    run_server
    wait_until 5 eval '[ "$(json state 2>/dev/null)" = running ]'
    (exec ./svr.sh restart >restart.txt 2>&1 3>&-) &
    helpers+=("$!")
    wait_line 5 '>> on_close'
    run bounded ./svr.sh restart
    [ "$status" -eq 1 ]
    [[ $output == *"already under way"* ]]
    (exec ./svr.sh close >close.txt 2>&1 3>&-) &
    helpers+=("$!")
    wait_line 5 'closing already'
    touch go
    [ "$(exit_status)" -eq 0 ]
    wait_until 5 grep -q 'closed: exit code 0' close.txt
    wait_until 5 grep -q 'ended before it could answer' restart.txt
}

@test "a restart closes the old socket of a changed address, and keeps a unix socket" {
    serve
    old=$port
    port=$(free_port)
    set_key tcp.listen "\"127.0.0.1:$port\""
    bounded ./svr.sh restart
    [ "$(ask COUNT)" = 0 ]
    is_refused "$old"
    set_key tcp.listen '"run/kv"'
    bounded ./svr.sh restart
    inode=$(stat -c %i run/kv)
    bounded ./svr.sh restart
    [ "$(stat -c %i run/kv)" = "$inode" ]
    [ "$(python3 -c "
import socket
s = socket.socket(socket.AF_UNIX); s.connect('run/kv')
s.sendall(b'COUNT\n'); print(s.makefile().readline().strip())")" = 0 ]
    bounded ./svr.sh close
}

@test "a full disk: the restart is refused before anything is closed" {
    own_dev
    counting_hooks
    build
    in_dev mkdir -p run
    in_dev mount -t tmpfs -o size=1m tmpfs run
    start_in_dev sh -c './svr.sh run >out.txt 2>log.txt; echo $? >status.txt'
    wait_line 5 'turn 2$'
    server=$(in_dev cat run/demo.pid)
    started+=("$server")
    in_dev dd if=/dev/zero of=run/fill bs=1k count=4096 2>/dev/null || true
    run in_dev timeout -k 1 60 env SVR_BUILD=0 ./svr.sh restart
    [ "$status" -eq 1 ]
    [[ $output == *"rejected: run/restart.new: No space left on device; the server keeps running" ]]
    turn=$(last_turn)
    wait_until 5 eval '[ "$(last_turn)" -gt "$turn" ]'
    [ "$(count_lines on_close)" -eq 0 ]
    in_dev rm run/fill
    in_dev timeout -k 1 60 env SVR_BUILD=0 ./svr.sh restart
    in_dev timeout -k 1 60 ./svr.sh close
}

@test "a limit of a thousand million descriptors does not make a restart slow" {
    printf '#include <unistd.h>\nint getdtablesize(void) { return 1 << 30; }\n' >lots.c
    "${CC:-cc}" -shared -fPIC -o lots.so lots.c
    counting_hooks
    build
    set_key svr.close.force_close_delay 3
    within="env LD_PRELOAD=$PWD/lots.so" run_server
    wait_line 5 'turn 1$'
    SVR_BUILD=0 bounded ./svr.sh restart
    [ "$(cat run/demo.pid)" = "$server" ]
    bounded ./svr.sh close
    [ "$(exit_status)" -eq 0 ]
}

@test "no memory for what the next program needs: the restart is refused before anything is closed" {
    serve
    bounded ./svr.sh close
    cat >preload.c <<'END'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <unistd.h>
int putenv(char *string) {
    int (*next)(char *) = (int (*)(char *))dlsym(RTLD_NEXT, "putenv");
    errno = ENOMEM;
    return access("nomem", F_OK) == 0 ? -1 : next(string);
}
END
    "${CC:-cc}" -shared -fPIC -o preload.so preload.c
    LD_PRELOAD=$PWD/preload.so run_server
    wait_until 10 test "$(json state)" = running
    [ "$(ask 'SET k v')" = OK ]
    touch nomem
    run -1 --separate-stderr bounded ./svr.sh restart
    [[ $output$stderr == *"rejected: no memory; the server keeps running" ]]
    [ "$(ask 'GET k')" = "v" ]
    rm nomem
    bounded ./svr.sh restart
    [ "$(json pid)" = "$server" ]
    bounded ./svr.sh close
    [ "$(exit_status)" -eq 0 ]
}
