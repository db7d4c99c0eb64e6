#!/usr/bin/env bats
# Memory: what fails, is damaged or runs out is refused with a reason; the
# server that runs keeps running.

bats_require_minimum_version 1.5.0
load helper

setup_file() {
    make_base --with none,task
}

setup() {
    setup_project
    set_key log.syslog false
}

# preload: a library, from stdin, under the next commands.
preload() {
    {
        echo '#define _GNU_SOURCE'
        printf '#include <%s.h>\n' dlfcn errno stdio string unistd
        cat
    } >preload.c
    "${CC:-cc}" -shared -fPIC -o preload.so preload.c
    export LD_PRELOAD=$PWD/preload.so
}

# table: a handler whose table is written by hand; its rows come from stdin.
table() {
    { printf 'struct svr_conf { char none; };\n'; cat; } | hooks
    sed -i '/svr_conf.h/d' my_server.c
    build
}

# What a reload of this table is refused for; the server stays as it is.
refuses() {
    run -1 --separate-stderr bounded env SVR_BUILD=0 ./svr.sh reload
    echo "$output"
    [[ $output == "rejected: "*"$1"*"; generation 1 keeps running" ]]
    [ "$(json pid)" = "$server" ]
}

@test "the backtrace of a failure loads no library, which a crash could not do either" {
    hooks <<'EOF'
static int run(void) { static int n; return n++ ? 50 : svr_fail("the first failure"); }
SVR_HANDLER(.run = run);
EOF
    build
    run_server
    wait_line 10 'the first failure (my_server.c:[0-9]*), backtrace: handler.* < demo+0x'
    run grep -E 'lib(a|t|ub)san' "/proc/$(json pid)/maps"
    [ "$status" -eq 1 ] || skip "a sanitizer brings libgcc_s"
    run -1 grep libgcc "/proc/$(json pid)/maps"
    bounded ./svr.sh close
    [ "$(exit_status)" -eq 0 ]
}

@test "a task whose process cannot be watched is ended and tried again" {
    command -v strace >/dev/null || skip "no strace"
    hooks <<'EOF'
#include "task.h"
static int work(void *arg) { (void)arg; return 0; }
static int done(void *arg) {
    const struct svr_result *r = arg;
    svr_info("task over: %s.%d, tries %d", r->reason, r->status, r->tries);
    return 0;
}
static int on_start(void) {
    return svr_task("one", work, NULL, (struct svr_task){.done = done, .tries = 1, .pause = 0.1});
}
SVR_HANDLER(.on_start = on_start, .callbacks = SVR_CALLBACKS(SVR_CALL(work), SVR_CALL(done)));
EOF
    set_key svr.timer.min_span 0.05
    make -s debug
    export ASAN_OPTIONS=detect_leaks=0
    within="strace -f -qq -o trace -e trace=pidfd_open -e inject=pidfd_open:error=EMFILE:when=1" run_server
    wait_line 20 'task over: .0, tries 1'
    grep -q INJECTED trace
    bounded ./svr.sh close
    [ "$(exit_status)" -eq 0 ]
    run ! grep -E 'Sanitizer|runtime error' log.txt
}

@test "a watch of a descriptor below 0 is refused with the reason" {
    hooks <<'EOF'
static int call(void *arg) { (void)arg; return 0; }
static int on_start(void) { return svr_watch(-1, SVR_READ, call, NULL) < 0 && svr_unwatch(-1) < 0 ? 0 : 1; }
SVR_HANDLER(.on_start = on_start, .callbacks = SVR_CALLBACKS(SVR_CALL(call)));
EOF
    build
    run_server
    wait_line 10 'watch of descriptor -1 refused'
    bounded ./svr.sh close
}

@test "a table with fields outside struct svr_conf is refused by a reload and by a start" {
    run_server
    wait_until 10 test -S run/control
    wait_until 10 eval '[ "$(json state)" = running ]'
    local row
    for row in '"my.far", SVR_INT, 1 << 20, .value = "1"' '"my.near", SVR_STRING, 1, .value = "x"' \
        '"my.type", 9, 0, .value = "x"' '"my.value", SVR_BOOL, 0, .value = NULL' \
        '"my.words", SVR_BOOL, 0, .value = "true", .words = "none"'; do
        table <<EOF
static const struct svr_key rows[] = {{$row}, {.key = NULL}};
const struct svr_handler svr_handler = {.abi = SVR_ABI, .conf_size = sizeof(struct svr_conf), .keys = rows};
EOF
        refuses 'its row is damaged'
    done
    bounded ./svr.sh close
    run -1 --separate-stderr bounded ./svr.sh start
    [[ $stderr == *"start failed: "*"my.words: its row is damaged"* ]]
}

@test "a table without an end, a struct of absurd size and a callback without a function are refused" {
    run_server
    wait_until 10 eval '[ "$(json state)" = running ]'
    table <<'EOF'
static const struct svr_key rows[] = {{.key = NULL}};
const struct svr_handler svr_handler = {.abi = SVR_ABI, .conf_size = (size_t)-1, .keys = rows};
EOF
    refuses 'a struct svr_conf of '
    table <<'EOF'
const struct svr_handler svr_handler = {.abi = SVR_ABI};
EOF
    refuses 'its table of hooks is damaged'
    table <<'EOF'
static const struct svr_key rows[] = {{.key = NULL}};
const struct svr_handler svr_handler = {.abi = SVR_ABI, .keys = rows, .state_size = (size_t)-1};
EOF
    refuses 'its table of hooks is damaged'
    table <<'EOF'
static const struct svr_key rows[] = {{.key = NULL}};
static const struct svr_callback calls[] = {{"one", NULL}, {NULL, NULL}};
const struct svr_handler svr_handler = {.abi = SVR_ABI, .keys = rows, .callbacks = calls};
EOF
    refuses 'callback one has no function'
    table <<'EOF'
static const struct svr_key rows[] = {{.key = NULL}};
static int call(void *arg) { (void)arg; return 0; }
#define C {"c", call}, {"c", call}, {"c", call}, {"c", call}, {"c", call}, {"c", call}, {"c", call}, {"c", call}
static const struct svr_callback calls[] = {C, C, C, C};
const struct svr_handler svr_handler = {.abi = SVR_ABI, .keys = rows, .callbacks = calls};
EOF
    refuses 'is listed twice'
    bounded ./svr.sh close
}

@test "a key with different types in the server and in the code is refused" {
    hooks <<'EOF'
static int run(void) { return 1000; }
SVR_HANDLER(.run = run);
EOF
    build
    run_server
    wait_until 10 eval '[ "$(json state)" = running ]'
    table <<'EOF'
static const struct svr_key rows[] = {{"svr.reload.wait", SVR_BOOL, 0, .value = "true"}, {.key = NULL}};
const struct svr_handler svr_handler = {.abi = SVR_ABI, .conf_size = sizeof(struct svr_conf), .keys = rows};
EOF
    echo 'log.syslog = false' >svr_conf
    refuses 'svr.reload.wait: has another type in the server than in handler.so: restart the server'
    bounded ./svr.sh close
}

@test "a reload for which there is no memory is refused, and the next one works" {
    preload <<'EOF'
#include <stdlib.h>
/* calloc has no room for a struct over 4 KiB, as that of the log's sinks, in the
 * process whose number is in the file `poor`. */
void *calloc(size_t count, size_t size) {
    int pid = 0;
    FILE *file = count == 1 && size > 4096 ? fopen("poor", "r") : NULL;
    if (file) { if (fscanf(file, "%d", &pid) != 1) pid = 0; fclose(file); }
    if (pid == getpid()) { errno = ENOMEM; return NULL; }
    void *made = malloc(count * size);
    return made ? memset(made, 0, count * size) : NULL;
}
EOF
    run_server
    wait_until 10 eval '[ "$(json state)" = running ]'
    cp run/demo.pid poor
    refuses 'no memory'
    rm poor
    bounded env SVR_BUILD=0 ./svr.sh reload
    bounded ./svr.sh close
    [ "$(exit_status)" -eq 0 ]
}

@test "a start that cannot open descriptors for its loop and signals gives the reason" {
    command -v strace >/dev/null || skip "no strace"
    local call
    for call in epoll_create1 eventfd2 timerfd_create epoll_ctl; do
        run -1 --separate-stderr bounded strace -f -qq -o trace -e trace=$call \
            -e inject=$call:error=EMFILE:when=1 build/demo run
        grep -q INJECTED trace
        [[ $stderr == *"start failed: "*": Too many open files"* ]]
        [ ! -e run/control ]
    done
}

@test "code with more static thread variables than there is room for is refused: it needs a restart" {
    hooks <<'EOF'
static __thread char own[600] __attribute__((tls_model("initial-exec"))) = "x";
static int run(void) { own[1]++; return 1000; }
SVR_HANDLER(.run = run);
EOF
    build
    run_server
    wait_until 10 eval '[ "$(json state)" = running ]'
    local i
    for ((i = 0; i < 40; i++)); do
        run bounded env SVR_BUILD=0 ./svr.sh reload
        [ "$status" -eq 0 ] || break
    done
    [ "$status" -eq 1 ]
    [[ $output == "rejected: "*"static TLS"*": restart the server; generation "*" keeps running"* ]]
    bounded ./svr.sh close
    [ "$(exit_status)" -eq 0 ]
}

@test "a reload of identical code is marked in the verdict, another one is not" {
    counting_hooks
    build
    run_server
    wait_until 10 eval '[ "$(json state)" = running ]'
    run -0 bounded ./svr.sh reload
    [[ $output == *"reloaded: generation 2, 0 keys changed, pause "*" ms, same code"* ]]
    echo '/* longer */ int more = 1;' >>my_server.c
    run -0 bounded ./svr.sh reload
    [[ $output == *"reloaded: generation 3, "* ]]
    [[ $output != *"same code"* ]]
    bounded ./svr.sh close
}
