#compdef tiny-new
# Completion of tiny-new for zsh.
local -a templates parts
_tiny_new_list() {
    tiny-new --list | awk -v title="$1:" '/^[^ ]/ { on = $1 == title; next } on { print $1 }'
}
templates=(${(f)"$(_tiny_new_list Templates)"})
parts=(${(f)"$(_tiny_new_list Parts)"})
_arguments \
    '(-n --name)'{-n+,--name=}'[the name of the project]:name:' \
    '(-t --template)'{-t+,--template=}'[the template]:template:($templates)' \
    '*'{-w+,--with=}'[add parts]:parts:_values -s , part all none $parts' \
    '*--without=[remove parts]:parts:_values -s , part $parts' \
    '(-l --list)'{-l,--list}'[list the templates and the parts]' \
    '--dry-run[list the files and create nothing]' \
    '--git[create a git repository]' \
    '--update[update a project]' \
    '(-q --quiet)'{-q,--quiet}'[print nothing on success]' \
    '(-h --help)'{-h,--help}'[print the help]' \
    '(-V --version)'{-V,--version}'[print the version]' \
    '*:folder:_directories'
