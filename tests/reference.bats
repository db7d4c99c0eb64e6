#!/usr/bin/env bats
# The reference and the man pages: what they say is what the sources and a
# running server say.

bats_require_minimum_version 1.5.0
load helper

setup_file() {
    make_base --with all
}

setup() {
    setup_project
    set_key log.syslog false
    reference=$TINY_SRC/docs/reference.md
}

# documented HEADING: the first two cells of each row below the headings that match.
documented() {
    awk -v heading="$1" -F ' [|] ' '/^#/ { inside = $0 ~ heading } inside && /^[|] `/ {
        sub(/^[|] /, "", $1); sub(/ [|]$/, "", $2); print $1 "\t" $2 "\t" $3 "\t" $4 }' "$reference" | tr -d '`'
}

# Writes the members of the status that a server shows now.
show_members() {
    bounded ./svr.sh status --json | python3 -c '
import json, re, sys
def walk(value, path):
    if isinstance(value, dict):
        for name in value:
            walk(value[name], path + [name])
    elif isinstance(value, list):
        for item in value:
            walk(item, path)
    else:
        print(re.sub(r"^log\.(console|syslog|file_log|email)\.", "log.SINK.", ".".join(path)))
walk(json.load(sys.stdin), [])'
}

@test "the reference and the man pages are up to date with the sources" {
    "$TINY_SRC/scripts/reference" "$BATS_TEST_TMPDIR"
    for page in reference.md svr.h.3 svr_conf.5 svr.sh.1; do
        diff -u "$TINY_SRC/docs/$page" "$BATS_TEST_TMPDIR/$page" || { echo "run scripts/reference"; return 1; }
    done
}

@test "each function of svr.h and of the parts that a hook can use is in the reference" {
    sed '/visibility push/,/visibility pop/!d' "$TINY_SRC"/runtime/svr.h "$TINY_SRC"/parts/*.h |
        grep -oE '^(#define |[a-z][^/(]*)\bsvr_[a-z_]+\(' | grep -oE 'svr_[a-z_]+\($' | tr -d '(' | sort -u >names
    [ "$(wc -l <names)" -gt 60 ]
    for name in $(cat names); do
        [ "$name" != svr_log ] || continue # its macros are
        grep -qE "^    .*\b$name\(" "$reference" || { echo "$name is not in the reference"; return 1; }
    done
    for hook in on_start on_reload on_close on_except get_summary run migrate; do
        grep -qE "^        int \(\*$hook\)" "$reference"
    done
}

@test "the members of a running server's status are those of the reference" {
    bounded ./svr.sh start
    bounded ./svr.sh reload
    show_members >seen
    kill -STOP "$(cat run/demo.pid)"
    show_members >>seen
    kill -CONT "$(cat run/demo.pid)"
    bounded ./svr.sh close
    set_key standby_etcd.endpoints "\"http://127.0.0.1:$(free_port)\""
    bounded ./svr.sh start # it waits for etcd
    show_members >>seen
    bounded ./svr.sh close
    sed -i '/^last_reload$/d' seen # null, before the first one
    documented '^### Status' | cut -f 1 | sort -u >expected
    sort -u seen | diff -u expected -
}

@test "the keys and defaults of svr_conf are those of the reference" {
    for template in http resp tcp worker; do
        "$TINY_NEW" -q --name name -t $template --with all "$BATS_TEST_TMPDIR/$template"
        sed -n 's/^\([a-z][a-z_0-9.]*\) = \("[^"]*"\|[^ #]*\).*/\1\t\2/p' "$BATS_TEST_TMPDIR/$template/svr_conf"
    done | sort -u >in_conf
    documented '^#### (The core|Part|Template)' | cut -f 1,3 | sort -u >in_reference
    cut -f 1 in_conf | diff -u - <(cut -f 1 in_reference)
    python3 - <<'END'
import re
usual = next(line for line in open('svr_conf') if line.startswith('log.console.format')).split('"')[1]
def plain(text):
    text = text.strip('"').replace('NAME', 'name')
    text = text.replace(' and the usual format', usual).replace('the usual format', usual)
    return float(text) if re.fullmatch(r'[\d.]+', text) else text
in_conf, in_reference = (dict(line.rstrip('\n').split('\t') for line in open(name))
                         for name in ('in_conf', 'in_reference'))
for key in in_conf:
    if plain(in_conf[key]) != plain(in_reference[key]):
        raise SystemExit(f'{key}: {in_conf[key]} in svr_conf, {in_reference[key]} in the reference')
END
}

@test "the server refuses values other than those in the reference, with the same wording" {
    cp svr_conf good
    documented '^#### (The core|Part)' | cut -f 1,2 >keys
    [ "$(wc -l <keys)" -gt 40 ]
    while IFS=$'\t' read -r key values; do
        cp good svr_conf
        case $values in
        *' to '*characters) bad=\"$(printf '%5000s' '' | tr ' ' x)\" expected="needs $values" ;;
        *' to '*) bad=-7 expected="needs $values" ;;
        'true, false') bad=7 expected='needs true or false' ;;
        'a text') bad=true expected='needs a word or a "string"' ;;
        'a format') bad='"%(no)s"' expected='unknown placeholder' ;;
        *) bad='"no"' expected=unknown ;;
        esac
        set_key "$key" "$bad"
        run bounded ./svr.sh check
        [ "$status" -eq 1 ]
        [[ $output == *"$key: "*"$expected"* ]] || { echo "$key, $values: $output"; return 1; }
        case $values in # each word is accepted
        *' to '* | *' text' | *' format' | 'true, false') ;;
        *)
            for word in ${values//,/}; do
                set_key "$key" "$word"
                bounded ./svr.sh check
            done
            ;;
        esac
    done <keys
}

@test "a change waits for a restart exactly where the reference says so" {
    run_server
    wait_line 10 'on_start\|started\|generation 1'
    documented '^#### (The core|Part)' | cut -f 1,3,4 >all
    while IFS=$'\t' read -r key default change; do
        case $key,$default in
        tls.* | log.email.*) ;; # not every value will do
        svr.name,* | *,\"*) set_key "$key" '"other"' ;;
        *,[0-9]*) set_key "$key" "$(awk -v old="$default" 'BEGIN { print old + 1 }')" ;;
        log.email,*) ;;
        *,true) set_key "$key" false ;;
        esac
    done <all
    bounded ./svr.sh reload
    json pending_restart | tr -d ' ' | tr ',' '\n' | sort >pending
    awk -F '\t' '$3 == "restart" { print $1 }' all | sort | diff -u - pending
}

@test "each place-holder of the reference is one of the server's" {
    format=$(documented '^### Formats' | cut -f 1 | tr '\n' ' ')
    [ "$(wc -w <<<"$format")" -eq 10 ]
    set_key log.console.format "\"$format%%\""
    bounded ./svr.sh check
}

@test "the man pages are clean under groff, man and mandoc" {
    for page in "$TINY_SRC"/docs/*.[135] "$TINY_BUILD"/docs/*.1; do
        run groff -ww -man -Tutf8 -z "$page"
        [ "$status" -eq 0 ]
        [ "$output" = "" ] || { echo "$output"; return 1; }
        if command -v man >/dev/null; then
            run bash -c 'MANWIDTH=80 man --warnings -l "$1" 2>&1 >/dev/null' - "$page"
            [ "$status" -eq 0 ]
            [ "$output" = "" ] || { echo "$output"; return 1; }
        fi
        if command -v mandoc >/dev/null; then
            # help2man dates its page "November 2026", which mandoc cannot read
            run mandoc -Tlint -W "$([[ $page == */tiny-new.1 ]] && echo error || echo all)" "$page"
            [ "$output" = "" ] || { echo "$output"; return 1; }
        fi
    done
}
