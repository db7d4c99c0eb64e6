#!/usr/bin/env bats
# Status: text, JSON, Prometheus; summaries; acceptance E9.

load helper

@test "status --json has every field, each of the right type" {
    hooks <<'END'
static int tick(void *arg) { (void)arg; return 0; }
static int on_start(void) { return svr_add_timer("my \"tick\"", tick, NULL, (struct svr_when){.every = 30}); }
static int run(void) { return svr_fail("tab\there \xff \"quoted\""); }
SVR_HANDLER(.on_start = on_start, .run = run, .callbacks = SVR_CALLBACKS(SVR_CALL(tick)));
END
    build
    run_server
    wait_line 5 'run: tab'
    bounded ./svr.sh reload
    wait_until 5 eval '[ "$(json turns)" -gt 3 ]'
    bounded ./svr.sh status --json >json.txt
    python3 - "$server" <<'END'
import json, re, sys, time
s = json.loads(open("json.txt", encoding="utf-8", errors="strict").read())
stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}$"
assert s["name"] == "demo" and s["pid"] == int(sys.argv[1]) and s["state"] == "running"
assert re.match(stamp, s["start_time"]) and s["generation"] == 2
assert re.match("[0-9a-f]{16}$", s["build_id"])
assert re.match(stamp, s["last_reload"]["time"])
assert s["last_reload"]["verdict"].startswith("reloaded: generation 2, ")
assert s["reloads_applied"] == 1 and s["reloads_rejected"] == 0
assert s["last_error"].startswith('run: tab\\there \\xff "quoted" (my_server.c:')
assert re.match(stamp, s["last_error_time"])
timers = {t["name"]: t["next"] for t in s["timers"]}
assert 0 < timers['my "tick"'] - time.time() < 32, timers
assert 0 <= timers["svr.summary"] - time.time() + 2 < 64, timers
log = s["log"]
assert log["lines"] == sum(log[k]["lines"] for k in ("console", "syslog", "file_log"))
assert log["console"]["lines"] > 5 and isinstance(log["lost"], int)
assert s["turns"] > 3 and s["rss_kb"] > 500 and "stale" not in s
assert s["last_summary"] is None or "uptime" in s["last_summary"]
END
    bounded ./svr.sh close
}

@test "status --metrics prints Prometheus's text format 0.0.4, and promtool accepts it" {
    bounded ./svr.sh start
    wait_until 5 eval '[ "$(json turns)" -gt 2 ]'
    bounded ./svr.sh status --metrics >metrics.txt
    head='# (HELP svr_[a-z_]+ .+|TYPE svr_[a-z_]*_total counter|TYPE svr_[a-z_]+ gauge)'
    label='[a-z]+="[a-z_0-9.]+"'
    run grep -vE "^($head|svr_[a-z_]+(\{$label(,$label)*\})? [0-9.e+-]+)\$" metrics.txt
    [ "$output" = "" ]
    run grep -E 'TYPE.*_total gauge' metrics.txt
    [ "$output" = "" ]
    # each family once, with its samples right behind its head
    families=$(sed -n 's/^\(svr_[a-z_]*\).*/\1/p' metrics.txt | sort -u | wc -l)
    [ "$(grep -c '^# TYPE' metrics.txt)" -eq "$families" ]
    [ "$(sed -n 's/^\(svr_[a-z_]*\).*/\1/p' metrics.txt | uniq | sort | uniq -d)" = "" ]
    grep -q '^svr_up 1$' metrics.txt
    grep -q '^svr_state{state="running"} 1$' metrics.txt
    grep -q '^svr_reloads_total{verdict="applied"} 0$' metrics.txt
    grep -q '^svr_log_lines_total{sink="console"} [1-9]' metrics.txt
    bounded ./svr.sh close
    command -v promtool >/dev/null || skip "no promtool"
    run promtool check metrics <metrics.txt
    [ "$status" -eq 0 ]
    [ "$output" = "" ]
}

@test "a server whose hook hangs answers all three forms, with its last figures" {
    hooks <<'END'
static int run(void) {
    static int turns;
    if (turns++ > 2) for (;;) pause();
    return 10;
}
SVR_HANDLER(.run = run);
END
    build
    run_server
    wait_until 5 eval '[ "$(json stale 2>/dev/null)" = True ]'
    [ "$(json state)" = running ]
    run bounded ./svr.sh status
    [[ $output == *"last known"* ]]
    bounded ./svr.sh status --metrics >metrics.txt
    grep -q '^svr_up 0$' metrics.txt
    kill -9 "$server"
}

@test "E9 the summary comes at the full minute, and once at the close" {
    hooks <<'END'
static int get_summary(char *text, size_t size) { snprintf(text, size, "forty-two"); return 0; }
SVR_HANDLER(.get_summary = get_summary);
END
    set_key log.console.format '"%(asctime)s %(message)s"'
    build
    run_server
    wait_line 65 '<SUMMARY>'
    bounded ./svr.sh close
    figures='reloads 0 applied 0 rejected, timers [01] run 0 late, log lines [0-9]* lost [0-9]*, rss [0-9]* kB'
    run grep -c "<SUMMARY> forty-two; uptime [0-9]* s, generation 1, $figures\$" log.txt
    [ "$output" -eq 2 ]
    # within min_span (1 s) of the minute, and what a stalling machine adds
    second=$(grep -m 1 '<SUMMARY>' log.txt | cut -c18-19)
    [ "$((10#$second))" -le $((1 + SLACK)) ]
}

@test "E9 a reload changes when the summary comes" {
    set_key svr.timer.summary_output_time_point D
    bounded ./svr.sh start
    next() { json timers | python3 -c "
import ast, sys, time
print(int([t['next'] for t in ast.literal_eval(sys.stdin.read()) if t['name'] == 'svr.summary'][0] - time.time()))"; }
    far=$(TZ=UTC next)
    set_key svr.timer.summary_output_time_point M
    bounded ./svr.sh reload
    near=$(next)
    [ "$near" -le 61 ]
    [ "$far" -gt 61 ] || [ "$(date -u +%H:%M)" = 23:59 ] || [ "$(date -u +%H:%M)" = 00:00 ]
    bounded ./svr.sh close
}

@test "of 20,000 timers the status shows the 100 that are due first, and the total" {
    hooks <<'END'
static int tick(void *arg) { (void)arg; return 0; }
static int on_start(void) {
    for (int i = 0; i < 20000; i++) {
        char key[16];
        snprintf(key, sizeof key, "t%d", i);
        if (svr_add_timer(key, tick, NULL, (struct svr_when){.every = 1000 + (i * 7919) % 20000}) < 0)
            return SVR_FAILED;
    }
    return 0;
}
SVR_HANDLER(.on_start = on_start, .callbacks = SVR_CALLBACKS(SVR_CALL(tick)));
END
    set_key svr.timer.summary_output_time_point D
    build
    bounded ./svr.sh start
    bounded ./svr.sh status --json >status.json
    python3 - <<'END'
import json
s = json.load(open("status.json"))
assert s["timers_total"] == 20001, s["timers_total"]
assert len(s["timers"]) == 100
names = [t["name"] for t in s["timers"] if t["name"] != "svr.summary"]
want = sorted(range(20000), key=lambda i: (i * 7919) % 20000)
assert names == [f"t{i}" for i in want[:len(names)]], names
times = [t["next"] for t in s["timers"]]
assert times == sorted(times)
END
    [ "$(stat -c %s status.json)" -lt 20000 ]
    bounded ./svr.sh close
}

@test "metrics never decrease: while the loop does not answer, counters are left out" {
    counting_hooks
    build
    run_server
    wait_line 5 'turn 5'
    bounded ./svr.sh status --metrics >before
    grep -q '^svr_loop_turns_total [1-9]' before
    kill -STOP "$server"
    bounded ./svr.sh status --metrics >stopped
    grep -q '^svr_up 0$' stopped
    run grep -c '_total' stopped
    [ "$output" = 0 ]
    # what is shown is not from the start
    run bounded ./svr.sh status
    [[ ${lines[1]} == "no answer    "*"last known figures, of 20"* ]]
    [[ ${lines[-1]} == "demo: the server (pid $server) does not answer; is it stopped? (kill -CONT $server;"* ]]
    [ "$(json turns)" -ge 5 ]
    kill -CONT "$server"
    bounded ./svr.sh close
}
