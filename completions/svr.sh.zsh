#compdef svr.sh
# Completion of a project's svr.sh for zsh.
local -a commands
commands=(
    'start:in the background'
    'run:in the foreground, for supervisors and containers'
    'reload:build, then swap code, configuration and log sinks'
    'close:close safely and wait for the end'
    'restart:build, then become the new server'
    'rollback:back to the last good code and configuration'
    'status:what runs, since when, and its figures'
    'check:would this code and configuration be accepted?'
    'logs:the last lines of console and file log'
    'dev:run, and build and reload at each save'
    'top:the status, live'
)
_arguments '1:command:{ _describe command commands }' '*::option:->rest'
if [[ $state == rest ]]; then
    case $words[1] in
    status) _arguments '1:form:(--json --metrics)' ;;
    logs) _arguments '-f[follow]' '-n[lines]:lines:' ;;
    esac
fi
