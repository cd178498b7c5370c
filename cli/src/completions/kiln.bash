# Completes the command `kiln` in bash: eval "$(kiln completions bash)"
_kiln() {
    local word=${COMP_WORDS[COMP_CWORD]} words=
    if [ "$COMP_CWORD" = 1 ]; then
        words="inspect diff convert completions --help --version"
    else
        case ${COMP_WORDS[COMP_CWORD - 1]} in
        --sort) COMPREPLY=($(compgen -W "name size" -- "$word")); return ;;
        --to) COMPREPLY=($(compgen -W "f16 bf16 f32 f64" -- "$word")); return ;;
        --tolerance | -t | --rename | --strip) return ;;
        esac
        case ${COMP_WORDS[1]} in
        inspect) words="--list --sort --json --help" ;;
        diff) words="--tolerance --json --help" ;;
        convert) words="--to --rename --strip --force --help" ;;
        completions) words="bash zsh fish --help" ;;
        esac
        case $word in
        -*) ;;
        *) [ "${COMP_WORDS[1]}" = completions ] || return ;;
        esac
    fi
    COMPREPLY=($(compgen -W "$words" -- "$word"))
}
# Where nothing is said here, files are completed.
complete -o default -F _kiln kiln
