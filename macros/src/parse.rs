//! From tokens to the syntax tree: the derive's struct and its `#[model(..)]` attributes, and the language of `model!`.
//! Knows no layer by name.

mod functions;
mod python;
mod steps;

pub use functions::{EVAL, NO_GRAD};
pub use python::quotient_in;

use proc_macro2::TokenStream;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{
    Attribute, Data, DeriveInput, Expr, Fields, GenericArgument, Generics, Ident, Index, PathArguments, Token, Type,
    Visibility, braced, bracketed, parenthesized, token,
};

use crate::ast::{Argument, Declaration, Extents, Form, Layer, Member, Node, Parsed, Place, Sequence, Style};
use crate::layers::REQUIRES_GRAD;
use crate::mistakes::{Mistakes, spaced};

/// Reads a struct under `#[derive(Model)]`.
pub fn derive(input: DeriveInput, mistakes: &mut Mistakes) -> Parsed {
    let DeriveInput { attrs, vis, ident, generics, data } = input;
    let mut header = Header::default();
    for attribute in attrs.iter().filter(|attribute| attribute.path().is_ident("model")) {
        header.read(attribute, mistakes);
    }
    let fields = match data {
        Data::Struct(data) => data.fields,
        Data::Enum(data) => {
            mistakes.at(data.enum_token, "a model is a struct whose fields are layers, not an enum");
            Fields::Unit
        }
        Data::Union(data) => {
            mistakes.at(data.union_token, "a model is a struct whose fields are layers, not a union");
            Fields::Unit
        }
    };
    let style = if matches!(fields, Fields::Named(_)) { Style::Named } else { Style::Positional };
    let members = (fields.into_iter().enumerate())
        .filter_map(|(position, field)| derive_member(position, field, mistakes))
        .collect();
    Declaration {
        form: Form::Derive,
        attributes: attrs.into_iter().filter(|attribute| !attribute.path().is_ident("model")).collect(),
        visibility: vis,
        name: ident,
        kiln: header.kiln,
        generics,
        inputs: header.input.into_iter().collect(),
        outputs: header.output.into_iter().collect(),
        body: Sequence::new(style, members),
        helpers: Vec::new(),
        forward: None,
        steps: Vec::new(),
    }
}

fn derive_member(position: usize, field: syn::Field, mistakes: &mut Mistakes) -> Option<Member<Layer>> {
    let name = match field.ident {
        Some(name) => syn::Member::Named(name),
        None => syn::Member::Unnamed(Index { index: position as u32, span: Place::of(&field.ty).first }),
    };
    let place = match &name {
        syn::Member::Named(name) => Place::of(name).to(Place::of(&field.ty)),
        syn::Member::Unnamed(_) => Place::of(&field.ty),
    };
    let mut options = Vec::new();
    for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("model")) {
        match attribute.parse_args_with(arguments) {
            Ok(given) => options.extend(given),
            Err(error) => mistakes.add(error),
        }
    }
    let mut node = derive_node(field.ty, place, mistakes)?;
    let (for_all, options) = options.into_iter().partition(is_for_all);
    give(&mut node, for_all);
    if let Some(first) = options.first().map(Argument::tokens) {
        match single_layer(&mut node) {
            Some(layer) => layer.arguments.extend(options),
            None => mistakes.at(
                first,
                "these options belong to one layer, and this field is a tuple of several: give the layer a struct or \
                 a field of its own, or declare the model with `model!`, where each layer takes its own options",
            ),
        }
    }
    Some(Member { attributes: Vec::new(), visibility: field.vis, name, node })
}

/// Whether an option of a field is for all layers in it.
fn is_for_all(option: &Argument) -> bool {
    option.name.as_ref().is_some_and(|name| name == REQUIRES_GRAD)
}

/// Gives options to all layers in a node that do not have them.
fn give(node: &mut Node<Layer>, options: Vec<Argument>) {
    match node {
        Node::Layer(layer) if layer.arguments.iter().any(is_for_all) => {}
        Node::Layer(layer) => layer.arguments.extend(options),
        Node::List { element, .. } => give(element, options),
        Node::Sequence(inner) => inner.members.iter_mut().for_each(|member| give(&mut member.node, options.clone())),
    }
}

/// The one layer that a field's options are for.
fn single_layer(node: &mut Node<Layer>) -> Option<&mut Layer> {
    match node {
        Node::Layer(layer) => Some(layer),
        Node::List { element, .. } => single_layer(element),
        Node::Sequence(_) => None,
    }
}

fn derive_node(ty: Type, place: Place, mistakes: &mut Mistakes) -> Option<Node<Layer>> {
    match ty {
        Type::Path(ty) if ty.qself.is_none() => {
            let (path, generics) = without_generics(ty.path);
            Some(Node::Layer(Layer { path, generics, arguments: Vec::new(), place }))
        }
        Type::Array(array) => {
            let element = derive_node(*array.elem, place, mistakes)?;
            Some(Node::List { element: Box::new(element), length: array.len })
        }
        Type::Tuple(tuple) => {
            let members = (tuple.elems.into_iter().enumerate())
                .filter_map(|(position, ty)| {
                    let place = Place::of(&ty);
                    let name = syn::Member::Unnamed(Index { index: position as u32, span: place.first });
                    let node = derive_node(ty, place, mistakes)?;
                    Some(Member { attributes: Vec::new(), visibility: Visibility::Inherited, name, node })
                })
                .collect();
            Some(Node::Sequence(Sequence::new(Style::Positional, members)))
        }
        Type::Paren(inner) => derive_node(*inner.elem, place, mistakes),
        Type::Group(inner) => derive_node(*inner.elem, place, mistakes),
        Type::Slice(slice) => {
            let element = slice.elem;
            mistakes.at(&element, "a list of layers has a fixed length: write `[LAYER; COUNT]`");
            None
        }
        other => {
            mistakes.at(
                other,
                "expected a layer: a field of a model is a layer like `Linear<10, 10>`, a model, an array `[LAYER; \
                 COUNT]`, or a tuple of these",
            );
            None
        }
    }
}

/// Takes the generic arguments off a path's last segment.
fn without_generics(mut path: syn::Path) -> (syn::Path, Option<Vec<GenericArgument>>) {
    let Some(last) = path.segments.last_mut() else { return (path, None) };
    match std::mem::replace(&mut last.arguments, PathArguments::None) {
        PathArguments::AngleBracketed(generics) => (path, Some(generics.args.into_iter().collect())),
        other => {
            last.arguments = other;
            (path, None)
        }
    }
}

/// What a struct's `#[model(..)]` says.
#[derive(Default)]
struct Header {
    input: Option<Extents>,
    output: Option<Extents>,
    kiln: Option<syn::Path>,
}

impl Header {
    fn read(&mut self, attribute: &Attribute, mistakes: &mut Mistakes) {
        let entries = match attribute.parse_args_with(Punctuated::<Entry, Token![,]>::parse_terminated) {
            Ok(entries) => entries,
            Err(error) => return mistakes.add(error),
        };
        for Entry { name, value } in entries {
            let slot = match name.to_string().as_str() {
                "input" => &mut self.input,
                "output" => &mut self.output,
                "crate" => {
                    match value {
                        Given::Other(Expr::Path(path)) if self.kiln.is_none() => self.kiln = Some(path.path),
                        Given::Other(Expr::Path(_)) => mistakes.at(&name, "`crate` is given twice"),
                        _ => mistakes.at(&name, "write the path to Kiln: `crate = other::kiln`"),
                    }
                    continue;
                }
                _ => {
                    let message = format!(
                        "unknown option `{name}`: a model takes `input = [..]` and, if you like, `output = [..]` and \
                         `crate = ..`; the options of a layer stand on its field"
                    );
                    mistakes.at(name, message);
                    continue;
                }
            };
            if slot.is_some() {
                mistakes.at(&name, format!("`{name}` is given twice"));
            }
            match value {
                Given::Extents(extents) => *slot = Some(extents),
                Given::Other(other) => {
                    let message = format!(
                        "write the extents of one sample in brackets: `{name} = [{}]`",
                        spaced(&other).trim_matches(['(', ')'])
                    );
                    mistakes.at(other, message);
                }
            }
        }
    }
}

/// `input = [1, 28, 28]`
struct Entry {
    name: Ident,
    value: Given,
}

/// What stands behind the `=`.
enum Given {
    Extents(Extents),
    Other(Expr),
}

impl Parse for Entry {
    fn parse(input: ParseStream) -> syn::Result<Entry> {
        let name = input.call(Ident::parse_any)?;
        input.parse::<Token![=]>()?;
        let value = if input.peek(token::Bracket) {
            Given::Extents(functions::sample(input)?)
        } else {
            Given::Other(input.parse()?)
        };
        Ok(Entry { name, value })
    }
}

/// `2, stride = 2`
fn arguments(input: ParseStream) -> syn::Result<Vec<Argument>> {
    Ok(input.parse_terminated(Argument::parse, Token![,])?.into_iter().collect())
}

impl Parse for Argument {
    fn parse(input: ParseStream) -> syn::Result<Argument> {
        let named = input.peek(Ident) && input.peek2(Token![=]) && !input.peek2(Token![==]);
        if !named {
            return Ok(Argument { name: None, value: input.parse()? });
        }
        let name = input.parse()?;
        input.parse::<Token![=]>()?;
        Ok(Argument { name: Some(name), value: input.parse()? })
    }
}

/// Reads the language of `model!`.
pub fn model(input: TokenStream, mistakes: &mut Mistakes) -> syn::Result<Parsed> {
    let parser = |input: ParseStream| {
        let mut declaration = declaration(input, mistakes)?;
        // In any order: a loss may stand beside the step that minimizes it.
        loop {
            if functions::is_next(input) {
                functions::function(input, &mut declaration, mistakes)?;
            } else if steps::is_next(input) {
                declaration.steps.push(steps::program(input, mistakes)?);
            } else {
                break;
            }
        }
        if input.is_empty() {
            return Ok(declaration);
        }
        let place = input.cursor().span();
        let message = "expected the end of `model!`: it holds one struct, then, if the layers are not just applied in \
                       order, one `fn forward(x: [N, ..]) -> [N, ..] { .. }` and functions that it calls, then programs \
                       `step NAME(x: [N, ..], ..) -> result { .. }` and `eval NAME(..) -> result { .. }`";
        Err(syn::Error::new(place, message))
    };
    parser.parse2(functions::with_blocks(input))
}

fn declaration(input: ParseStream, mistakes: &mut Mistakes) -> syn::Result<Parsed> {
    let (models, attributes) =
        input.call(Attribute::parse_outer)?.into_iter().partition::<Vec<_>, _>(|a| a.path().is_ident("model"));
    let mut header = Header::default();
    for attribute in &models {
        header.read(attribute, mistakes);
    }
    let visibility = input.parse()?;
    if input.peek(Token![enum]) || input.peek(Token![union]) {
        return Err(input.error("a model is a struct whose fields are layers"));
    }
    input.parse::<Token![struct]>()?;
    let name: Ident = input.parse()?;
    let mut generics: Generics = input.parse()?;
    generics.where_clause = input.parse()?;
    let body = if input.peek(token::Brace) {
        named(input, mistakes)?
    } else if input.peek(token::Paren) {
        let body = positional(input, mistakes)?;
        if generics.where_clause.is_none() {
            generics.where_clause = input.parse()?;
        }
        input.parse::<Token![;]>()?;
        body
    } else {
        input.parse::<Token![;]>()?;
        Sequence::new(Style::Positional, Vec::new())
    };
    Ok(Declaration {
        form: Form::Macro,
        attributes,
        visibility,
        name,
        kiln: header.kiln,
        generics,
        inputs: header.input.into_iter().collect(),
        outputs: header.output.into_iter().collect(),
        body,
        helpers: Vec::new(),
        forward: None,
        steps: Vec::new(),
    })
}

/// `{ conv: Conv2d(1, 20, 5), act: ReLU }`
fn named(input: ParseStream, mistakes: &mut Mistakes) -> syn::Result<Sequence<Layer>> {
    let content;
    braced!(content in input);
    let mut members: Vec<Member<Layer>> = Vec::new();
    while !content.is_empty() {
        let (attributes, options) = field_attributes(&content, mistakes)?;
        let visibility = content.parse()?;
        let first = content.cursor().span();
        let name: Ident = content.parse()?;
        content.parse::<Token![:]>()?;
        let mut node = node(&content, mistakes)?;
        give(&mut node, options);
        if let Node::Layer(layer) = &mut node {
            layer.place.first = first;
        }
        let name = syn::Member::Named(name);
        if members.iter().any(|member| member.name == name) {
            mistakes.at(&name, format!("the name `{}` is given twice", quote::quote!(#name)));
        } else {
            members.push(Member { attributes, visibility, name, node });
        }
        separator(&content)?;
    }
    Ok(Sequence::new(Style::Named, members))
}

/// `(Conv2d(1, 20, 5), ReLU)`
fn positional(input: ParseStream, mistakes: &mut Mistakes) -> syn::Result<Sequence<Layer>> {
    let content;
    parenthesized!(content in input);
    let mut members = Vec::new();
    while !content.is_empty() {
        let (attributes, options) = field_attributes(&content, mistakes)?;
        let visibility = content.parse()?;
        let name = syn::Member::Unnamed(Index { index: members.len() as u32, span: content.cursor().span() });
        if content.peek(Ident) && content.peek2(Token![:]) && !content.peek2(Token![::]) {
            return Err(content.error("named layers stand in braces: `Sequential { name: LAYER, .. }`"));
        }
        if content.peek(Ident) && content.peek2(Token![=]) {
            let message =
                "a `Sequential` has no options; on its field `#[model(requires_grad = false)]` is for all its layers";
            return Err(content.error(message));
        }
        let mut node = node(&content, mistakes)?;
        give(&mut node, options);
        members.push(Member { attributes, visibility, name, node });
        separator(&content)?;
    }
    Ok(Sequence::new(Style::Positional, members))
}

/// A comma, or the end.
fn separator(content: ParseStream) -> syn::Result<()> {
    if !content.is_empty() {
        content.parse::<Token![,]>()?;
    }
    Ok(())
}

/// The attributes of a field, and what its `#[model(requires_grad = false)]` says of all layers in it.
fn field_attributes(content: ParseStream, mistakes: &mut Mistakes) -> syn::Result<(Vec<Attribute>, Vec<Argument>)> {
    let (models, attributes) =
        content.call(Attribute::parse_outer)?.into_iter().partition::<Vec<_>, _>(|a| a.path().is_ident("model"));
    for attribute in
        attributes.iter().filter(|a: &&Attribute| a.path().is_ident("cfg") || a.path().is_ident("cfg_attr"))
    {
        mistakes.at(attribute, "a layer can not depend on `cfg`: put it on the whole model");
    }
    let mut options = Vec::new();
    for attribute in models {
        match attribute.parse_args_with(arguments) {
            Ok(given) if given.iter().all(is_for_all) => options.extend(given),
            _ => {
                mistakes.at(attribute, "in `model!` a layer's options are named arguments: `MaxPool2d(2, stride = 1)`")
            }
        }
    }
    Ok((attributes, options))
}

/// A layer, `[LAYER; COUNT]`, `Sequential { .. }`, `Sequential(..)` or a tuple.
fn node(input: ParseStream, mistakes: &mut Mistakes) -> syn::Result<Node<Layer>> {
    if input.peek(token::Bracket) {
        let content;
        bracketed!(content in input);
        let element = Box::new(node(&content, mistakes)?);
        if !content.peek(Token![;]) {
            let message = "expected `; COUNT`: an array holds one layer several times, as in `[Linear(10, 10); 3]`; \
                           different layers in order are `Sequential(.., ..)`";
            return Err(syn::Error::new(content.span(), message));
        }
        content.parse::<Token![;]>()?;
        let length = content.parse()?;
        if !content.is_empty() {
            return Err(content.error("expected `]`"));
        }
        return Ok(Node::List { element, length });
    }
    if input.peek(token::Paren) {
        return Ok(Node::Sequence(positional(input, mistakes)?));
    }
    let first = input.cursor().span();
    let mut path: syn::Path = input.parse()?;
    while input.peek(Token![.]) && path.get_ident().is_some_and(|name| name == "nn" || name == "torch") {
        mistakes.at(path, "layers stand without `nn.`: `Linear(64, 10)`");
        input.parse::<Token![.]>()?;
        path = input.parse()?;
    }
    if path.is_ident("Sequential") {
        if input.peek(token::Brace) {
            return Ok(Node::Sequence(named(input, mistakes)?));
        }
        if input.peek(token::Paren) {
            return Ok(Node::Sequence(positional(input, mistakes)?));
        }
        let message = "`Sequential` needs its layers: `Sequential(LAYER, ..)` or `Sequential { name: LAYER, .. }`";
        return Err(syn::Error::new_spanned(path, message));
    }
    let (path, generics) = without_generics(path);
    let given = if input.peek(token::Paren) {
        let content;
        parenthesized!(content in input);
        arguments(&content)?
    } else {
        Vec::new()
    };
    let place = Place { first, last: input.cursor().prev_span() };
    // `Adam(fc).clip_grad_norm(1.0)`, as of Rust's builders.
    while input.peek(Token![.]) {
        input.parse::<Token![.]>()?;
        let (method, layer) = (input.parse::<Ident>()?, spaced(&path));
        let given;
        parenthesized!(given in input);
        let (given, option) = (given.parse::<TokenStream>()?, method.to_string());
        let message = format!(
            "what is said of a layer or an optimizer stands between its parentheses: `{layer}(.., {} = {})`",
            option.trim_end_matches('_'),
            if given.is_empty() { "..".to_string() } else { spaced(given) }
        );
        mistakes.at(method, message);
    }
    Ok(Node::Layer(Layer { path, generics, arguments: given, place }))
}
