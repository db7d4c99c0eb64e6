#!/usr/bin/env bats
# make: what is built, when, for which machine; and what svr.sh says of it.

bats_require_minimum_version 1.5.0
load helper

# summary WORD: hooks whose summary is that word.
summary() {
    hooks <<END
static int get_summary(char *text, size_t size) { snprintf(text, size, "%s", "$1"); return 0; }
SVR_HANDLER(.get_summary = get_summary);
END
}

# says WORD: the summary of the server that closes now.
says() {
    bounded ./svr.sh close >/dev/null
    [ "$(grep -ho '<SUMMARY> [a-z]*' log/demo.console | tail -n 1)" = "<SUMMARY> $1" ]
}

# copy_source FOLDER: what the source tree has, but nothing that was built.
copy_source() {
    (cd "$TINY_SRC" && tar cf - --exclude=./build --exclude=./.git --exclude='*.o' \
        --exclude=./config.status --exclude=./Makefile .) | tar xf - -C "$1"
}

@test "make prints one short line for each file; V=1 prints the commands, -s prints nothing" {
    make -s clean
    run make
    [ "$status" -eq 0 ]
    [[ $output == *"  CC   my_util.c"* && $output == *"  LINK build/handler.so"* ]]
    run ! grep -qvE '^  (CC|CXX|LINK|CONF) +[^ ]+$' <<<"$output"
    echo '/* changed */' >>my_util.c
    run make V=1
    [[ $output == *" -c -o build/objects.d/my_util.o my_util.c"* ]]
    echo '/* again */' >>my_util.c
    run make -s
    [ "$output" = "" ]
}

@test "a source restored with its old time, and one saved under a clock set back, are built" {
    summary one
    build
    cp -p my_server.c saved.c
    touch -d '2001-01-01' saved.c
    summary two
    bounded ./svr.sh start
    bounded ./svr.sh reload
    cp -p saved.c my_server.c
    bounded ./svr.sh reload
    says one
    find build -type f -exec touch -d '+2 hours' {} +
    bounded ./svr.sh start
    summary three
    bounded ./svr.sh reload
    says three
    # when nothing is new, nothing is built
    make -s clean
    build
    touch runtime/loop.c svr_conf
    build
    made() { find build -name '*.o' -exec stat -c '%y %n' {} + | sort; }
    after=$(made)
    build
    [ "$(made)" = "$after" ]
}

@test "a changed header, svr_conf or Makefile rebuilds all that depends on it" {
    summary one
    printf '#define WORD "header"\n' >word.h
    sed -i 's/"one"/WORD/; s/#include "svr.h"/&\n#include "word.h"/' my_server.c
    build
    touch -d '2001-01-01' word.h
    bounded ./svr.sh start
    printf '#define WORD "other"\n' >word.h
    touch -d '2001-01-01' word.h
    bounded ./svr.sh reload
    says other
    sed -i 's/^CFLAGS = .*/CFLAGS = -O1 -g -DWORD2/' Makefile
    sed -i 's/WORD)/WORD2_)/' my_server.c
    sed -i 's/#include "word.h"/&\
#ifdef WORD2\
#define WORD2_ "flag"\
#else\
#define WORD2_ "none"\
#endif/' my_server.c
    build
    bounded ./svr.sh start
    says flag
    sed -i 's/ -DWORD2//' Makefile
    build
    bounded ./svr.sh start
    says none
}

@test "two makes and a reload at once: the result of each is complete" {
    bounded ./svr.sh start
    for i in 1 2 3 4 5 6 7 8; do
        echo "/* $i */" >>my_util.c
        make -s >make1.log 2>&1 3>&- &
        first=$!
        make -s >make2.log 2>&1 3>&- &
        second=$!
        run bounded ./svr.sh reload
        wait "$first" "$second"
        [ "$status" -eq 0 ]
        [[ $output == *"reloaded: generation $((i + 1))"* ]]
    done
    bounded ./svr.sh close
}

@test "make variables of the caller have no effect: -i, -n, -t, -k, -q, another make -j" {
    bounded ./svr.sh start
    echo 'this is no C' >>my_util.c
    for flag in i n t k q w B e; do
        MAKEFLAGS=$flag run bounded ./svr.sh reload
        [ "$status" -eq 1 ]
        [[ $output == *"rejected: does not compile; the running code keeps running" ]]
    done
    printf 'go:\n\t+./svr.sh reload\n' >outer.mk
    run bounded make -j3 -f outer.mk go
    [ "$status" -ne 0 ]
    [[ $output == *"rejected: does not compile"* ]]
    sed -i '$d' my_util.c
    run bounded make -s -j3 -f outer.mk go
    [ "$status" -eq 0 ]
    bounded ./svr.sh close
}

@test "flags with quotes and spaces work, and do not rebuild each time" {
    sed -i "s/^CFLAGS = .*/CFLAGS = -O1 -DMY_VERSION='\"1.0 beta\"'/" Makefile
    grep -q MY_VERSION Makefile
    build
    run make
    [ "$status" -eq 0 ]
    [[ $output != *" -c "* ]]
}

@test "a warning in the owner's code is printed and does not stop the build; %m gives none" {
    unset WARNINGS
    # shellcheck disable=SC2016
    sed -i 's|^void$|static int unused_(void) { return 0; }\n&|' my_util.c
    run make
    [ "$status" -eq 0 ]
    [[ $output == *"unused_"*"-Wunused-function"* ]]
    sed -i 's/^include/WARNINGS = -w\n&/' Makefile
    run make
    [ "$status" -eq 0 ]
    [[ $output != *"warning:"* ]]
    hooks <<'END'
#include <errno.h>
static int on_start(void) {
    errno = ENOENT;
    svr_info("open %s: %m", "it");
    errno = EACCES;
    return svr_fail("%d: %m", 7);
}
SVR_HANDLER(.on_start = on_start);
END
    WARNINGS='-std=c11 -Wall -Wextra -Wpedantic -Werror' build
    run bounded ./svr.sh start
    [ "$status" -eq 1 ]
    [[ $output == *"on_start: 7: Permission denied"* ]]
    grep -q 'open it: No such file or directory' log/demo.console
}

@test "C++ in SOURCES is compiled, linked and called; svr.h and the parts' headers are valid C++17" {
    command -v g++ >/dev/null || skip "no g++"
    hooks <<'END'
extern int twice(int value);
static int on_start(void) { svr_info("twice %d", twice(21)); return 0; }
SVR_HANDLER(.on_start = on_start);
END
    cat >twice.cpp <<'END'
#include <stdexcept>
#include <vector>
#include "svr.h"
#include "svr_conf.h"
extern "C" int twice(int value);
int twice(int value) {
    std::vector<int> all{value, value};
    try { throw std::runtime_error("caught"); } catch (const std::exception &e) { svr_info("%s", e.what()); }
    return all[0] + all[1];
}
END
    sed -i 's/^SOURCES = .*/SOURCES = my_server.c twice.cpp/' Makefile
    WARNINGS='-Wall -Wextra -Wpedantic -Werror' build
    bounded ./svr.sh start
    grep -q '>> twice 42' log/demo.console
    grep -q '>> caught' log/demo.console
    sed -i 's/{value, value}/{value, value + 1}/' twice.cpp
    bounded ./svr.sh reload
    bounded ./svr.sh close
    "$TINY_NEW" -q --with all ../all
    for header in ../all/runtime/svr.h ../all/parts/*.h; do
        # those for hooks; the others are C, for parts
        grep -q 'extern "C"' "$header" || continue
        printf '#include "%s"\nint main() { return 0; }\n' "$header" >try.cpp
        g++ -std=c++17 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I../all/runtime -I../all/parts try.cpp
    done
}

@test "a cross build for a 32-bit machine has 64-bit time, derives svr_conf.h, and runs" {
    command -v arm-linux-gnueabihf-gcc >/dev/null && command -v qemu-arm >/dev/null ||
        skip "no gcc-arm-linux-gnueabihf or qemu-user"
    hooks <<'END'
#include <sys/stat.h>
#include <time.h>
static int on_start(void) {
    svr_info("pointer %zu time %zu offset %zu key %d", sizeof(void *), sizeof(time_t), sizeof(off_t),
             (int)svr_conf()->my_new);
    return 0;
}
SVR_HANDLER(.on_start = on_start);
END
    echo 'my.new = 7' >>svr_conf
    make clean
    make -s CC=arm-linux-gnueabihf-gcc >make.log 2>&1 || { cat make.log; return 1; }
    [ "$(head -c 5 build/demo | tail -c 1 | od -An -tu1 | tr -d ' ')" -eq 1 ] # ELFCLASS32
    export QEMU_LD_PREFIX=/usr/arm-linux-gnueabihf
    mkdir -p run log
    qemu-arm build/demo run >out.txt 2>log.txt 3>&- &
    server=$!
    helpers+=("$server")
    wait_line 10 'pointer 4 time 8 offset 8 key 7'
    kill "$server"
    wait "$server"
    # after an edit of svr_conf, too
    sed -i 's/^my.new = 7/my.new = 8/' svr_conf
    make -s CC=arm-linux-gnueabihf-gcc >make.log 2>&1 || { cat make.log; return 1; }
    qemu-arm build/demo run >out.txt 2>log.txt 3>&- &
    server=$!
    helpers+=("$server")
    wait_line 10 'pointer 4 time 8 offset 8 key 8'
    kill "$server"
    wait "$server"
}

@test "editors find svr.h through compile_flags.txt" {
    # shellcheck disable=SC2046
    "${CC:-cc}" $(cat compile_flags.txt) -fsyntax-only my_server.c my_util.c
}

@test "start, check and restart do not silently use an outdated build" {
    find . -type f -exec touch -d '1 hour ago' {} +
    find build -type f -exec touch -d '1 minute ago' {} +
    sed -i 's|lines so far|LINES so far|' my_server.c
    run bounded ./svr.sh check
    [ "$status" -eq 0 ]
    [[ $output == *"built before my_server.c changed: run make"* ]]
    run bounded ./svr.sh start
    [ "$status" -eq 0 ]
    [[ $output == *"built before my_server.c changed: run make"* ]]
    SVR_BUILD=0 run bounded ./svr.sh restart
    [ "$status" -eq 0 ]
    [[ $output == *"built before my_server.c changed: run make"* ]]
    build
    echo '# a comment' >>svr_conf
    run bounded ./svr.sh check
    [[ $output != *"built before"* ]]
    # no source is accused where it is a make that failed
    echo 'this is no C' >>my_util.c
    run make -s
    [ "$status" -ne 0 ]
    sed -i '$d' my_util.c
    run bounded ./svr.sh check
    [[ $output == *"the last make did not end well, build/handler.so is older: run make"* ]]
    bounded ./svr.sh close
}

@test "a source tree that was configured in place is copied before it is configured elsewhere" {
    command -v autoreconf >/dev/null || skip "no autoconf"
    unset WARNINGS # autoconf has a variable of that name
    mkdir ../tree
    copy_source ../tree
    cd ../tree
    [ "$(scripts/source 2>/dev/null)" = "$PWD" ]
    ./configure --quiet
    make -s tiny-new >/dev/null 2>&1
    source=$(scripts/source 2>/dev/null)
    [ "$source" = "$PWD/build/source" ]
    mkdir build/other
    cd build/other
    "$source/configure" --quiet
    make -s tiny-new >/dev/null 2>&1
    ./tiny-new -q ../made
}

@test "scripts/demo shows a start, a reload, refusals and a close, from the sources" {
    command -v autoreconf >/dev/null || skip "no autoconf"
    unset WARNINGS
    mkdir ../tree
    copy_source ../tree
    run timeout 600 ../tree/scripts/demo "$PWD/../made"
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output == *"reloaded: generation 2"*"the state was kept"*"rejected: svr_conf:"*"running, pid"* ]]
}
