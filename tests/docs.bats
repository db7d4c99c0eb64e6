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

@test "docs/tutorial.md: each step, in order, gives the answer that stands below it" {
    command -v nc >/dev/null || skip "no nc"
    command -v openssl >/dev/null || skip "no openssl"
    [ -e /usr/include/openssl/ssl.h ] || skip "no libssl-dev"
    timeout $((120 * SLACK)) "$TINY_SRC/tests/replay" "$TINY_SRC/docs/tutorial.md" "$(free_port)" 3>&-
}

@test "the pages link only to files that are there, and to headings that they have" {
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
