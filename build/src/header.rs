//! The header of a program for C and C++. It knows what is called, and not what it does.

use std::fmt::Write;

use kiln::graph::{DType, Type};

use super::entry::Status;
use super::interface::{Argument, Interface};

/// What the texts say of a program.
pub(crate) struct Facts<'a> {
    pub interface: &'a Interface,
    pub target: &'a str,
    pub arena_bytes: usize,
    /// Whether the weights are inside.
    pub inside: bool,
    /// Whether there are states that runs write.
    pub saves: bool,
}

/// A line about each argument.
pub(crate) fn arguments(facts: &Facts<'_>, comment: &str) -> String {
    let mut text = String::new();
    let mut line = |kind: &str, argument: &Argument| {
        let known = if argument.known == argument.name { String::new() } else { format!(" (`{}`)", argument.known) };
        let below = match argument.below.as_deref() {
            None | Some([]) => String::new(),
            Some([first, rest @ ..]) if rest.iter().all(|other| other == first) => {
                format!(", each from 0 to {}", first - 1)
            }
            Some(_) => ", which look up rows of tables".to_owned(),
        };
        let flags = if argument.ty.dtype == DType::Bool { ", 0 for false" } else { "" };
        let Type { dtype, shape } = argument.ty;
        writeln!(text, "{comment}{kind} `{}`{known}: {dtype}, shape {shape}{flags}{below}", argument.name)
            .expect("a string takes all text");
    };
    facts.interface.inputs.iter().for_each(|argument| line("input", argument));
    facts.interface.outputs.iter().for_each(|argument| line("output", argument));
    text
}

/// The elements of an array that has at least one.
pub(crate) fn elements(argument: &Argument) -> usize {
    argument.ty.shape.elements().max(1)
}

/// The header.
pub(crate) fn header(facts: &Facts<'_>) -> String {
    let Facts { interface, target, arena_bytes, inside, saves } = facts;
    let (name, capitals) = (&interface.name, interface.capitals());
    let parameter = |argument: &Argument, input: bool| {
        let element = if argument.ty.dtype == DType::F32 { "float" } else { "int32_t" };
        format!(", {}{element} {}[{}]", if input { "const " } else { "" }, argument.name, elements(argument))
    };
    let inputs: String = interface.inputs.iter().map(|argument| parameter(argument, true)).collect();
    let outputs: String = interface.outputs.iter().map(|argument| parameter(argument, false)).collect();
    let lines = arguments(facts, " *   ");
    let errors: String = Status::ERRORS
        .iter()
        .map(|(status, word, _, text)| format!("/* {text} */\n#define {capitals}_ERROR_{word} {}\n", *status as i32))
        .collect();
    let weights_bytes = interface.weights_bytes;
    let init = if *inside {
        format!("/* Makes an arena ready, once. */\nint {name}_init(void *arena);\n")
    } else {
        format!(
            "/* The size of {name}.weights. */\n#define {capitals}_WEIGHTS_BYTES {weights_bytes}\n\n\
             /* Makes an arena ready, once. The weights are the contents of {name}.weights; they are read as long as the\n\
             \x20* arena is used, and not written. */\n\
             int {name}_init(void *arena, const void *weights, size_t weights_bytes);\n"
        )
    };
    let save = if *saves {
        format!(
            "\n/* Writes the states as they are now to memory of {weights_bytes} bytes, as a file of weights. */\n\
             int {name}_save(const void *arena, void *weights);\n"
        )
    } else {
        String::new()
    };
    format!(
        "/* `{name}` for {target}, written by kiln-build.\n\
         \x20*\n{lines}\
         \x20*\n\
         \x20* Arrays are in row-major order and do not overlap. The functions allocate nothing and keep nothing outside of\n\
         \x20* the arena; calls with different arenas may run at once. They return 0 or an error.\n\
         \x20*/\n\
         #ifndef {capitals}_H\n#define {capitals}_H\n\n#include <stddef.h>\n#include <stdint.h>\n\n\
         #ifdef __cplusplus\nextern \"C\" {{\n#endif\n\n\
         /* What the arena and the weights begin at a multiple of. */\n#define {capitals}_ALIGNMENT 64\n\
         /* The size of an arena. */\n#define {capitals}_ARENA_BYTES {arena_bytes}\n\n\
         {errors}\n{init}\n\
         /* Runs once, in an arena that is ready. */\n\
         int {name}_run(void *arena{inputs}{outputs});\n{save}\n\
         #ifdef __cplusplus\n}}\n#endif\n\n#endif\n"
    )
}
