//! The module of a program for Rust, with or without the standard library. It knows what is called, and not what it
//! does.

use kiln::graph::DType;

use super::entry::Status;
use super::header::{Facts, arguments, elements};
use super::interface::{Argument, capitalised};

/// The module's text, to be included in a module of its own.
pub(crate) fn module(facts: &Facts<'_>) -> String {
    let Facts { interface, target, arena_bytes, inside, saves } = facts;
    let (name, type_name, weights_bytes) = (&interface.name, interface.type_name(), interface.weights_bytes);
    let element = |argument: &Argument| if argument.ty.dtype == DType::F32 { "f32" } else { "i32" };
    let each = |text: &dyn Fn(&Argument, bool) -> String| -> String {
        let inputs = interface.inputs.iter().map(|argument| text(argument, true));
        inputs.chain(interface.outputs.iter().map(|argument| text(argument, false))).collect()
    };
    let safe = each(&|argument, input| {
        format!(
            ", {}: &{}[{}; {}]",
            argument.name,
            if input { "" } else { "mut " },
            element(argument),
            elements(argument)
        )
    });
    let raw = each(&|argument, input| {
        format!(", {}: *{} {}", argument.name, if input { "const" } else { "mut" }, element(argument))
    });
    let passed =
        each(&|argument, input| format!(", {}.{}()", argument.name, if input { "as_ptr" } else { "as_mut_ptr" }));
    let errors: String = Status::ERRORS
        .iter()
        .map(|(_, _, word, text)| format!("    /// {}.\n    {word},\n", capitalised(text)))
        .collect();
    let numbers: String = Status::ERRORS
        .iter()
        .map(|(status, _, word, _)| format!("            {} => Err(Error::{word}),\n", *status as i32))
        .collect();
    let words: String =
        Status::ERRORS.iter().map(|(_, _, word, text)| format!("            Error::{word} => {text:?},\n")).collect();
    let lines = arguments(facts, "/// - ");
    let needs_weights = !inside || *saves;
    let weights = if needs_weights {
        format!(
            "/// The size of `{name}.weights`.\npub const WEIGHTS_BYTES: usize = {weights_bytes};\n\n\
             /// The weights: `Weights(*include_bytes!(\"{name}.weights\"))`.\n\
             #[repr(C, align(64))]\n#[derive(Clone)]\npub struct Weights(pub [u8; WEIGHTS_BYTES]);\n\n"
        )
    } else {
        String::new()
    };
    let (init_raw, init_safe, init_passed) = if *inside {
        ("", "", "")
    } else {
        (
            ", weights: *const core::ffi::c_void, bytes: usize",
            ", weights: &'a Weights",
            ", core::ptr::from_ref(weights).cast(), WEIGHTS_BYTES",
        )
    };
    let save_raw = if *saves {
        format!(
            "    fn {name}_save(arena: *const core::ffi::c_void, weights: *mut core::ffi::c_void) -> core::ffi::c_int;\n"
        )
    } else {
        String::new()
    };
    let save = if *saves {
        format!(
            "\n    /// Writes the states as they are now, as a file of weights.\n    \
             pub fn save(&self, weights: &mut Weights) {{\n        \
             // SAFETY: the arena is ready, and the weights have room for all states.\n        \
             let status = unsafe {{ {name}_save(self.arena.0.as_ptr().cast(), core::ptr::from_mut(weights).cast()) }};\n        \
             debug_assert_eq!(status, 0);\n    }}\n"
        )
    } else {
        String::new()
    };
    format!(
        "// `{name}` for {target}, written by kiln-build.\n\n\
         /// The size of an arena.\npub const ARENA_BYTES: usize = {arena_bytes};\n\n\
         /// The memory in which the program computes.\n#[repr(C, align(64))]\n\
         pub struct Arena(core::mem::MaybeUninit<[u8; ARENA_BYTES]>);\n\n\
         impl Arena {{\n    /// Memory whose contents do not matter.\n    #[allow(clippy::new_without_default)]\n    \
         pub const fn new() -> Arena {{\n        Arena(core::mem::MaybeUninit::uninit())\n    }}\n}}\n\n\
         {weights}\
         /// Why nothing was computed.\n#[derive(Clone, Copy, Debug, PartialEq, Eq)]\npub enum Error {{\n{errors}}}\n\n\
         impl Error {{\n    fn check(status: core::ffi::c_int) -> Result<(), Error> {{\n        match status {{\n            \
         0 => Ok(()),\n{numbers}            _ => Err(Error::NotReady),\n        }}\n    }}\n}}\n\n\
         impl core::fmt::Display for Error {{\n    \
         fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {{\n        \
         f.write_str(match self {{\n{words}        }})\n    }}\n}}\n\n\
         impl core::error::Error for Error {{}}\n\n\
         /// The program in an arena. Arrays are in row-major order.\n///\n{lines}\
         pub struct {type_name}<'a> {{\n    arena: &'a mut Arena,\n}}\n\n\
         unsafe extern \"C\" {{\n    \
         fn {name}_init(arena: *mut core::ffi::c_void{init_raw}) -> core::ffi::c_int;\n    \
         fn {name}_run(arena: *mut core::ffi::c_void{raw}) -> core::ffi::c_int;\n{save_raw}}}\n\n\
         impl<'a> {type_name}<'a> {{\n    /// Makes an arena ready.\n    ///\n    /// # Errors\n    \
         /// [`Error::Weights`] for those of another program, [`Error::Processor`].\n    \
         pub fn new(arena: &'a mut Arena{init_safe}) -> Result<{type_name}<'a>, Error> {{\n        \
         // SAFETY: the arena is as large and as aligned as the program asks for, and borrowed as long as it is used; so are\n        \
         // the weights.\n        \
         Error::check(unsafe {{ {name}_init(arena.0.as_mut_ptr().cast(){init_passed}) }})?;\n        \
         Ok({type_name} {{ arena }})\n    }}\n\n    \
         /// Runs once.\n    ///\n    /// # Errors\n    /// [`Error::Index`] and [`Error::Outside`], where the program can give them.\n    \
         #[allow(clippy::too_many_arguments)]\n    \
         pub fn run(&mut self{safe}) -> Result<(), Error> {{\n        \
         // SAFETY: the arena is ready, and the arrays are as long as the program takes them.\n        \
         Error::check(unsafe {{ {name}_run(self.arena.0.as_mut_ptr().cast(){passed}) }})\n    }}\n{save}}}\n"
    )
}
