#!/usr/bin/env bats
# The template resp: Redis's protocol, spoken by Redis's own clients.

load helper

setup_file() {
    make_base --template resp
}

serve() {
    port=$(free_port)
    set_key resp.listen "\"127.0.0.1:$port\""
    set_key log.syslog false
    build
    run_server
    wait_line 5 'listening on'
}

redis() {
    timeout 60 redis-cli -p "$port" "$@"
}

# talk: a Python script with `connect()`, a client that speaks the protocol.
talk() {
    {
        cat <<END
import socket, subprocess, sys, time
class Client:
    def __init__(self):
        self.socket = socket.create_connection(("127.0.0.1", $port), timeout=60)
        self.file = self.socket.makefile("rb")
    def send(self, *words):
        words = [w if isinstance(w, bytes) else str(w).encode() for w in words]
        self.socket.sendall(b"*%d\r\n" % len(words) + b"".join(b"\$%d\r\n%s\r\n" % (len(w), w) for w in words))
    def answer(self):
        line = self.file.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"\$": return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2]
        if kind == b"*": return [self.answer() for _ in range(int(rest))]
        return int(rest) if kind == b":" else line[:-2].decode()
    def ask(self, *words): self.send(*words); return self.answer()
connect = Client
END
        cat
    } >talk.py
    timeout 300 python3 talk.py
}

@test "its own tests pass in a new project" {
    run env -u MAKELEVEL make -s check
    [ "$status" -eq 0 ]
    [[ $output != *"# skip"* ]]
}

@test "at most 150 code lines of my_*.c" {
    command -v cloc >/dev/null || skip "no cloc"
    lines=$(cloc --quiet --csv --include-lang=C my_server.c my_util.c | awk -F, '{ lines = $5 } END { print lines }')
    [ "$lines" -le 150 ]
}

@test "redis-cli: each command, and the same errors as Redis" {
    command -v redis-cli >/dev/null || skip "no redis-cli"
    serve
    while IFS='>' read -r command answer; do
        # shellcheck disable=SC2086 # words
        [ "$(redis $command)" = "$answer" ] || { echo "$command: $(redis $command)"; false; }
    done <<'END'
PING>PONG
ping hello>hello
ECHO deep>deep
SET k v>OK
get k>v
GET none>
SET k v2>OK
GET k>v2
EXISTS k none k>2
DBSIZE>1
INCR n>1
INCR n>2
INCR k>ERR value is not an integer or out of range
SET n 9223372036854775807>OK
INCR n>ERR increment would overflow
SET n -3>OK
INCR n>-2
TTL n>-1
TTL none>-2
EXPIRE none 10>0
EXPIRE n 100>1
TTL n>100
INCR n>-1
TTL n>100
SET n 1>OK
TTL n>-1
EXPIRE n -1>1
EXISTS n>0
EXPIRE k ten>ERR value is not an integer or out of range
DEL k none>1
DBSIZE>0
GET>ERR wrong number of arguments for 'GET' command
SET a>ERR wrong number of arguments for 'SET' command
NOPE>ERR unknown command 'NOPE'
QUIT>OK
END
    [ "$(redis CONFIG GET save | head -n 1)" = save ]
    bounded ./svr.sh close
    has_line '<SUMMARY> clients 0, keys 0, commands '
}

@test "binary-safe to 1 MB, in pieces and pipelined; nonsense gets an error and is closed" {
    serve
    talk <<'END'
import os
c = connect()
value = os.urandom(1 << 20)
for key in (b"k", b"\0\r\n$5", os.urandom(100000), b""):
    assert c.ask("SET", key, value) == "+OK" and c.ask("GET", key) == value
assert c.ask("SET", "e", "") == "+OK" and c.ask("GET", "e") == b""
for byte in b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$2\r\n\r\n\r\n": c.socket.sendall(bytes([byte]))
assert c.answer() == "+OK" and c.ask("GET", "a") == b"\r\n"
for i in range(10000): c.send("SET", "key%d" % i, i)
assert [c.answer() for _ in range(10000)] == ["+OK"] * 10000
for i in range(10000): c.send("GET", "key%d" % i)
assert [int(c.answer()) for i in range(10000)] == list(range(10000))
c.socket.sendall(b"*0\r\n\r\nPING\r\n  get   a  \n")
assert c.answer() == "+PONG" and c.answer() == b"\r\n"
for bad in (b"*1\r\n$1048577\r\n", b"*1025\r\n", b"*-1\r\n", b"*x\r\n", b"*1\r\n:5\r\n", b"*1\r\n$\r\n", b"*2\rx",
            b"*99999999999\r\n"):
    d = connect()
    d.socket.sendall(bad)
    assert d.answer().startswith("-ERR Protocol error"), bad
    assert d.file.read() == b""
assert c.ask(b"GET\0" + b"x" * 5000, "k").startswith("-ERR unknown command 'GET"), "a NUL byte"
c.socket.sendall(b"DEL" + b" none" * 1023 + b" \r\n")
assert c.answer() == 0
d = connect()
d.socket.sendall(b"DEL" + b" a" * 1024 + b"\n")
assert d.answer().startswith("-ERR Protocol error") and d.file.read() == b""
assert c.ask("PING") == "+PONG"
END
    bounded ./svr.sh close
}

@test "100,000 keys that expire: one timer, which the status does not show, and all are removed" {
    serve
    talk <<'END'
c = connect()
for i in range(100000):
    c.send("SET", i, "x"); c.send("EXPIRE", i, 1 if i < 99990 else 1000)
    if i % 1000 == 999: assert [c.answer() for _ in range(2000)] == ["+OK", 1] * 1000
end = time.time() + 100
while c.ask("DBSIZE") > 10:
    assert time.time() < end
    time.sleep(0.2)
assert c.ask("EXISTS", 99991) == 1 and c.ask("GET", 5) is None
END
    [ "$(json timers_total)" -lt 10 ]
    [ "$(json map.pairs)" = 10 ]
    [ "$(json map.expiring)" = 10 ]
    bounded ./svr.sh close
}

@test "redis-benchmark during reloads: no client gets an error" {
    command -v redis-benchmark >/dev/null || skip "no redis-benchmark"
    serve
    (timeout 300 redis-benchmark -p "$port" -c 50 -P 16 -l -n 2000000 -t set,get,incr -q >bench.txt 2>bench.err ||
        echo "failed: $?" >>bench.err) 3>&- &
    bench=$!
    helpers+=("$bench")
    for ((i = 0; i < 50; i++)); do
        sed -i "s/increment would overflow.*\"/increment would overflow$i\"/" my_util.c
        run bounded ./svr.sh reload
        [ "$status" -eq 0 ]
    done
    alive "$bench" # it was under load all the time
    pkill -P "$bench" -x timeout || true
    # Before it is ended, a lost connection would be reported.
    run grep -iE 'error|refused|reset' bench.err bench.txt
    [ "$output" = "" ]
    [ "$(json reloads_applied)" = 50 ]
    bounded ./svr.sh close
}

@test "clients beyond the limit get the error of Redis" {
    set_key resp.max_clients 2
    serve
    talk <<'END'
some = [connect() for _ in range(2)]
for c in some: assert c.ask("PING") == "+PONG"
c = connect()
assert c.answer() == "-ERR max number of clients reached" and c.file.read() == b""
some[0].ask("QUIT"); assert some[0].file.read() == b""
assert connect().ask("PING") == "+PONG"
END
    bounded ./svr.sh close
}

@test "the part map: empty keys and values, iteration over all pairs, a kept expiry" {
    hooks <<'END'
#include "map.h"
static struct svr_bytes bytes(const char *text) { return (struct svr_bytes){text, text ? strlen(text) : 0}; }
static int on_start(void) {
    struct svr_map *map = svr_map_open();
    struct svr_bytes key, value;
    char name[16];
    int64_t left, seen = 0;
    for (int i = 0; i < 5000; i++) {
        snprintf(name, sizeof name, "%d", i);
        if (svr_map_set(map, bytes(name), bytes("x"), false) < 0) return SVR_FAILED;
    }
    svr_map_set(map, bytes(NULL), bytes(NULL), false);
    svr_map_set(map, bytes(NULL), bytes(NULL), false);
    svr_map_expire(map, bytes("7"), 100000);
    svr_map_set(map, bytes("7"), bytes("longer"), true);
    if (!svr_map_find(map, bytes("7"), &value, &left) || value.size != 6 || left < 1 || left > 100000)
        return svr_fail("the expiry was not kept");
    svr_map_set(map, bytes("7"), bytes("short"), false);
    if (!svr_map_find(map, bytes("7"), &value, &left) || left != -1) return svr_fail("the expiry was kept");
    if (!svr_map_find(map, bytes(NULL), &value, NULL) || value.size != 0) return svr_fail("no empty pair");
    for (uint64_t at = 0; svr_map_next(map, &at, &key, &value);) seen += (int64_t)(key.size + value.size);
    svr_info("count %d, bytes %d", (int)svr_map_count(map), (int)seen);
    svr_map_close(map);
    return 0;
}
SVR_HANDLER(.on_start = on_start);
END
    set_key log.syslog false
    build
    run_server
    wait_line 5 'count 5001, bytes 23894$'
    bounded ./svr.sh close
}
