#!/bin/sh
# update STAGE [dry]: in a project's folder, says what an update changes, and
# makes of runtime/, parts/, service/ and svr.sh in STAGE, which are as Tiny has
# them now, what the project is to have: with what the owner edited, beside
# which goes FILE.new, or added. Exits 3 when something was edited.
set -eu
export LC_ALL=C
stage=$1
dry=${2:-}
edited=

sum() {
    sha256sum <"$1" | cut -d' ' -f1
}

# As Tiny made it, by the old manifest.
untouched() {
    [ "$(sum "$1")" = "$(sed -n "s|^\([0-9a-f]*\)  $1\$|\1|p" .tiny/manifest)" ]
}

keep() {
    [ -z "$dry" ] || return 0
    mkdir -p "$stage/$(dirname "$1")"
    cp -p "$1" "$stage/$1"
}

say() {
    printf '  %-8s %s\n' "$1" "$2"
}

sed 's/^[0-9a-f]*  //' "$stage/.tiny/manifest" >"$stage/tinys"
find runtime parts service svr.sh -type f 2>/dev/null | sort >"$stage/here"
while read -r path; do
    if [ ! -e "$path" ]; then
        say new "$path"
    elif cmp -s "$path" "$stage/$path"; then
        continue
    elif untouched "$path"; then
        say changed "$path"
    else
        edited="$edited $path"
        [ -n "$dry" ] || mv "$stage/$path" "$stage/$path.new"
        keep "$path"
    fi
done <"$stage/tinys"
while read -r path; do
    if [ -e "$stage/$path" ]; then
        continue
    elif untouched "$path"; then
        say removed "$path"
    else
        keep "$path" # the owner's
    fi
done <"$stage/here"
[ -n "$edited" ] || exit 0
for path in $edited; do
    say edited "$path: stays, the new one is $path.new"
done
exit 3
