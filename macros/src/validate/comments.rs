//! Comments at the end of an expression that may be meant as Python's `x // 2`, which Rust reads as `x`. Knows the
//! source's lines, and nothing of what is computed.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};

use syn::Lit;

use super::steps::Warning;
use crate::parse::quotient_in;

/// What is to be warned of between braces that hold these tokens, and between the others among them.
pub fn warnings(braces: Span, tokens: TokenStream, found: &mut Vec<Warning>) {
    if braces.source_text().is_some_and(|text| text.contains("//")) {
        let mut group = Group::new(Delimiter::Brace, tokens.clone());
        group.set_span(braces);
        within(&group, &numbers(tokens), found);
    }
}

/// As [`warnings`], of statements alone.
pub fn warnings_of_statements(tokens: TokenStream, found: &mut Vec<Warning>) {
    let numbers = numbers(tokens.clone());
    groups(tokens).for_each(|group| within(&group, &numbers, found));
}

fn within(group: &Group, numbers: &[String], found: &mut Vec<Warning>) {
    if group.delimiter() == Delimiter::None {
        // What a macro was given has no brackets in the source.
        return groups(group.stream()).for_each(|inner| within(&inner, numbers, found));
    }
    let Some(text) = group.span().source_text().filter(|text| text.contains("//")) else { return };
    let mut end = text.chars();
    end.next_back();
    let last_line = end.as_str().trim_end().lines().next_back();
    if let Some(operand) = last_line.and_then(quotient_in)
        // Behind a number it says what that is: `view(N, 16 * 5 * 5 // 400`.
        && let Some(last) = group.stream().into_iter().last().filter(|last| !matches!(last, TokenTree::Literal(_)))
        && (is_number(operand) || numbers.iter().any(|number| number == operand))
    {
        let note = format!(
            "`// {operand}` is a comment, so nothing is divided here: write `.floor_divide({operand})` to divide, or more \
             words to comment"
        );
        let name = Ident::new(&format!("comment_{}", found.len()), last.span());
        found.push(Warning { name, kind: "a_comment", note });
    }
    groups(group.stream()).for_each(|inner| within(&inner, numbers, found));
}

/// Whether a word is a number as it is written: `2`, and not `2d` or `14x14`.
fn is_number(word: &str) -> bool {
    match syn::parse_str::<Lit>(word) {
        Ok(Lit::Int(number)) => number.suffix().is_empty(),
        Ok(Lit::Float(number)) => number.suffix().is_empty(),
        _ => false,
    }
}

fn groups(tokens: TokenStream) -> impl Iterator<Item = Group> {
    tokens.into_iter().filter_map(|token| if let TokenTree::Group(group) = token { Some(group) } else { None })
}

/// The names in tokens that may be numbers: constants, and what `let` and `for` name.
fn numbers(tokens: TokenStream) -> Vec<String> {
    let (mut names, mut is_bound) = (Vec::new(), false);
    for token in tokens {
        match token {
            TokenTree::Ident(word) => {
                let text = word.to_string();
                let is_constant = text.chars().all(|letter| letter.is_uppercase() || matches!(letter, '_' | '0'..='9'));
                let binds = matches!(&*text, "let" | "for" | "mut");
                if is_constant || is_bound && !binds {
                    names.push(text);
                }
                is_bound = binds;
            }
            TokenTree::Group(group) => {
                names.extend(numbers(group.stream()));
                is_bound = false;
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => is_bound = false,
        }
    }
    names
}
