#!/usr/bin/env bats
# svr_conf: values, units, ranges, names, and what a reload says of them.

bats_require_minimum_version 1.5.0
load helper

# derived: what make derives of svr_conf.
derived() {
    build/demo --derive
}

# refused LINE REASON…: svr_conf with that line more is refused for it.
refused() {
    local line=$1
    shift
    cp svr_conf saved
    printf '%s\n' "$line" >>svr_conf
    run bounded ./svr.sh check
    cp saved svr_conf
    [ "$status" -eq 1 ] || { echo "$line is taken"; return 1; }
    [[ $output == "rejected: svr_conf:"[0-9]*": "*"$*"* ]] || { echo "$line: $output"; return 1; }
}

@test "units of size and time, and exponents: each gives the right type and value" {
    cat >>svr_conf <<'END'
a.k = 64k
a.m = 10M
a.g = 1G
a.zero = 0k
t.ms = 250ms
t.s = 10s
t.m = 5m
t.h = 2h
t.half = 0.5s
d.e = 1e3
d.p = 0.5
i.minus = -3
w.word = loop
q.text = "64k"
END
    hooks <<'END'
static int on_start(void) {
    const struct svr_conf *c = svr_conf();
    svr_info("sizes %jd %jd %jd %jd", (intmax_t)c->a_k, (intmax_t)c->a_m, (intmax_t)c->a_g, (intmax_t)c->a_zero);
    svr_info("times %g %g %g %g %g", c->t_ms, c->t_s, c->t_m, c->t_h, c->t_half);
    svr_info("others %g %g %jd %s %s", c->d_e, c->d_p, (intmax_t)c->i_minus, c->w_word, c->q_text);
    _Static_assert(_Generic(c->a_k, int64_t: 1, default: 0) && _Generic(c->t_ms, double: 1, default: 0) &&
                   _Generic(c->d_e, double: 1, default: 0) &&
                   _Generic(c->q_text, const char *: 1, default: 0), "types");
    return 0;
}
SVR_HANDLER(.on_start = on_start);
END
    sed -i 's/^#include <stdio.h>/&\n#include <stdint.h>/' my_server.c
    build
    bounded ./svr.sh start
    grep -q '>> sizes 65536 10485760 1073741824 0$' log/demo.console
    grep -q '>> times 0.25 10 300 7200 0.5$' log/demo.console
    grep -q '>> others 1000 0.5 -3 loop 64k$' log/demo.console
    # built-in keys, too
    set_key svr.reload.wait 500ms
    set_key log.file_log.rotate_size 64M
    bounded ./svr.sh reload
    bounded ./svr.sh close
}

@test "a word that begins like a number but is none is an error; so is a number out of range" {
    refused 'my.a = 10x' 'my.a'
    refused 'my.a = 5 m' 'my.a'
    refused 'my.a = +fast' 'my.a'
    refused 'my.a = -' 'my.a'
    refused 'my.a = 1k5' 'my.a'
    refused 'my.a = 9999999999G' 'my.a'
    refused 'my.a = 99999999999999999999' 'my.a'
    refused 'my.a = 1e999' 'my.a'
    refused 'my.a = 1 # 2 to 5' 'my.a'
    refused 'svr.reload.wait = 0.01' 'svr.reload.wait'
    refused 'log.file_log.keep = -1' 'log.file_log.keep'
    for word in nan inf NaN; do
        refused "svr.close.force_close_delay = $word" svr.close.force_close_delay
    done
}

@test "escapes: one to three octal digits, one or two hexadecimal digits, and C's others" {
    printf '%s\n' 'my.t = "\7a-\18-\1f-\x41g-\x9-\101\n\t\"\\"' >>svr_conf
    hooks <<'END'
static int on_start(void) {
    static const char want[] = "\a" "a-\001" "8-\001" "f-Ag-\t-A\n\t\"\\";
    svr_info("escapes %d", strcmp(svr_conf()->my_t, want) == 0);
    return 0;
}
SVR_HANDLER(.on_start = on_start);
END
    build
    bounded ./svr.sh start
    grep -q '>> escapes 1$' log/demo.console
    bounded ./svr.sh close
    refused 'my.u = "\400"' my.u
    refused 'my.u = "\x"' my.u
    refused 'my.u = "\0"' my.u
    refused 'my.u = "\q"' my.u
    refused 'my.u = "open' my.u
}

@test "a key whose field is a macro of the C library, or a keyword of C, works or is refused with its line" {
    for key in bool errno stdin EOF NULL unix linux offsetof INT_MAX assert none_ true.x my.true errno.x; do
        cp svr_conf saved
        echo "$key = 1" >>svr_conf
        if ! make -s >make.log 2>&1; then
            line=$(grep -n "^$key = " svr_conf | cut -d: -f1)
            grep -q "^svr_conf:$line: $key: " make.log || { cat make.log; return 1; }
        fi
        cp saved svr_conf
    done
    printf 'my.a_b = 1\nmy.a.b = 2\n' >>svr_conf
    run make -s
    [ "$status" -ne 0 ]
    [[ $output == *"svr_conf:$(wc -l <svr_conf): my.a.b: "*"my.a_b"* ]]
}

@test "a changed type is named in the verdict; without a make it is refused" {
    echo 'my.key = 1' >>svr_conf
    build
    bounded ./svr.sh start
    set_key my.key '"one"'
    SVR_BUILD=0 run bounded ./svr.sh reload
    [ "$status" -eq 1 ]
    run bounded ./svr.sh reload
    [ "$status" -eq 0 ]
    [[ $output == *"my.key: was an integer, is now a text"* ]]
    bounded ./svr.sh close
}

@test "10,000 keys take linear time: ten times as many keys take less than forty times as long" {
    cp svr_conf base
    for n in 1000 10000; do
        cp base svr_conf
        for ((i = 0; i < n; i++)); do echo "my.key_$i = $i"; done >>svr_conf
        best=1000000
        for _ in 1 2 3; do
            begin=$(date +%s%N)
            derived >/dev/null
            ms=$((($(date +%s%N) - begin) / 1000000 + 1))
            [ "$ms" -ge "$best" ] || best=$ms
        done
        echo "$n keys: $best ms"
        took[n]=$best
    done
    [ "${took[10000]}" -lt $((40 * (took[1000] + 5))) ]
}

@test "a locale set by a hook changes no number, neither read nor written" {
    mkdir locales
    localedef -i de_DE -f UTF-8 locales/de_DE.UTF-8 >/dev/null 2>&1 || skip "no localedef, or no locale to make"
    export LOCPATH=$PWD/locales
    hooks <<'END'
#include <locale.h>
static int on_start(void) {
    svr_info("locale %s: %.1f", setlocale(LC_ALL, "de_DE.UTF-8"), 1.5);
    return 0;
}
SVR_HANDLER(.on_start = on_start);
END
    build
    bounded ./svr.sh start
    grep -q '>> locale de_DE.UTF-8: 1' log/demo.console
    set_key svr.timer.min_span 0.5
    set_key svr.close.force_close_delay 2.5
    SVR_BUILD=0 run bounded ./svr.sh reload
    [ "$status" -eq 0 ]
    [[ $output =~ pause\ [0-9.]+\ ms ]]
    json busy_seconds
    bounded ./svr.sh status | grep -E 'busy [0-9]+\.[0-9] %'
    run grep -E ' [0-9]+,[0-9]' <(bounded ./svr.sh status --metrics 2>/dev/null || true)
    [ "$output" = "" ]
    set_key svr.timer.min_span 99999
    SVR_BUILD=0 run bounded ./svr.sh reload
    [ "$status" -eq 1 ]
    [[ $output == *"0.001 to 3600"* ]]
    bounded ./svr.sh close
    grep -q 'close: delay = 2.5, exit_code = 0' log/demo.console
}

@test "a reload follows a changed time zone: /etc/localtime, and TZ set by the hooks" {
    [ -e /usr/share/zoneinfo/Asia/Tokyo ] || skip "no zones (tzdata)"
    unshare -rm true 2>/dev/null || [ "$(id -u)" -eq 0 ] || skip "no mount namespaces here"
    set_key svr.log_conf_on_reload false
    cat >zones <<'END'
set -e
unset TZ
mkdir etc
cp -a /etc/. etc/ 2>/dev/null || true
mount --bind etc /etc
rm -f /etc/localtime
cp /usr/share/zoneinfo/Etc/UTC /etc/localtime
./svr.sh start
./svr.sh status | head -n 1
cp /usr/share/zoneinfo/Asia/Tokyo /etc/localtime.new
mv /etc/localtime.new /etc/localtime
SVR_BUILD=0 ./svr.sh reload
./svr.sh status
./svr.sh close
END
    run bounded unshare -m sh zones
    [ "$status" -eq 0 ]
    [[ $output == *"since "*"+0000"* ]]
    [[ $output == *"last reload"*"+0900"* ]]
}

@test "without /proc a start is refused, and the message names /proc" {
    [ "$(id -u)" -eq 0 ] || skip "only root can change the root folder"
    cat >rooted <<'END'
set -e
mkdir root
for folder in bin lib lib64 usr etc dev; do
    [ ! -e "/$folder" ] || { mkdir "root/$folder" && mount --rbind "/$folder" "root/$folder"; }
done
mkdir root/p
mount --bind . root/p
chroot root /bin/sh -c 'cd /p && SVR_BUILD=0 ./svr.sh start'
END
    run bounded unshare -m sh rooted
    [ "$status" -eq 1 ]
    [[ $output == *"start failed: "*"/proc"* ]]
}

@test "a verdict names as many changed keys as fit in a line, and reports when there are more" {
    for ((i = 0; i < 60; i++)); do echo "my.long_key_of_the_user_number_$i = 1"; done >>svr_conf
    hooks <<<'SVR_HANDLER(.on_start = NULL);'
    build
    run_server
    wait_until 5 bounded ./svr.sh status
    sed -i '/^my.long_key_of_the_user_number_[0-9] =/s/1$/2/' svr_conf
    run bounded ./svr.sh reload
    [[ $output == *'10 keys changed (my.long_key_of_the_user_number_0, '*'number_9), pause '* ]]
    [[ $output != *...* ]]
    sed -i 's/^\(my.long_key.*\) = .*/\1 = 3/' svr_conf
    run bounded ./svr.sh reload
    [[ $output == *'60 keys changed (my.long_key_of_the_user_number_0, '*'number_15, '*', ...), pause '* ]]
    bounded ./svr.sh close
}

@test "a mistake in a new key is reported with the parser's reason, not only as an unknown key" {
    bounded ./svr.sh start
    cp svr_conf good
    while IFS='|' read -r line reason; do
        cp good svr_conf
        printf '%b\n' "$line" >>svr_conf
        run bounded ./svr.sh reload
        [ "$status" -eq 1 ]
        [[ $output == *"$reason"*"rejected: "* ]] || { echo "$line: $output"; return 1; }
    done <<'END'
my.x = 7 # 1 to 5|my.x: out of range, needs 1 to 5
my.x = seven # 1 to 9|my.x: needs a number, 1 to 9
int = 3|int: a keyword of C, so no field can have this name
my.v = 1\nmy_v = 2|my_v: has the same field, my_v, as my.v
END
    cp good svr_conf
    bounded ./svr.sh reload
    bounded ./svr.sh close
    run bounded ./svr.sh logs -n
    [ "$status" -eq 2 ]
    [[ $output != *OPTARG* ]]
}

@test "the range beside a key holds at a reload that compiles nothing, also one below 0" {
    echo 'my.celsius = -5 # -40 to 0' >>svr_conf
    build
    bounded ./svr.sh start
    for value in 1 -41; do
        sed -i "s/^my.celsius = [-0-9]*/my.celsius = $value/" svr_conf
        SVR_BUILD=0 run bounded ./svr.sh reload
        [ "$status" -eq 1 ]
        [[ $output == *"my.celsius: out of range, needs -40 to 0"* ]]
    done
    sed -i 's/^my.celsius = [-0-9]*/my.celsius = 0/' svr_conf
    SVR_BUILD=0 bounded ./svr.sh reload
    bounded ./svr.sh close
}

@test "a key that becomes a text is refused where the code takes a number" {
    echo 'my.a = 1' >>svr_conf
    hooks <<'END'
static int run(void) { return 1000; }
static int64_t whole(int64_t n) { return n; }
static int on_start(void) { svr_info("whole %d", (int)whole(svr_conf()->my_a)); return 0; }
SVR_HANDLER(.on_start = on_start, .run = run);
END
    build
    bounded ./svr.sh start
    set_key my.a one
    WARNINGS='' rejected # even so
    [[ $output == *"does not compile"* ]]
    bounded ./svr.sh close
}
