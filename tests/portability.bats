#!/usr/bin/env bats
# Other machines, another C library, other compilers and flags: docs/portability.md.
# TINY_PORTABILITY=all (make portability) tries every compiler with every level.

bats_require_minimum_version 1.5.0
load helper

export WARNINGS='-Wall -Wextra -Wpedantic -Wshadow -Werror'

setup_file() {
    mkdir "$BATS_FILE_TMPDIR/base"
    "$TINY_NEW" -q --with checkpoint "$BATS_FILE_TMPDIR/base/demo"
}

setup() {
    setup_project
    hooks <<'END'
struct state { int64_t turns; };
static int on_start(void) { svr_info("on_start at %jd", (intmax_t)((struct state *)svr_state())->turns); return 0; }
static int run(void) { ((struct state *)svr_state())->turns += 1000; return 100; }
static int get_summary(char *text, size_t size) { snprintf(text, size, "one"); return 0; }
SVR_HANDLER(.on_start = on_start, .run = run, .get_summary = get_summary, .state_size = sizeof(struct state),
            .state_version = 1);
END
    program=(./svr.sh)
    export SVR_BUILD=0 # each test says what builds
}

# on COMMAND…: the server's program does it, by ./svr.sh or by an emulator.
on() {
    bounded "${program[@]}" "$@"
}

# live CC…: build, start, a reload, a refused one, status, restart, close, and a start from the checkpoint.
live() {
    make -s "$@" >make.log 2>&1 || { cat make.log; return 1; }
    [ ! -s make.log ] || { cat make.log; return 1; }
    on start
    sed -i 's/"one"/"two"/' my_server.c
    make -s "$@"
    run on reload
    [[ $output == *"reloaded: generation 2, "* && $output != *"same code"* ]] || { echo "$output"; return 1; }
    set_key log.console.level WRAN
    run on reload
    [ "$status" -eq 1 ]
    [[ $output == *'rejected: svr_conf:'*'unknown level "WRAN"'*"generation 2 keeps running"* ]]
    set_key log.console.level INFO
    on status --json | python3 -c 'import json, sys; v = json.load(sys.stdin)
assert v["state"] == "running" and v["generation"] == 2 and v["reloads_rejected"] == 1, v'
    run on restart
    [ "$status" -eq 0 ] || { echo "$output"; cat log/demo.console; return 1; }
    run on close
    [[ $output == *"closed: exit code 0"* ]]
    grep -q '<SUMMARY> two' log/demo.console
    on start
    on close
    # the state came through the restart and the close, as the number that it was
    grep -o 'on_start at [0-9]*' log/demo.console | awk '{ n++; if ($3 % 1000 || $3 > 1000000) exit 1; last = $3 }
        END { exit !(n && last) }' || { cat log/demo.console; return 1; }
}

# emulated TRIPLE QEMU: the same for another machine.
emulated() {
    command -v "$1-gcc" >/dev/null || skip "no $1-gcc"
    command -v "qemu-$2" >/dev/null || skip "no qemu-$2"
    "$1-gcc" -shared -fPIC -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64 -o emulated.so "$TINY_SRC/tests/emulated.c"
    export EMULATOR QEMU_LD_PREFIX=/usr/$1 QEMU_SET_ENV=LD_PRELOAD=$PWD/emulated.so
    EMULATOR=$(command -v "qemu-$2")
    program=("$EMULATOR" build/demo)
    live CC="$1-gcc"
}

@test "aarch64: start, reload, refusal, status, checkpoint, restart, close" {
    emulated aarch64-linux-gnu aarch64
}

@test "armhf, 32 bits: the same" {
    emulated arm-linux-gnueabihf arm
}

@test "riscv64: the same" {
    emulated riscv64-linux-gnu riscv64
}

@test "s390x, big-endian: the same" {
    emulated s390x-linux-gnu s390x
}

# need_i386: sets CC to a compiler for i386.
need_i386() {
    command -v i686-linux-gnu-gcc >/dev/null || skip "no i686-linux-gnu-gcc"
    loader=/usr/i686-linux-gnu/lib/ld-linux.so.2
    "$loader" --version >/dev/null 2>&1 || skip "this machine runs no i386 programs"
    export CC="i686-linux-gnu-gcc -Wl,--dynamic-linker=$loader -Wl,-rpath=${loader%/*}"
}

@test "i386, 32 bits, run natively: the same" {
    need_i386
    live CC="$CC"
}

# beyond: the same with a calendar beyond 2038; each line of the log has that year.
beyond() {
    $CC -shared -fPIC -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64 -o later.so "$TINY_SRC/tests/later.c"
    program=(env LD_PRELOAD="$PWD/later.so" build/demo)
    set_key log.file_log.level INFO
    year=$(date -d "@$(($(date +%s) + (1 << 31)))" +%Y)
    live CC="$CC"
    [ "$(grep -c "^$year-" log/demo.log)" -gt 10 ]
    run grep -v "^$year-" log/demo.log
    [ "$output" = "" ]
    on start
    run on status
    on close
    [[ $output == *", since $year-"*"timers"*"svr.summary in "* ]]
    run grep -E '^<(WARNING|ERROR):' log/demo.console
    run grep -v 'rejected: svr_conf:\|/dev/log' <<<"$output"
    [ "$output" = "" ] || { echo "$output"; return 1; }
}

@test "after 2038, 64 bits: the same, and each date is right" {
    export CC=${CC:-cc}
    beyond
}

@test "after 2038, 32 bits: the same, and each date is right" {
    need_i386
    beyond
}


@test "musl: the same; a part whose header is missing is reported in one line" {
    command -v musl-gcc >/dev/null || skip "no musl-gcc"
    live CC=musl-gcc
    "$TINY_NEW" -q --with tls ../tls
    cd ../tls
    run make CC=musl-gcc
    [ "$status" -ne 0 ]
    [[ $output == *"the part tls needs openssl/ssl.h, which musl-gcc does not find (Debian: apt install libssl-dev"* ]]
    [[ $output != *"error:"* ]]
}

@test "musl in a root directory with busybox, without bash and GNU tools: start, reload, refusal, logs, close" {
    [ "$(id -u)" -eq 0 ] || skip "needs root"
    command -v musl-gcc >/dev/null || skip "no musl-gcc"
    command -v busybox >/dev/null || skip "no busybox"
    make -s CC=musl-gcc
    root=$BATS_TEST_TMPDIR/root
    mkdir -p "$root"/{bin,dev,lib,proc,tmp,srv}
    cp "$(command -v busybox)" "$root/bin/busybox"
    # busybox is Debian's, with its own library; the server has musl's
    ldd "$root/bin/busybox" | grep -o '/[^ ]*' | while read -r file; do cp -L --parents "$file" "$root"; done
    for tool in $(busybox --list); do ln -sf busybox "$root/bin/$tool"; done
    cp -L /lib/ld-musl-*.so.1 "$root/lib/"
    cp -a "$P" "$root/srv/demo"
    cat >"$root/srv/session" <<'END'
cd /srv/demo || exit 99
export SVR_BUILD=0 PATH=/bin
./svr.sh start && ./svr.sh status && ./svr.sh reload || exit 1
sed -i 's/^log.console.level = .*/log.console.level = WRAN/' svr_conf
./svr.sh reload && exit 2
./svr.sh check && exit 3
sed -i 's/^log.console.level = .*/log.console.level = INFO/' svr_conf
./svr.sh restart && ./svr.sh logs -n 2 && ./svr.sh close
END
    # shellcheck disable=SC2016 # the inner shell expands
    run bounded unshare -p -m -f --kill-child sh -c '
        mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && exec chroot "$1" /bin/sh /srv/session' - "$root"
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output == *"demo: running, pid "*"reloaded: generation 2, "*"rejected: svr_conf:"*'unknown level "WRAN"'* ]]
    [[ $output == *"closed: exit code 0"* ]]
    [[ $output != *"not found"* && $output != *"nrecognized option"* && $output != *"nvalid option"* ]]
}

@test "compilers, standards, levels, LTO and FORTIFY_SOURCE build without a warning, and run" {
    compilers=(gcc)
    ! command -v clang >/dev/null || compilers+=(clang)
    levels=(-O0 '-O3 -std=c2x -D_FORTIFY_SOURCE=3')
    [ "${TINY_PORTABILITY:-}" != all ] || levels=(
        {-O0,-O1,-O2,-O3}\ -std={gnu17,c2x} '-O2 -flto=auto' '-O3 -std=gnu17 -D_FORTIFY_SOURCE=3')
    for compiler in "${compilers[@]}"; do
        for level in "${levels[@]}"; do
            # what tiny.mk sets itself is given up first
            flags="$level -g"
            [[ $level != *FORTIFY* ]] || flags="-g ${level/-D_FORTIFY/-U_FORTIFY_SOURCE -D_FORTIFY}"
            echo "$compiler $flags"
            setup
            live CC="$compiler" CFLAGS="$flags"
            rm -rf "$P"
        done
    done
}
