#!/usr/bin/env bats
# docs/architecture.md: a stranger finds the file for a change by it.

setup() {
    cd "$TINY_SRC" || return 1
    page=docs/architecture.md
}

@test "every file that the page and its picture name exists" {
    grep -oE '(generator|runtime|parts|templates|scripts|docs)/[A-Za-z0-9_./-]+' $page |
        sed 's/[.]$//' | grep -vxE 'parts/NAME\.c|parts/table\.c|templates/NAME\.txt' |
        sort -u >"$BATS_TEST_TMPDIR/names"
    [ "$(wc -l <"$BATS_TEST_TMPDIR/names")" -gt 40 ]
    # In the picture they stand without a folder: the core's.
    grep -oE '[a-z_]+\.c\b' docs/architecture.svg | grep -v '^my_' |
        sed 's|^|runtime/|' >>"$BATS_TEST_TMPDIR/names"
    while read -r name; do
        [ -e "$name" ] || { echo "$page: $name is not there"; return 1; }
    done <"$BATS_TEST_TMPDIR/names"
}

@test "the page names each file of the core and of the generator" {
    for file in runtime/*.c generator/*.c; do
        grep -qF "\`$file\`" $page || { echo "$page does not name $file"; return 1; }
    done
}
