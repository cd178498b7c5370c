//! What the user wrote, as data: a struct whose fields are layers, and how they are applied. Knows syntax only: which
//! layers there are and what they take is `validate`'s.
//!
//! The containers are generic over what stands in a layer's place, so that parsing, validating and expanding share
//! them.

use std::cell::OnceCell;
use std::collections::HashMap;

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Attribute, Expr, GenericArgument, Generics, Ident, Path, Visibility};

/// One struct under `#[derive(Model)]`, or one `model! { .. }`, whose `forward` is an `F`, whose other functions are
/// `H`s and whose programs are an `S`.
pub struct Declaration<L, F, H, S> {
    /// Which of the two it is.
    pub form: Form,
    /// The attributes that pass through to the struct: all but `#[model(..)]`.
    pub attributes: Vec<Attribute>,
    pub visibility: Visibility,
    pub name: Ident,
    /// The path to Kiln, if it says it.
    pub kiln: Option<Path>,
    pub generics: Generics,
    /// The types of the inputs; empty if it does not say.
    pub inputs: Vec<Extents>,
    /// The types of the outputs; empty if it does not say.
    pub outputs: Vec<Extents>,
    pub body: Sequence<L>,
    /// The functions that it declares beside `forward`.
    pub helpers: Vec<H>,
    /// What is computed; without it the layers are applied in order.
    pub forward: Option<F>,
    /// The `step` and `eval` programs.
    pub steps: S,
}

/// A declaration as it was read. Optimizers are still among its layers.
pub type Parsed = Declaration<Layer, Forward, Helper, Vec<Program>>;

/// `step update(x: [N, 10]) -> loss { .. }`, or `eval ..`.
pub struct Program {
    pub mode: Mode,
    /// The attributes that pass through to the method.
    pub attributes: Vec<Attribute>,
    /// `step` or `eval`.
    pub keyword: Ident,
    pub name: Ident,
    pub inputs: Vec<Input>,
    pub results: Vec<Ident>,
    pub statements: Vec<syn::Stmt>,
}

/// How layers behave in a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `step`
    Train,
    /// `eval`
    Eval,
}

/// `x: [N, 10]`
pub struct Input {
    pub name: Ident,
    pub extents: Extents,
}

/// The body of `fn forward(x: [N, 10]) -> [N, 10] { .. }`; the types are the declaration's.
pub struct Forward {
    pub inputs: Vec<Ident>,
    pub body: syn::Block,
}

/// `fn double(x: [N, 10]) -> [N, 10] { .. }`
pub struct Helper {
    /// Who may call it on a model that it holds.
    pub visibility: Visibility,
    pub name: Ident,
    pub parameters: Vec<Parameter>,
    /// The types of the results, if it says.
    pub results: Option<Vec<Extents>>,
    pub body: syn::Block,
}

/// A parameter of a function.
#[derive(Clone)]
pub struct Parameter {
    pub name: Ident,
    pub kind: ParameterKind,
}

#[derive(Clone)]
pub enum ParameterKind {
    /// A tensor, of a declared type or of any.
    Tensor(Option<Extents>),
    /// A number of this type.
    Number(syn::Type),
}

/// Who writes the struct: with the derive the compiler has it already, `model!` emits it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Derive,
    Macro,
}

/// `[N, 16; i32]`: the type of a tensor.
#[derive(Clone)]
pub struct Extents {
    /// The extents behind the batch axis, or all if there is none.
    pub values: Vec<Expr>,
    /// Whether the batch axis comes first.
    pub batch: bool,
    /// The element type, f32 if it is left out: the name of a `DType`.
    pub element: Option<Ident>,
    pub place: Place,
}

/// Layers that are applied in order.
pub struct Sequence<L> {
    pub style: Style,
    pub members: Vec<Member<L>>,
    /// Where the member of a name stands, once one has been looked for.
    places: OnceCell<HashMap<String, usize>>,
}

impl<L> Sequence<L> {
    pub fn new(style: Style, members: Vec<Member<L>>) -> Sequence<L> {
        Sequence { style, members, places: OnceCell::new() }
    }

    /// The member of this name, wherever the name stands.
    pub fn find(&self, name: &syn::Member) -> Option<&Member<L>> {
        let text = |name: &syn::Member| match name {
            syn::Member::Named(name) => name.to_string(),
            syn::Member::Unnamed(index) => index.index.to_string(),
        };
        let places = self.places.get_or_init(|| {
            // The first of several with one name, which rustc reports.
            let all = self.members.iter().enumerate().rev();
            all.map(|(place, member)| (text(&member.name), place)).collect()
        });
        Some(&self.members[*places.get(&text(name))?])
    }
}

/// How the members of a sequence are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// `{ conv1: .., relu1: .. }`: each by its own name.
    Named,
    /// `(.., ..)`: each by its position.
    Positional,
}

/// One member of a sequence.
pub struct Member<L> {
    /// The attributes that pass through to the field.
    pub attributes: Vec<Attribute>,
    pub visibility: Visibility,
    pub name: syn::Member,
    pub node: Node<L>,
}

/// What stands in a field.
pub enum Node<L> {
    Layer(L),
    /// `[element; length]`: the same layer several times, each with parameters of its own.
    List {
        element: Box<Node<L>>,
        length: Expr,
    },
    Sequence(Sequence<L>),
}

/// `path<generics>(arguments)`, a layer or a model.
pub struct Layer {
    /// The path without its generic arguments.
    pub path: Path,
    /// The arguments in angle brackets, if there are any.
    pub generics: Option<Vec<GenericArgument>>,
    /// The arguments in parentheses, or those of the field's `#[model(..)]`.
    pub arguments: Vec<Argument>,
    /// The tokens of the whole field, for which an error about the layer's shape is reported.
    pub place: Place,
}

/// `2`, or `stride = 2`.
#[derive(Clone)]
pub struct Argument {
    pub name: Option<Ident>,
    pub value: Expr,
}

/// The first and the last token of something, where errors that rustc finds later are reported.
#[derive(Clone, Copy)]
pub struct Place {
    pub first: Span,
    pub last: Span,
}

impl Place {
    /// The place of these tokens.
    pub fn of(tokens: impl ToTokens) -> Place {
        let mut place: Option<Place> = None;
        for token in tokens.into_token_stream() {
            let (first, last) = match &token {
                TokenTree::Group(group) => (group.span_open(), group.span_close()),
                other => (other.span(), other.span()),
            };
            place = Some(Place { first: place.map_or(first, |place| place.first), last });
        }
        place.unwrap_or(Place { first: Span::call_site(), last: Span::call_site() })
    }

    /// From the start of this place to the end of another.
    pub fn to(self, other: Place) -> Place {
        Place { first: self.first, last: other.last }
    }
}

impl Argument {
    /// The argument as it was written.
    pub fn tokens(&self) -> TokenStream {
        let value = &self.value;
        match &self.name {
            Some(name) => quote::quote!(#name = #value),
            None => quote::quote!(#value),
        }
    }
}
