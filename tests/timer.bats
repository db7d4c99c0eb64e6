#!/usr/bin/env bats
# Timers, posts and failures, as far as the loop stands on them.

bats_require_minimum_version 1.5.0
load helper

@test "E7 a periodic timer with a number of runs ticks that often; keys are unique" {
    hooks <<'END'
static int tick(void *arg) { svr_info("tick %s", (const char *)arg); return 0; }
static int stranger(void *arg) { (void)arg; return 0; }
static int on_start(void) {
    struct svr_when three = {.every = 0.1, .runs = 3};
    svr_info("added %d", svr_add_timer("a", tick, "a", three));
    svr_info("again %d", svr_add_timer("a", tick, "a", three));
    svr_info("stranger %d", svr_add_timer("s", stranger, NULL, three));
    svr_info("never %d", svr_add_timer("n", tick, NULL, (struct svr_when){.every = 0}));
    svr_info("unknown %d", svr_remove_timer("b"));
    svr_add_timer("z", tick, "z", (struct svr_when){.every = 0.7});
    return 0;
}
SVR_HANDLER(.on_start = on_start, .callbacks = SVR_CALLBACKS(SVR_CALL(tick)));
END
    set_key svr.timer.min_span 0.01
    build
    run_server
    wait_line 5 'tick z'
    for line in 'added 0' 'again -1' 'stranger -1' 'never -1' 'unknown -1'; do
        has_line ">> $line$"
    done
    [ "$(count_lines 'tick a')" -eq 3 ]
    bounded ./svr.sh close
}

@test "E8 callbacks that remove themselves, all others, and add: the rest ticks" {
    hooks <<'END'
static int rest(void *arg) { (void)arg; svr_info("rest"); return 0; }
static int self(void *arg) { (void)arg; svr_info("self"); return svr_remove_timer("self"); }
static int others(void *arg) {
    (void)arg; svr_info("others");
    svr_remove_timer("x"); svr_remove_timer("y");
    svr_add_timer("late", rest, NULL, (struct svr_when){.every = 0.1, .runs = 2});
    return svr_remove_timer("others");
}
static int on_start(void) {
    svr_add_timer("self", self, NULL, (struct svr_when){.every = 0.1});
    svr_add_timer("x", self, NULL, (struct svr_when){.every = 100});
    svr_add_timer("others", others, NULL, (struct svr_when){.every = 0.1});
    svr_add_timer("y", self, NULL, (struct svr_when){.every = 100});
    svr_add_timer("rest", rest, NULL, (struct svr_when){.every = 0.2});
    return 0;
}
SVR_HANDLER(.on_start = on_start,
            .callbacks = SVR_CALLBACKS(SVR_CALL(rest), SVR_CALL(self), SVR_CALL(others)));
END
    set_key svr.timer.min_span 0.01
    build
    run_server
    wait_until 5 eval '[ "$(count_lines ">> rest")" -ge 6 ]'
    [ "$(count_lines '>> self')" -eq 1 ]
    [ "$(count_lines '>> others')" -eq 1 ]
    [[ $(json timers) == *"'rest'"* ]]
    [ "$(json timers | grep -o "'name'" | wc -l)" -eq 2 ] # with the summary's
    bounded ./svr.sh close
}

@test "C11 a timer continues in the new code; one whose function is gone is dropped" {
    hooks <<'END'
static int tick(void *arg) { (void)arg; svr_info("old tick"); return 0; }
static int gone(void *arg) { (void)arg; return 0; }
static int on_start(void) {
    svr_add_timer("tick", tick, NULL, (struct svr_when){.every = 0.2});
    svr_add_timer("gone", gone, NULL, (struct svr_when){.every = 0.2});
    return 0;
}
SVR_HANDLER(.on_start = on_start, .callbacks = SVR_CALLBACKS(SVR_CALL(gone), SVR_CALL(tick)));
END
    set_key svr.timer.min_span 0.01
    build
    run_server
    wait_line 5 'old tick'
    hooks <<'END'
static int tick(void *arg) { (void)arg; svr_info("new tick"); return 0; }
SVR_HANDLER(.callbacks = SVR_CALLBACKS(SVR_CALL(tick)));
END
    bounded ./svr.sh reload
    wait_line 5 'new tick'
    has_line 'timer gone dropped: its function is gone'
    bounded ./svr.sh close
}

@test "svr_post from another thread runs in the loop; a function that is not in the table is refused" {
    hooks <<'END'
#include <pthread.h>
static pthread_t loop;
static int arrive(void *arg) {
    svr_info("arrived %d, in the loop: %d", *(int *)arg, pthread_equal(loop, pthread_self()) != 0);
    return 0;
}
static int stranger(void *arg) { (void)arg; return 0; }
static void *other(void *arg) {
    static int numbers[100];
    (void)arg;
    for (int i = 0; i < 100; i++) { numbers[i] = i; svr_post(arrive, &numbers[i]); }
    svr_info("stranger %d", svr_post(stranger, NULL));
    return NULL;
}
static int on_start(void) {
    pthread_t thread;
    loop = pthread_self();
    svr_pin();
    return pthread_create(&thread, NULL, other, NULL);
}
SVR_HANDLER(.on_start = on_start, .callbacks = SVR_CALLBACKS(SVR_CALL(arrive)));
END
    build
    run_server
    wait_line 5 'arrived 99, in the loop: 1'
    [ "$(count_lines 'arrived .* in the loop: 1')" -eq 100 ]
    grep -o 'arrived [0-9]*' log.txt | grep -o '[0-9]*' | sort -nc
    wait_line 5 'stranger -1'
    bounded ./svr.sh close
}

@test "a failing run pauses, is counted, and close works" {
    hooks <<'END'
static int run(void) { return svr_fail("always"); }
SVR_HANDLER(.run = run);
END
    build
    run_server
    wait_line 10 'times more'
    lines=$(count_lines 'run: always')
    [ "$lines" -le 20 ]
    [[ $(json last_error) == "run: always (my_server.c:"* ]]
    bounded ./svr.sh close
}

@test "on_except decides: continue, close (254), or it fails itself (255)" {
    for case in "SVR_CLOSE 254" 'svr_fail("worse") 255'; do
        rm -f status.txt server.pid
        hooks <<END
static int on_except(const struct svr_error *error) {
    svr_info("on_except: %s %s %s", error->where, error->message, error->file);
    return ${case% *};
}
static int run(void) { return svr_fail("broken"); }
SVR_HANDLER(.on_except = on_except, .run = run);
END
        build
        run_server
        [ "$(exit_status)" -eq "${case##* }" ]
        has_line 'on_except: run broken my_server.c'
    done
}

@test "an idle server sleeps: no system call in any thread" {
    hooks <<'END'
SVR_HANDLER(.run = NULL);
END
    build
    run_server
    wait_until 5 eval '[ "$(json state)" = running ]'
    switches() { cat /proc/"$server"/task/*/status | awk '/ctxt_switches/ { n += $2 } END { print n }'; }
    settled() { local a; a=$(switches); sleep 1; [ "$(switches)" = "$a" ]; }
    wait_until 10 settled
    bounded ./svr.sh close
}

@test "E6 a period of 1 s: tick k is at k seconds, within min_span, without drift" {
    hooks <<'END'
#include <time.h>
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec / 1e9; }
static double start;
static int tick(void *arg) { static int k; (void)arg; svr_info("tick %d at %.3f", ++k, now() - start); return 0; }
static int on_start(void) {
    start = now();
    return svr_add_timer("t", tick, NULL, (struct svr_when){.every = 1, .runs = 20});
}
SVR_HANDLER(.on_start = on_start, .callbacks = SVR_CALLBACKS(SVR_CALL(tick)));
END
    set_key svr.timer.min_span 0.1
    build
    run_server
    wait_line 25 'tick 20 at'
    bounded ./svr.sh close
    python3 - "$SLACK" <<'END'
import re, sys
ticks = [(int(k), float(t)) for k, t in re.findall(r"tick (\d+) at ([\d.]+)", open("log.txt").read())]
assert [k for k, _ in ticks] == list(range(1, 21)), ticks
late = sorted(t - k for k, t in ticks)
assert late[0] > -0.01 and late[10] < 0.1 + 0.05, late  # the median: a machine may stall
END
}

@test "E7 runs = 3 gives three ticks; E10 a min_span of 0.5 ticks every half second" {
    hooks <<'END'
static int tick(void *arg) { svr_info("tick %s", (char *)arg); return 0; }
static int on_start(void) {
    svr_add_timer("half", tick, "half", (struct svr_when){.every = 0.5});
    svr_add_timer("three", tick, "three", (struct svr_when){.every = 0.5, .runs = 3});
    return 0;
}
SVR_HANDLER(.on_start = on_start, .callbacks = SVR_CALLBACKS(SVR_CALL(tick)));
END
    set_key svr.timer.min_span 0.5
    set_key log.console.format '"%(asctime)s %(message)s"'
    build
    run_server
    wait_until 10 eval '[ "$(count_lines "tick half")" -ge 7 ]'
    [ "$(count_lines 'tick three')" -eq 3 ]
    bounded ./svr.sh close
    python3 - <<'END'
import re, datetime
ticks = [datetime.datetime.strptime(t, "%Y-%m-%d %H:%M:%S,%f")
         for t in re.findall(r"(.{23}) tick half", open("log.txt").read())]
gaps = sorted((b - a).total_seconds() for a, b in zip(ticks, ticks[1:]))
assert 0.4 < gaps[len(gaps) // 2] < 0.6, gaps
END
}

@test "a user's own rule says when a timer is due; its failure ends the timer" {
    hooks <<'END'
static int rule(void *arg) { static int n; (void)arg; return n < 4 ? 50 * n++ : svr_fail("enough"); }
static int tick(void *arg) { (void)arg; svr_info("own tick"); return 0; }
static int day(void *arg) { (void)arg; return 0; }
static int on_start(void) {
    svr_info("own %d", svr_add_timer("own", tick, NULL, (struct svr_when){.next = rule}));
    svr_info("day %d", svr_add_timer("day", day, NULL, (struct svr_when){.at = 'D'}));
    svr_info("year %d", svr_add_timer("year", day, NULL, (struct svr_when){.at = 'Y'}));
    svr_info("both %d", svr_add_timer("both", day, NULL, (struct svr_when){.at = 'D', .every = 1}));
    svr_info("none %d", svr_add_timer("none", day, NULL, (struct svr_when){0}));
    svr_info("server %d", svr_add_timer("svr.summary2", day, NULL, (struct svr_when){.every = 1}));
    return 0;
}
SVR_HANDLER(.on_start = on_start,
            .callbacks = SVR_CALLBACKS(SVR_CALL(tick), SVR_CALL(rule), SVR_CALL(day)));
END
    set_key svr.timer.min_span 0.01
    build
    run_server
    wait_line 5 'own: enough'
    [ "$(count_lines 'own tick')" -eq 4 ]
    for line in 'own 0' 'day 0' 'year -1' 'both -1' 'none -1' 'server -1'; do has_line ">> $line$"; done
    next=$(json timers | grep -o "'day', 'next': [0-9]*" | grep -o '[0-9]*$')
    # The status reads two clocks, one after the other: on a stalled machine apart.
    [ "$(date -d "@$((next + 30))" +%H%M)" = 0000 ]
    bounded ./svr.sh close
}

@test "C10 a callback of 3 s, reload in the middle: none overlap" {
    hooks <<'END'
static int slow(void *arg) {
    (void)arg;
    svr_info("slow begins");
    for (int i = 0; i < 30; i++) usleep(100000);
    svr_info("slow ends");
    return 0;
}
static int on_start(void) { return svr_add_timer("slow", slow, NULL, (struct svr_when){.every = 0.5}); }
static int on_reload(void) { svr_info("on_reload"); return 0; }
SVR_HANDLER(.on_start = on_start, .on_reload = on_reload, .callbacks = SVR_CALLBACKS(SVR_CALL(slow)));
END
    build
    run_server
    wait_line 5 'slow begins'
    bounded ./svr.sh reload
    bounded ./svr.sh close
    sequence=$(sed -n 's/.*>> \(slow begins\|slow ends\|on_reload\)$/\1/p' log.txt | head -n 3 | tr '\n' ' ')
    [ "$sequence" = 'slow begins slow ends on_reload ' ] || { echo "$sequence"; false; }
}

@test "svr_set_timer keeps the phase of an unchanged period, replaces a changed one, adds a new one" {
    set_key svr.timer.min_span 0.1
    set_key log.syslog false
    setting() {
        hooks <<END
struct state { int64_t began; };
static int tick(void *arg) {
    struct state *s = svr_state();
    svr_info("%s ${1:-tick} %d", (char *)arg, (int)(svr_now() - s->began) / 100);
    return 0;
}
static int set(void) {
    struct state *s = svr_state();
    if (!s->began) s->began = svr_now();
    return svr_set_timer("a", tick, "a", (struct svr_when){.every = ${2:-2}}) |
        svr_set_timer("late", tick, "late", (struct svr_when){.daily = "${3-23:59}"}) |
        svr_set_timer("n", tick, "n", (struct svr_when){.every = ${2:-2}, .runs = 1});
}
SVR_HANDLER(.on_start = set, .on_reload = set, .state_size = sizeof(struct state), .callbacks = SVR_CALLBACKS(tick));
END
        build
    }
    setting
    run_server
    wait_line 5 'a tick 2[0-9]$'
    setting new
    run bounded ./svr.sh reload
    [ "$status" -eq 0 ]
    wait_line 5 'a new [468]0$\|a new [468]1$'
    run ! has_line 'refused'
    setting fast 0.2
    run bounded ./svr.sh reload
    [ "$status" -eq 0 ]
    wait_until 5 eval '[ "$(count_lines "a fast")" -ge 5 ]'
    [ "$(json timers_total)" -ge 2 ]
    for bad in 24:00 2:30 02:60 02-30 '' 02:301 ' 2:30'; do
        setting bad 0.2 "$bad"
        run bounded ./svr.sh reload
        [ "$status" -eq 1 ]
        [[ $output == *'timer late refused: it needs one of every'* ]]
    done
    bounded ./svr.sh close
}
