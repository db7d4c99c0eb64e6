#!/bin/sh
# `make install`: installs the project in $TARGET without its sources, ready to
# run in $FOLDER ($TARGET without DESTDIR) as $RUN_AS. The arguments are the files
# of DATA. What root installs belongs to root, except run/ and log/.
set -eu
umask 022
case $FOLDER in
/*) ;;
*) FOLDER=$(readlink -m -- "$FOLDER") ;;
esac

as_root() {
    [ -z "$DESTDIR" ] && [ "$(id -u)" = 0 ]
}

say() {
    printf '%s: %s\n' "$NAME" "$1" >&2
}

# user_group: the group of the service's user.
user_group() {
    id -gn "$RUN_AS" 2>/dev/null || printf '%s\n' "$RUN_AS"
}

# put MODE FILE NAME: puts a file in place by a rename, so that an existing file is
# never written to.
put() {
    rm -f "$TARGET/$3.tmp"
    install -m "$1" "$2" "$TARGET/$3.tmp"
    mv -fT "$TARGET/$3.tmp" "$TARGET/$3"
}

# mode FILE [MASK]: its permission bits, without set-user-ID.
mode() {
    printf '%o\n' $((0$(stat -L -c %a -- "$1") & ${2:-0777}))
}

make_folder() {
    [ -d "$TARGET/$1" ] || install -d "$TARGET/$1"
}

# Whether others may read svr_conf; if not, it contains a secret.
is_public() {
    [ $((0$(stat -L -c %a svr_conf) & 4)) != 0 ]
}

# put_conf NAME: installs svr_conf; if it contains a secret, only the service's
# user can read the copy.
put_conf() {
    if is_public; then
        put 644 svr_conf "$1"
        return
    fi
    put 600 svr_conf "$1"
    if ! as_root || [ "$(id -u "$RUN_AS" 2>/dev/null)" = 0 ]; then
        return
    fi
    if chgrp "$(user_group)" "$TARGET/$1" 2>/dev/null; then
        chmod 640 "$TARGET/$1"
    else
        say "$1 can be read by root only, since there is no group $(user_group)"
    fi
}

# An existing svr_conf that differs is the owner's, and stays.
install_conf() {
    if [ ! -e "$TARGET/svr_conf" ]; then
        put_conf svr_conf
    elif ! cmp -s svr_conf "$TARGET/svr_conf"; then
        put_conf svr_conf.new
        say 'svr_conf differs and stays; the new one is svr_conf.new'
    elif ! is_public; then
        put_conf svr_conf
    fi
}

# service_files TYPE: the entries of service/, without what a supervisor left.
service_files() {
    find service \( -path 'service/*/supervise' -o -path 'service/*/event' \) \
        -prune -o -type "$1" -print
}

install_service() {
    service_files d | while read -r folder; do
        make_folder "$folder"
    done
    service_files f | while read -r file; do
        put "$(mode "$file" 0755)" "$file" "$file"
    done
}

# ---- Paths in service files -----------------------------------------------

# in_sed TEXT: quoted for the replacement of a sed command s|...|TEXT|.
in_sed() {
    printf '%s' "$1" | sed 's/[&|\\]/\\&/g'
}

# quoted WORD: quoted as one word of a systemd unit, if it has to be.
quoted() {
    case $1 in
    *[[:space:]\'\"\\]*) printf '"%s"' "$(printf '%s' "$1" | sed "s/\"/\"'\"'\"/g")" ;;
    *) printf '%s' "$1" ;;
    esac
}

# Writes the unit. systemd allows no quote and no backslash in a program's path, so
# the shell runs such a script. A line must not end in a backslash.
write_unit() {
    folder=$(printf '%s' "$FOLDER" | sed 's/%/%%/g')
    program=$(quoted "$folder/svr.sh" | sed 's/\\/\\\\/g')
    case $FOLDER in
    *[\"\'\\]*)
        program="/bin/sh $(printf '%s' "$program" | sed 's/\$/$$/g')"
        ;;
    esac
    sed -e "s|@FOLDER@/svr.sh|$(in_sed "$program")|" \
        -e "s|-@FOLDER@/run|$(in_sed "$(quoted "-$folder/run")")|" \
        -e "s|-@FOLDER@/log|$(in_sed "$(quoted "-$folder/log")")|" \
        -e "s|@FOLDER@|$(in_sed "$folder")|g" \
        -e "s|@USER@|$(in_sed "$RUN_AS")|g" \
        -e '/^WorkingDirectory=/s|\\$|&/|' "service/$NAME.service.in"
}

# Writes logrotate's file, where a quoted path is a pattern, and cannot have braces.
# Root's logrotate works in log/ as the owner of log/.
write_logrotate() {
    pattern=$(printf '%s' "$FOLDER" |
        sed 's/[][*?\\]/\\&/g; s/"/\\"/g; s/[{}]/?/g')
    su='&'
    if as_root && [ "$(id -u "$RUN_AS" 2>/dev/null)" != 0 ]; then
        su="    su $RUN_AS $(user_group)"
    fi
    sed -e "s|^ *# su USER GROUP.*|$su|" \
        -e "s|@FOLDER@|$(in_sed "$pattern")|g" service/logrotate
}

# fill NAME COMMAND: makes a file of service/ from a command's output.
fill() {
    rm -f "$TARGET/service/$1.tmp"
    "$2" >"$TARGET/service/$1.tmp"
    mv -fT "$TARGET/service/$1.tmp" "$TARGET/service/$1"
}

# ---------------------------------------------------------------------------

# The folder may have belonged to the user before: root takes it over, and follows
# no link that the user left.
take_over() {
    chown root:root "$TARGET"
    chmod go-w "$TARGET"
    for folder in build service run log; do
        [ ! -L "$TARGET/$folder" ] ||
            [ "$(stat -c %u "$TARGET/$folder")" = 0 ] || rm -f "$TARGET/$folder"
    done
    for folder in build service; do
        [ -d "$TARGET/$folder" ] || continue
        find "$TARGET/$folder" -type l ! -user root -exec rm -f {} +
        chown -hR root:root "$TARGET/$folder"
        chmod -R go-w "$TARGET/$folder"
    done
}

make_folder .
! as_root || take_over
make_folder build
make_folder service
put 755 "build/$NAME" "build/$NAME"
put 755 build/handler.so build/handler.so
for program in build/programs.d/*; do
    [ -x "$program" ] || continue
    make_folder build/programs.d
    put 755 "$program" "$program"
done
put 755 svr.sh svr.sh
[ ! -e README.md ] || put 644 README.md README.md
for file; do
    put "$(mode "$file")" "$file" "$(basename "$file")"
done
install_conf
install_service
fill "$NAME.service" write_unit
fill logrotate write_logrotate
make_folder run
make_folder log
if as_root; then
    chown "$RUN_AS" "$TARGET/run" "$TARGET/log" ||
        say "there is no user $RUN_AS: useradd --system $RUN_AS, then make install again"
fi
