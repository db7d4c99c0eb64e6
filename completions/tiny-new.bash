# Completion of tiny-new for bash.
_tiny_new_list() {
    tiny-new --list | awk -v title="$1:" '/^[^ ]/ { on = $1 == title; next } on { print $1 }'
}
_tiny_new() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local options='--name --template --with --without --list --dry-run --git
        --update --quiet --help --version'
    COMPREPLY=()
    # --template=w is three words here
    [[ $before != = ]] || before=${COMP_WORDS[COMP_CWORD - 2]}
    [[ $word != = ]] || word=
    case $before in
    -t | --template)
        mapfile -t COMPREPLY < <(compgen -W "$(_tiny_new_list Templates)" -- "$word")
        ;;
    -w | --with | --without)
        # The parts after the last comma; what stands before it is kept.
        local head='' words
        [[ $word != *,* ]] || head=${word%,*},
        words=$(_tiny_new_list Parts)
        [[ $before == --without ]] || words="all none $words"
        mapfile -t COMPREPLY < <(compgen -P "$head" -W "$words" -- "${word##*,}")
        compopt -o nospace 2>/dev/null
        ;;
    -n | --name) ;;
    *)
        if [[ $word == -* ]]; then
            mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
        else
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -d -- "$word")
        fi
        ;;
    esac
}
complete -F _tiny_new tiny-new
