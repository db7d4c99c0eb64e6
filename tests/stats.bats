#!/usr/bin/env bats
# The part stats: figures of the user's own; the metrics page, dashboard and alerts.

bats_require_minimum_version 1.5.0
load helper

setup_file() {
    make_base --with none,stats,metrics,checkpoint,restart,rollback,probation
}

# A server that counts its turns three ways; $1: more declarations, $2: the name of the counter.
figures() {
    hooks <<END
#include "stats.h"
SVR_COUNTER(turns, "${2:-turns_total}", "Turns of run.");
SVR_GAUGE(level, "level", "A level.");
SVR_HISTOGRAM(took, "took_seconds", "Time of a turn.", 0.01, 0.1, 1);
${1:-}
static int run(void) {
    svr_counter_add(&turns, 2);
    svr_gauge_set(&level, 1);
    svr_gauge_add(&level, -0.75);
    svr_histogram_observe(&took, 0.05);
    svr_histogram_observe(&took, 0.1);
    svr_histogram_observe(&took, 7);
    return 20;
}
SVR_HANDLER(.run = run);
END
}

# Asserts what the JSON and the metrics have of `figures`, at one moment.
same_in_both() {
    bounded ./svr.sh status --json >status.json
    bounded ./svr.sh status --metrics >metrics.txt
    python3 - <<'END'
import json, re
own = json.load(open("status.json"))["stats"]
lines = dict(l.rsplit(" ", 1) for l in open("metrics.txt") if not l.startswith("#"))
assert list(own) == sorted(own), own
turns, took = own["turns_total"], own["took_seconds"]
assert turns > 0 and turns % 2 == 0 and own["level"] == 0.25
n = turns // 2
assert took["count"] == 3 * n, (took, n)
assert took["buckets"] == {"0.01": 0, "0.1": 2 * n, "1": 0, "+Inf": n}, took
assert abs(took["sum"] - n * 7.15) < 1e-6 * n
m = float(lines["turns_total"]) / 2
assert m >= n and float(lines["level"]) == 0.25
buckets = [float(lines['took_seconds_bucket{le="%s"}' % b]) for b in ("0.01", "0.1", "1", "+Inf")]
assert buckets == [0, 2 * m, 2 * m, 3 * m], buckets
assert float(lines["took_seconds_count"]) == 3 * m
END
}

grown() {
    run bounded ./svr.sh status
    [[ $output =~ turns_total\ [0-9]+\ \([0-9.e+]+/s\) ]]
}

@test "a counter, a gauge and a histogram are in the status, the JSON, the metrics and the summary" {
    for compiler in gcc clang; do
        figures
        make -s CC=$compiler >make.log 2>&1
        run_server
        wait_until 5 eval '[ "$(json stats.turns_total)" -gt 10 ]'
        same_in_both
        wait_until 10 grown # a look soon after another shows what grew by the second
        [[ $output =~ stats\ +level\ 0.25,\ took_seconds\ [0-9]+\ \(mean\ 2.38\) ]]
        bounded ./svr.sh close
        own='level 0.25, took_seconds [0-9]+ \(mean 2.38\)[^,]*, turns_total [0-9]+( |$)'
        grep -Eq "<SUMMARY> uptime .* kB; $own" log.txt
        run ! grep -q 'reset by each reload' log.txt
    done
}

@test "figures keep their values over a reload, a rollback, a restart and a start" {
    figures
    build
    run_server
    wait_until 5 eval '[ "$(json stats.turns_total)" -gt 10 ]'
    before=$(json stats.turns_total)
    figures 'SVR_GAUGE(fresh, "fresh", "New.");'
    bounded ./svr.sh reload
    [ "$(json stats.turns_total)" -ge "$before" ]
    [ "$(json stats.fresh)" = 0 ]
    same_in_both
    bounded ./svr.sh rollback
    run bounded ./svr.sh status --json
    [[ $output != *fresh* ]]
    [ "$(json stats.turns_total)" -ge "$before" ]
    before=$(json stats.turns_total)
    bounded ./svr.sh restart
    wait_until 5 eval '[ "$(json stats.turns_total)" -ge "$before" ]'
    same_in_both
    bounded ./svr.sh close
    before=$(sed -n 's/.*<SUMMARY>.*turns_total \([0-9]*\).*/\1/p' log.txt | tail -n 1)
    run_server
    wait_until 5 eval '[ "$(json stats.turns_total)" -ge "$before" ]'
    same_in_both
    bounded ./svr.sh close
}

@test "a changed kind or other buckets begin at 0; a rejected reload changes nothing; a returning name has its value" {
    figures
    build
    run_server
    wait_until 5 eval '[ "$(json stats.turns_total)" -gt 10 ]'
    figures 'static int fail(void) { return svr_fail("no"); }'
    sed -i 's/SVR_HANDLER(/&.on_reload = fail, /; s/"level"/"other"/' my_server.c
    run bounded ./svr.sh reload
    [ "$status" -eq 1 ]
    same_in_both
    # the counter is gone, and the buckets are others
    figures '' rounds_total
    sed -i 's/0.01, 0.1, 1)/0.01, 0.2)/' my_server.c
    bounded ./svr.sh reload
    [[ $(json stats.took_seconds.buckets) == *"'0.01': "*", '0.2': "*", '+Inf': "* ]]
    wait_line 5 'stats: took_seconds is another kind of figure now, or has other buckets'
    # both began at 0 at the same moment
    bounded ./svr.sh status --json >status.json
    python3 - <<'END'
import json
own = json.load(open("status.json"))["stats"]
assert own["took_seconds"]["count"] * 2 == own["rounds_total"] * 3, own
END
    run json stats.turns_total
    [ "$status" -ne 0 ]
    figures
    bounded ./svr.sh reload
    [ "$(json stats.turns_total)" -gt 10 ]
    bounded ./svr.sh close
}

@test "a wrong declaration rejects the reload, and a start, with the reason" {
    figures
    build
    run_server
    while IFS='|' read -r declaration reason; do
        figures "$declaration"
        build
        run bounded ./svr.sh check
        [ "$status" -eq 1 ]
        [[ $output == *"$reason"* ]] || { echo "$declaration: $output"; return 1; }
        SVR_BUILD=0 run bounded ./svr.sh reload
        [ "$status" -eq 1 ]
        [[ $output == *"rejected: stats: "*"$reason; generation 1 keeps running"* ]] || { echo "$output"; return 1; }
    done <<'END'
SVR_COUNTER(x, "orders", "Help.");|orders: a counter's name ends in _total
SVR_GAUGE(x, "orders_total", "Help.");|orders_total: only a counter's name ends in _total
SVR_GAUGE(x, "level", "Help.");|level: is declared twice
SVR_GAUGE(x, "svr_x", "Help.");|svr_x: names that begin with svr_ are reserved
SVR_GAUGE(x, "1x", "Help.");|1x: a name has letters, digits and underscores, at most 99
SVR_GAUGE(x, "a b", "Help.");|a b: a name has letters, digits and underscores, at most 99
SVR_GAUGE(x, "", "Help.");|: a name has letters, digits and underscores, at most 99
SVR_GAUGE(x, "x_count", "Help.");|x_count: _bucket, _count and _sum are added to a histogram's name
SVR_GAUGE(x, "x", "");|x: needs a help text of one line without a backslash
SVR_GAUGE(x, "x", "a\nb");|x: needs a help text of one line without a backslash
SVR_HISTOGRAM(x, "x", "Help.", 1, 1);|x: the bounds must rise
END
    same_in_both
    bounded ./svr.sh close
    run bounded ./svr.sh start
    [ "$status" -eq 1 ]
    [[ $output == *"start failed: stats: x: the bounds must rise"* ]]
}

@test "threads of two generations add to one counter, and nothing is lost" {
    hooks <<'END'
#include <pthread.h>
#include "stats.h"
SVR_COUNTER(hits, "hits_total", "Hits.");
SVR_HISTOGRAM(sizes, "sizes", "Sizes.", 10, 100);
static void *hit(void *arg) {
    for (int i = 0; i < 200000; i++) {
        svr_counter_add(&hits, 1);
        svr_histogram_observe(&sizes, i % 3 * 50);
    }
    return arg;
}
static int spawn(void) {
    svr_pin();
    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        pthread_create(&thread, NULL, hit, NULL);
        pthread_detach(thread);
    }
    return 0;
}
SVR_HANDLER(.on_start = spawn, .on_reload = spawn);
END
    build
    run_server
    wait_until 5 json stats.hits_total
    bounded ./svr.sh reload
    bounded ./svr.sh reload
    wait_until 30 eval '[ "$(json stats.hits_total)" -eq 1800000 ]'
    [ "$(json stats.sizes.count)" -eq 1800000 ]
    [ "$(json stats.sizes.sum)" -eq $((9 * (66667 * 50 + 66666 * 100))) ]
    bounded ./svr.sh close
}

@test "figures are shared between files, and used from C++" {
    figures 'void more(void);'
    sed -i 's/^static int run(void) {/&\n    more();/' my_server.c
    cat >more.cpp <<'END'
#include "stats.h"
SVR_COUNTER(calls, "calls_total", "Calls of more.");
SVR_HISTOGRAM(spans, "spans", "Spans.", 1, 2);
extern struct svr_counter turns;
extern "C" void more(void) {
    svr_counter_add(&calls, 1);
    svr_counter_add(&turns, 0);
    svr_histogram_observe(&spans, 1.5);
}
END
    sed -i 's/^SOURCES = .*/& more.cpp/' Makefile
    build
    run_server
    wait_until 5 eval '[ "$(json stats.calls_total)" -gt 5 ]'
    same_in_both
    [ "$(json stats.spans.count)" -ge 5 ]
    bounded ./svr.sh close
}

@test "a checkpoint of version 0.1.0, without figures, is read" {
    hooks <<'END'
#include "stats.h"
SVR_COUNTER(turns, "turns_total", "Turns of run.");
struct state { long count; };
static int on_start(void) { svr_info("count %ld", ((struct state *)svr_state())->count); return 0; }
SVR_HANDLER(.on_start = on_start, .state_size = sizeof(struct state));
END
    build
    mkdir -p run
    python3 - <<'END'
import struct
body = struct.pack("48sii", b"demo", 0, 0) + struct.pack("l", 4711)
sum = 14695981039346656037
for byte in body:
    sum = (sum ^ byte) * 1099511628211 % 2**64
open("run/state", "wb").write(struct.pack("8sQQ", b"TINYST1", len(body), sum) + body)
END
    run_server
    wait_line 5 'count 4711'
    bounded ./svr.sh close
    run_server
    wait_line 5 'count 4711'
    bounded ./svr.sh close
}

@test "each metric in the dashboard, the alerts and the page exists in a server" {
    "$TINY_NEW" -q --with all,stats all
    cd all
    make -s >/dev/null 2>&1
    bounded ./svr.sh start
    P=$PWD
    bounded ./svr.sh status --metrics >../metrics.txt
    bounded ./svr.sh close
    cd ..
    sed -n 's/^# TYPE \([a-z_]*\) .*/\1/p' metrics.txt | sort >there
    for file in grafana.json alerts.yml metrics.md; do
        grep -o 'svr_[a-z_]*' "$TINY_SRC/docs/$file" | sort -u >named
        [ "$(wc -l <named)" -ge 8 ]
        run comm -13 there <(grep -Ev '^svr_(counter.*|gauge.*|histogram.*||PART_)$' named)
        [ "$output" = "" ] || { echo "$file: $output"; return 1; }
    done
    # the page names each of the server's own
    parts='checkpoint|httpd|lines|mail|map|notify|reaper|role|standby_etcd|stream|task|tls|work'
    run comm -23 <(grep -Ev "^svr_($parts)" there) \
        <(grep -o 'svr_[a-z_]*' "$TINY_SRC/docs/metrics.md" | sort -u)
    [ "$output" = "" ]
    python3 -c 'import json, sys; json.load(open(sys.argv[1]))' "$TINY_SRC/docs/grafana.json"
    command -v promtool >/dev/null || skip "no promtool"
    run promtool check metrics <metrics.txt
    [ "$status" -eq 0 ]
    [ "$output" = "" ]
}

@test "the alert rules are valid, and fire exactly when they should" {
    command -v promtool >/dev/null || skip "no promtool"
    cp "$TINY_SRC/docs/alerts.yml" "$TINY_SRC/docs/alerts-test.yml" .
    promtool check rules alerts.yml
    promtool test rules alerts-test.yml
}
