//! From tokens to the `step` and `eval` programs of `model!`. Knows no layer, loss or optimizer by name.

use syn::parse::ParseStream;
use syn::{Attribute, Ident, Token, parenthesized, token};

use super::functions::{extents, rows_in_front};
use crate::ast::{Input, Mode, Program};
use crate::mistakes::Mistakes;

/// Whether a program comes next.
pub fn is_next(input: ParseStream) -> bool {
    let ahead = input.fork();
    let header = || -> syn::Result<bool> {
        ahead.call(Attribute::parse_outer)?;
        let word: Ident = ahead.parse()?;
        Ok(word == "step" || word == "eval")
    };
    header().unwrap_or(false)
}

/// `step update(x: [N, 10], labels: [N; i32]) -> (loss, scores) { .. }`
pub fn program(input: ParseStream, mistakes: &mut Mistakes) -> syn::Result<Program> {
    let attributes = input.call(Attribute::parse_outer)?;
    let keyword: Ident = input.parse()?;
    let mode = if keyword == "step" { Mode::Train } else { Mode::Eval };
    let name: Ident = input.parse()?;
    let content;
    parenthesized!(content in input);
    let inputs = content.parse_terminated(self::input, Token![,])?.into_iter().collect();
    let mut results = Vec::new();
    if input.parse::<Option<Token![->]>>()?.is_some() {
        if input.peek(token::Paren) {
            let content;
            parenthesized!(content in input);
            results.extend(content.parse_terminated(result, Token![,])?);
        } else {
            results.push(result(input)?);
        }
    }
    if !input.peek(token::Brace) {
        return Err(input.error(format!("expected the body of `{name}`: `{keyword} {name}(..) -> result {{ .. }}`")));
    }
    let statements = super::functions::body(input, mistakes)?.stmts;
    Ok(Program { mode, attributes, keyword, name, inputs, results, statements })
}

fn result(input: ParseStream) -> syn::Result<Ident> {
    let message = "a result is the name of a value of the body: `-> loss`, or `-> (loss, image)`";
    if !input.peek(Ident) {
        return Err(input.error(message));
    }
    input.parse()
}

fn input(input: ParseStream) -> syn::Result<Input> {
    input.parse::<Option<Token![mut]>>()?;
    let name: Ident = input.parse()?;
    input.parse::<Token![:]>()?;
    if !input.peek(token::Bracket) {
        let message = format!(
            "expected the extents of `{name}`: `[N, ..]`, or without N for what is the same for all rows; a number by itself is \
             `{name}: []`, a whole one `{name}: [; i32]`"
        );
        return Err(input.error(message));
    }
    let extents = extents(input)?;
    rows_in_front(&extents, true)?;
    Ok(Input { name, extents })
}
