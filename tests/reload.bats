#!/usr/bin/env bats
# Reload as one transaction: acceptance C1 to C9, C12 to C14.

load helper

@test "C1 a changed run: new output, the same pid, the counter keeps counting" {
    counting_hooks old
    build
    run_server
    wait_line 5 'old 3'
    counting_hooks new
    applied
    [[ $output == *"reloaded: generation 2, 0 keys changed, pause "*" ms" ]]
    wait_line 5 'new [0-9]'
    first=$(grep -o 'new [0-9]*' log.txt | head -n 1 | grep -o '[0-9]*')
    [ "$first" -eq "$(($(last_turn old) + 1))" ]
    [ "$(cat run/demo.pid)" = "$server" ]
    alive "$server"
    [ "$(count_lines '>> on_reload$')" -eq 1 ]
    [ "$(count_lines '>> on_start$')" -eq 1 ]
}

@test "C2 configuration changes at once; what needs a restart is named" {
    hooks <<'END'
static int run(void) {
    svr_debug("x is %d", (int)svr_conf()->other_x);
    svr_info("x: %d", (int)svr_conf()->other_x);
    return 50;
}
SVR_HANDLER(.run = run);
END
    build
    run_server
    wait_line 5 'x: 5'
    set_key other.x 6
    set_key log.console.level DEBUG
    set_key svr.name '"other"'
    applied
    [[ $output == *"3 keys changed ("* ]]
    [[ $output == *other.x* && $output == *log.console.level* ]]
    [[ $output == *"waits for a restart: svr.name"* ]]
    wait_line 5 '<DEBUG: demo(.*>> x is 6'
    [ "$(json pending_restart)" = svr.name ]
}

@test "C3 code that does not compile or load, or lacks the table or the ABI, is refused" {
    counting_hooks
    build
    run_server
    wait_line 5 'turn 2'
    cp my_server.c good.c
    echo 'int broken' >>my_server.c
    rejected
    [[ $output == *my_server.c:* ]]

    cp good.c my_server.c
    echo 'int nowhere(void); int use(void); int use(void) { return nowhere(); }' >>my_server.c
    sed -i 's/static int on_close(void) {/int use(void); &use();/' my_server.c
    rejected
    [[ $output == *"rejected: "*"undefined symbol: nowhere; generation 1 keeps running" ]]

    echo 'int nothing(void); int nothing(void) { return 0; }' >my_server.c
    rejected
    [[ $output == *"no SVR_HANDLER"*"generation 1 keeps running" ]]

    cp good.c my_server.c
    sed -i '1i #undef SVR_ABI\n#define SVR_ABI 4711' my_server.c
    rejected
    [[ $output == *"ABI"*"generation 1 keeps running" ]]

    rm build/handler.so
    SVR_BUILD=0 run bounded ./svr.sh reload
    [ "$status" -eq 1 ]
    [[ $output == *"build/handler.so: No such file"* ]]

    [ "$(json reloads_rejected)" = 4 ]
    cp good.c my_server.c
    applied
    [[ $output == *"generation 2"* ]]
    before=$(last_turn)
    wait_until 5 eval '[ "$(last_turn)" -gt "$before" ]'
}

@test "C4 a bad svr_conf: the verdict names file, line and key, and the old values stay" {
    counting_hooks
    build
    run_server
    wait_line 5 'turn 2'
    cp svr_conf good
    refused() { # LINE REASON
        cp good svr_conf
        printf '%s\n' "$1" >>svr_conf
        rejected
        [[ $output == *"rejected: svr_conf:$(wc -l <svr_conf): $2"*"; generation 1 keeps running" ]] ||
            { echo "$1: $output"; return 1; }
    }
    refused 'no assignment' 'no: not a line'
    refused 'other.x = 3' 'other.x: is already set in line'
    refused 'my.text = "no end' 'my.text: the string'
    refused 'my.text = two words' 'my.text: more than one value'
    refused 'my.text =' 'my.text: no value'
    refused '9x = 1' '9x: not a key'
    refused 'log.consol = true' 'log.consol: unknown key (did you mean "log.console"?)'
    refused 'svr.timer.minspan = 1' 'svr.timer.minspan: unknown key (did you mean "svr.timer.min_span"?)'
    refused 'notify.stat = true' 'notify.stat: unknown key'
    in_place() { # KEY VALUE REASON
        cp good svr_conf
        set_key "$1" "$2"
        rejected
        [[ $output == *"svr_conf:$(grep -n "^$1 =" svr_conf | cut -d: -f1): $1: $3"* ]] ||
            { echo "$1 = $2: $output"; return 1; }
    }
    in_place log.console.level WRAN 'unknown level "WRAN" (did you mean "WARN"?)'
    in_place svr.timer.summary_output_time_point Y 'unknown summary type "Y"'
    in_place svr.timer.min_span 0 'out of range'
    in_place svr.timer.min_span -1 'out of range'
    in_place svr.timer.min_span fast 'needs a number'
    in_place log.console 1 'needs true or false'
    in_place svr.name '""' 'out of range'
    in_place log.console.format '"%(massage)s"' 'unknown placeholder "%(massage)s"'
    in_place log.file_log '"nowhere/x.log"' 'nowhere/x.log: No such file'
    cp good svr_conf
    printf 'a\0b\n' >>svr_conf
    rejected
    [[ $output == *"svr_conf:1: file: has a NUL byte"* ]]
    cp good svr_conf
    head -c 1100000 /dev/zero | tr '\0' '#' >>svr_conf
    rejected
    [[ $output == *"svr_conf:1: file: "*"1 MiB"* ]]
    cp good svr_conf
    before=$(last_turn)
    wait_until 5 eval '[ "$(last_turn)" -gt "$before" ]'
    has_line 'rejected: svr_conf:.*min_span: out of range'
    applied
    [[ $output == *"generation 2, 0 keys changed"* ]]
}

@test "C4 a user's key whose type changed since make is refused without a make" {
    counting_hooks
    build
    run_server
    wait_line 5 'turn 1'
    set_key other.x many
    export SVR_BUILD=0
    rejected
    [[ $output == *"other.x: needs an integer"* ]]
}

@test "C5 on_reload that fails: state, timers and watches are unchanged" {
    hooks <<'END'
struct state { long turns, mark; };
static int tick(void *arg) { (void)arg; svr_info("tick"); return 0; }
static int run(void) {
    struct state *state = svr_state();
    if (state->turns++ == 0) svr_add_timer("steady", tick, NULL, (struct svr_when){.every = 0.1});
    svr_info("turn %ld mark %ld", state->turns, state->mark);
    return 50;
}
SVR_HANDLER(.run = run, .state_size = sizeof(struct state), .state_version = 1,
            .callbacks = SVR_CALLBACKS(SVR_CALL(tick)));
END
    set_key svr.timer.min_span 0.05
    build
    run_server
    wait_line 5 'turn 2 mark 0'
    cp my_server.c good.c
    hooks <<'END'
struct state { long turns, mark; };
static int tick(void *arg) { (void)arg; svr_info("new tick"); return 0; }
static int on_reload(void) {
    struct state *state = svr_state();
    state->mark = 99;
    svr_remove_timer("steady");
    svr_add_timer("other", tick, NULL, (struct svr_when){.every = 0.05});
    return svr_fail("not in the mood");
}
SVR_HANDLER(.on_reload = on_reload, .state_size = sizeof(struct state), .state_version = 1,
            .callbacks = SVR_CALLBACKS(SVR_CALL(tick)));
END
    for _ in $(seq 20); do # more often than generations are kept
        rejected
        [[ $output == *"on_reload: not in the mood (my_server.c:"*"generation 1 keeps running" ]]
    done
    before=$(last_turn)
    wait_until 5 eval '[ "$(last_turn)" -gt "$((before + 3))" ]'
    [ "$(count_lines 'mark 99')" -eq 0 ]
    [ "$(count_lines 'new tick')" -eq 0 ]
    [ "$(json timers)" != "[]" ]
    [[ $(json timers) == *steady* && $(json timers) != *other* ]]
    cp good.c my_server.c
    applied
}

@test "C6 many signals at once, and 50 reloads: the last is in force, and resources stay bounded" {
    counting_hooks one
    build
    run_server
    wait_line 5 'one 1'
    counting_hooks two
    build
    for _ in $(seq 20); do kill -HUP "$server"; done
    wait_line 5 'two [0-9]'
    alive "$server"
    for _ in 1 2 3; do bounded ./svr.sh reload >/dev/null; done
    fds=$(ls "/proc/$server/fd" | wc -l)
    threads=$(ls "/proc/$server/task" | wc -l)
    for _ in $(seq 50); do SVR_BUILD=0 bounded ./svr.sh reload >/dev/null; done
    wait_until 5 eval '[ "$(ls /proc/$server/fd | wc -l)" -le "$fds" ]'
    wait_until 5 eval '[ "$(ls /proc/$server/task | wc -l)" -le "$threads" ]'
    [ "$(grep -c handler "/proc/$server/maps")" -le $((5 * 17)) ]
    [ "$(ls run/handler.*.so | wc -l)" -le 17 ]
    bounded ./svr.sh close
}

@test "C7 a reload signal in on_start and in on_close ends or hangs nothing" {
    hooks <<'END'
static void hold(const char *name) {
    svr_info("%s begins", name);
    for (int i = 0; i < 1000 && access(name, F_OK) < 0; i++) usleep(10000);
}
static int on_start(void) { hold("start"); return 0; }
static int on_close(void) { hold("close"); return 0; }
static int run(void) { static int n; if (!n++) svr_info("run"); return 50; }
SVR_HANDLER(.on_start = on_start, .on_close = on_close, .run = run);
END
    build
    run_server
    wait_line 5 'start begins'
    kill -HUP "$server"
    kill -USR1 "$server"
    wait_line 5 'signal 10: reload'
    touch start
    wait_line 5 '>> run$'
    wait_line 5 'reloaded: generation 2'
    kill -TERM "$server"
    wait_line 5 'close begins'
    kill -HUP "$server"
    wait_line 5 'signal 1: reload'
    touch close
    [ "$(exit_status)" -eq 0 ]
}

@test "C8 a run that holds a resource for 3 s is not disturbed by a reload" {
    hooks <<'END'
static int run(void) {
    svr_info("old takes");
    for (int i = 0; i < 30; i++) usleep(100000);
    svr_info("old gives");
    return 0;
}
SVR_HANDLER(.run = run);
END
    build
    run_server
    wait_line 5 'old takes'
    sed -i 's/old/new/' my_server.c
    applied
    wait_line 5 'new takes'
    [ "$(count_lines 'old takes')" -eq "$(count_lines 'old gives')" ]
    [ "$(grep -e 'old gives' -e reloaded: log.txt | head -n 1 | grep -c 'old gives')" -eq 1 ]
}

@test "C9 run is blocked in read(): pending, status 4; when it returns, the reload happens" {
    hooks <<'END'
#include <fcntl.h>
static int run(void) {
    char byte;
    int fd = open("pipe", O_RDONLY);
    svr_info("reads");
    if (read(fd, &byte, 1) == 1) svr_info("has read");
    close(fd);
    return 20;
}
SVR_HANDLER(.run = run);
END
    build
    mkfifo pipe
    set_key svr.reload.wait 0.5
    run_server
    exec 5<>pipe
    wait_line 5 '>> reads'
    sed -i 's/"reads"/"reads again"/' my_server.c
    reload
    [ "$status" -eq 4 ]
    [[ $output == pending:* ]]
    alive "$server"
    run bounded ./svr.sh status --json
    [[ $output == *'"stale": true'* ]]
    echo >&5
    wait_line 5 'reloaded: generation 2'
    wait_line 5 'reads again'
    exec 5>&-
}

@test "C12 edited twice within a second, a reload after each: the second counts" {
    counting_hooks one
    build
    run_server
    wait_line 5 'one 1'
    for round in 1 2 3 4 5; do
        counting_hooks "a$round"
        applied
        counting_hooks "b$round"
        applied
        wait_line 5 "b$round [0-9]"
    done
}

@test "C13 a handler.so cut at any length is refused with the reason" {
    counting_hooks
    build
    run_server
    wait_line 5 'turn 1'
    cp build/handler.so whole.so
    size=$(stat -c %s whole.so)
    export SVR_BUILD=0
    for part in 0 1 63 64 100 1000 4095 4096 4097 8192 $((size / 2)) $((size * 3 / 4)) \
        $((size - 1000)) $((size - 1)); do
        head -c "$part" whole.so >cut.so
        mv cut.so build/handler.so
        rejected
        [[ $output == *"rejected: "*handler*"; generation 1 keeps running" ]]
    done
    head -c "$size" /dev/urandom >cut.so
    mv cut.so build/handler.so
    rejected
    cp whole.so cut.so
    mv cut.so build/handler.so
    applied
}

@test "C13 constructors that crash, exit or hang are refused with the reason" {
    counting_hooks
    build
    run_server
    wait_line 5 'turn 1'
    cp my_server.c good.c
    constructor() {
        cp good.c my_server.c
        printf '__attribute__((constructor)) static void early(void) { %s }\n' "$1" >>my_server.c
        rejected
        echo "$output"
    }
    constructor 'abort();'
    [[ $output == *"died of signal 6 (Aborted) while it loaded; generation 1"* ]]
    constructor '_exit(0);'
    [[ $output == *"ended with status 0 while it loaded"* ]]
    constructor 'for (;;) pause();'
    [[ $output == *"handler.so: did not answer within 3 s while it loaded"* ]]
    run pgrep -P "$server"
    [ "$status" -eq 1 ]
    before=$(last_turn)
    wait_until 5 eval '[ "$(last_turn)" -gt "$before" ]'
    cp good.c my_server.c
    applied
}

@test "a trial that hangs ends, even if its server is killed meanwhile" {
    hooks <<'END'
SVR_HANDLER(.run = NULL);
END
    build
    run_server
    wait_until 5 eval '[ "$(json state 2>/dev/null)" = running ]'
    echo '__attribute__((constructor)) static void early(void) { for (;;) pause(); }' >>my_server.c
    build
    (SVR_BUILD=0 exec ./svr.sh reload >reload.txt 2>&1 3>&-) &
    helpers+=("$!")
    wait_until 3 eval 'trial=$(pgrep -P "$server")'
    kill -KILL "$server"
    wait_until 10 gone "$trial"
}

@test "C14 a larger state needs migrate, in both directions" {
    counting_hooks
    build
    run_server
    wait_line 5 'turn 3'
    cp my_server.c version1.c
    grown() {
        hooks <<END
struct old { long turns; };
struct state { char name[4000]; long turns; };
__attribute__((unused)) static int migrate(int from, const void *old, void *new) {
    const struct old *a = old; struct state *b = new;
    if (from != 1) return svr_fail("version %d?", from);
    b->turns = a->turns;
    return 0;
}
static int run(void) {
    struct state *state = svr_state();
    svr_info("turn %ld", ++state->turns);
    return 50;
}
SVR_HANDLER(.run = run, .state_size = sizeof(struct state), .state_version = 2, $1);
END
    }
    grown '.migrate = NULL'
    rejected
    [[ $output == *"state: version 1 of 8 bytes cannot become version 2"*"generation 1 keeps running" ]]
    run bounded ./svr.sh check
    [ "$status" -eq 1 ]
    before=$(last_turn)
    grown '.migrate = migrate'
    applied
    wait_until 5 eval '[ "$(last_turn)" -gt "$before" ]'
    # and back: version 1 again, with a migrate of its own
    sed -e 's/^SVR_HANDLER(/static int back(int from, const void *old, void *new) {\
    (void)from;\
    memcpy(new, (const char *)old + 4000, 8);\
    return 0;\
}\
&.migrate = back, /' version1.c >my_server.c
    before=$(last_turn)
    applied
    wait_until 5 eval '[ "$(last_turn)" -gt "$before" ]'
    [ "$(last_turn)" -lt $((before + 1000)) ]
    [ "$(grep -c 'turn 1$' log.txt)" -eq 1 ]
}

@test "a failing migrate leaves the state unchanged" {
    counting_hooks
    build
    run_server
    wait_line 5 'turn 3'
    sed -i 's/.state_version = 1/.state_version = 2, .migrate = spoil/
s/^struct state.*/&\
static int spoil(int from, const void *old, void *new) {\
    (void)from; (void)old;\
    memset(new, 0x55, 8);\
    return svr_fail("changed my mind");\
}/' my_server.c
    rejected
    [[ $output == *"migrate: changed my mind"* ]]
    before=$(last_turn)
    wait_until 5 eval '[ "$(last_turn)" -gt "$before" ]'
    [ "$(last_turn)" -lt $((before + 1000)) ]
}

@test "check: accepts, warns of static data, refuses with the reason" {
    run bounded ./svr.sh check
    [ "$status" -eq 0 ]
    [ "$output" = accepted ]
    counting_hooks
    echo 'static int counter; int bump(void); int bump(void) { return ++counter; }' >>my_server.c
    build
    before=$(find . -newer make.log | sort)
    run bounded ./svr.sh check
    [ "$status" -eq 0 ]
    [[ $output == *warning*static*counter* ]]
    [ "$(find . -newer make.log | sort)" = "$before" ]
    run_server
    wait_line 5 'turn 1'
    applied
    [[ $output == *"generation 2"*"warning: "*counter* ]]
    set_key log.console.level LOUD
    run bounded ./svr.sh check
    [ "$status" -eq 1 ]
    [[ $output == *'unknown level "LOUD"'* ]]
}

@test "SVR_BUILD=0 does not build, and says when a source is newer" {
    counting_hooks
    build
    run_server
    wait_line 5 'turn 1'
    SVR_BUILD=0 run bounded ./svr.sh reload
    [ "$status" -eq 0 ]
    [ "${#lines[@]}" -eq 1 ]
    counting_hooks newer
    SVR_BUILD=0 run bounded ./svr.sh reload
    [ "$status" -eq 0 ]
    [[ $output == *"built before my_"*" changed: not built (SVR_BUILD=0)"* ]]
    [ "$(count_lines 'newer [0-9]')" -eq 0 ]
    mkdir bin
    for tool in readlink dirname id stat find head make mkdir flock; do
        ln -s "$(command -v "$tool")" bin/
    done
    PATH=$P/bin run bounded_here ./svr.sh reload
    [ "$status" -eq 0 ]
    [[ $output == *"built before my_"*" changed: not built (no compiler"* ]]
}

bounded_here() {
    /usr/bin/timeout -k 1 60 /bin/sh "$@"
}

@test "merged requests get the verdict of a reload that began after the request" {
    counting_hooks one
    build
    run_server
    wait_line 5 'one 1'
    export SVR_BUILD=0
    for i in 1 2 3 4 5 6; do
        bounded ./svr.sh reload >"verdict.$i" 3>&- &
    done
    wait_until 10 eval '[ "$(cat verdict.* | wc -l)" -eq 6 ]'
    run cat verdict.*
    [ "$(grep -c '^reloaded: generation' <<<"$output")" -eq 6 ]
}
