#!/usr/bin/env bats
# Fuzzers: whatever comes from a file, a client or a peer is taken or refused.

bats_require_minimum_version 1.5.0

@test "ten seconds of each fuzzer find nothing" {
    echo 'int LLVMFuzzerTestOneInput(const char *d, long n) { return d && n < 0; }' >"$BATS_TEST_TMPDIR/none.c"
    clang -fsanitize=fuzzer,address -o "$BATS_TEST_TMPDIR/none" "$BATS_TEST_TMPDIR/none.c" 2>/dev/null ||
        skip "no clang with libFuzzer"
    FUZZ_DIR=$BATS_TEST_TMPDIR/work timeout -k 5 600 "$TINY_SRC/tests/fuzz/run" 10
}
