#!/usr/bin/env bats
# Reload torture, the short form; `make soak` runs the long one.

torture() {
    timeout -k 1 300 "$TINY_SRC/tests/torture" "$TINY_NEW" "$@" >&2
}

@test "tcp: 100 reloads, good and bad, 10,000 requests: none broken, refused or wrong; the state exact" {
    torture tcp 100 10000
}

@test "resp: the same, in the Redis protocol with values of any bytes" {
    torture resp 100 10000
}

@test "http: the same, on persistent connections and on new ones" {
    echo '#include <microhttpd.h>' | "${CC:-cc}" -E - >/dev/null 2>&1 || skip "no libmicrohttpd-dev"
    torture http 100 10000
}
