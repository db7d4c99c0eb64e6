#!/usr/bin/env bats
# The package: the tarball, Debian's packages, uninstall; and the same for a
# project.

bats_require_minimum_version 1.5.0
load helper

# Two copies of the sources, in other folders, zones and with other umasks; of
# each its tarball, and the packages that are built from that.
setup_file() {
    unset MAKEFLAGS MFLAGS MAKELEVEL WARNINGS # autoconf has a variable of the last name
    export DEB_BUILD_OPTIONS=nocheck SOURCE_DATE_EPOCH=1795000000
    make_copy first UTC 022 &
    make_copy second/in/another/folder Asia/Tokyo 077 && wait $! ||
        { tail -n 30 "$BATS_FILE_TMPDIR"/first/log "$BATS_FILE_TMPDIR"/second/in/another/folder/log >&2; return 1; }
}

# make_copy FOLDER ZONE UMASK
make_copy() (
    umask "$3"
    mkdir -p "$BATS_FILE_TMPDIR/$1/source" "$BATS_FILE_TMPDIR/$1/build"
    cd "$BATS_FILE_TMPDIR/$1"
    export TZ=$2
    tar cf - -C "$TINY_SRC" --anchored --exclude=./build --exclude=./.git --exclude=./Makefile \
        --exclude=./config.status --exclude='./tiny-*' --exclude='*.o' --exclude='*.log' --exclude='*.trs' . |
        tar xf - -C source --no-same-permissions
    chmod -R u+w source
    {
        (cd build && ../source/configure --prefix="$PWD/../prefix" && make && make dist)
        tar xf build/tiny-*.tar.xz
        [ -z "$(command -v dh)" ] || (cd tiny-*/ && dpkg-buildpackage -us -uc -b)
    } >log 2>&1
)

setup() {
    unset MAKEFLAGS MFLAGS MAKELEVEL
    P=$BATS_TEST_TMPDIR/demo
    first=$BATS_FILE_TMPDIR/first second=$BATS_FILE_TMPDIR/second/in/another/folder
    started=()
    helpers=()
}

need_debhelper() {
    command -v dh >/dev/null && command -v dpkg-buildpackage >/dev/null ||
        skip "no debhelper (Debian: apt-get install debhelper)"
}

@test "two tarballs of the same sources have the same bytes" {
    cmp "$first"/build/tiny-*.tar.xz "$second"/build/tiny-*.tar.xz
    run tar tvf "$first"/build/tiny-*.tar.xz
    [[ $output != *"$(id -un)/"* || $(id -un) == root ]]
}

@test "the tarball has every file of the repository" {
    [ -e "$TINY_SRC/.git" ] || skip "no git repository here"
    git -C "$TINY_SRC" ls-files | grep -v '^.gitignore$' | sort >"$BATS_TEST_TMPDIR/held"
    (cd "$first"/tiny-*/ && find . -type f | cut -c 3- | sort) >"$BATS_TEST_TMPDIR/tarball"
    run comm -23 "$BATS_TEST_TMPDIR/held" "$BATS_TEST_TMPDIR/tarball"
    [ "$output" = "" ] || { echo "$output"; return 1; }
}

@test "the tarball builds and installs without help2man, Python, autotools and bats" {
    mkdir "$BATS_TEST_TMPDIR/bin" "$BATS_TEST_TMPDIR/build" "$BATS_TEST_TMPDIR/source"
    for program in help2man python3 autoconf autoheader automake aclocal autoreconf bats git; do
        printf '#!/bin/sh\necho %s >>"%s"\nexit 1\n' $program "$BATS_TEST_TMPDIR/used" \
            >"$BATS_TEST_TMPDIR/bin/$program"
    done
    chmod +x "$BATS_TEST_TMPDIR"/bin/*
    tar xf "$first"/build/tiny-*.tar.xz -C "$BATS_TEST_TMPDIR/source" --strip-components=1
    cd "$BATS_TEST_TMPDIR/build"
    PATH=$BATS_TEST_TMPDIR/bin:$PATH
    ../source/configure --quiet --prefix="$BATS_TEST_TMPDIR/prefix" >/dev/null 2>&1
    make -s
    make -s install
    for page in man1/tiny-new.1 man1/svr.sh.1 man3/svr.h.3 man5/svr_conf.5; do
        [ -s "$BATS_TEST_TMPDIR/prefix/share/man/$page" ]
    done
    [ ! -e "$BATS_TEST_TMPDIR/used" ] || { cat "$BATS_TEST_TMPDIR/used"; return 1; }
}

@test "make uninstall leaves nothing" {
    cd "$first/build"
    mkdir -p ../prefix/{bin,share/doc,share/man/man1,share/man/man3,share/man/man5} \
        ../prefix/share/{bash-completion/completions,zsh/site-functions}
    (cd ../prefix && find . | sort) >"$BATS_TEST_TMPDIR/before"
    make -s install
    [ -x ../prefix/bin/tiny-new ]
    make -s uninstall >/dev/null
    (cd ../prefix && find . | sort) | diff -u "$BATS_TEST_TMPDIR/before" -
    # what is not Tiny's stays
    make -s install
    touch ../prefix/share/tiny/mine
    make -s uninstall >/dev/null
    [ -e ../prefix/share/tiny/mine ]
}

@test "Debian's packages of the same sources have the same bytes" {
    need_debhelper
    [ "$(find "$first" -maxdepth 1 -name '*.deb' | wc -l)" -eq 2 ]
    for package in "$first"/*.deb; do
        cmp "$package" "$second/${package##*/}"
    done
}

@test "lintian finds no error and no warning in the package" {
    need_debhelper
    command -v lintian >/dev/null || skip "no lintian (Debian: apt-get install lintian)"
    run lintian --allow-root --fail-on error,warning "$first"/*.changes
    [ "$status" -eq 0 ] || { echo "$output"; return 1; }
    [[ $output != *": "[EW]": "* && $output != [EW]": "* ]]
}

@test "the version of the package is that of configure.ac" {
    version=$(sed -n 's/^AC_INIT(\[Tiny\], \[\([^]]*\)\].*/\1/p' "$TINY_SRC/configure.ac")
    [[ $(head -n 1 "$TINY_SRC/debian/changelog") == "tiny ($version-"*")"* ]]
}

@test "the tiny-new of the package makes a project that runs" {
    need_debhelper
    dpkg-deb -x "$first"/tiny_*.deb "$BATS_TEST_TMPDIR/root"
    bounded sh "$TINY_SRC/tests/installcheck" "$BATS_TEST_TMPDIR/root/usr/bin/tiny-new"
    for page in man1/tiny-new.1 man1/svr.sh.1 man3/svr.h.3 man5/svr_conf.5; do
        [ -s "$BATS_TEST_TMPDIR/root/usr/share/man/$page.gz" ]
    done
}

# ---- A project ------------------------------------------------------------

@test "make dist in a project: the files that git would track, the same bytes each time" {
    unset SOURCE_DATE_EPOCH
    "$TINY_NEW" -q --git "$P"
    cd "$P"
    make -s dist
    cp demo-0.1.tar.xz ../one.tar.xz
    tar tf demo-0.1.tar.xz | sed -n 's,^demo-0.1/,,p' | sort | diff -u <(git ls-files | sort) -
    mkdir -p log 'a folder'
    echo secret >server.key
    cp -a "$P" "$BATS_TEST_TMPDIR/other"
    (umask 077 && cd ../other && chmod -R g-rwx,o-rwx . && touch my_util.h && TZ=Asia/Tokyo make -s dist)
    cmp demo-0.1.tar.xz ../other/demo-0.1.tar.xz
    cmp demo-0.1.tar.xz ../one.tar.xz
    # a file of the owner's, and a version
    echo note >'a folder/a note'
    make -s dist VERSION=2.0
    tar tf demo-2.0.tar.xz | grep -qx 'demo-2.0/a folder/a note'
    tar tf demo-2.0.tar.xz | run ! grep -e 'key$' -e '/build/' -e 'tar.xz'
    tar xf demo-2.0.tar.xz -C ..
    make -s -C ../demo-2.0
}

@test "make dist works without a git repository, also inside another one" {
    "$TINY_NEW" -q "$P"
    cd "$P"
    make -s dist
    tar tf demo-0.1.tar.xz >"$BATS_TEST_TMPDIR/without"
    git init -q "$BATS_TEST_TMPDIR" # not the project's own
    make -s dist
    tar tf demo-0.1.tar.xz | diff -u "$BATS_TEST_TMPDIR/without" -
    [ "$(wc -l <"$BATS_TEST_TMPDIR/without")" -eq "$(wc -l <"$TINY_SRC/tests/tree.golden")" ]
}

# page_block TEXT: the lines that docs/packaging.md has after the line that begins so.
page_block() {
    awk -v head="$1" 'index($0, head) == 1 { inside = 1; next } !inside { next }
        /^    / { printf "%s%s\n", empty, substr($0, 5); empty = ""; begun = 1; next }
        /^$/ { empty = begun ? empty "\n" : ""; next } { exit }' "$TINY_SRC/docs/packaging.md"
}

@test "docs/packaging.md turns a project into a Debian package, twice with the same bytes" {
    need_debhelper
    for folder in one two/folders; do
        mkdir -p "$BATS_TEST_TMPDIR/$folder"
        cd "$BATS_TEST_TMPDIR/$folder"
        "$TINY_NEW" -q myproj
        cd myproj
        mkdir -p debian/source
        for file in control changelog source/format rules myproj.postinst myproj.postrm myproj.conffiles; do
            page_block "\`debian/$file\`" >debian/$file
            [ -s debian/$file ]
        done
        chmod +x debian/rules
        page_block 'Then, in the project:' >commands
        grep -q dpkg-buildpackage commands
        sh -eu commands >build.log 2>&1 || { tail -n 40 build.log; return 1; }
    done
    cmp "$BATS_TEST_TMPDIR"/one/package/*.deb "$BATS_TEST_TMPDIR"/two/folders/package/*.deb
    dpkg-deb -x "$BATS_TEST_TMPDIR"/one/package/*.deb "$BATS_TEST_TMPDIR/root"
    cd "$BATS_TEST_TMPDIR/root"
    grep -qx 'ExecStart=/opt/myproj/svr.sh run' lib/systemd/system/myproj.service
    sed -i 's/^log.syslog = true/log.syslog = false/' opt/myproj/svr_conf
    bounded opt/myproj/svr.sh start
    started+=("$(cat opt/myproj/run/myproj.pid)")
    bounded opt/myproj/svr.sh close
    [ "$(id -u)" -eq 0 ] || return 0
    install_package "$BATS_TEST_TMPDIR"/one/package/*.deb
}

# install_package FILE: installs the package, lets its server live as its user,
# and purges it, in a copy of this machine that ends with the namespace.
install_package() {
    mkdir "$BATS_TEST_TMPDIR/machine"
    cat >"$BATS_TEST_TMPDIR/inside" <<'END'
dpkg -i /tmp/package.deb
test "$(cd /opt/myproj && stat -c %U run log . svr_conf | tr '\n' ' ')" = 'myproj myproj root root '
timeout 60 setpriv --reuid=myproj --regid=myproj --init-groups /opt/myproj/svr.sh start
timeout 60 /opt/myproj/svr.sh close
dpkg --purge myproj
test ! -e /opt/myproj
echo purged
END
    unshare -m sh -eu -c '
        mount -t tmpfs tmpfs "$1" && cd "$1"
        mkdir upper work root
        mount -t overlay -o lowerdir=/,upperdir=upper,workdir=work overlay root || { echo no overlay; exit 0; }
        mount --rbind /proc root/proc
        mount --rbind /dev root/dev
        cp "$2" root/tmp/package.deb
        cp "$3" root/tmp/inside
        exec chroot root sh -eu /tmp/inside' - "$BATS_TEST_TMPDIR/machine" "$1" "$BATS_TEST_TMPDIR/inside" \
        >install.log 2>&1 || { cat install.log; return 1; }
    grep -qx 'purged\|no overlay' install.log || { cat install.log; return 1; }
}
