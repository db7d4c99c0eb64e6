#!/usr/bin/env bats
# Completion of tiny-new and svr.sh, in bash and zsh.

load helper

setup_file() {
    : # no project is needed
}

setup() {
    bin=$(dirname "$TINY_NEW")
    P='' started=() helpers=()
    cd "$BATS_TEST_TMPDIR" || return 1
}

# complete_bash FILE FUNCTION WORD...: what it offers for the last word.
complete_bash() {
    PATH=$bin:$PATH bash --norc -c '
        source "$1"
        function=$2
        shift 2
        COMP_WORDS=("$@")
        COMP_CWORD=$(($# - 1))
        compopt() { :; }
        "$function"
        printf "%s\n" "${COMPREPLY[@]}"' bash "$TINY_SRC/completions/$1" "${@:2}"
}

@test "bash: options, templates, parts after a comma, and commands" {
    tiny() { complete_bash tiny-new.bash _tiny_new tiny-new "$@"; }
    [ "$(tiny --te)" = --template ]
    [ "$(tiny -t w)" = worker ]
    [ "$(tiny --template '' | sort | tr '\n' ' ')" = 'http resp tcp worker ' ]
    [ "$(tiny --template = w)" = worker ] # bash divides at the =
    [ "$(tiny --template = | sort | tr '\n' ' ')" = 'http resp tcp worker ' ]
    [ "$(tiny --with = none,stat)" = none,stats ]
    [ "$(tiny --with no | sort | tr '\n' ' ')" = 'none notify ' ]
    [ "$(tiny --with none,stat)" = none,stats ]
    [ "$(tiny --without chec)" = checkpoint ]
    [ "$(tiny --with chi)" = '' ] # it comes along by itself
    mkdir folder
    [ "$(tiny fol)" = folder ]
    svr() { complete_bash svr.sh.bash _svr_sh ./svr.sh "$@"; }
    [ "$(svr re | tr '\n' ' ')" = 'reload restart ' ]
    [ "$(svr status --m)" = --metrics ]
    [ "$(svr close '')" = '' ]
}

@test "each command of svr.sh and each option of tiny-new is completed, in both shells" {
    usage=$(sh "$TINY_SRC/templates/common/svr.sh" 2>&1 || true)
    commands=$(sed -n 's/^  \([a-z]*\) .*/\1/p' <<<"$usage")
    [ "$(wc -w <<<"$commands")" -gt 9 ]
    for command in $commands; do
        grep -q "[' ]$command[' ]" "$TINY_SRC/completions/svr.sh.bash"
        grep -q "'$command:" "$TINY_SRC/completions/svr.sh.zsh"
    done
    options=$("$TINY_NEW" --help | grep -o -- '--[a-z-]*' | sort -u)
    [ "$(wc -w <<<"$options")" -gt 9 ]
    for option in $options; do
        grep -q -- "$option" "$TINY_SRC/completions/tiny-new.bash"
        grep -q -- "$option" "$TINY_SRC/completions/tiny-new.zsh"
    done
}

@test "zsh: options, templates, parts and commands" {
    command -v zsh >/dev/null || skip "no zsh"
    mkdir functions
    for name in tiny-new svr.sh; do
        cp "$TINY_SRC/completions/$name.zsh" "functions/_$name"
    done
    cat >ask.zsh <<'END'
zmodload zsh/zpty
zpty shell zsh -f -i
send() { zpty -w shell "$1"; }
send "PS1= ; fpath=($PWD/functions \$fpath); PATH=$1:\$PATH"
send 'autoload -U compinit && compinit -D; zstyle ":completion:*" list-prompt ""; setopt no_auto_menu; echo re""ady'
zpty -r -m shell reply '*ready*'
zpty -w -n shell "$2"$'\t\t'
zpty -w -n shell $'\C-a\C-kecho do""ne\n'
zpty -r -m shell reply '*done*'
print -r -- "$reply"
END
    zsh_offers() { run bounded zsh -f ask.zsh "$bin" "$1"; [[ $output == *"$2"* ]] || { echo "$output"; return 1; }; }
    zsh_offers 'tiny-new --temp' 'tiny-new --template'
    zsh_offers 'tiny-new -t work' 'tiny-new -t worker'
    zsh_offers 'tiny-new --template=work' 'tiny-new --template=worker'
    zsh_offers 'tiny-new --with none,stat' 'none,stats'
    zsh_offers './svr.sh rolb' './svr.sh rolb' # nothing fits
    zsh_offers './svr.sh roll' './svr.sh rollback'
    zsh_offers './svr.sh status --met' './svr.sh status --metrics'
}
