#!/usr/bin/env bats
# The plots: they, and README's figures, are those of bench/results.txt.

setup() {
    cd "$TINY_SRC" || return 1
}

# figure ROW: ours in the saved results.
figure() {
    awk -v row="$1" 'index($0, row) == 1 { split(substr($0, 45), words, " "); print words[1]; exit }' bench/results.txt
}

@test "the plots and README show the saved figures" {
    for row in 'swap pause' 'start to the first run' 'idle, private memory' 'idle, PSS'; do
        grep -qF ">$(figure "$row")<" docs/plot-core.svg || { echo "$row: make plots"; return 1; }
    done
    grep -qF "| $(figure 'idle, PSS') kB |" README.md
    grep -qF "| $(figure 'idle, private memory') kB |" README.md
    grep -qF "| $(printf '%.1f' "$(figure 'start to the first run')") ms |" README.md
    grep -qF "| $(printf '%.1f' "$(figure 'an echoed line')") us |" README.md
}

@test "make plots draws them, and reports missing figures" {
    command -v gnuplot >/dev/null || skip "no gnuplot"
    bench/plot bench/results.txt "$BATS_TEST_TMPDIR"
    grep -qF ">$(figure 'swap pause')<" "$BATS_TEST_TMPDIR/plot-core.svg"
    grep -q 'libuv' "$BATS_TEST_TMPDIR/plot-requests.svg"
    grep -v '^swap' bench/results.txt >"$BATS_TEST_TMPDIR/less"
    run bench/plot "$BATS_TEST_TMPDIR/less" "$BATS_TEST_TMPDIR"
    [ "$status" -eq 1 ]
    [[ $output == *"has no row for swap"* ]]
}
