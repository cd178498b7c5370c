//! The compile-time checks: constants that hold the shape after each layer, and one constant for each layer that
//! fails to evaluate, on the user's own line, if the layer can not take its input.
//!
//! After a mismatch the shape is assumed that the layer would have had from its right input, so that each wrong layer
//! is reported once and later ones still are.

use std::collections::HashSet;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote_spanned};
use syn::GenericParam;

use super::walk::segment;
use crate::ast::{Extents, Node, Place, Sequence};
use crate::body::Forward;
use crate::validate::{Layer, LayerKind, Validated};

/// The constant that holds the model's input shape.
pub const INPUT: &str = "INPUT";
/// The constant that holds the model's output shape.
pub const OUTPUT: &str = "OUTPUT";

/// How the constants are named. Their names end in that of the model, so that they hide nothing that the user's const
/// arguments speak of.
pub struct Owner {
    /// The constants stand in the block around the implementations, or, as they may depend on const parameters,
    /// belong to an empty struct with the same parameters.
    prefix: TokenStream,
    model: Ident,
}

impl Owner {
    /// As seen from the implementations.
    pub fn of(declaration: &Validated) -> Owner {
        let (_, arguments, _) = declaration.generics.split_for_impl();
        let holder = holder(declaration);
        Owner::with(declaration, emit!(<#holder #arguments>::))
    }

    /// As seen from one another.
    fn within(declaration: &Validated) -> Owner {
        Owner::with(declaration, emit!(Self::))
    }

    fn with(declaration: &Validated, prefix: TokenStream) -> Owner {
        let prefix = if is_generic(declaration) { prefix } else { TokenStream::new() };
        Owner { prefix, model: declaration.name.clone() }
    }

    /// `fc1` becomes `fc1_of_Net`.
    fn name(&self, of: &str) -> Ident {
        format_ident!("{of}_of_{}", self.model, span = Span::call_site())
    }

    pub fn constant(&self, of: &str) -> TokenStream {
        let (prefix, name) = (&self.prefix, self.name(of));
        emit!(#prefix #name)
    }

    /// The settings of the layer with this number.
    pub fn settings(&self, id: usize) -> TokenStream {
        self.constant(&settings(id))
    }
}

/// The name of a layer's settings.
fn settings(id: usize) -> String {
    format!("SETTINGS_{id}")
}

/// The struct that owns the constants of a model with const parameters.
fn holder(declaration: &Validated) -> Ident {
    format_ident!("ShapesOf{}", declaration.name, span = Span::call_site())
}

fn is_generic(declaration: &Validated) -> bool {
    !declaration.generics.params.is_empty()
}

/// What a declaration's checks expand to.
pub struct Checks {
    /// The constants, and what evaluates them where the model is declared.
    pub items: TokenStream,
    /// The statement that evaluates them where a model with const parameters is made, so that a build reports what
    /// `cargo check` can not know.
    pub when_instantiated: TokenStream,
}

/// The checks of a declaration.
pub fn checks(declaration: &Validated) -> Checks {
    let mut constants = Constants::new(declaration);
    constants.all(declaration);
    let Constants { definitions, checks, .. } = constants;
    if !is_generic(declaration) {
        return Checks { items: definitions, when_instantiated: TokenStream::new() };
    }
    let generics = &declaration.generics;
    let (parameters, arguments, bounds) = generics.split_for_impl();
    let holder = holder(declaration);
    // The notes that rustc adds about these uses of a failing constant stand on the user's line, too.
    let all_of = |owner: TokenStream| -> Vec<TokenStream> {
        checks.iter().map(|(check, place)| constant_at(check, *place, &owner)).collect()
    };
    let all_have_defaults =
        generics.params.iter().all(|parameter| matches!(parameter, GenericParam::Const(c) if c.default.is_some()));
    let with_defaults = if all_have_defaults { all_of(emit!(#holder)) } else { Vec::new() };
    let instantiated = all_of(emit!(#holder #arguments));
    let items = emit! {
        struct #holder #generics #bounds;
        impl #parameters #holder #arguments #bounds {
            #definitions
        }
        #(const _: ::kiln::graph::Shape = #with_defaults;)*
    };
    Checks { items, when_instantiated: emit!(let _ = [#(#instantiated),*];) }
}

/// An associated constant, named at a place.
fn constant_at(name: &Ident, place: Place, owner: &TokenStream) -> TokenStream {
    let name = Ident::new(&name.to_string(), at(place.last));
    let owner = quote_spanned!(at(place.first)=> <#owner>::);
    emit!(#owner #name)
}

/// The constants while they are collected.
struct Constants {
    /// As seen from one another.
    owner: Owner,
    definitions: TokenStream,
    /// Those that fail if something is wrong, and where.
    checks: Vec<(Ident, Place)>,
    names: HashSet<String>,
    /// The constant that holds the shape so far.
    shape: TokenStream,
}

impl Constants {
    fn new(declaration: &Validated) -> Constants {
        let owner = Owner::within(declaration);
        let shape = owner.constant(INPUT);
        Constants { owner, definitions: TokenStream::new(), checks: Vec::new(), names: HashSet::new(), shape }
    }

    fn all(&mut self, declaration: &Validated) {
        if let Some(input) = &declaration.input {
            self.define(INPUT, extents(input));
        }
        if let Some(forward) = &declaration.forward {
            return self.forward(forward, declaration);
        }
        self.sequence(&declaration.body, "");
        let found = self.shape.clone();
        match &declaration.output {
            None => self.define(OUTPUT, found),
            Some(output) => {
                self.define(OUTPUT, extents(output));
                let check = self.declared_output(declaration, output, &found);
                self.check("declared_output".to_string(), output.place, check);
            }
        }
    }

    /// The check that the declared output is the one found.
    fn declared_output(&self, declaration: &Validated, output: &Extents, found: &TokenStream) -> TokenStream {
        let declared = self.owner.constant(OUTPUT);
        let name = declaration.name.to_string();
        call(output.place, emit!(shape::check_output), emit!(#name, #declared, #found))
    }

    fn define(&mut self, name: &str, value: impl ToTokens) {
        let name = self.owner.name(name);
        self.definitions.extend(emit!(const #name: ::kiln::graph::Shape = #value;));
    }

    /// A constant that is named after a field, as rustc shows its name.
    fn check(&mut self, mut name: String, place: Place, value: TokenStream) {
        while !self.names.insert(name.clone()) {
            name.push('_');
        }
        let name = self.owner.name(&name);
        let definition = emit! {
            #[allow(unused_variables, unused_assignments)]
            const #name: ::kiln::graph::Shape = #value;
        };
        self.definitions.extend(definition);
        self.checks.push((name, place));
    }

    fn sequence(&mut self, body: &Sequence<Layer>, path: &str) {
        for member in &body.members {
            let path = join(path, &segment(&member.name));
            match &member.node {
                Node::Sequence(inner) => self.sequence(inner, &path),
                node @ (Node::Layer(_) | Node::List { .. }) => {
                    self.settings(node);
                    for leaf in leaves(node) {
                        let check = Check { only: Some(leaf.id), label: &Label::new(&path), place: None };
                        let run = run(node, &self.owner, Some(check));
                        let before = &self.shape;
                        let name = format!("layer_{}", path.replace('.', "_"));
                        self.check(name, leaf.place, emit!({ let x = #before; #run }));
                    }
                    let name = format!("SHAPE_{}", self.names.len());
                    let after = run(node, &self.owner, None);
                    let before = &self.shape;
                    self.define(&name, emit!({ let x = #before; #after }));
                    self.shape = self.owner.constant(&name);
                }
            }
        }
    }

    /// One constant for the whole body, with the check of its result, so that nothing uses a constant that failed.
    fn forward(&mut self, forward: &Forward, declaration: &Validated) {
        for member in &declaration.body.members {
            self.settings(&member.node);
        }
        let mut check = super::body::shapes(forward, &declaration.body, &self.owner, &self.shape);
        if let Some(output) = &declaration.output {
            self.define(OUTPUT, extents(output));
            check = self.declared_output(declaration, output, &check);
        }
        self.check("forward".to_string(), Place::of(&forward.input), check);
    }

    /// The settings of the layers in a node.
    fn settings(&mut self, node: &Node<Layer>) {
        for layer in leaves(node) {
            if let LayerKind::Known { settings_type, settings } = &layer.kind {
                let name = self.owner.name(&self::settings(layer.id));
                self.definitions.extend(emit!(const #name: #settings_type = #settings;));
            }
        }
    }
}

/// `head.norm`
fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_string() } else { format!("{path}.{name}") }
}

/// All layers in a node.
fn leaves(node: &Node<Layer>) -> Vec<&Layer> {
    match node {
        Node::Layer(layer) => vec![layer],
        Node::List { element, .. } => leaves(element),
        Node::Sequence(body) => body.members.iter().flat_map(|member| leaves(&member.node)).collect(),
    }
}

/// The name of a layer as the message gives it: an expression, as it may hold indices of arrays.
pub struct Label {
    message: TokenStream,
    depth: usize,
}

impl Label {
    pub fn new(path: &str) -> Label {
        Label { message: emit!(::kiln::graph::shape::Message::new().text(#path)), depth: 0 }
    }

    /// An expression for the text.
    pub fn message(&self) -> &TokenStream {
        &self.message
    }

    /// The variable that counts the elements of an array inside this place.
    fn index(&self) -> Ident {
        format_ident!("index_{}", self.depth, span = Span::mixed_site())
    }

    fn element(&self) -> Label {
        Label { depth: self.depth + 1, ..self.at(&self.index().to_token_stream()) }
    }

    /// The element of an array with this index.
    pub fn at(&self, index: &TokenStream) -> Label {
        let message = &self.message;
        Label { message: emit!(#message.text(".").number(#index)), depth: self.depth }
    }

    pub fn member(&self, name: &str) -> Label {
        let message = &self.message;
        Label { message: emit!(#message.text(".").text(#name)), depth: self.depth }
    }
}

/// What is to be checked in a node.
#[derive(Clone, Copy)]
pub struct Check<'a> {
    /// The number of the one layer; else all of them are checked.
    pub only: Option<usize>,
    /// The name of the node.
    pub label: &'a Label,
    /// Where a mistake is reported; else where the layer is declared.
    pub place: Option<Place>,
}

/// The statements that turn `x`, the shape before a node, into the shape after it: assumed where it does not fit, so
/// that they never fail, but for what is to be checked.
pub fn run(node: &Node<Layer>, owner: &Owner, check: Option<Check<'_>>) -> TokenStream {
    match node {
        Node::Layer(layer) => {
            let check = check.filter(|check| check.only.is_none_or(|only| only == layer.id)).map(|check| {
                let (message, result) = (&check.label.message, result(layer, owner));
                let place = check.place.unwrap_or(layer.place);
                let check = call(place, emit!(shape::check_layer), emit!(name.as_str(), #result));
                emit!(let name = #message; #check;)
            });
            let assumed = assumed(layer, owner);
            emit!(#check #assumed)
        }
        Node::List { element, length } => {
            let outer = Label { message: TokenStream::new(), depth: 0 };
            let label = check.map_or(&outer, |check| check.label);
            let (index, inner) = (label.index(), label.element());
            let run = run(element, owner, check.map(|check| Check { label: &inner, ..check }));
            emit! {
                let mut x = x;
                let mut #index = 0;
                while #index < #length {
                    x = { #run };
                    #index += 1;
                }
                x
            }
        }
        Node::Sequence(body) => {
            let steps = body.members.iter().map(|member| {
                let label = check.map(|check| check.label.member(&segment(&member.name)));
                let check = check.zip(label.as_ref()).map(|(check, label)| Check { label, ..check });
                let run = run(&member.node, owner, check);
                emit!(let x = { #run };)
            });
            emit!(#(#steps)* x)
        }
    }
}

/// The shape after a layer, or what is wrong.
fn result(layer: &Layer, owner: &Owner) -> TokenStream {
    let ty = &layer.ty;
    match &layer.kind {
        LayerKind::Known { .. } => {
            let settings = owner.settings(layer.id);
            emit!(<#ty>::shape(x, &#settings))
        }
        LayerKind::Model => {
            emit!(::kiln::graph::shape::rules::model(<#ty as ::kiln::graph::Model>::INPUT, <#ty as ::kiln::graph::Model>::OUTPUT, x))
        }
    }
}

/// The shape after a layer, assumed if its input does not fit.
fn assumed(layer: &Layer, owner: &Owner) -> TokenStream {
    let ty = &layer.ty;
    match &layer.kind {
        LayerKind::Known { .. } => {
            let settings = owner.settings(layer.id);
            emit!(<#ty>::shape_or_assumed(x, &#settings))
        }
        LayerKind::Model => emit!(<#ty as ::kiln::graph::Model>::OUTPUT),
    }
}

/// A call whose failure is reported for a place: its path takes the first token's span and its arguments the last's.
pub fn call(place: Place, function: TokenStream, arguments: TokenStream) -> TokenStream {
    let (first, last) = (at(place.first), at(place.last));
    let path = quote_spanned!(first=> ::kiln::graph::);
    let function = function.into_iter().map(|mut token| {
        token.set_span(first);
        token
    });
    let arguments = quote_spanned!(last=> (#arguments));
    emit!(#path #(#function)* #arguments)
}

/// A span of the user's that resolves names as the macro's own.
pub fn at(span: Span) -> Span {
    span.resolved_at(Span::call_site())
}

/// The shape of a batch of samples with these extents.
fn extents(extents: &Extents) -> TokenStream {
    let values = &extents.values;
    call(extents.place, emit!(Shape::new), emit!(&[::kiln::graph::Shape::N, #(#values),*]))
}
