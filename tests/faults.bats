#!/usr/bin/env bats
# Fault injection, the short form; `make torture-faults` runs all of it.

faults() {
    command -v strace >/dev/null || skip "no strace"
    strace -qq -o /dev/null true 2>/dev/null || skip "no ptrace here"
    timeout -k 5 1500 "$TINY_SRC/tests/faults" "$TINY_NEW" "$@" >&2
}

@test "a start, restart or close that is killed, or in which a call or allocation fails, works or gives a reason" {
    faults start restart close
}

@test "a reload, rotation or checkpoint: the same" {
    faults reload rotation checkpoint
}

@test "tiny-new and its --update: the same; the project is complete, or unchanged" {
    faults tiny-new update
}
