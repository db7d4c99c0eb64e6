# Completion of a project's svr.sh for bash.
_svr_sh() {
    local word=${COMP_WORDS[COMP_CWORD]} words=''
    case $COMP_CWORD-${COMP_WORDS[1]} in
    1-*) words='start run reload close restart rollback status check logs dev top' ;;
    2-status) words='--json --metrics' ;;
    *-logs) words='-f -n' ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -F _svr_sh svr.sh ./svr.sh
