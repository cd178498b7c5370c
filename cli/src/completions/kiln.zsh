#compdef kiln
# Completes the command `kiln` in zsh: kiln completions zsh > a file _kiln of a folder in $fpath
_kiln() {
    local -a commands
    commands=(
        'inspect:show the tensors of a file, with their statistics'
        'diff:show how the tensors of two files differ'
        'convert:write the tensors of a file in another format, or with other names'
        'report:write what a run has measured as one HTML file'
        'run:compute what a model of an ONNX file gives for arrays'
        'bench:time the prediction of a model of an ONNX file'
        'export:write an ONNX file with the weights of another file'
        'compile:write the prediction of an ONNX file as an object file'
        'completions:print the script by which a shell completes this command'
    )
    if (( CURRENT == 2 )); then
        _describe command commands
        _arguments '--help' '--version'
        return
    fi
    local command=$words[2]
    shift words
    (( CURRENT-- ))
    case $command in
    inspect)
        _arguments '(-l --list)'{-l,--list}'[names, types and shapes alone]' '--sort[order]:order:(name size)' \
            '--json[as one JSON object]' '--help' '1:file:_files' '*:tensor: '
        ;;
    diff)
        _arguments '(-t --tolerance)'{-t,--tolerance}'[numbers are the same where they differ by no more]:number: ' \
            '--json[as one JSON object]' '--help' '1:file:_files' '2:file:_files' '*:tensor: '
        ;;
    convert)
        _arguments '--to[what floats become]:type:(f16 bf16 f32 f64)' '*--rename[OLD=NEW]:names: ' \
            '*--strip[takes this off the beginnings of names]:prefix: ' \
            '(-f --force)'{-f,--force}'[replace the file that is written]' '--help' \
            '1:file:_files' '2:file:_files' '*:tensor: '
        ;;
    report)
        _arguments '(-o --output)'{-o,--output}'[what to write]:file:_files' '--title[what stands on top]:text: ' \
            '(-f --force)'{-f,--force}'[replace the file that is written]' '--help' '1:folder:_files -/'
        ;;
    run)
        _arguments '*'{-i,--input}'[the array of an input]:NAME=FILE:_files' '*--shape[of an input]:NAME=1,3,224,224: ' \
            '*--const[the number of an input]:NAME=NUMBER: ' '*'{-o,--out}'[where an output is written to]:file:_files' \
            '(-t --threads)'{-t,--threads}'[number of threads]:number: ' '--json[as one JSON object]' '--help' \
            '1:file:_files'
        ;;
    bench)
        _arguments '*--shape[of an input]:NAME=1,3,224,224: ' '*--const[the number of an input]:NAME=NUMBER: ' \
            '--batch[the number of rows]:number: ' '--seconds[how long calls are timed]:seconds: ' \
            '(-t --threads)'{-t,--threads}'[number of threads]:number: ' '--json[as one JSON object]' '--help' \
            '1:file:_files'
        ;;
    export)
        _arguments '--partial[tensors that WEIGHTS does not have stay]' \
            '(-f --force)'{-f,--force}'[replace the file that is written]' '--help' \
            '1:network:_files' '2:weights:_files' '3:file:_files'
        ;;
    compile)
        _arguments '(-o --out)'{-o,--out}'[the folder for the files]:folder:_files -/' '--name[of the program]:name: ' \
            '--target[the machine]:target: ' '*--level[code for this alone]:level:(baseline avx2 avx512)' \
            '--native[for the caches of this machine]' '--inside[weights in the object file]' \
            '*--shape[of an input]:NAME=1,3,224,224: ' '*--const[the number of an input]:NAME=NUMBER: ' \
            '--batch[the number of rows]:number: ' '--help' '1:file:_files'
        ;;
    completions) _arguments '--help' '1:shell:(bash zsh fish)' ;;
    esac
}
# Read by `source`, or found by its name in $fpath.
if [ "$funcstack[1]" = "_kiln" ]; then _kiln "$@"; else compdef _kiln kiln; fi
