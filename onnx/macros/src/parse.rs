//! What `onnx_model!` is given: `pub struct Net = "net.onnx" -> ["features"], x: [N, 3, 32, 32], rate = 16000`. Knows
//! no files.

use kiln_graph::shape::{Shape, extent};
use proc_macro2::{Ident, Literal, Span};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Attribute, LitFloat, LitInt, LitStr, Token, Visibility, bracketed, parse_quote, token};

/// A model of a file.
pub struct Declaration {
    pub attributes: Vec<Attribute>,
    pub visibility: Visibility,
    pub name: Ident,
    pub path: LitStr,
    /// Values of the file that it gives instead of the file's outputs.
    pub outputs: Vec<LitStr>,
    pub settings: Vec<Setting>,
    /// The names of free lengths, each where it first stands.
    pub lengths: Vec<Ident>,
}

/// What is said of an input.
pub struct Setting {
    pub name: String,
    pub place: Span,
    pub value: Said,
}

/// What it is.
pub enum Said {
    /// The extents as shapes have them: numbers, N, free lengths.
    Shape(Vec<usize>),
    /// A number, or a list of numbers: as they are written, those behind a minus below zero.
    Value { list: bool, numbers: Vec<Number> },
}

/// A number.
#[derive(Clone, Copy)]
pub enum Number {
    Whole(i64),
    Float(f32),
}

impl Parse for Declaration {
    fn parse(input: ParseStream<'_>) -> syn::Result<Declaration> {
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility: Visibility = input.parse()?;
        let said =
            if input.peek(Token![struct]) || !attributes.is_empty() || !matches!(visibility, Visibility::Inherited) {
                input.parse::<Token![struct]>()?;
                let name: Ident = input.parse()?;
                input.parse::<Token![=]>()?;
                Some((visibility, name))
            } else {
                None
            };
        let path: LitStr = input.parse().map_err(|error| {
            syn::Error::new(error.span(), "expected the path of an ONNX file, as in `onnx_model!(\"net.onnx\")`")
        })?;
        let (visibility, name) = said.unwrap_or_else(|| (parse_quote!(pub), named_after(&path)));
        let mut outputs = Vec::new();
        if input.peek(Token![->]) {
            input.parse::<Token![->]>()?;
            let inner;
            bracketed!(inner in input);
            outputs.extend(Punctuated::<LitStr, Token![,]>::parse_terminated(&inner)?);
        }
        let (mut settings, mut lengths) = (Vec::new(), Vec::new());
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if input.is_empty() {
                break;
            }
            settings.push(Setting::read(input, &mut lengths)?);
        }
        Ok(Declaration { attributes, visibility, name, path, outputs, settings, lengths })
    }
}

/// `ThinResnet50` for `models/thin_resnet50.onnx`.
fn named_after(path: &LitStr) -> Ident {
    let text = path.value();
    let file = text.rsplit(['/', '\\']).next().unwrap_or_default();
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    let words = stem.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut name: String = words.map(|word| word[..1].to_ascii_uppercase() + &word[1..]).collect();
    if !name.starts_with(|letter: char| letter.is_ascii_alphabetic()) {
        name.insert_str(0, "Model");
    }
    if name == "Self" {
        name.push_str("Model");
    }
    Ident::new(&name, path.span())
}

impl Setting {
    /// One, with the names of free lengths that are not there yet.
    fn read(input: ParseStream<'_>, lengths: &mut Vec<Ident>) -> syn::Result<Setting> {
        let (name, place) = if input.peek(LitStr) {
            let name: LitStr = input.parse()?;
            (name.value(), name.span())
        } else {
            let name: Ident = input.parse().map_err(|error| {
                let text =
                    "expected the name of an input with its shape or its value: `x: [N, 3, 32, 32]`, `rate = 16000`";
                syn::Error::new(error.span(), text)
            })?;
            (name.to_string(), name.span())
        };
        let value = if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            value(input)?
        } else {
            input.parse::<Token![:]>()?;
            shape(input, lengths)?
        };
        Ok(Setting { name, place, value })
    }
}

/// `[N, 3, 32, 32]`, `[N, T, 80]`
fn shape(input: ParseStream<'_>, lengths: &mut Vec<Ident>) -> syn::Result<Said> {
    let inner;
    bracketed!(inner in input);
    let mut extents = Vec::new();
    while !inner.is_empty() {
        if inner.peek(LitInt) {
            extents.push(inner.parse::<LitInt>()?.base10_parse()?);
        } else {
            let word: Ident = inner.parse()?;
            extents.push(match word == "N" {
                true if extents.is_empty() => Shape::N,
                true => return Err(syn::Error::new(word.span(), "N is the first extent: any number of samples")),
                false => length(&word)?,
            });
            if word != "N" && !lengths.contains(&word) {
                lengths.push(word);
            }
        }
        if !inner.is_empty() {
            inner.parse::<Token![,]>()?;
        }
    }
    Ok(Said::Shape(extents))
}

/// A free length by its name.
fn length(word: &Ident) -> syn::Result<usize> {
    let name = word.to_string();
    let mut letters = name.chars();
    let is_name = letters.next().is_some_and(|first| first.is_ascii_uppercase())
        && letters.all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_')
        && name.len() <= extent::MAX_LETTERS;
    if is_name {
        return Ok(extent::free(&name));
    }
    let text = format!(
        "an extent is a number here, N as the first one for any number of samples, or the name of a free length: a capital \
         letter, then capital letters, digits and `_`, {} at most",
        extent::MAX_LETTERS
    );
    Err(syn::Error::new(word.span(), text))
}

/// `16000`, `-0.5`, `[1, 2]`
fn value(input: ParseStream<'_>) -> syn::Result<Said> {
    if !input.peek(token::Bracket) {
        return Ok(Said::Value { list: false, numbers: vec![input.parse()?] });
    }
    let inner;
    bracketed!(inner in input);
    let numbers = Punctuated::<Number, Token![,]>::parse_terminated(&inner)?;
    Ok(Said::Value { list: true, numbers: numbers.into_iter().collect() })
}

impl Parse for Number {
    fn parse(input: ParseStream<'_>) -> syn::Result<Number> {
        let negative = input.peek(Token![-]);
        if negative {
            input.parse::<Token![-]>()?;
        }
        if input.peek(LitFloat) {
            let number: f32 = input.parse::<LitFloat>()?.base10_parse()?;
            return Ok(Number::Float(if negative { -number } else { number }));
        }
        let literal: LitInt = input.parse().map_err(|error| syn::Error::new(error.span(), "expected a number"))?;
        let number: i64 = literal.base10_parse()?;
        Ok(Number::Whole(if negative { -number } else { number }))
    }
}

impl Number {
    /// As Rust has it.
    pub fn literal(self) -> Literal {
        match self {
            Number::Whole(number) => Literal::i64_suffixed(number),
            Number::Float(number) => Literal::f32_suffixed(number),
        }
    }
}
