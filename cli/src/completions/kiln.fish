# Completes the command `kiln` in fish: kiln completions fish > ~/.config/fish/completions/kiln.fish
complete -c kiln -n __fish_use_subcommand -f -a inspect -d 'Show the tensors of a file, with their statistics'
complete -c kiln -n __fish_use_subcommand -f -a diff -d 'Show how the tensors of two files differ'
complete -c kiln -n __fish_use_subcommand -f -a convert -d 'Write the tensors of a file in another format'
complete -c kiln -n __fish_use_subcommand -f -a completions -d 'Print the script by which a shell completes kiln'
complete -c kiln -n __fish_use_subcommand -f -l version
complete -c kiln -l help
complete -c kiln -n '__fish_seen_subcommand_from inspect' -s l -l list -d 'Names, types and shapes alone'
complete -c kiln -n '__fish_seen_subcommand_from inspect' -l sort -x -a 'name size' -d Order
complete -c kiln -n '__fish_seen_subcommand_from inspect diff' -l json -d 'As one JSON object'
complete -c kiln -n '__fish_seen_subcommand_from diff' -s t -l tolerance -x -d 'Numbers that differ by no more are the same'
complete -c kiln -n '__fish_seen_subcommand_from convert' -l to -x -a 'f16 bf16 f32 f64' -d 'What floats become'
complete -c kiln -n '__fish_seen_subcommand_from convert' -l rename -x -d OLD=NEW
complete -c kiln -n '__fish_seen_subcommand_from convert' -l strip -x -d 'Takes this off the beginnings of names'
complete -c kiln -n '__fish_seen_subcommand_from convert' -s f -l force -d 'Replace the file that is written'
complete -c kiln -n '__fish_seen_subcommand_from completions' -f -a 'bash zsh fish'
