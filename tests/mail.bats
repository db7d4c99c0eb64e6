#!/usr/bin/env bats
# The part mail: lines by mail, through msmtp to a real SMTP server.

bats_require_minimum_version 1.5.0
load helper

setup_file() {
    make_base --with none,mail
}

# smtp PORT: an SMTP server; each mail is a file in mails/.
smtp() {
    /usr/bin/python3 -c 'import aiosmtpd' 2>/dev/null || skip "no python3-aiosmtpd"
    command -v msmtp >/dev/null || skip "no msmtp"
    mkdir -p mails
    cat >smtp.py <<'END'
import asyncio, os, sys, time
from aiosmtpd.controller import Controller
class Keep:
    async def handle_DATA(self, server, session, envelope):
        if os.path.exists("refuse"): return "550 not here"
        if os.path.exists("slow"): await asyncio.sleep(2)
        name = "mails/%d" % len(os.listdir("mails"))
        open(name + ".new", "wb").write(envelope.content)
        os.rename(name + ".new", name)
        return "250 kept"
controller = Controller(Keep(), hostname="127.0.0.1", port=int(sys.argv[1]))
controller.start()
open("smtp.ready", "w").write("x")
time.sleep(600)
END
    rm -f smtp.ready
    /usr/bin/python3 smtp.py "$1" 3>&- >smtp.txt 2>&1 &
    smtp=$!
    helpers+=("$smtp")
    wait_until 5 test -s smtp.ready
}

# A server that logs, at ERROR, each line of the file `say`; then it is gone.
mailing() {
    port=$(free_port)
    hooks <<'END'
static int run(void) {
    char line[256];
    FILE *file = fopen("say", "r");
    if (!file) return 20;
    while (fgets(line, sizeof line, file)) { line[strcspn(line, "\n")] = 0; svr_err("%s", line); }
    fclose(file);
    unlink("say");
    return 20;
}
SVR_HANDLER(.run = run);
END
    set_key log.email true
    set_key log.email.to '"night@localhost"'
    set_key log.email.every 0.3
    set_key log.email.command "\"${1:-msmtp --host=127.0.0.1 --port=$port --from=server@localhost -i -t}\""
    set_key svr.timer.min_span 0.1
    set_key log.syslog false
    build
}

say() {
    printf '%s\n' "$@" >say.new
    mv say.new say
}

mails() {
    find mails -type f ! -name '*.new' | wc -l
}

@test "lines of the level make one mail per interval; later lines make another" {
    mailing
    smtp "$port"
    run_server
    say 'the first' 'the second'
    wait_until 10 eval '[ "$(mails)" -eq 1 ]'
    grep -q '^To: night@localhost' mails/0
    grep -q '^Subject: demo on .*: 2 lines' mails/0
    grep -qE '^20.* <ERROR: demo\([0-9]+\)> \[my_server.c: [0-9]+\] >> the first' mails/0
    grep -q 'the second' mails/0
    run ! grep -q 'svr_conf' mails/0
    say 'the third'
    wait_until 10 eval '[ "$(mails)" -eq 2 ]'
    run ! grep -q 'the first' mails/1
    [ "$(json mail.sent)" -eq 2 ]
    # what is left is sent at the close
    set_key log.email.every 1000
    SVR_BUILD=0 bounded ./svr.sh reload
    say 'the last'
    wait_line 5 'the last'
    bounded ./svr.sh close
    wait_until 5 eval '[ "$(mails)" -eq 3 ]'
    grep -q 'the last' mails/2
    [ "$(exit_status)" -eq 0 ]
}

@test "per_hour: further mails wait, and lines without room are counted" {
    mailing
    set_key log.email.per_hour 1
    smtp "$port"
    run_server
    say 'the first'
    wait_until 10 eval '[ "$(mails)" -eq 1 ]'
    for i in $(seq 1000); do echo "line $i of many, long enough that they do not all find room"; done >say.new
    mv say.new say
    wait_line 10 'line 1000 of many'
    [ "$(mails)" -eq 1 ]
    set_key log.email.per_hour 2
    SVR_BUILD=0 bounded ./svr.sh reload
    say 'one more'
    wait_line 10 'one more'
    bounded ./svr.sh close
    wait_until 5 eval '[ "$(mails)" -eq 2 ]'
    n=$(grep -c 'of many' mails/1)
    [ "$n" -gt 100 ]
    left=$(sed -n 's/^\([0-9]*\) further lines are only in the log.*/\1/p' mails/1)
    [ $((n + left)) -ge 1000 ]
}

@test "the mail server is down: status 75 is tried again, and logged once at its beginning and once at its end" {
    mailing
    smtp "$port"
    kill "$smtp"
    wait_until 5 gone "$smtp"
    run_server
    say 'kept'
    wait_line 10 'log.email: not sent, tries again: the command returned 75: msmtp: '
    wait_until 10 eval '[ "$(json mail.failed)" -ge 3 ]'
    say 'kept too'
    [ "$(count_lines 'log.email: not sent')" -eq 1 ]
    smtp "$port"
    wait_until 10 eval '[ "$(mails)" -eq 2 ]'
    grep -q 'kept' mails/0
    grep -q 'kept too' mails/1
    wait_line 5 'log.email: works again'
    bounded ./svr.sh close
}

@test "the mail server refuses: logged with its text, and not tried again; it is slow: the loop does not wait" {
    mailing
    smtp "$port"
    touch refuse
    run_server
    say 'refused'
    wait_line 10 'log.email: not sent: the command returned [0-9]*: msmtp: '
    grep 'log.email: not sent' log.txt | grep -v 'tries again'
    rm refuse
    touch slow
    say 'late'
    wait_line 5 '>> late'
    wait_until 5 eval 'pgrep -P "$server" >/dev/null'
    [ "$(json state)" = running ]
    say 'meanwhile'
    wait_line 5 '>> meanwhile'
    rm slow
    wait_until 10 eval '[ "$(mails)" -eq 2 ]'
    run ! grep -q refused mails/*
    grep -q meanwhile mails/1
    bounded ./svr.sh close
}

@test "a command that refuses, and one that hangs: the loop does not wait, the close is bounded" {
    mailing 'echo no such user; exit 67'
    run_server
    say 'refused'
    wait_line 10 'log.email: not sent: the command returned 67: no such user'
    [ "$(json mail.failed)" -eq 1 ]
    set_key log.email.command '"sleep 1000"'
    SVR_BUILD=0 bounded ./svr.sh reload
    say 'slow'
    wait_until 5 eval 'pgrep -P "$server" >/dev/null'
    child=$(pgrep -P "$server")
    [ "$(json state)" = running ]
    say 'it works'
    wait_line 5 'it works'
    set_key svr.close.force_close_delay 60
    SVR_BUILD=0 bounded ./svr.sh reload
    bounded ./svr.sh close
    [ "$(exit_status 20)" -eq 0 ]
    wait_until 5 gone "$child"
    has_line 'log.email: 1 lines were not sent'
}

@test "without an address: refused; off: nothing is sent; no mail contains a secret" {
    mailing 'cat >>sent'
    set_key log.email.to '""'
    run bounded ./svr.sh check
    [ "$status" -eq 1 ]
    [[ $output == *"log.email.to: an address is needed"* ]]
    # shellcheck disable=SC1003
    set_key log.email.to '"a@b\\nBcc: everybody"'
    run bounded ./svr.sh check
    [ "$status" -eq 1 ]
    [[ $output == *"log.email.to: an address is needed, in one line"* ]]
    set_key log.email.to '"a@b"'
    set_key log.email.level INFO
    echo 'my.password = "hunter2"' >>svr_conf
    build
    run_server
    wait_until 5 grep -qs 'svr_conf: my.password = \*\*\*' sent
    run ! grep -q hunter2 sent
    bounded ./svr.sh close
    rm -f sent server.pid status.txt
    set_key log.email false
    run_server
    say 'x'
    wait_line 5 '>> x'
    bounded ./svr.sh close
    [ ! -e sent ]
}

@test "MIME: UTF-8, lines of 4,000 bytes and a name that is not ASCII arrive unchanged" {
    mailing
    sed -i 's/char line\[256\]/char line[9000]/' my_server.c
    set_key svr.name '"dämon-ñandú-これは名前です"'
    set_key log.email.format '"%(message)s"'
    build
    smtp "$port"
    run_server
    say 'plain = text' 'From here' '.dot'
    wait_until 10 eval '[ "$(mails)" -eq 1 ]'
    printf '%04000d\n' 7 >expected
    printf '%s\n' 'grüße = ½  ' '.' '..dot' 'From here' "$(printf 'ü%.0s' {1..500})" >>expected
    cp expected say.new
    mv say.new say
    wait_until 10 eval '[ "$(mails)" -eq 2 ]'
    python3 - <<'END'
import email, email.header
def mail(name):
    raw = open(name, "rb").read()
    lines = raw.replace(b"\r\n", b"\n").split(b"\n")
    assert max(map(len, lines)) <= 998, max(map(len, lines))
    assert raw.isascii()
    m = email.message_from_bytes(raw)
    subject = str(email.header.make_header(email.header.decode_header(m["Subject"])))
    assert subject.startswith("dämon-ñandú-これは名前です on "), subject
    for line in m["Subject"].splitlines(): assert len(line) <= 76, line
    assert m["MIME-Version"] == "1.0" and m.get_content_type() == "text/plain"
    assert m.get_content_charset() == "utf-8"
    return m, m.get_payload(decode=True).decode("utf-8").replace("\r\n", "\n").rstrip("\n") + "\n", lines
m, body, lines = mail("mails/0")
assert m["Content-Transfer-Encoding"] == "7bit"
assert body == "plain = text\nFrom here\n.dot\n", body
m, body, lines = mail("mails/1")
assert m["Content-Transfer-Encoding"] == "quoted-printable"
assert max(map(len, lines[lines.index(b""):])) <= 76
assert body == open("expected").read(), body
END
    bounded ./svr.sh close
}

@test "a second part that is a sink gets the lines of its level beside the first" {
    cat >parts/second.h <<'END'
/* second: a sink of the log. */
END
    cat >parts/second.c <<'END'
/* second: a sink of the log. */
#include "part.h"
static const struct svr_key second_keys[] = {
    {"log.second", SVR_BOOL, .value = "true"},
    {"log.second.level", SVR_STRING, .value = "ERROR", .words = CONF_LEVELS},
    {"log.second.format", SVR_STRING, .value = "%(message)s"},
    {.key = NULL},
};
static int
second_line(enum svr_level level, const char *line, size_t length) {
    FILE *out = fopen("second.txt", "ae");
    fprintf(out, "%d %.*s", level, (int)length, line);
    fclose(out);
    return 0;
}
extern const struct part part_second;
const struct part part_second = {.name = "second", .keys = second_keys, .sink = "log.second", .line = second_line};
END
    sed -i 's/^extern const struct part part_mail;/&\nextern const struct part part_second;/
        s/&part_mail, /&\&part_second, /' parts/table.c
    grep -q '&part_second' parts/table.c
    mailing 'cat >mail.txt'
    run_server
    say 'an error for both'
    wait_until 10 grep -q 'an error for both' mail.txt
    [ "$(cat second.txt)" = '3 an error for both' ]
    [ "$(json log.second.lines)" -eq 1 ]
    [ "$(json log.email.lines)" -eq 1 ]
    bounded ./svr.sh close
}
