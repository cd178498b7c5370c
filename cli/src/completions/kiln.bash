# Completes the command `kiln` in bash: eval "$(kiln completions bash)"
_kiln() {
    local word=${COMP_WORDS[COMP_CWORD]} words=
    if [ "$COMP_CWORD" = 1 ]; then
        words="inspect diff convert report run bench export compile completions --help --version"
    else
        case ${COMP_WORDS[COMP_CWORD - 1]} in
        --sort) COMPREPLY=($(compgen -W "name size" -- "$word")); return ;;
        --level) COMPREPLY=($(compgen -W "baseline avx2 avx512" -- "$word")); return ;;
        --to) COMPREPLY=($(compgen -W "f16 bf16 f32 f64" -- "$word")); return ;;
        --tolerance | -t | --rename | --strip | --title | --shape | --const | --batch | --seconds | --threads | --name | --target) return ;;
        esac
        case ${COMP_WORDS[1]} in
        inspect) words="--list --sort --json --help" ;;
        diff) words="--tolerance --json --help" ;;
        convert) words="--to --rename --strip --force --help" ;;
        report) words="--output --title --force --help" ;;
        run) words="--input --shape --const --out --threads --json --help" ;;
        bench) words="--shape --const --batch --seconds --threads --json --help" ;;
        export) words="--partial --force --help" ;;
        compile) words="--out --name --target --level --native --inside --shape --const --batch --help" ;;
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
