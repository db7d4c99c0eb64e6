#!/usr/bin/env bats
# The template tcp: its protocol, its limits, its clients over reloads.

load helper

setup_file() {
    make_base --template tcp
}

# serve: a server on a free port.
serve() {
    port=$(free_port)
    set_key tcp.listen "\"127.0.0.1:$port\""
    set_key log.syslog false
    build
    run_server
    wait_line 5 'listening on'
}

# talk: a Python script with `connect()`, a client whose `ask` sends bytes and
# reads one line.
talk() {
    {
        cat <<END
import socket, subprocess, sys, time
class Client:
    def __init__(self):
        self.socket = socket.create_connection(("127.0.0.1", $port), timeout=60)
        self.file = self.socket.makefile("rb")
    def send(self, data): self.socket.sendall(data)
    def line(self): return self.file.readline().decode()
    def ask(self, text): self.send(text.encode() + b"\n"); return self.line().rstrip("\n")
connect = Client
def reload(): return subprocess.run(["./svr.sh", "reload"], stdout=subprocess.PIPE, timeout=100).returncode
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

@test "the protocol, in pieces and in bulk; values keep their spaces" {
    serve
    talk <<'END'
c = connect()
for ask, answer in [("SET k v  w ", "OK"), ("GET k", "v  w "), ("GET none", "NIL"), ("COUNT", "1"),
                    ("SET k2 x", "OK"), ("COUNT", "2"), ("SET k y", "OK"), ("GET k", "y"), ("COUNT", "2"),
                    ("DEL k", "1"), ("DEL k", "0"), ("COUNT", "1"), ("GET k2\r", "x")]:
    assert c.ask(ask) == answer, (ask, answer)
for bad in ("", "NOPE", "GET", "GET a b", "SET", "SET a", "DEL", "COUNT x", "get k2", "SET  x", "a\0b"):
    assert c.ask(bad).startswith("ERR "), bad
for byte in b"SET slow answer\n":
    c.send(bytes([byte]))
assert c.line() == "OK\n"
c.send(b"".join(b"SET key%d value %d\n" % (i, i) for i in range(5000)))
assert [c.line() for _ in range(5000)] == ["OK\n"] * 5000
c.send(b"".join(b"GET key%d\n" % i for i in range(5000)))
assert [c.line() for i in range(5000)] == ["value %d\n" % i for i in range(5000)]
c.send(b"GET slow\nQUIT\nGET slow\n")
assert c.line() == "answer\n" and c.line() == ""
c = connect()
c.send(b"GET slow\nGET slow")  # a last line without its end is no command
c.socket.shutdown(socket.SHUT_WR)
assert c.line() == "answer\n" and c.line() == ""
END
    bounded ./svr.sh close
    has_line '<SUMMARY> clients 0, keys 5002, commands '
}

@test "too long a line, too many clients, an idle client: each gets an error or is closed" {
    set_key tcp.max_clients 3
    set_key tcp.idle 1.5
    set_key svr.timer.min_span 0.1
    serve
    talk <<'END'
c = connect()
assert c.ask("SET k " + "v" * 4000) == "OK" and c.ask("GET k") == "v" * 4000
c.send(b"x" * 5000)
assert c.line().startswith("ERR a line has at most") and c.line() == ""
some = [connect() for _ in range(3)]
assert [s.ask("COUNT") for s in some] == ["1"] * 3
more = connect()
assert more.line() == "ERR too many clients\n" and more.line() == ""
begin = time.time()
assert some[0].line() == "" and time.time() - begin > 0.5
for s in some[1:]: assert s.line() == ""
assert connect().ask("COUNT") == "1"
END
    bounded ./svr.sh close
}

@test "nothing is read from a client that does not read its answers, and no other is disturbed" {
    serve
    talk <<'END'
c, other = connect(), connect()
assert c.ask("SET k " + "v" * 4000) == "OK"
c.socket.settimeout(0.5)
sent = 0
try:
    while sent < 100_000_000:
        sent += c.socket.send(b"GET k\n" * 1000)
except socket.timeout:
    pass
assert sent < 100_000_000
assert other.ask("COUNT") == "1"
rss = int(open("/proc/%s/statm" % open("server.pid").read().strip()).read().split()[1]) * 4096
assert rss < 40_000_000, rss
c.socket.settimeout(60)
c.socket.shutdown(socket.SHUT_WR)
answers = sum(1 for _ in c.file)
assert answers >= sent // 6 - 1, (answers, sent)
END
    bounded ./svr.sh close
}

@test "clients survive reloads, good and bad; the store is migrated to a larger one" {
    serve
    talk <<'END'
import re
c = connect()
assert c.ask("SET k v") == "OK"
c.send(b"GET ")  # half a line waits over the reload
source = open("my_util.c").read()
open("my_util.c", "w").write(source.replace('"NIL"', '"NOTHING"'))
assert reload() == 0
c.send(b"k\n")
assert c.line() == "v\n" and c.ask("GET x") == "NOTHING"
open("my_util.c", "w").write(source + "garbage")
assert reload() == 1 and c.ask("GET x") == "NOTHING"
open("my_util.c", "w").write(source)
# version 2 of the state counts what was said
server = open("my_server.c").read()
grown = server.replace("    int64_t commands;\n};", "    int64_t commands;\n    int64_t reloads;\n};")
grown = grown.replace(".state_version = 1", ".state_version = 2")
open("my_server.c", "w").write(grown)
assert reload() == 1, "without migrate"
grown = grown.replace("SVR_HANDLER(", '''static int
migrate(int from, const void *old, void *state) {
    struct state *new = state;
    memcpy(new, old, offsetof(struct state, reloads));
    new->reloads = from;
    return SVR_OK;
}

SVR_HANDLER(.migrate = migrate, ''')
open("my_server.c", "w").write(grown)
assert reload() == 0
assert c.ask("GET k") == "v" and c.ask("GET x") == "NIL"
assert connect().ask("COUNT") == "1"
END
    bounded ./svr.sh close
    has_line '<SUMMARY> clients [01], keys 1, commands '
}

@test "a reload moves the listening socket; an address in use rejects it" {
    serve
    old=$port
    taken=$(free_port)
    python3 -c "
import socket, time
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('127.0.0.1', $taken)); s.listen(); open('taken', 'w').write('x'); time.sleep(600)" 3>&- &
    helpers+=("$!")
    wait_until 5 test -s taken
    set_key tcp.listen "\"127.0.0.1:$taken\""
    run bounded ./svr.sh reload
    [ "$status" -eq 1 ]
    [[ $output == *"listen on 127.0.0.1:$taken: Address already in use"* ]]
    set_key tcp.listen "\"127.0.0.1:$old\""
    talk <<'END'
c = connect()
assert c.ask("SET k v") == "OK"
probe = socket.socket(); probe.bind(("127.0.0.1", 0)); new = probe.getsockname()[1]; probe.close()
conf = open("svr_conf").read()
import re
open("svr_conf", "w").write(re.sub(r"(?m)^tcp.listen = .*$", 'tcp.listen = "127.0.0.1:%d"' % new, conf))
assert reload() == 0
assert c.ask("GET k") == "v"
s = socket.create_connection(("127.0.0.1", new)); s.sendall(b"GET k\n"); assert s.recv(9) == b"v\n"
try:
    connect()
    assert False, "the old address still answers"
except ConnectionRefusedError:
    pass
END
    bounded ./svr.sh close
}

@test "descriptors run out: that is logged, no client is lost, and clients are accepted when some are free again" {
    command -v prlimit >/dev/null || skip "no prlimit"
    within='prlimit --nofile=24' serve
    talk <<'END'
some = [connect() for _ in range(40)]  # the kernel accepts; the server cannot yet
for c in some: c.send(b"COUNT\n")
for c in some:
    assert c.line() == "0\n"
    c.socket.close()
    c.file.close()
assert connect().ask("COUNT") == "0"
END
    has_line 'accept: Too many open files'
    [ "$(count_lines 'accept: Too many open files')" -lt 60 ]
    bounded ./svr.sh close
    [ "$(exit_status)" -eq 0 ]
}

@test "accept fails once with ENFILE while no client waits: the next one is served" {
    command -v strace >/dev/null || skip "no strace"
    serve
    strace -f -p "$server" -o trace -e trace=accept4 -e inject=accept4:error=ENFILE:when=1 3>&- 2>/dev/null &
    helpers+=("$!")
    wait_until 5 traced
    talk <<'END'
first = connect()
assert first.ask("COUNT") == "0"
assert connect().ask("COUNT") == "0"
END
    grep -q 'ENFILE.*INJECTED' trace
    has_line 'accept: Too many open files in system'
    kill "${helpers[0]}"
    bounded ./svr.sh close
}

@test "numbers out of range are refused at a start, at a reload and by the part" {
    serve
    for line in 'tcp.idle = -1.0' 'tcp.idle = 1e10' 'tcp.idle = 0.0' 'tcp.max_clients = 0'; do
        sed -i "s/^${line% = *} = [^ ]*/$line/" svr_conf
        run bounded ./svr.sh reload
        [ "$status" -eq 1 ]
        [[ $output == *"rejected: svr_conf:"*": ${line% = *}: "*" to "*"; generation 1 keeps running" ]]
        sed -i 's/^tcp.idle = [^ ]*/tcp.idle = 300.0/; s/^tcp.max_clients = [^ ]*/tcp.max_clients = 1000/' svr_conf
    done
    # without a range in the file the part has its own
    for line in 'tcp.idle = -1.0' 'tcp.max_clients = 0'; do
        set_key "${line% = *}" "${line#* = }"
        build
        run bounded ./svr.sh reload
        [ "$status" -eq 1 ]
        [[ $output == *"svr_lines: needs at least 1 client, and 0.1 to 86400 seconds of silence"* ]]
        set_key tcp.idle 300.0
        set_key tcp.max_clients 1000
    done
    bounded ./svr.sh close
}

@test "a rejected reload leaves address, callback and limits unchanged" {
    serve
    talk <<'END'
c = connect()
assert c.ask("SET k v") == "OK"
server = open("my_server.c").read()
open("my_server.c", "w").write(server.replace("SVR_HANDLER(", """static int
other(void *arg) {
    struct svr_line *line = arg;
    snprintf(line->answer, line->size, "other\\n");
    return SVR_OK;
}

static int
bad(void) {
    return svr_lines("run/other", other, 1, 0.1) < 0 ? SVR_FAILED : svr_fail("no");
}

SVR_HANDLER(""").replace(".on_reload = serve", ".on_reload = bad").replace(
    "SVR_CALLBACKS(", "SVR_CALLBACKS(SVR_CALL(other), "))
for i in range(3):
    assert reload() == 1
    assert c.ask("GET k") == "v" and connect().ask("COUNT") == "1"
s = socket.socket(socket.AF_UNIX)
try:
    s.connect("run/other")
    assert False, "it listens"
except ConnectionRefusedError:
    pass
END
    bounded ./svr.sh close
}

@test "a close accepts no more clients, and answers what was sent" {
    serve
    talk <<'END'
c = connect()
assert c.ask("SET k " + "v" * 4000) == "OK"
c.send(b"GET k\n" * 300)
closing = subprocess.Popen(["./svr.sh", "close"], stdout=subprocess.DEVNULL)
assert sum(1 for _ in c.file) == 300
assert closing.wait(60) == 0
try:
    connect()
    assert False, "it still listens"
except ConnectionRefusedError:
    pass
END
}

@test "the thread sanitizer finds no race: reloads, status, clients, every part" {
    echo 'int main(void) { return 0; }' >probe.c
    "${CC:-cc}" -fsanitize=thread -o probe probe.c 2>/dev/null && ./probe || skip "no thread sanitizer"
    rm -rf "$P"
    "$TINY_NEW" -q --template tcp --with all "$P"
    cd "$P"
    sed -i 's/^CFLAGS = .*/CFLAGS = -O1 -g -fsanitize=thread/' Makefile
    set_key svr.timer.run_status_check_time_span 2
    export TSAN_OPTIONS="log_path=$P/race exitcode=0"
    serve
    talk <<'END'
for i in range(6):
    assert reload() == 0
    subprocess.run(["./svr.sh", "status", "--json"], stdout=subprocess.DEVNULL, check=True)
    clients = [connect() for _ in range(20)]
    for c in clients:
        assert c.ask("SET k v") == "OK"
END
    bounded ./svr.sh close
    [ "$(exit_status)" -eq 0 ]
    run compgen -G 'race.*'
    [ "$output" = "" ]
}
