#!/usr/bin/env bats
# The README: what its first screen shows is what happens.

load helper

setup_file() {
    : # it makes its own project
}

setup() {
    P=$BATS_TEST_TMPDIR/myproj started=() helpers=()
    cd "$BATS_TEST_TMPDIR" || return 1
    PATH=$(dirname "$TINY_NEW"):$PATH
    unset MAKEFLAGS MFLAGS MAKELEVEL
}

teardown() {
    (cd "$P" 2>/dev/null && SVR_BUILD=0 bounded ./svr.sh close) || true
}

# first_screen FILE: its first block, without what stands behind a #.
first_screen() {
    awk '/^    /{ print substr($0, 5); seen = 1; next } seen { exit }' "$TINY_SRC/$1" | sed 's/   *#.*//'
}

@test "the first screen: each command gives the answer shown below it" {
    # Numbers that differ from run to run are masked.
    mask() { sed -E 's/pid [0-9]+/pid N/; s/pause [0-9.]+ ms/pause N ms/'; }
    first_screen README.md >screen
    [ "$(grep -c '^\$ ' screen)" -eq 6 ]
    sed 's/^\$ //; t; d' screen >commands
    mask <screen >expected
    mapfile -t commands <commands
    for command in "${commands[@]}"; do
        printf '$ %s\n' "$command" >&4
        eval "$command" >&4 2>&1 3>&- || true
    done 4>"$BATS_TEST_TMPDIR/happened"
    first_screen README.zh-CN.md | diff -u "$BATS_TEST_TMPDIR/screen" -
    mask <"$BATS_TEST_TMPDIR/happened" | diff -u "$BATS_TEST_TMPDIR/expected" -
}

@test "it has less than 700 words before its reference, and names only existing files" {
    [ "$(sed '/^# Reference/,$d' "$TINY_SRC/README.md" | wc -w)" -lt 700 ]
    grep -ohE '\]\([^)#]+\)' "$TINY_SRC"/README*.md | tr -d ']()' | grep -v '^http' | sort -u >links
    [ "$(wc -l <links)" -gt 10 ]
    while read -r link; do
        [ -e "$TINY_SRC/$link" ] || { echo "README: no $link"; return 1; }
    done <links
}
