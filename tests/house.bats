#!/usr/bin/env bats
# The house: the shape of the runtime, its size, its scripts, both compilers.

bats_require_minimum_version 1.5.0

setup_file() {
    export PROJECT=$BATS_FILE_TMPDIR/house
    export WARNINGS='-Wall -Wextra -Wpedantic -Wshadow -Werror'
    "$TINY_NEW" -q --with all "$PROJECT"
}

setup() {
    unset MAKEFLAGS MFLAGS MAKELEVEL
    cd "$TINY_SRC" || return 1
}

@test "sources: 80 columns, no tabs, the layout of .clang-format" {
    run awk 'length > 80 || /\t/ { print FILENAME ":" FNR }' runtime/*.[ch] parts/*.[ch] generator/*.[ch]
    [ "$output" = "" ]
    command -v clang-format >/dev/null || skip "no clang-format"
    clang-format --dry-run -Werror runtime/*.[ch] parts/*.[ch] generator/*.[ch]
    clang-format --style=file --dry-run -Werror templates/*/*.[ch]
}

@test "tests, scripts and templates: 120 columns" {
    run awk 'length > 120 { print FILENAME ":" FNR }' tests/*.bats tests/helper.bash tests/*.c tests/fuzz/*.c \
        tests/torture tests/faults tests/fail-over tests/systemd-boot tests/run-bats bench/run bench/plot scripts/* \
        templates/*/*.[ch] templates/common/svr.sh Makefile.am configure.ac
    [ "$output" = "" ]
}

@test "each header compiles by itself" {
    for header in runtime/*.h parts/*.h; do
        printf '#include "%s"\ntypedef int unit;\n' "$PWD/$header" |
            "${CC:-cc}" -std=c11 -Wall -Wextra -Wpedantic -Werror -Iruntime -fsyntax-only -x c -
    done
}

@test "the first line of a part's header is a complete description, for --list" {
    for header in parts/*.h; do
        first=$(head -n 1 "$header") second=$(sed -n 2p "$header")
        [[ $first == *' */' || $second == ' *' ]] || { echo "$header: $first"; return 1; }
    done
}

# no_circle FILE…: the includes among these files have no circle.
no_circle() {
    for file; do
        sed -n 's/^#include "\(.*\)\.h"/\1/p' "$file" | while read -r header; do
            echo "${file##*/} $header.h"
        done
    done | awk '{ sub(/\.[ch]$/, "", $1); sub(/\.h$/, "", $2); if ($1 != $2) print }' >"$BATS_TEST_TMPDIR/graph"
    [ -s "$BATS_TEST_TMPDIR/graph" ]
    tsort "$BATS_TEST_TMPDIR/graph" >/dev/null
}

@test "no file includes another in a circle: core, core with parts, generator" {
    no_circle runtime/*.[ch]
    no_circle runtime/*.[ch] parts/*.[ch]
    no_circle runtime/*.[ch] generator/*.[ch]
}

@test "no files of the core depend on each other in a circle" {
    make -s -C "$PROJECT"
    cd "$PROJECT/build/objects.d/runtime"
    for object in *.o; do
        nm "$object" | awk -v room="${object%.o}" '
            $2 ~ /[TDBRV]/ { print "has", $3, room } $1 == "U" { print "needs", $2, room }'
    done | awk '$1 == "has" { home[$2] = $3 } $1 == "needs" { wants[++n] = $2; who[n] = $3 }
        END { for (i = 1; i <= n; i++) if (wants[i] in home && home[wants[i]] != who[i])
              print who[i], home[wants[i]] }' | sort -u >"$BATS_TEST_TMPDIR/graph"
    [ -s "$BATS_TEST_TMPDIR/graph" ]
    tsort "$BATS_TEST_TMPDIR/graph" >/dev/null
}

@test "plain English: no listed idiom in any text for readers" {
    idioms='anew|so many|but for|as it was|as they were|for ever|goes? on|tells|hears|told|whoever|bury|buried|till'
    idioms+='|(is|are|was|were) to (be|have|go|come|find|get|keep|last|live)'
    run grep -rnEiw "$idioms" runtime parts generator templates docs README.md scripts bench tests --include=* \
        --exclude-dir=frozen --exclude-dir=fuzz --exclude=house.bats
    [ "$output" = "" ] || { echo "$output"; return 1; }
}

@test "each function's name is unique in the core, the parts and the generator" {
    ctags --version 2>/dev/null | grep -q Universal || skip "no universal-ctags"
    ctags -x --c-kinds=f runtime/*.[ch] parts/*.[ch] generator/*.[ch] |
        awk '{ print $1 }' | sort | uniq -d >"$BATS_TEST_TMPDIR/twice"
    [ "$(cat "$BATS_TEST_TMPDIR/twice")" = main ]
}

@test "the core has the counted code lines; a part has at most 100, or the number in tests/part-lines" {
    command -v cloc >/dev/null || skip "no cloc"
    count() {
        cloc --quiet --csv --include-lang=C,"C/C++ Header" "$@" |
            awk -F, '/SUM/ { sum = $5 } $2 ~ /^C/ { one += $5 } END { print sum ? sum : one }'
    }
    lines=$(count runtime)
    limit=$(cat tests/core-lines)
    echo "core: $lines code lines; the limit is $limit"
    [ "$lines" -le "$limit" ]
    [ "$lines" -eq "$limit" ] || { echo "lower tests/core-lines to $lines"; return 1; }
    for part in parts/*.c; do
        lines=$(count "$part" "${part%.c}.h")
        limit=$(awk -v part="$(basename "$part" .c)" '$1 == part { print $2 }' tests/part-lines)
        echo "$part: $lines code lines; the limit is ${limit:-100}"
        [ "$lines" -le "${limit:-100}" ]
        [ -z "$limit" ] || [ "$lines" -ge $((limit - 5)) ] || { echo "lower tests/part-lines"; return 1; }
    done
    all=$(($(cat tests/core-lines) + $(count parts)))
    grep -q "^The core has $(cat tests/core-lines) code lines .*, with all parts $all\." README.md ||
        { echo "README: the core has $(cat tests/core-lines) code lines, with all parts $all"; return 1; }
    run grep -rnwE 'notify' runtime/
    output=$(grep -v '_notify\|notify_' <<<"$output" || true)
    [ "$output" = "" ] || { echo "$output"; return 1; }
}

@test "every script is clean under shellcheck" {
    command -v shellcheck >/dev/null || skip "no shellcheck"
    shellcheck bench/plot scripts/demo scripts/need scripts/next-version scripts/source scripts/source-date \
        scripts/test .ci/run \
        tests/run-bats tests/installcheck tests/systemd-boot tests/fuzz/run
    shellcheck "$PROJECT"/svr.sh "$PROJECT"/runtime/install.sh
    shellcheck "$PROJECT"/service/as-owner "$PROJECT"/service/*/run
    shellcheck -s bash -e SC1091,SC2016,SC2119,SC2120 tests/helper.bash
    # An assert that cannot fail; and shellcheck only notes a last one.
    shellcheck --include=SC2314,SC2315 tests/*.bats templates/*/tests/*.bats
}

@test "the docs name only tests and pages that exist" {
    for name in $(grep -ohE '(tests|docs)/[a-z_0-9/.-]+\.(bats|c|pml|md)' README.md docs/*.md | sort -u); do
        [ -e "$name" ] || { echo "$name is not there"; return 1; }
    done
}

@test "the runtime has the version of this release" {
    version=$(sed -n 's/^AC_INIT(\[[^]]*\], *\[\([^]]*\)\].*/\1/p' configure.ac)
    [ -n "$version" ]
    grep -qxF "#define STATUS_VERSION \"$version\"" runtime/status.h
}

@test "no test uses a fixed port" {
    run grep -nE '(127\.0\.0\.1|localhost|\[::1\]|\]):[0-9]{2,5}|port *= *[0-9]{3,}' \
        tests/*.bats tests/helper.bash tests/torture tests/fail-over \
        tests/faults templates/*/tests/*.bats
    [ "$output" = "" ] || { echo "$output"; return 1; }
}

@test "a project compiles without warnings with gcc and clang" {
    for compiler in gcc clang; do
        command -v $compiler >/dev/null || skip "no $compiler"
        cp -a "$PROJECT" "$BATS_TEST_TMPDIR/$compiler"
        make -s -C "$BATS_TEST_TMPDIR/$compiler" CC=$compiler
        make -s -C "$BATS_TEST_TMPDIR/$compiler" CC=$compiler CFLAGS=-O0
        for template in tcp http; do
            "$TINY_NEW" -q -t $template "$BATS_TEST_TMPDIR/$compiler-$template"
            make -s -C "$BATS_TEST_TMPDIR/$compiler-$template" CC=$compiler
        done
    done
}

@test "clang-tidy finds nothing in the runtime" {
    command -v clang-tidy >/dev/null || skip "no clang-tidy"
    local checks='-*,clang-analyzer-*,bugprone-*' but
    for but in bugprone-easily-swappable-parameters bugprone-reserved-identifier bugprone-narrowing-conversions \
        bugprone-assignment-in-if-condition clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling \
        clang-analyzer-valist.Uninitialized clang-analyzer-optin.performance.Padding; do
        checks+=,-$but
    done
    run clang-tidy --quiet --warnings-as-errors='*' --checks="$checks" \
        runtime/*.c parts/*.c generator/*.c -- -std=c11 -Iruntime -Igenerator \
        -DSVR_PROJECT='"x"' -DVERSION='"0"' -DM4='"m4"' -DDATA_DIR='""'
    [ "$status" -eq 0 ] || { grep -v 'warnings generated' <<<"$output"; return 1; }
}

@test "templates have no place-holder that is not filled" {
    run grep -rnE '__[A-Z_]+__' "$PROJECT" --include='*' --exclude-dir=build
    output=$(grep -vE '__(VA_ARGS|FILE|LINE)__' <<<"$output" || true)
    [ "$output" = "" ] || { echo "$output"; return 1; }
}
