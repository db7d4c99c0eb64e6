#!/usr/bin/env bats
# The documents: every command in README and docs/ is run by a test.

load helper

setup_file() {
    : # each makes its own project
}

setup() {
    P=$BATS_TEST_TMPDIR/hello started=() helpers=()
    cd "$BATS_TEST_TMPDIR" || return 1
    PATH=$(dirname "$TINY_NEW"):$PATH
    unset MAKEFLAGS MFLAGS MAKELEVEL WARNINGS
}

teardown() {
    (cd "$P" 2>/dev/null && SVR_BUILD=0 bounded ./svr.sh close) >/dev/null 2>&1 || true
}

@test "docs/tutorial.md: each step, in order, gives the answer shown below it" {
    command -v nc >/dev/null || skip "no nc"
    command -v openssl >/dev/null || skip "no openssl"
    [ -e /usr/include/openssl/ssl.h ] || skip "no libssl-dev"
    timeout $((120 * SLACK)) "$TINY_SRC/tests/replay" "$TINY_SRC/docs/tutorial.md" "$(free_port)" 3>&-
}

@test "the pages link only to files and headings that exist" {
    cd "$TINY_SRC"
    for page in README*.md CONTRIBUTING.md SECURITY.md CHANGELOG.md docs/*.md; do
        grep -oE '\]\([^)]+\)' "$page" | sed 's/^](//; s/)$//' | grep -v '^http' | sort -u |
            while IFS='#' read -r file heading; do
                target=$page
                [ -z "$file" ] || target=$(dirname "$page")/$file
                [ -e "$target" ] || echo "$page: no $file"
                [ -z "$heading" ] || sed -n 's/^#\+ //p' "$target" | tr 'A-Z ' 'a-z-' | tr -d '`,.:;()?!/' |
                    grep -qxF -- "$heading" || echo "$page: no heading $heading in $target"
            done
    done >"$BATS_TEST_TMPDIR/broken"
    [ ! -s "$BATS_TEST_TMPDIR/broken" ] || { cat "$BATS_TEST_TMPDIR/broken"; return 1; }
}

@test "each command of a page is in tests/doc-commands.list, below an existing test" {
    cd "$TINY_SRC"
    tests/doc-commands . docs/tutorial.md >"$BATS_TEST_TMPDIR/all"
    [ "$(wc -l <"$BATS_TEST_TMPDIR/all")" -gt 80 ]
    cut -f2 "$BATS_TEST_TMPDIR/all" | LC_ALL=C sort -u >"$BATS_TEST_TMPDIR/pages"
    sed -n 's/^    //p' tests/doc-commands.list | LC_ALL=C sort >"$BATS_TEST_TMPDIR/listed"
    # < is in a page and not in the list.
    diff "$BATS_TEST_TMPDIR/pages" "$BATS_TEST_TMPDIR/listed"
    sed -n 's/^\([a-z0-9_]*\): \(.*\)$/\1|\2/p' tests/doc-commands.list | while IFS='|' read -r file title; do
        grep -qxF "@test \"$title\" {" "tests/$file.bats" || echo "no test of $file: $title"
    done >"$BATS_TEST_TMPDIR/missing"
    [ ! -s "$BATS_TEST_TMPDIR/missing" ] || { cat "$BATS_TEST_TMPDIR/missing"; return 1; }
}

# of_pages PATTERN: the commands of the pages that match.
of_pages() {
    "$TINY_SRC/tests/doc-commands" "$TINY_SRC" docs/tutorial.md | cut -f2 | grep -E -- "$1" | sort -u
}

@test "each tiny-new of a page makes or updates its project" {
    of_pages '^tiny-new ' | grep -v -- --version >commands
    [ "$(wc -l <commands)" -gt 10 ]
    while IFS= read -r command; do
        rm -rf at
        mkdir at
        (
            cd at
            case $command in
            *--update*) tiny-new -q myproj && command=${command/DIR/myproj} ;;
            *' && '*) command=${command%% && *} ;;
            *--template) command="$command tcp myproj" ;;
            *' --with layout' | *' --with stats') command="$command myproj" ;;
            esac
            bash -c "$command" >../out 2>&1
        ) || { echo "$command:"; cat out; return 1; }
        [ -n "$(find at -mindepth 2 -maxdepth 2 -name svr.sh)" ] || { echo "$command: no project"; return 1; }
    done <commands
}

@test "the crontab line of docs/metrics.md writes the figures of a server, and svr_up 0 without one" {
    P=$PWD/opt/myproj
    mkdir -p opt var/lib/prometheus/node-exporter
    tiny-new -q opt/myproj
    make -s -C opt/myproj
    line=$(of_pages '^cd /var/lib/prometheus' | sed "s#/opt/#$PWD/opt/#; s#/var/lib/#$PWD/var/lib/#")
    [ -n "$line" ]
    run sh -c "$line"
    [ "$output" = "" ] # which cron would mail
    [ "$(cat var/lib/prometheus/node-exporter/myproj.prom)" = 'svr_up 0' ]
    bounded opt/myproj/svr.sh start
    sh -c "$line"
    grep -qx 'svr_up{.*} 1\|svr_up 1' var/lib/prometheus/node-exporter/myproj.prom
}

@test "the targets and scripts that change or test Tiny itself exist" {
    for command in $(of_pages '^make (bench|check|plots|portability|soak|fuzz|torture-faults)$' | cut -d' ' -f2); do
        make -n -C "$TINY_BUILD" "$command" >/dev/null
    done
    for script in $(of_pages '^(scripts|tests)/' | cut -d' ' -f1 | sort -u); do
        [ -x "$TINY_SRC/$script" ]
    done
}
