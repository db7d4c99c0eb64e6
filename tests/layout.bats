#!/usr/bin/env bats
# The part layout: changed types under living data are refused, all else is accepted.

load helper

STRIDE=${STRIDE:-5} # 1: each edit in all 24 configurations; 5: in about 5 of them, other ones for each edit

setup_file() {
    echo '#include <elfutils/libdw.h>' | "${CC:-cc}" -E - >/dev/null 2>&1 || skip "no libdw-dev"
    make_base --with layout
    export READER=$BATS_FILE_TMPDIR/base/demo/build/programs.d/layout-reader
    mkdir "$BATS_FILE_TMPDIR/shapes"
    cd "$BATS_FILE_TMPDIR/shapes" || return 1
    write_shapes >shapes.c
}

setup() {
    setup_project
    cd "$P" || return 1
}

# A handler with one of each shape that a type can have.
write_shapes() {
    cat <<'END'
#include <stdatomic.h>
#include <stdio.h>
#include "svr.h"
#include "layout.h"
enum kind { IDLE, BUSY = 200, GONE = -1 };
enum { FIRST, SECOND };
typedef int64_t stamp;
struct address {
    unsigned char bytes[16];
    unsigned short port;
};
struct left {
    struct right *right;
};
struct right {
    struct left *left;
    int leaf;
};
union any {
    int number;
    double real;
};
typedef struct {
    long high, low;
} pair;
struct odd {
    unsigned long a : 33;
    int : 0;
    int b : 3;
    _Bool c : 1;
    enum { HERE, THERE } where;
    int (*old)();
    pair pair, *pairs[2];
    _Atomic int counter;
    atomic_flag lock;
    max_align_t aligned;
    FILE *file;
    __int128 large;
    struct odd *rest[];
};
struct client {
    int id;
    char flag;
    stamp since;
    struct client *next;
    struct address peer, peers[4];
    enum kind kind;
    unsigned ready : 1, weight : 7;
    union any value;
    struct {
        short x, y;
    } place;
    union {
        int counted;
        float measured;
    };
    int (*call)(struct client *client, int how);
    struct job *job;
    const volatile char *text;
    long double wide;
    int table[2][3];
    char name[32];
};
struct hidden {
    int one, two;
};
struct state {
    struct client *clients, first;
    struct left *tree;
    void *hidden;
    struct odd *odd;
    _Bool on;
    long long count;
};
SVR_TYPES(struct hidden);
struct svr_conf {
    int unused;
};
static int run(void) {
    struct state *state = svr_state();
    return state->count++ != 0;
}
static const struct svr_key keys[] = {{.key = NULL}};
const struct svr_handler svr_handler = {.keys = keys, .run = run,
    .state_size = sizeof(struct state), .state_version = 1};
END
}

# What is refused: a title, an edit for sed, a part of the verdict; a line each, with | between.
refused() {
    cat <<'END'
a member inserted|s/^    char flag;/    int new;\n&/|struct client: member flag moved from 4 to 8 (shapes.c:
a member appended|s/^    char name.*/&\n    long more;/|struct client: member more is new, at
a member in padding|s/^    char flag;/& char more;/|struct client: member more is new, at 5 (shapes.c:
a member removed|s/^    long double wide;//|struct client: member wide is gone
a member renamed|s/^    long double wide;/    long double broad;/|struct client: member wide is gone
two members reordered|s/^    int one, two;/    int two, one;/|struct hidden: member one moved from 0 to 4
a member behind a void pointer|s/int one, two;/int one; float two;/|struct hidden: member two was int, is float
signed for unsigned|s/^    int id;/    unsigned id;/|struct client: member id was int, is unsigned int
a number made wider|s/^    int leaf;/    long leaf;/|struct right: member leaf was int, is long
a truth value made a number|s/^    _Bool on;/    char on;/|struct state: member on was _Bool, is char
an array made longer|s/char name.32/char name[48/|struct client: member name was char[32], is char[48]
an array of structs made longer|s/peers.4/peers[5/|member peers was struct address[4], is struct address[5]
an array turned|s/table.2..3/table[3][2/|struct client: member table was int[2][3], is int[3][2]
a bit field made wider|s/weight : 7/weight : 9/|struct client: member weight is a different bit field
a bit field moved|s/ready : 1,/ready : 2,/|struct client: member ready is a different bit field
a bit field made a whole|s/unsigned ready : 1, weight : 7/unsigned ready, weight/|struct client: member ready
an enumerator's value changed|s/BUSY = 200/BUSY = 100/|enum kind: BUSY was 200, is 100 (shapes.c:
an enumerator inserted|s/BUSY = 200/NEW, &/; s/GONE = -1/GONE = 1/|enum kind:
an enumerator renamed|s/GONE = -1/LOST = -1/|enum kind: -1 was GONE, is LOST
a nested struct changed|s/^    unsigned short port;/    unsigned port;/|struct address: member port was
a nameless struct changed|s/^        short x, y;/        short x, z, y;/|struct client.place: member y moved from 2 to 4
a nameless union with another member|s/float measured;/int measured;/|struct client: member measured was float, is int
a union with another member|s/^    double real;/    float real;/|union any: member real was double, is float
a union with a further member|s/^    double real;/&\n    char more;/|union any: member more is new
a struct made a union|s/^struct right \{/union right {/; s/struct right \*/union right */|
another pointer target|s/struct client \*c/struct right *c/|member clients was struct client *, is struct right *
another pointer to numbers|s/char \*text/short *text/|struct client: member text was char *, is short
a pointer to a pointer|s/\*text/**text/|struct client: member text was char *, is char * *
a typedef of another type|s/^typedef int64_t stamp/typedef int32_t stamp/|struct client: member since was long
a typedef of a number as long|s/^typedef int64_t stamp/typedef double stamp/|struct client: member since was long
a function with another parameter|s/int how\);/long how);/|struct client: member call was function *, is function *
a struct of a typedef only|s/^    long high, low;/    long low, high;/|pair: member high moved from 0 to 8
a pointer to another one|s/\*pairs\[2/**pairs[2/|struct odd: member pairs was
a bit field that begins a unit|s/^    int : 0;//|struct odd: member b
a struct packed|s/^struct right \{/struct __attribute__((packed)) right {/; s/int leaf;/char c; &/|struct right: member
a struct aligned|s/^struct address/struct __attribute__((aligned(64))) address/|struct address: its size was 18, is 64
what a mutual pointer leads to|s/^    struct left \*left;/    int more; &/|struct right: member left moved from 0 to 8
another struct for the state|s/^struct state \{/& int extra;/|struct state: member clients moved from 0 to 8
END
}

accepted() {
    cat <<'END'
nothing|
a comment, and other lines|s/^struct client/\/* a comment\n * of lines *\/\n&/
an enumerator appended|s/GONE = -1/&, NEXT = 7/
a body of a function|s/state->count\+\+ != 0/(int)(state->count -= 3)/
int64_t for long long|s/long long count/int64_t count/
a typedef for what it means|s/^    stamp since/    int64_t since/
a typedef more|s/^typedef int64_t stamp;/typedef int64_t time; typedef time stamp;/
a new type that nothing uses yet|s/^union any/struct new { int x; };\n&/
a new global variable of it|s/^static int run/struct new { int x; } *news;\n&/
what was opaque is declared|s/^union any/struct job { int number; struct job *next; };\n&/
what was declared is opaque|s/^struct left \{/struct left;\nstruct lost {/
a pointer to void|s/^    struct left \*tree/    void *tree/
const and volatile|s/const volatile char/char/
another function|s/^static int run/int more(int); int more(int a) { struct left l = {0}; return a + !l.right; }\n&/
a struct moved in the file|s/^union any/struct moved { int x; };\nextern struct moved m;\n&/
END
}

# build_shapes CONFIGURATION OUT [SED…]
build_shapes() {
    local config=$1 out=$2
    shift 2
    sed -E "$@" "$BATS_FILE_TMPDIR/shapes/shapes.c" >"$out.d/shapes.c"
    # shellcheck disable=SC2086 # words of a configuration
    (cd "$out.d" && $config -std=gnu11 -w -I"$P/runtime" -I"$P/parts" -fPIC -fvisibility=hidden -nostdlib -shared \
        -o "$out" shapes.c)
}

configurations() {
    local compiler level dwarf packed
    for compiler in gcc clang; do
        command -v "$compiler" >/dev/null || continue
        for level in -O0 -O2 -O3; do
            for dwarf in -gdwarf-4 -gdwarf-5; do
                for packed in '' -gz; do
                    echo "$compiler $level $dwarf $packed"
                done
            done
        done
    done
}

# judge_all CONFIGURATION OTHER N WORD: each third edit of stdin, built so, against the base, built otherwise.
judge_all() {
    local title edit wanted verdict row=0 config=$1 dir=$BATS_TEST_TMPDIR/$3
    mkdir -p "$dir/base.so.d" "$dir/new.so.d"
    build_shapes "$2" "$dir/base.so" ''
    while IFS='|' read -r title edit wanted; do
        [ $((++row % STRIDE)) -eq $(($3 % STRIDE)) ] || continue
        build_shapes "$config" "$dir/new.so" "$edit" || { echo "$config: $title: does not compile"; continue; }
        [ "$title" = nothing ] || ! cmp -s "$dir/new.so.d/shapes.c" "$BATS_FILE_TMPDIR/shapes/shapes.c" ||
            echo "$title: the edit does nothing"
        verdict=$("$READER" "$dir/base.so" "$dir/new.so") || verdict="status $?"
        [[ $verdict == "$4"*"$wanted"* ]] || echo "$config against $2: $title: $verdict"
    done >>"$dir/faults"
}

# judge_everywhere LIST WORD: two configurations at a time.
judge_everywhere() {
    local count=0 last config
    last=$(configurations | tail -n 1)
    while read -r config; do
        count=$((count + 1))
        judge_all "$config" "$last" "$count" "$2" < <("$1") 3>&- &
        last=$config
        [ $((count % 2)) -ne 0 ] || wait
    done < <(configurations)
    wait
    [ "$count" -ge 12 ]
    cat "$BATS_TEST_TMPDIR"/*/faults >"$BATS_TEST_TMPDIR/all"
    [ ! -s "$BATS_TEST_TMPDIR/all" ] || { cat "$BATS_TEST_TMPDIR/all"; return 1; }
}

@test "each edit that changes the layout of data is refused, with each compiler, level and form of debug information" {
    judge_everywhere refused changed:
}

@test "each edit that keeps the layout is accepted, even with another compiler, level or form" {
    judge_everywhere accepted same
}

# server_with CLIENT [VERSION [MORE [NAMES]]]: a handler whose state has a list of struct client { CLIENT };
# MORE is C text, NAMES are for SVR_TYPES.
server_with() {
    hooks <<END
#include "layout.h"
struct client { $1 };
struct state { struct client *first; long turns; };
${3:-}
${4:+SVR_TYPES($4);}
static int run(void) {
    struct state *state = svr_state();
    svr_info("turn %ld", ++state->turns);
    return 50;
}
static int migrate(int from, const void *old, void *new) {
    memcpy(new, old, sizeof(struct state));
    return from < ${2:-1} ? SVR_OK : svr_fail("from %d", from);
}
SVR_HANDLER(.run = run, .state_size = sizeof(struct state), .state_version = ${2:-1}, .migrate = migrate);
END
}

start_with() {
    server_with "$@"
    build
    run_server
    wait_line 5 'turn 2'
}

@test "a moved member rejects the reload with one line, also from check; the same types are accepted" {
    start_with 'int id; long idle;'
    server_with 'int id; char name[8]; long idle;'
    build
    run bounded ./svr.sh check
    [ "$status" -eq 1 ]
    [ "$output" = "rejected: struct client: member idle moved from 8 to 16 (my_server.c:9): raise state_version \
and migrate, or restart" ]
    rejected
    [ "$output" = "rejected: struct client: member idle moved from 8 to 16 (my_server.c:9): raise state_version \
and migrate, or restart; generation 1 keeps running" ]
    before=$(last_turn)
    server_with 'int id; int64_t idle; /* as before */'
    applied
    [[ $output == "reloaded: generation 2, 0 keys changed, pause "*" ms" ]]
    wait_line 5 "turn $((before + 2))"
    [ "$(json reloads_rejected)" = 1 ]
    alive "$server"
    run bounded ./svr.sh check
    [ "$output" = accepted ]
}

@test "with another state_version and migrate, changed types are accepted, and compared with from then on" {
    start_with 'int id;'
    server_with 'int number, id;' 2
    applied
    server_with 'int id, number;' 2
    rejected
    [[ $output == *"struct client: member number moved from 0 to 4"*"generation 2 keeps running" ]]
}

@test "a restart, and a new start, may change all types" {
    start_with 'int id;'
    applied
    [ -s run/layout ]
    for type in long double; do
        server_with "$type id;"
        rejected
        turns=$(count_lines 'turn 1$')
        bounded ./svr.sh restart
        wait_until 5 eval '[ "$(count_lines "turn 1$")" -gt "$turns" ]'
        applied
    done
    server_with 'int id;'
    rejected
    [[ $output == *"member id was double, is int"* ]]
    kill -9 "$server"
    wait_until 10 gone "$server" # it holds the folder until then
    run_server
    wait_line 5 'turn 1$'
    applied
    [[ $output != *warning* ]]
}

@test "a rollback to code without a new enumerator is accepted; the enumerator's value stays reserved" {
    start_with 'enum { IDLE, BUSY } kind;'
    server_with 'enum { IDLE, BUSY, GONE } kind;'
    set_key svr.reload.probation 0
    applied
    run bounded ./svr.sh rollback
    [ "$status" -eq 0 ]
    server_with 'enum { IDLE, BUSY, LOST } kind;'
    rejected
    [[ $output == *": 2 was GONE, is LOST (my_server.c:9): raise"* ]]
}

@test "what a pointer leads to is remembered while it is a void pointer" {
    start_with 'int id; int *p;'
    server_with 'int id; void *p;'
    applied
    server_with 'int id; long *p;'
    rejected
    [[ $output == *"member p was int *, is long int *"* ]] || { echo "$output"; return 1; }
    server_with 'int id; int *p;'
    applied
    bounded ./svr.sh close
}

@test "a type that is missing for some generations is remembered" {
    start_with 'int id;' 1 'struct job { int a, b; };' 'struct job'
    server_with 'int id;'
    applied
    applied
    server_with 'int id;' 1 'struct job { int b, a; };' 'struct job'
    rejected
    [[ $output == *"struct job: member a moved from 0 to 4"* ]]
    server_with 'int id;' 1 'struct job { int a, b; };' 'struct job'
    applied
}

@test "code without types is accepted with one warning; the known types are kept" {
    start_with 'int id;'
    for flags in -g1 -g0 '-g -gsplit-dwarf'; do
        server_with 'int id;' 1 "/* $flags */"
        sed -i "s/^CFLAGS = .*/CFLAGS = -O1 $flags/" Makefile
        applied
        [[ $flags != -g1 || $output == *" ms, warning: types are not compared: the new code has no types in its"* ]]
        [[ $flags == -g1 || $output != *warning* ]]
        run bounded ./svr.sh check
        [[ $output == "accepted: warning: types are not compared: "* ]]
    done
    strip build/handler.so
    SVR_BUILD=0 applied
    server_with 'long id;'
    rejected
    [[ $output == *"struct client: member id was int, is long"* ]]
}

@test "the state is found by its name, by SVR_TYPES or by its size; else the warning names SVR_TYPES" {
    start_with 'int id;'
    run_server_of() {
        sed -i 's/struct state/struct world/g' my_server.c
    }
    server_with 'int id;'
    run_server_of
    applied
    server_with 'long id;'
    run_server_of
    rejected
    [[ $output == *"struct client: member id was int, is long"* ]]
    kill -9 "$server"
    wait_until 10 gone "$server"
    hooks <<'END'
static int run(void) { return ++*(int *)svr_state(), 50; }
SVR_HANDLER(.run = run, .state_size = sizeof(int), .state_version = 1);
END
    build
    run_server
    applied
    [[ $output == *"warning: the state's type is not compared: the new code does not show"* ]]
    [[ $output == *"the type of its state; SVR_TYPES("* ]]
    # The state's type is not known, that of a job is.
    sed -i 's/^static int run/#include "layout.h"\nstruct job { int a; };\nSVR_TYPES(struct job);\n&/' my_server.c
    applied
    sed -i 's/{ int a; }/{ long a; }/' my_server.c
    rejected
    [[ $output == *"struct job: member a was int, is long"* ]]
}

@test "a layout-reader that dies, hangs, prints nonsense or is missing never rejects a reload" {
    reader=build/programs.d/layout-reader
    start_with 'int id;'
    for script in 'kill -SEGV $$' 'exec sleep 100' 'echo nonsense; echo more' 'exit 127' 'yes'; do
        printf '#!/bin/sh\n%s\n' "$script" >reader.new
        chmod +x reader.new
        mv reader.new $reader
        SVR_BUILD=0 bounded ./svr.sh check >said
        case $script in
        kill*) grep -q '^accepted: warning: types are not compared: .*layout-reader died of signal 11 (' said ;;
        *sleep*) grep -q '^accepted: warning: types are not compared: .* did not answer within 3 s$' said ;;
        *127) grep -q '^accepted: warning: .*layout-reader ended with status 127 (is libdw1 installed?)$' said ;;
        *) grep -q '^accepted: warning: types are not compared: ' said ;;
        esac
        SVR_BUILD=0 reload
        [ "$status" -eq 0 ]
    done
    rm $reader
    SVR_BUILD=0 bounded ./svr.sh check >said
    grep -q '^accepted: warning: types are not compared: .*No such file or directory$' said
    SVR_BUILD=0 reload
    [ "$status" -eq 0 ]
    server_with 'long id;'
    rejected # make brings it back, and run/layout is still there
}

@test "the templates work with the part: unchanged they reload, a changed struct is refused" {
    for template in worker tcp resp http; do
        [ $template != http ] || echo '#include <microhttpd.h>' | "${CC:-cc}" -E - >/dev/null 2>&1 || continue
        P=$BATS_TEST_TMPDIR/$template/demo
        mkdir "${P%/demo}"
        if [ $template = worker ]; then
            cp -a "$BATS_FILE_TMPDIR/base/demo" "$P" # the default template
        else
            "$TINY_NEW" -q --template $template --with layout "$P"
        fi
        cd "$P"
        sed -i 's/^\([a-z]*\.listen\) = .*/\1 = "run\/sock"/' svr_conf
        make -s
        run_server
        wait_until 10 test -e run/control
        applied
        [[ $output != *warning* ]]
        sed -i 's/^struct state {/&\n    int64_t more;/' my_server.c my_util.h
        rejected
        [[ $output == *": struct state: member "*" moved from 0 to 8 (my_"*"): raise state_version and"* ]]
        kill -9 "$server"
    done
}

@test "an installed server compares too; without libdw make names the package to install" {
    start_with 'int id;'
    make -s install prefix="$P/inst/demo" user="$(id -un)"
    [ -x inst/demo/build/programs.d/layout-reader ]
    run make CC="${CC:-cc} -nostdinc"
    [ "$status" -ne 0 ]
    [[ $output == *"the part layout needs elfutils/libdw.h, which "*"(Debian: apt install libdw-dev; "* ]]
}

@test "two files may each have a type of the same name: both are compared, and one may disappear" {
    write() {
        printf '%s\n' '#include "svr.h"' '#include "layout.h"' "struct node { $2 };" 'SVR_TYPES(struct node);' >"$1.c"
    }
    link() {
        "${CC:-cc}" -g -w -Iruntime -Iparts -fPIC -shared -o "$@"
    }
    write one 'int a; struct node *next;'
    write two 'double v; char name[8];'
    link base.so one.c two.c
    link turned.so two.c one.c
    link less.so one.c
    write two 'float v; char name[8];'
    link changed.so one.c two.c
    [ "$("$READER" base.so turned.so)" = same ]
    [ "$("$READER" base.so less.so first)" = same ]
    [ "$("$READER" less.so base.so)" = same ]
    [ "$("$READER" base.so changed.so)" = "changed: struct node: member v was double, is float (two.c:3)" ]
    [ "$("$READER" first changed.so)" = "changed: struct node: member v was double, is float (two.c:3)" ]
}

@test "handlers in C++, built with g++ and clang++: unchanged ones are equal, a changed base class is refused" {
    command -v g++ && command -v clang++ || skip "no C++"
    shape() {
        cat <<END
#include <string>
#include <map>
namespace game {
class thing { public: $1 virtual ~thing() {} static int all; };
enum class mood : unsigned char { calm, wild };
template <class T, unsigned n> struct row { T cells[n]; };
class player : public thing { public: int id; player *next; mood now; row<long, 3> places; std::string name; };
}
struct state { game::player first; std::map<std::string, int> points; };
int game::thing::all;
extern "C" long probe(state *state) { return state->first.id + (long)state->points.size(); }
extern "C" game::player *make_one() { return new game::player; }
#include "layout.h"
SVR_TYPES(struct state);
END
    }
    list=()
    for compiler in 'g++ -gdwarf-4' 'g++ -gdwarf-5 -O2' 'clang++ -g -fstandalone-debug' 'clang++ -gdwarf-4 -O2'; do
        for base in 'int a;' 'short b; int a;'; do
            shape "$base" >shape.cc
            # shellcheck disable=SC2086 # words of a configuration
            $compiler -w -Iparts -Iruntime -shared -fPIC -o "x${#list[@]}.so" shape.cc
            list+=("$compiler, $base")
        done
    done
    for one in 0 2 4 6; do
        for other in 0 2 4 6; do
            [ "$("$READER" x$one.so x$other.so)" = same ]
        done
    done
    for one in 0 2 4; do
        [[ $("$READER" x$one.so x$((one + 1)).so) == "changed: struct game::thing: member a moved from 8 to 12 "* ]]
    done
}

@test "damaged debug information: layout-reader prints one clean line or dies, and the server lives" {
    start_with 'int id; char name[8]; struct client *next; enum { A, B } kind;'
    cp build/handler.so whole.so
    cat >damage.py <<'END'
import random, subprocess, sys
whole = open("whole.so", "rb").read()
random.seed(int(sys.argv[2]))
sections = [tuple(map(lambda x: int(x, 16), line.split())) for line in open("sections")]
ends = {}
for turn in range(150):
    data = bytearray(whole)
    kind = turn % 3
    if kind == 0:
        data = data[:random.randrange(len(data))]
    for at, size in [] if kind == 0 else [random.choice(sections)]:
        if kind == 1:
            for _ in range(random.randrange(1, 30)):
                data[at + random.randrange(size)] = random.randrange(256)
        else:
            data[at:at + size] = bytes(size)
    open("hurt.so", "wb").write(data)
    end = subprocess.run([sys.argv[1], "whole.so", "hurt.so"], capture_output=True, timeout=20)
    line = end.stdout.decode("utf-8", "replace")
    word = line.split(":")[0].strip()
    if end.returncode >= 0:
        assert word in ("same", "changed", "unknown"), (turn, end)
        assert line.count("\n") == 1 and all(c >= " " and c != "\x7f" for c in line[:-1]), (turn, line)
    assert end.stderr == b"", end
    if kind != 1:
        assert word != "changed", (turn, line)
    ends[word] = ends.get(word, 0) + 1
print(ends)
END
    readelf -SW whole.so | sed 's/\[ *[0-9]*\]//' | awk '$1 ~ /^\.debug_/ { print $4, $5 }' >sections
    seed=${SEED:-$RANDOM}
    echo "SEED=$seed"
    python3 damage.py "$READER" "$seed"
    cp hurt.so build/handler.so
    SVR_BUILD=0 reload
    [ "$status" -le 1 ]
    alive "$server"
    json generation
}

# A project with a checkpoint too, in place of the present one; it is built once.
with_checkpoint() {
    local base=$BATS_FILE_TMPDIR/kept
    P=$BATS_TEST_TMPDIR/kept/demo
    if [ ! -d "$base" ]; then
        "$TINY_NEW" -q --name demo --with checkpoint,layout "$base"
        make -s -C "$base"
    fi
    mkdir "${P%/demo}"
    cp -a "$base" "$P"
    cd "$P"
}

# counting_state MEMBERS [VERSION]: a state without pointers.
counting_state() {
    hooks <<END
struct state { $1 };
static int run(void) {
    struct state *state = svr_state();
    svr_info("turn %ld", (long)++state->turns);
    return 50;
}
static int migrate(int from, const void *old, void *new) {
    memcpy(new, old, sizeof(long));
    return from == 1 ? SVR_OK : svr_fail("from %d", from);
}
SVR_HANDLER(.run = run, .state_size = sizeof(struct state), .state_version = ${2:-1}, .migrate = migrate);
END
    build
}

start_again() {
    [ ! -e run/control ] || bounded ./svr.sh close
    wait_until 10 test -s status.txt
    cat log.txt >>all.txt
    rm -f server.pid status.txt
    run_server
}

@test "a start that would read the bytes of a checkpoint as another type is refused; the file stays" {
    with_checkpoint
    counting_state 'long turns; int a, b;'
    run_server
    wait_line 5 'turn 3'
    turns=$(last_turn)
    start_again
    wait_line 5 'turn'
    [ "$(grep -o 'turn [0-9]*' log.txt | head -n 1 | cut -d' ' -f2)" -gt "$turns" ]
    counting_state 'long turns; int b, a;'
    start_again
    [ "$(exit_status)" = 1 ]
    reason='struct state: member a moved from 8 to 12 (my_server.c:8): raise state_version and migrate'
    wait_line 5 "start failed: checkpoint run/state: $reason; move it away to start without it\$"
    counting_state 'int64_t turns; int a, b; /* the same */'
    start_again
    wait_line 5 'turn'
    counting_state 'long turns; int b, a;' 2
    start_again
    wait_line 5 'turn'
}

@test "a restart that would do so is refused before anything is closed; the saved types follow each reload" {
    with_checkpoint
    counting_state 'long turns; int a, b;'
    run_server
    wait_line 5 'turn 3'
    counting_state 'long turns; int b, a;'
    run bounded ./svr.sh restart
    [ "$status" -eq 1 ]
    [[ $output == *"rejected: checkpoint: struct state: member a moved from 8 to 12 (my_server.c:8): raise "* ]]
    [[ $output == *" raise state_version and migrate; the server keeps running" ]]
    alive "$server"
    counting_state 'long turns; int a, b;'
    strip build/handler.so
    SVR_BUILD=0 applied # without types: what was known is what is saved
    counting_state 'long turns; int b, a;'
    run bounded ./svr.sh restart
    [[ $output == *"rejected: checkpoint: struct state: member a moved"* ]]
    counting_state 'long turns; int b, a;' 2
    applied
    counting_state 'long turns; int b, a; /* as it is now */' 2
    bounded ./svr.sh restart
    wait_until 10 eval '[ "$(json generation)" = 1 ]'
    wait_line 5 'turn'
    [ "$(json state)" = running ]
}

@test "a checkpoint from a server without the part, and one without types, are still read" {
    with_checkpoint
    mkdir "$BATS_TEST_TMPDIR/plain"
    "$TINY_NEW" -q --with none,checkpoint "$BATS_TEST_TMPDIR/plain/demo"
    counting_state 'long turns; int a, b;'
    cp my_server.c Makefile "$BATS_TEST_TMPDIR/plain/demo/"
    kept=$P
    cd "$BATS_TEST_TMPDIR/plain/demo"
    build
    run_server
    wait_line 5 'turn 3'
    bounded ./svr.sh close
    wait_until 10 test -s status.txt
    [ ! -e run/layout ]
    mkdir -p "$kept/run"
    cp run/state "$kept/run/"
    turns=$(last_turn)
    cd "$kept"
    strip build/handler.so
    run_server
    wait_line 5 "turn $((turns + 1))\$"
    start_again
    wait_line 5 'turn'
    [ "$(last_turn)" -gt "$turns" ]
}
