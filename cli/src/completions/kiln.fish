# Completes the command `kiln` in fish: kiln completions fish > ~/.config/fish/completions/kiln.fish
complete -c kiln -n __fish_use_subcommand -f -a inspect -d 'Show the tensors of a file, with their statistics'
complete -c kiln -n __fish_use_subcommand -f -a diff -d 'Show how the tensors of two files differ'
complete -c kiln -n __fish_use_subcommand -f -a convert -d 'Write the tensors of a file in another format'
complete -c kiln -n __fish_use_subcommand -f -a report -d 'Write what a run has measured as one HTML file'
complete -c kiln -n __fish_use_subcommand -f -a run -d 'Compute what a model of an ONNX file gives for arrays'
complete -c kiln -n __fish_use_subcommand -f -a bench -d 'Time the prediction of a model of an ONNX file'
complete -c kiln -n __fish_use_subcommand -f -a export -d 'Write an ONNX file with the weights of another file'
complete -c kiln -n __fish_use_subcommand -f -a compile -d 'Write the prediction of an ONNX file as an object file'
complete -c kiln -n __fish_use_subcommand -f -a completions -d 'Print the script by which a shell completes kiln'
complete -c kiln -n __fish_use_subcommand -f -l version
complete -c kiln -l help
complete -c kiln -n '__fish_seen_subcommand_from inspect' -s l -l list -d 'Names, types and shapes alone'
complete -c kiln -n '__fish_seen_subcommand_from inspect' -l sort -x -a 'name size' -d Order
complete -c kiln -n '__fish_seen_subcommand_from inspect diff run bench' -l json -d 'As one JSON object'
complete -c kiln -n '__fish_seen_subcommand_from diff' -s t -l tolerance -x -d 'Numbers that differ by no more are the same'
complete -c kiln -n '__fish_seen_subcommand_from convert' -l to -x -a 'f16 bf16 f32 f64' -d 'What floats become'
complete -c kiln -n '__fish_seen_subcommand_from convert' -l rename -x -d OLD=NEW
complete -c kiln -n '__fish_seen_subcommand_from convert' -l strip -x -d 'Takes this off the beginnings of names'
complete -c kiln -n '__fish_seen_subcommand_from convert report export' -s f -l force -d 'Replace the file that is written'
complete -c kiln -n '__fish_seen_subcommand_from report' -l title -x -d 'What stands on top'
complete -c kiln -n '__fish_seen_subcommand_from report' -s o -l output -r -d 'What to write'
complete -c kiln -n '__fish_seen_subcommand_from run' -s i -l input -x -d NAME=FILE
complete -c kiln -n '__fish_seen_subcommand_from run' -s o -l out -r -d 'Where an output is written to'
complete -c kiln -n '__fish_seen_subcommand_from run bench compile' -l shape -x -d NAME=1,3,224,224
complete -c kiln -n '__fish_seen_subcommand_from run bench compile' -l const -x -d NAME=NUMBER
complete -c kiln -n '__fish_seen_subcommand_from run bench' -s t -l threads -x -d 'The number of threads'
complete -c kiln -n '__fish_seen_subcommand_from bench compile' -l batch -x -d 'The number of rows'
complete -c kiln -n '__fish_seen_subcommand_from bench' -l seconds -x -d 'How long calls are timed'
complete -c kiln -n '__fish_seen_subcommand_from export' -l partial -d 'Tensors that WEIGHTS does not have stay'
complete -c kiln -n '__fish_seen_subcommand_from compile' -s o -l out -r -d 'The folder for the files'
complete -c kiln -n '__fish_seen_subcommand_from compile' -l name -x -d 'The name of the program'
complete -c kiln -n '__fish_seen_subcommand_from compile' -l target -x -d 'The machine'
complete -c kiln -n '__fish_seen_subcommand_from compile' -l level -x -a 'baseline avx2 avx512' -d 'Code for this alone'
complete -c kiln -n '__fish_seen_subcommand_from compile' -l native -d 'For the caches of this machine'
complete -c kiln -n '__fish_seen_subcommand_from compile' -l inside -d 'Weights in the object file'
complete -c kiln -n '__fish_seen_subcommand_from completions' -f -a 'bash zsh fish'
