#!/usr/bin/env bats
# The part stream: connections for any protocol, in and out, over reloads.

bats_require_minimum_version 1.5.0
load helper

setup_file() {
    make_base --with none,stream,restart
}

# streaming [OPTIONS] [START]: hooks that serve lines at run/s, with these options
# of struct svr_protocol; START is more code of on_start and on_reload.
streaming() {
    hooks <<END
#include "stream.h"
struct client { char name[16]; long left; struct svr_stream *stream; };
struct state { struct client *named[100]; struct svr_stream *out; int opened, closed; };
static struct client *find(const char *name) {
    struct state *s = svr_state();
    for (int i = 0; i < 100; i++)
        if (s->named[i] && strcmp(s->named[i]->name, name) == 0) return s->named[i];
    return NULL;
}
static int opened(void *arg) {
    struct svr_message *m = arg;
    struct state *s = svr_state();
    struct client *c = calloc(1, sizeof *c);
    int i = 0;
    while (s->named[i]) i++;
    c->stream = m->stream;
    s->named[i] = m->stream->user = c;
    s->opened++;
    return 0;
}
static int frame(void *arg) {
    struct svr_message *m = arg;
    if (m->size >= 3 && memcmp(m->data, "bad", 3) == 0) {
        svr_stream_print(m->stream, "that is bad\n");
        return svr_fail("a bad line");
    }
    if (m->size >= 5 && m->data[0] == '#') return 5 + atoi(m->data + 1);
    return svr_stream_line(m);
}
static int give(struct client *c) {
    static const char piece[10000];
    while (c->left > 0) {
        long size = c->left < (long)sizeof piece ? c->left : (long)sizeof piece;
        c->left -= size;
        if (svr_stream_send(c->stream, piece, size) == 1) return 0;
    }
    svr_stream_print(c->stream, "end\n");
    svr_stream_resume(c->stream);
    return 0;
}
static int drained(void *arg) {
    struct client *c = ((struct svr_message *)arg)->stream->user;
    return c->left > 0 ? give(c) : 0;
}
static int later(void *arg) {
    struct client *c = find(arg);
    free(arg);
    if (!c) return 0;
    svr_stream_print(c->stream, "later\n");
    svr_stream_resume(c->stream);
    return 0;
}
static int message(void *arg) {
    struct svr_message *m = arg;
    struct state *s = svr_state();
    struct client *c = m->stream->user, *other;
    char word[16] = "", text[64] = "";
    if (m->data[0] == '#') return svr_stream_print(m->stream, "%zu%s\n", m->size, m->last ? " last" : "") < 0;
    m->data[m->size - 1] = 0;
    sscanf(m->data, "%15s %63s", word, text);
    if (strcmp(word, "echo") == 0) svr_stream_print(m->stream, "${ECHO:-}%s\n", m->data + 5);
    else if (strcmp(word, "name") == 0) snprintf(c->name, sizeof c->name, "%.15s", text);
    else if (strcmp(word, "big") == 0) {
        char *big = calloc(1, atol(text));
        int sent = svr_stream_send(m->stream, big, atol(text));
        free(big);
        if (sent < 0) return 0;
        svr_stream_print(m->stream, "end\n");
    } else if (strcmp(word, "give") == 0) {
        c->left = atol(text);
        svr_stream_pause(m->stream);
        return give(c);
    } else if (strcmp(word, "push") == 0 && (other = find(text))) svr_stream_print(other->stream, "pushed\n");
    else if (strcmp(word, "drop") == 0 && (other = find(text))) svr_stream_close(other->stream);
    else if (strcmp(word, "later") == 0) {
        svr_stream_pause(m->stream);
        svr_add_timer(c->name, later, strdup(c->name), (struct svr_when){.every = 0.3, .runs = 1});
    } else if (strcmp(word, "count") == 0)
        svr_stream_print(m->stream, "%d %d %d\n", s->opened, s->closed, (int)svr_stream_clients());
    else if (strcmp(word, "peer") == 0) {
        svr_stream_peer(m->stream, text);
        svr_stream_print(m->stream, "%s\n", text);
    }
    else if (strcmp(word, "out") == 0) {
        if (svr_stream_print(s->out, "%s\n", m->data + 4) < 0) return svr_fail("out");
    } else if (strcmp(word, "fail") == 0) return svr_fail("failing");
    else if (strcmp(word, "bye") == 0) { svr_stream_print(m->stream, "bye\n"); svr_stream_close(m->stream); }
    else if (!c) svr_info("out got %s", m->data);
    return 0;
}
static int other(void *arg) { return message(arg); }
static int closed(void *arg) {
    struct svr_message *m = arg;
    struct state *s = svr_state();
    struct client *c = m->stream->user;
    for (int i = 0; i < 100; i++) if (s->named[i] == c) s->named[i] = NULL;
    svr_info("closed %s: %s", c ? c->name : "out", m->reason);
    char peer[64];
    svr_stream_peer(m->stream, peer);
    if (c && strcmp(peer, "unix") != 0) svr_err("no peer in closed: '%s'", peer);
    if (svr_stream_send(m->stream, "x", 1) != SVR_FAILED) svr_err("sent to the dead");
    free(c);
    s->closed++;
    ${CLOSED:-}
    return 0;
}
static int lost(void *arg) { svr_info("lost: %s", ((struct svr_message *)arg)->reason); return 0; }
static int connected(void *arg) {
    svr_info("connected");
    return svr_stream_print(((struct svr_message *)arg)->stream, "hello\n");
}
${MORE:-}
static int serve(void) {
    (void)other; ${2:-}
    return svr_stream_listen("s", "run/s", (struct svr_protocol){.frame = frame, .message = message, .opened = opened,
        .closed = closed, .drained = drained, ${1:-}});
}
SVR_HANDLER(.on_start = serve, .on_reload = ${ON_RELOAD:-serve}, .state_size = sizeof(struct state),
    .callbacks = SVR_CALLBACKS(SVR_CALL(frame), ${MESSAGE:-SVR_CALL(message),} SVR_CALL(opened), SVR_CALL(closed),
        SVR_CALL(drained), SVR_CALL(later), SVR_CALL(lost), SVR_CALL(connected)));
END
    set_key log.syslog false
    build
}

# talk: a Python script with clients of run/s.
talk() {
    {
        cat <<'END'
import os, socket, subprocess, sys, time
class Client:
    def __init__(self, path="run/s"):
        self.socket = socket.socket(socket.AF_UNIX); self.socket.settimeout(60); self.socket.connect(path)
        self.file = self.socket.makefile("rb")
    def send(self, data): self.socket.sendall(data if isinstance(data, bytes) else data.encode())
    def line(self): return self.file.readline().decode()
    def ask(self, text): self.send(text + "\n"); return self.line().rstrip("\n")
connect = Client
def until(test):
    end = time.time() + 60
    while not test(): assert time.time() < end; time.sleep(0.02)
def log(): return open("log.txt").read()
def reload(): return subprocess.run(["./svr.sh", "reload"], stdout=subprocess.PIPE, timeout=100).returncode
END
        cat
    } >talk.py
    timeout 300 python3 talk.py
}

@test "messages arrive in pieces and in bulk, of any size up to the limit" {
    streaming '.message_size = 100000'
    run_server
    wait_line 5 'listening on'
    talk <<'END'
c = connect()
assert c.ask("echo hello") == "hello"
for byte in b"echo slow\n": c.send(bytes([byte]))
assert c.line() == "slow\n"
c.send("".join("echo %d\n" % i for i in range(20000)))
assert [c.line() for i in range(20000)] == ["%d\n" % i for i in range(20000)]
c.send(b"#9000" + b"\0" * 4500); time.sleep(0.1); c.send(b"\n" * 4500 + b"echo after\n")
assert c.line() == "9005\n" and c.line() == "after\n"
assert c.ask("peer") == "unix"
for tail in (b"#100000" + b"x" * 200000, b"x" * 300000):
    d = connect()
    try: d.send(tail); assert d.file.read() == b""
    except OSError: pass
d = connect()
d.send("echo one\nbad\necho two\n")
assert d.line() == "one\n" and d.line() == "that is bad\n" and d.line() == ""
assert c.ask("echo still") == "still"
until(lambda: log().count("a message is longer than allowed") == 2 and "closed : a bad line" in log())
assert c.ask("count") == "4 3 1"
END
    bounded ./svr.sh close
    [ "$(exit_status)" -eq 0 ]
    [ "$(count_lines 'ERROR')" -eq 0 ]
}

@test "answers of any size: a slow reader gets all, and only one answer costs memory" {
    streaming
    run_server
    wait_line 5 'listening on'
    talk <<'END'
c, other = connect(), connect()
c.send("big 30000000\necho next\n")
assert other.ask("echo there") == "there"
assert c.file.read(30000000) == b"\0" * 30000000 and c.line() == "end\n" and c.line() == "next\n"
def rss(): return int(open("/proc/%s/statm" % open("server.pid").read().strip()).read().split()[1]) * 4096
before = rss()
c.send("give 200000000\necho next\n")  # by pieces, when the ones before are drained
time.sleep(0.3)
assert other.ask("echo there") == "there" and rss() < before + 8000000, (before, rss())
left = 200000000
while left: left -= len(c.file.read(min(left, 1 << 20)))
assert c.line() == "end\n" and c.line() == "next\n"
c.socket.settimeout(0.5)
sent = 0
try:
    while sent < 100_000_000: sent += c.socket.send(b"echo " + b"v" * 4000 + b"\n")
except socket.timeout: pass
assert sent < 100_000_000 and rss() < before + 8000000
assert other.ask("echo there") == "there"
END
    bounded ./svr.sh close
}

@test "pushing to and closing another connection; a client that takes too much unsent is closed" {
    streaming '.unsent_size = 1000000'
    run_server
    wait_line 5 'listening on'
    talk <<'END'
a, b = connect(), connect()
a.send("name a\n"); assert a.ask("echo x") == "x"
b.send("push a\npush a\npush a\n")
assert [a.line() for _ in range(3)] == ["pushed\n"] * 3
a.send("big 1000001\n")
assert a.file.read() == b""
until(lambda: "closed a: too many bytes wait to be sent" in log())
c = connect(); c.send("name c\n"); assert c.ask("echo x") == "x"
b.send("drop c\n")
assert c.line() == ""
b.send("push c\n"); assert b.ask("count") == "3 2 1"
c = connect(); c.send("fail\n"); assert c.line() == ""
until(lambda: "closed : failing" in log() and ">> message: failing (my_server.c:" in log())
assert b.ask("bye") == "bye" and b.line() == ""
END
    bounded ./svr.sh close
}

@test "idle clients, slow senders and those beyond the limit end, whatever min_span is" {
    set_key svr.timer.min_span 3600
    streaming '.idle = 2, .slow = 0.5, .most = 3, .refusal = "too many\n"'
    run_server
    wait_line 5 'listening on'
    talk <<'END'
some = [connect() for _ in range(3)]
for i, c in enumerate(some): c.send("name n%d\n" % i); assert c.ask("echo x") == "x"
more = connect()
assert more.line() == "too many\n" and more.line() == ""
begin = time.time()
try:
    for _ in range(600): some[0].send("e"); time.sleep(0.1)
    assert False, "a slow sender stays"
except OSError: pass
assert some[1].line() == "" and time.time() - begin >= 1.5
assert some[2].line() == ""
until(lambda: "closed n0: a message or a handshake took too long" in log() and "closed n1: idle" in log())
assert connect().ask("count") == "4 3 1"
END
    bounded ./svr.sh close
}

@test "without a refusal clients beyond the limit wait" {
    streaming '.most = 2'
    run_server
    wait_line 5 'listening on'
    talk <<'END'
a, b, c = connect(), connect(), connect()
for s in (a, b): assert s.ask("echo x") == "x"
c.send("echo waited\n")
c.socket.settimeout(0.5)
try: c.socket.recv(1); assert False
except socket.timeout: pass
c.socket.settimeout(60)
a.socket.close(); a.file.close()
assert c.line() == "waited\n"
END
    bounded ./svr.sh close
}

@test "half-close: requests already sent are answered; a paused connection is answered later" {
    set_key svr.timer.min_span 0.1
    streaming
    run_server
    wait_line 5 'listening on'
    talk <<'END'
c = connect()
c.send("echo 1\necho 2\nhalf a li"); c.socket.shutdown(socket.SHUT_WR)
assert c.file.read() == b"1\n2\n"
until(lambda: "closed : closed by the peer in the middle of a message" in log())
c = connect()
c.send("name n\nlater\necho after\n"); c.socket.shutdown(socket.SHUT_WR)
assert c.file.read() == b"later\nafter\n"
until(lambda: "closed n: closed by the peer" in log())
c = connect()
c.send(b"#0004" + b"data"); c.socket.shutdown(socket.SHUT_WR)
assert c.file.read() in (b"9\n", b"9 last\n")
END
    bounded ./svr.sh close
}

@test "connections and their data survive reloads, good and bad; a missing callback rejects the reload" {
    streaming
    run_server
    wait_line 5 'listening on'
    bind() { streaming "$@"; bounded ./svr.sh reload; }
    cat >hold.py <<'END'
import socket, os, time
c = socket.socket(socket.AF_UNIX); c.connect("run/s"); c.settimeout(60)
f = c.makefile("rb")
c.sendall(b"name held\necho a\nec"); open("said", "wb").write(f.readline())
for n in ("1", "2", "3"):
    end = time.time() + 100
    while not os.path.exists("go" + n): assert time.time() < end; time.sleep(0.02)
    c.sendall(b"ho %s\nec" % n.encode()); open("said" + n, "wb").write(f.readline())
END
    timeout 300 python3 hold.py 3>&- &
    helpers+=("$!")
    wait_until 5 test -s said
    ECHO=new: bind
    touch go1
    wait_until 5 test -s said1
    [ "$(cat said1)" = "new:1" ]
    # it connects out, then fails: nothing of it stays
    MORE='static int bad(void) { struct svr_protocol p = {.frame = frame, .message = message, .closed = closed};
        if (!svr_stream_connect("run/s", p, NULL)) return svr_fail("no");
        return svr_stream_listen("s", "run/other", p) < 0 ? SVR_FAILED : svr_fail("not today"); }' ON_RELOAD=bad \
        run bind
    [ "$status" -eq 1 ]
    [[ $output == *"not today"*"; generation 2 keeps running"* ]]
    touch go2
    wait_until 5 test -s said2
    [ "$(cat said2)" = "new:2" ]
    MESSAGE='SVR_CALL(other),' run bind
    [ "$status" -eq 1 ]
    [[ $output == *"message, which the new code does not have"* ]]
    touch go3
    wait_until 5 test -s said3
    [ "$(cat said3)" = "new:3" ]
    wait_line 5 'closed held: closed by the peer in the middle'
    [ "$(count_lines 'closed out')" -eq 0 ]
    bounded ./svr.sh close
}

@test "outgoing connections: by name and path, retried with growing pauses, ended by the handler" {
    port=$(free_port)
    streaming '' "struct state *s = svr_state();
    if (!s->out) s->out = svr_stream_connect(\"localhost:$port\", (struct svr_protocol){.frame = frame,
        .message = message, .opened = connected, .lost = lost, .closed = closed, .limit = 5, .retry = 0.5}, NULL);
    if (!s->out) return SVR_FAILED;
    svr_stream_print(s->out, \"early\\n\");"
    run_server
    wait_line 5 'lost: Connection refused'
    talk <<END
port = $port
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", port)); s.listen(); s.settimeout(60)
def accept():
    c = s.accept()[0]; c.settimeout(60); return c, c.makefile("rb")
peer, file = accept()
assert file.readline() == b"hello\n"  # what was sent before the first failure is lost with it
c = connect(); c.send("out now\n"); assert file.readline() == b"now\n"
peer.sendall(b"greetings\n"); until(lambda: "out got greetings" in log())
lost = log().count("lost:")
assert reload() == 0
c.send("out again\n")
line = file.readline()
if line == b"early\n": line = file.readline()
assert line == b"again\n", line
peer.close(); file.close()
peer, file = accept()
until(lambda: log().count("lost: closed by the peer") == 1 and log().count("connected") == 2)
assert file.readline() == b"hello\n"
s.close(); peer.close(); file.close()
until(lambda: log().count("lost: Connection refused") > 3)
END
    bounded ./svr.sh close
    has_line 'closed out: the server closes'
    streaming '' "static struct svr_protocol p = {.frame = frame, .message = message, .closed = closed, .limit = 1};
    svr_stream_connect(\"no.such.name.invalid:1\", p, NULL); svr_stream_connect(\"run/nothing\", p, NULL);
    svr_stream_connect(\"nonsense\", p, NULL);"
    run_server
    wait_line 20 'closed out: no.such.name.invalid: '
    wait_line 5 'closed out: No such file or directory'
    wait_line 5 'closed out: it needs HOST:PORT'
    bounded ./svr.sh close
}

@test "descriptors run out and are available again: no client is lost" {
    command -v prlimit >/dev/null || skip "no prlimit"
    streaming
    within='prlimit --nofile=24' run_server
    wait_line 5 'listening on'
    talk <<'END'
some = [connect() for _ in range(40)]
for c in some: c.send("echo x\n")
for c in some:
    assert c.line() == "x\n"
    c.socket.close(); c.file.close()
assert connect().ask("echo y") == "y"
END
    has_line 'accept: Too many open files'
    bounded ./svr.sh close
}

@test "a close answers what was sent, including delayed answers, and ends each connection once" {
    set_key svr.timer.min_span 0.1
    streaming
    run_server
    wait_line 5 'listening on'
    talk <<'END'
some = [connect() for _ in range(20)]
for i, c in enumerate(some): c.send("name n%d\n" % i); assert c.ask("echo x") == "x"
for c in some: c.send("echo last\n" * 100)
closing = subprocess.Popen(["./svr.sh", "close"], stdout=subprocess.DEVNULL)
for c in some: assert c.file.read() == b"last\n" * 100
assert closing.wait(60) == 0
assert log().count("closed n") == 20 and "sent to the dead" not in log()
END
    [ "$(exit_status)" -eq 0 ]
}

@test "a reload lowers unsent_size: a connection above it is closed at the next byte sent to it" {
    streaming
    run_server
    wait_line 5 'listening on'
    cat >hold.py <<'END'
import socket, os, time
c = socket.socket(socket.AF_UNIX); c.connect("run/s"); c.settimeout(60)
c.sendall(b"name slow\nbig 30000000\n"); c.recv(1); open("said", "w").write("x")
end = time.time() + 100
while not os.path.exists("go"): assert time.time() < end; time.sleep(0.02)
END
    timeout 300 python3 hold.py 3>&- &
    helpers+=("$!")
    wait_until 5 test -s said
    streaming '.unsent_size = 1000'
    bounded ./svr.sh reload
    talk <<'END'
c = connect()
c.send("push slow\n")
until(lambda: "closed slow: too many bytes wait to be sent" in log())
assert c.ask("echo x") == "x"
END
    touch go
    bounded ./svr.sh close
}

@test "a handler that connects again in its closed callback does not keep the server from closing" {
    CLOSED='struct svr_protocol again = {.frame = frame, .message = message, .closed = closed};
        svr_stream_connect("run/s", again, NULL);' streaming
    run_server
    wait_line 5 'listening on'
    talk <<'END'
c = connect()
assert c.ask("echo x") == "x"
assert subprocess.run(["./svr.sh", "close"], stdout=subprocess.DEVNULL, timeout=100).returncode == 0
END
    [ "$(exit_status)" -eq 0 ]
}

@test "wrong protocols are refused with the reason" {
    for bad in '.idle = -1' '.slow = 1e9' '.message_size = -1' '.frame = NULL' '.lost = not_listed' '.most = -1'; do
        MORE='static int not_listed(void *a) { return a != NULL; }' \
            WARNINGS=-w streaming "$bad" '(void)not_listed;'
        run bounded ./svr.sh start
        [ "$status" -eq 1 ]
        [[ $output == *"start failed: on_start: svr_stream_listen: "* ]]
        case $bad in
        .frame*) [[ $output == *".frame is required"* ]] ;;
        .lost*) [[ $output == *"the function of .lost is not among the handler's callbacks: add it to"* ]] ;;
        esac
    done
}
