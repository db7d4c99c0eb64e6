#!/usr/bin/env bats
# The recorded session: a new recording says what docs/session.svg shows.

# rows FILE: its rows, with numbers masked, and without what the compiler and make print.
rows() {
    sed -n 's/^<text[^>]*>//p' "$1" | sed -E 's/<[^>]*>//g; s/\(0 s\)|\([1-9][0-9]* s\)/(N s)/
        s/build [0-9a-f]+/build ID/; s/[0-9]+([.:T+-][0-9]+)*/N/g' | sed '/^my_util\.c:/,/^make: /d'
}

@test "docs/session.svg shows what a server really does" {
    for tool in tmux python3; do
        command -v $tool >/dev/null || skip "no $tool"
    done
    unset MAKEFLAGS MFLAGS MAKELEVEL
    timeout -k 1 600 "$TINY_SRC/scripts/record" "$TINY_NEW" "$BATS_TEST_TMPDIR/new.svg" 3>&-
    rows "$BATS_TEST_TMPDIR/new.svg" >"$BATS_TEST_TMPDIR/new"
    [ "$(grep -c '^\$ ' "$BATS_TEST_TMPDIR/new")" -eq 10 ]
    rows "$TINY_SRC/docs/session.svg" | diff -u - "$BATS_TEST_TMPDIR/new"
}

@test "docs/session.svg is small, has no scripts, and shows everything without animation" {
    [ "$(wc -c <"$TINY_SRC/docs/session.svg")" -lt 40000 ]
    run grep -ciE '<script|href|opacity="0|display' "$TINY_SRC/docs/session.svg"
    [ "$output" = 0 ]
    python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' "$TINY_SRC/docs/session.svg"
}
