//! The functions of `model!`: `forward` and those that it calls, with the types of what they take and give. Knows no
//! function of tensors by name.

use proc_macro2::{Delimiter, Group, Punct, Spacing, TokenStream, TokenTree};
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Expr, Ident, Stmt, Token, Visibility, bracketed, parenthesized, token};

use super::python;
use crate::ast::{Extents, Forward, Helper, Parameter, ParameterKind, Parsed, Place};
use crate::mistakes::{Mistakes, spaced};

/// The labels of the blocks that `no_grad { .. }` and `eval { .. }` become, as Rust has no such blocks.
pub const NO_GRAD: &str = "no_grad";
/// See [`NO_GRAD`].
pub const EVAL: &str = "eval";

/// Whether a block may begin behind two tokens: not behind a word, as in `if eval { .. }` or `in &eval { .. }`, nor behind
/// an arrow.
fn may_begin(before: [Option<&TokenTree>; 2]) -> bool {
    match before {
        [_, Some(TokenTree::Ident(_))] => false,
        [Some(TokenTree::Ident(word)), Some(TokenTree::Punct(sign))] if matches!(sign.as_char(), '&' | '!') => {
            !["if", "in", "match", "while"].iter().any(|keyword| word == keyword)
        }
        [Some(TokenTree::Punct(first)), Some(TokenTree::Punct(second))] => {
            (first.as_char(), second.as_char()) != ('-', '>')
        }
        _ => true,
    }
}

/// The tokens with `no_grad { .. }` and `eval { .. }` written as blocks with labels, and the keyword `where` as the name of
/// a function.
pub fn with_blocks(tokens: TokenStream) -> TokenStream {
    let mut result = TokenStream::new();
    let mut before: [Option<TokenTree>; 2] = [None, None];
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let begins = may_begin(before.each_ref().map(Option::as_ref));
        before = [before[1].take(), Some(token.clone())];
        let group = |token: Option<&TokenTree>, delimiter| matches!(token, Some(TokenTree::Group(group)) if group.delimiter() == delimiter);
        match token {
            TokenTree::Ident(word)
                if begins && (word == NO_GRAD || word == EVAL) && group(tokens.peek(), Delimiter::Brace) =>
            {
                let mut colon = Punct::new(':', Spacing::Alone);
                let mut quote = Punct::new('\'', Spacing::Joint);
                quote.set_span(word.span());
                colon.set_span(word.span());
                result.extend([TokenTree::Punct(quote), TokenTree::Ident(word), TokenTree::Punct(colon)]);
            }
            TokenTree::Ident(word) if word == "where" && group(tokens.peek(), Delimiter::Parenthesis) => {
                result.extend([TokenTree::Ident(Ident::new_raw("where", word.span()))]);
            }
            // A group that is made anew loses the places of its delimiters.
            TokenTree::Group(group) if has_words(group.stream()) => {
                let mut inner = Group::new(group.delimiter(), with_blocks(group.stream()));
                inner.set_span(group.span());
                result.extend([TokenTree::Group(inner)]);
            }
            other => result.extend([other]),
        }
    }
    result
}

/// Whether there is something to be written in another way.
fn has_words(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(word) => word == NO_GRAD || word == EVAL || word == "where",
        TokenTree::Group(group) => has_words(group.stream()),
        _ => false,
    })
}

/// What is said of a shape in which `N` is not the first.
const BATCH_FIRST: &str = "the batch axis N stands in front, `[N, ..]`: an axis in front of it comes by `.transpose(0, 1)` in \
                           the body";

/// What is said of a second `N`.
const BATCH_ONCE: &str =
    "the batch axis N stands once, in front: what is of samples by samples is computed in a `step`";

/// What is said of `[2 * N, 4]` where it is given.
const BATCH_COMPUTED: &str = "an input has as many rows as there are samples, `[N, ..]`: several of each are an axis behind N, \
                              `[N, 2, ..]`, or inputs of their own, which `cat` puts together";

/// What is said of a `forward` whose inputs all lack `N`.
const NO_BATCH: &str = "an input of `forward` begins with the batch axis N, `[N, ..]`; other inputs may do without it, and \
                        are then the same for all rows";

/// Whether a function follows, perhaps behind doc comments.
pub fn is_next(input: ParseStream) -> bool {
    let ahead = input.fork();
    ahead.call(Attribute::parse_outer).is_ok() && ahead.parse::<Visibility>().is_ok() && ahead.peek(Token![fn])
}

/// What stands between braces. Where Rust can not read it, that is a mistake, and nothing more is said of the body: the
/// declaration around it is as it would be.
pub fn body(input: ParseStream, mistakes: &mut Mistakes) -> syn::Result<syn::Block> {
    if !input.peek(token::Brace) {
        return input.parse();
    }
    // Not as a `Group`: what a macro by example gives as `$body:block` stands in a group without delimiters.
    let braced: TokenTree = input.parse()?;
    let place = braced.span();
    let tokens = TokenStream::from(braced);
    syn::parse2(tokens.clone()).or_else(|error| {
        mistakes.add(python::explain(place, tokens, error));
        syn::parse2(TokenTree::Group(Group::new(Delimiter::Brace, TokenStream::new())).into()).map(
            |block: syn::Block| {
                let unread = Stmt::Expr(Expr::Verbatim(TokenStream::new()), None);
                syn::Block { stmts: vec![unread], ..block }
            },
        )
    })
}

/// `fn forward(x: [N, 10]) -> [N, 10] { .. }`, or another function.
pub fn function(input: ParseStream, declaration: &mut Parsed, mistakes: &mut Mistakes) -> syn::Result<()> {
    for attribute in input.call(Attribute::parse_outer)? {
        if !attribute.path().is_ident("doc") {
            mistakes.at(attribute, "a function of a model has no attributes but doc comments");
        }
    }
    let visibility: Visibility = input.parse()?;
    input.parse::<Token![fn]>()?;
    let name: Ident = input.parse()?;
    let parameters = parameters(input)?;
    let results = if input.peek(Token![->]) { Some(results(input)?) } else { None };
    let body = body(input, mistakes)?;
    if name == "forward" {
        return forward(name, parameters, results, body, declaration, mistakes);
    }
    if declaration.helpers.iter().any(|helper| helper.name == name) {
        mistakes.at(&name, format!("the function `{name}` is declared twice"));
    }
    declaration.helpers.push(Helper { visibility, name, parameters, results, body });
    Ok(())
}

/// `forward` says the types of all that it takes and gives; at least one input has the batch axis.
fn forward(
    name: Ident,
    parameters: Vec<Parameter>,
    results: Option<Vec<Extents>>,
    body: syn::Block,
    declaration: &mut Parsed,
    mistakes: &mut Mistakes,
) -> syn::Result<()> {
    if declaration.forward.is_some() {
        return Err(syn::Error::new(name.span(), "`forward` is declared twice"));
    }
    if parameters.is_empty() {
        let message = "`forward` takes at least one input: `fn forward(x: [N, ..]) -> [N, ..]`";
        return Err(syn::Error::new(name.span(), message));
    }
    let Some(results) = results else {
        let message = "`forward` says the shape of what it gives: `fn forward(x: [N, ..]) -> [N, ..]`";
        return Err(syn::Error::new(name.span(), message));
    };
    for (extents, what) in [(&declaration.inputs, "input"), (&declaration.outputs, "output")] {
        if let Some(extents) = extents.first() {
            let message = format!("the {what} is that of `forward`: leave `{what} = ..` out");
            mistakes.add(syn::Error::new(extents.place.first, message));
        }
    }
    let (mut inputs, mut names) = (Vec::new(), Vec::new());
    for Parameter { name, kind } in parameters {
        let extents = match kind {
            ParameterKind::Tensor(Some(extents)) => extents,
            ParameterKind::Tensor(None) => {
                let message = format!("expected the shape of the input: `{name}: [N, ..]`");
                return Err(syn::Error::new(name.span(), message));
            }
            ParameterKind::Number(ty) => {
                let element = match spaced(&ty).as_str() {
                    "i32" | "i64" | "u32" | "usize" => "[; i32]",
                    "bool" => "[; bool]",
                    _ => "[]",
                };
                let message = format!(
                    "what `forward` takes is given when it runs: a number is a tensor without axes, `{name}: {element}`"
                );
                return Err(syn::Error::new_spanned(ty, message));
            }
        };
        inputs.push(extents);
        names.push(name);
    }
    for extents in inputs.iter().chain(&results) {
        rows_in_front(extents, false)?;
    }
    if inputs.iter().all(|extents| !extents.batch) {
        return Err(syn::Error::new(inputs[0].place.first, NO_BATCH));
    }
    (declaration.inputs, declaration.outputs) = (inputs, results);
    declaration.forward = Some(Forward { inputs: names, body });
    Ok(())
}

/// `(x: [N, 10], i: usize)`; a tensor may leave its type out.
fn parameters(input: ParseStream) -> syn::Result<Vec<Parameter>> {
    let content;
    parenthesized!(content in input);
    let mut parameters = Vec::new();
    while !content.is_empty() {
        content.parse::<Option<Token![mut]>>()?;
        let name: Ident = content.parse().map_err(|error| {
            let message = "expected an input and its shape: `x: [N, ..]`; the layers are in scope by name";
            syn::Error::new(error.span(), message)
        })?;
        if content.peek(Token![=]) {
            let message =
                format!("functions have no defaults: a number's type is said, `{name}: f64`, and each call gives one");
            return Err(content.error(message));
        }
        let kind = if !content.peek(Token![:]) {
            ParameterKind::Tensor(None)
        } else {
            content.parse::<Token![:]>()?;
            if content.peek(token::Bracket) {
                ParameterKind::Tensor(Some(extents(&content)?))
            } else {
                let kind = ParameterKind::Number(content.parse()?);
                if content.peek(token::Bracket) {
                    let message = "the element type stands behind the extents: `[N, 16; i32]`, `[N; bool]`";
                    return Err(content.error(message));
                }
                kind
            }
        };
        parameters.push(Parameter { name, kind });
        if !content.is_empty() {
            content.parse::<Token![,]>()?;
        }
    }
    Ok(parameters)
}

/// `-> [N, 10]` or `-> ([N, 10], [N])`
fn results(input: ParseStream) -> syn::Result<Vec<Extents>> {
    input.parse::<Token![->]>()?;
    if !input.peek(token::Paren) {
        return Ok(vec![extents(input)?]);
    }
    let first = input.cursor().span();
    let content;
    parenthesized!(content in input);
    let results: Vec<Extents> = content.parse_terminated(extents, Token![,])?.into_iter().collect();
    if results.is_empty() {
        return Err(syn::Error::new(first, "expected the shape of a result: `[N, ..]`"));
    }
    Ok(results)
}

/// `[N, 16; i32]`
pub fn extents(input: ParseStream) -> syn::Result<Extents> {
    let first = input.cursor().span();
    let content;
    bracketed!(content in input);
    let batch = content.peek(Ident) && content.fork().parse::<Ident>()? == "N" && {
        let ahead = content.fork();
        ahead.parse::<Ident>()?;
        ahead.is_empty() || ahead.peek(Token![,]) || ahead.peek(Token![;])
    };
    if batch {
        content.parse::<Ident>()?;
        content.parse::<Option<Token![,]>>()?;
    }
    let (values, element) = inside(&content)?;
    Ok(Extents { values, batch, element, place: Place { first, last: input.cursor().prev_span() } })
}

/// That what is given from outside has the number of samples in front where it has it; `[N, N]`, of each sample with
/// each, is for programs, which see whole batches.
pub fn rows_in_front(extents: &Extents, of_whole_batches: bool) -> syn::Result<()> {
    for value in &extents.values {
        let is_batch = matches!(value, Expr::Path(path) if path.path.is_ident("N"));
        let message = match (is_batch, crate::free::names_batch(value), extents.batch) {
            (true, _, true) if of_whole_batches => continue,
            (true, _, true) => BATCH_ONCE,
            (true, _, false) => BATCH_FIRST,
            (false, true, _) => BATCH_COMPUTED,
            (false, false, _) => continue,
        };
        return Err(syn::Error::new_spanned(value, message));
    }
    Ok(())
}

/// `[16; i32]`, the extents of one sample, behind the batch axis.
pub fn sample(input: ParseStream) -> syn::Result<Extents> {
    let first = input.cursor().span();
    let content;
    bracketed!(content in input);
    let (values, element) = inside(&content)?;
    Ok(Extents { values, batch: true, element, place: Place { first, last: input.cursor().prev_span() } })
}

/// Extents and the element type.
fn inside(content: ParseStream) -> syn::Result<(Vec<Expr>, Option<Ident>)> {
    let mut values = Vec::new();
    while !content.is_empty() && !content.peek(Token![;]) {
        values.push(Expr::parse(content)?);
        if !content.is_empty() && !content.peek(Token![;]) {
            content.parse::<Token![,]>()?;
        }
    }
    let mut element = None;
    if content.peek(Token![;]) {
        content.parse::<Token![;]>()?;
        let name: Ident = content.parse()?;
        if !["f32", "i32", "bool"].iter().any(|known| name == known) {
            return Err(syn::Error::new(name.span(), "the element types of tensors are f32, i32 and bool"));
        }
        element = Some(name);
    }
    Ok((values, element))
}
