//! The macros of the Kiln neural-network compiler: `#[derive(Model)]` and `model!`.
//!
//! Use them through the `kiln` crate, which documents them; what they expand to refers to it by the name that the calling
//! crate gives it.
//!
//! `parse` reads tokens into the syntax tree of `ast`; `validate` checks names and arguments against the tables in
//! `layers` and `methods`, and resolves a `forward` to a `body`; `expand` writes Rust, or `fallback` does where there are `mistakes`.
#![forbid(unsafe_code)]

mod ast;
mod body;
mod expand;
mod fallback;
mod free;
mod layers;
mod losses;
mod methods;
mod mistakes;
mod naming;
mod optimizers;
mod parse;
mod validate;

use mistakes::Mistakes;
use proc_macro2::TokenStream;
use syn::DeriveInput;

/// Makes a network of a struct whose fields are layers, applied in order.
///
/// ```
/// use kiln::prelude::*;
///
/// const CLASSES: usize = 10;
///
/// #[derive(Model)]
/// #[model(input = [1, 28, 28], output = [CLASSES])]
/// struct Digits {
///     conv: Conv2d<1, 8, 5>,
///     act: ReLU,
///     #[model(stride = 2)]
///     pool: MaxPool2d<2>,
///     flatten: Flatten,
///     fc: Linear<1152, CLASSES>,
/// }
///
/// let model = Digits::init(42);
/// assert_eq!(Digits::OUTPUT, Shape::new(&[Shape::N, 10]));
/// assert_eq!(model.fc.weight.shape(), Shape::new(&[10, 1152]));
/// ```
///
/// The fields' names are the parameters' names: `conv.weight`, `fc.bias`; those of a tuple struct are the positions, as
/// in PyTorch's `Sequential`: `0.weight`. A field is
///
/// * a layer of Kiln, `Linear<10, 10>`, whose other arguments stand in `#[model(..)]` on the field, with PyTorch's
///   names and defaults: `stride = 2`, `padding = (1, 2)` or `padding = "same"`, `groups = 4`, `bias = false`;
/// * a model: any other name is one of a type that implements `Model`, by this derive or by hand. It takes the input
///   that it declares, and nothing else. One that is called like a layer of Kiln is written `self::Linear`;
/// * an array `[LAYER; COUNT]`, whose elements are applied in order and have parameters of their own: `blocks.0.weight`;
/// * a tuple of these: `body.0.weight`.
///
/// `#[model(requires_grad = false)]` on a field, whatever stands in it, freezes its parameters: they get no gradient and no
/// update.
///
/// `#[model(..)]` on the struct says
///
/// * `input = [..]`, the extents of one sample. The batch axis N comes first and is implied. Indices are `[16; i32]`;
/// * `output = [..]`, if you like: the output's extents, which are checked against what the layers give;
/// * `crate = path` where another crate hands Kiln on: `#[model(crate = framework::kiln)]`. A crate that depends on Kiln,
///   under whatever name, need not say it.
///
/// Every extent may be a literal, a constant or a const parameter of the struct. The struct takes no other parameters. A
/// name in capitals in `input` that is none of these is a free extent, as `N` is: `input = [T, 64]` takes sequences of any
/// length ([`model!`](macro@model) says more of it).
///
/// # What is emitted
///
/// Implementations of `Layer` and `Model`, made of calls that could have been written by hand, and constants that
/// evaluate each layer's shape rule.
///
/// # Errors
///
/// A layer that can not take its input is an error of rustc on its own line; each wrong layer is reported once, as
/// after it the output is assumed that it would have had.
///
/// ```compile_fail,E0080
/// # use kiln::prelude::*;
/// #[derive(Model)]
/// #[model(input = [64])]
/// struct Net {
///     fc1: Linear<64, 128>,
///     fc2: Linear<100, 10>, // shape mismatch in layer fc2: it takes 100 input features, but its input has shape [N, 128]
/// }
/// ```
///
/// A model with const parameters is checked when it is used, by `cargo build`; where all of them have defaults, it is
/// checked with these where it is declared, too.
#[proc_macro_derive(Model, attributes(model))]
pub fn derive_model(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = syn::parse_macro_input!(input as DeriveInput);
    let mut mistakes = Mistakes::default();
    let declaration = parse::derive(input, &mut mistakes);
    finish(declaration, mistakes).into()
}

/// Declares a network: a struct whose layers are written as calls.
///
/// ```
/// use kiln::prelude::*;
///
/// model! {
///     /// Attributes, visibility and const parameters are the struct's.
///     #[model(input = [1, 28, 28], output = [10])]
///     pub struct Net<const HIDDEN: usize = 32> {
///         conv: Conv2d(1, 8, 5, stride = 2),
///         act: ReLU,
///         flatten: Flatten,
///         fc: Linear(8 * 12 * 12, HIDDEN),
///         blocks: [Sequential { fc: Linear(HIDDEN, HIDDEN, bias = false), act: LeakyReLU(0.1) }; 3],
///         head: Sequential(Linear(HIDDEN, 10), Tanh),
///     }
/// }
///
/// let model: Net = Net::init(1);
/// assert!(model.blocks[2].fc.bias.is_none());
/// assert_eq!(model.head.0.weight.shape(), Shape::new(&[10, 32]));
/// ```
///
/// It says the same as a struct under the derive `Model`, whose documentation holds here, too, but that
///
/// * a layer takes all its arguments in parentheses, by position in PyTorch's order or by name:
///   `Conv2d(1, 8, 5, 2)` is `Conv2d(in_channels = 1, out_channels = 8, kernel_size = 5, stride = 2)`; expressions need
///   no braces;
/// * `Sequential { name: LAYER, .. }` nests layers with names; it becomes a struct named after the field that leads to
///   it (`NetBlocks`), with the derives of the model;
/// * `Sequential(LAYER, ..)` nests layers without names; it becomes a tuple;
/// * a model's const parameters stand in parentheses or angle brackets: `Block(64)` is `Block<64>`.
///
/// `model! { pub struct Net(LAYER, ..); }` declares a tuple struct.
///
#[doc = include_str!("steps.md")]
///
#[doc = include_str!("forward.md")]
#[proc_macro]
pub fn model(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = TokenStream::from(input);
    let mut mistakes = Mistakes::default();
    match parse::model(input.clone(), &mut mistakes) {
        Ok(declaration) => finish(declaration, mistakes).into(),
        Err(error) => {
            // If the name is not found, that is said when this is right.
            let _known = naming::set(None);
            mistakes.add(error);
            fallback::of_tokens(input, mistakes).into()
        }
    }
}

fn finish(declaration: ast::Parsed, mut mistakes: Mistakes) -> TokenStream {
    let _known = match naming::set(declaration.kiln.as_ref()) {
        Ok(known) => known,
        Err(message) => return fallback::without_kiln(&declaration, message),
    };
    let declaration = validate::validate(declaration, &mut mistakes);
    if mistakes.is_empty() {
        return expand::expand(&declaration);
    }
    fallback::of_declaration(&declaration, mistakes)
}
