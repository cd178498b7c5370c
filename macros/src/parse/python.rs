//! What Rust can not read and PyTorch's users write by habit: slices in brackets, `@`, words for operators. Knows
//! tokens only, and what to write instead.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};

const SLICE: &str = "a tensor has no slices in brackets: PyTorch's `x[:, 0]` is `x.select(1, 0)`, its `x[:, 1:3]` is \
                     `x.slice(1, 1, 3)`, its `x[:, 1:]` is `x.slice(1, 1)`";
const PRODUCT: &str = "the product of matrices `a @ b` is written `a.matmul(b)`";

const SEVERAL: &str =
    "several names stand in parentheses: `let (a, b) = ..;`, `for (a, b) in list.iter().zip(&others) { .. }`";
const WITH: &str = "`no_grad { .. }` is a block, and gives a value where it ends with one";
const CHAINED: &str =
    "comparisons stand in parentheses beside others: `(0 < x) & (x < 1)` of tensors, `(x < 1) == mask`";
const NEGATED: &str = "a mask, or a condition, is negated by `!`: `!mask`";
const RETURN: &str = "the result stands at the end, without `return` and without a semicolon; several are `(a, b)`";
const WORDS: &str =
    "masks are combined by `a & b`, `a | b` and `!a`, conditions of constants by `a && b`, `a || b` and `!a`";
const CHOICE: &str = "Python's `a if c else b` is `if c { a } else { b }` where `c` is a constant, and `where(c, a, b)` where it \
                      is a mask";
const ROUNDED: &str = "`//` begins a comment in Rust: a quotient that is rounded down is `a.floor_divide(b)`";

/// The mistake in a body that Rust can not read: what is Python in it, if something is, else the error as it was.
pub fn explain(place: Span, body: TokenStream, error: syn::Error) -> syn::Error {
    if error.to_string().starts_with("comparison operators cannot be chained") {
        return syn::Error::new(error.span(), CHAINED);
    }
    match python(body) {
        Some((place, message)) => syn::Error::new(place, message),
        None if follows_quotient(place, error.span()) => syn::Error::new(error.span(), format!("{error} ({ROUNDED})")),
        None => error,
    }
}

/// Whether what Rust did not expect begins a line behind one that seems to hold Python's `a // b`: elsewhere that is a
/// comment.
fn follows_quotient(place: Span, unexpected: Span) -> bool {
    let (Some(text), Some(unexpected)) = (place.source_text(), unexpected.source_text()) else { return false };
    let mut lines = text.lines().filter(|line| !line.trim().is_empty()).peekable();
    while let Some(line) = lines.next() {
        let follows = lines.peek().is_some_and(|next| next.trim_start().starts_with(&unexpected));
        if follows && quotient_in(line).is_some() {
            return true;
        }
    }
    false
}

/// What a line of the source divides by, if it seems to hold Python's `a // b`: something that no semicolon ends, and a word
/// or a number.
pub fn quotient_in(line: &str) -> Option<&str> {
    let (before, behind) = line.split_once("//")?;
    let ends_open = before.trim_end().ends_with(|last: char| last.is_alphanumeric() || matches!(last, '_' | ')' | ']'));
    let operand = behind.trim().trim_end_matches([';', ',', ')']);
    let is_operand = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '.');
    (ends_open && !before.contains('"') && !operand.is_empty() && operand.chars().all(is_operand)).then_some(operand)
}

/// Whether `if` begins Python's `a if c else b`: an `else` comes before a block or the statement's end.
fn is_choice(rest: impl Iterator<Item = TokenTree>) -> bool {
    for token in rest {
        match token {
            TokenTree::Ident(word) if word == "else" => return true,
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => return false,
            TokenTree::Punct(sign) if sign.as_char() == ';' => return false,
            _ => {}
        }
    }
    false
}

fn python(tokens: TokenStream) -> Option<(Span, &'static str)> {
    // Whether a name may be indexed here, and whether no more than `let` and names stands before it.
    let (mut indexed, mut in_let) = (false, false);
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match &token {
            TokenTree::Group(group) => {
                if indexed
                    && group.delimiter() == Delimiter::Bracket
                    && let Some(place) = colon(group.stream())
                {
                    return Some((place, SLICE));
                }
                if let Some(found) = python(group.stream()) {
                    return Some(found);
                }
            }
            TokenTree::Punct(punct) if punct.as_char() == '@' => return Some((punct.span(), PRODUCT)),
            TokenTree::Punct(comma) if in_let && comma.as_char() == ',' => return Some((comma.span(), SEVERAL)),
            TokenTree::Ident(word) if word == "with" && !indexed => return Some((word.span(), WITH)),
            TokenTree::Ident(word) if word == "return" => return Some((word.span(), RETURN)),
            TokenTree::Punct(punct) if punct.as_char() == '~' => return Some((punct.span(), NEGATED)),
            TokenTree::Ident(word)
                if word == "not" && matches!(tokens.peek(), Some(TokenTree::Ident(_) | TokenTree::Group(_))) =>
            {
                return Some((word.span(), NEGATED));
            }
            TokenTree::Ident(word) if indexed && (word == "and" || word == "or") => return Some((word.span(), WORDS)),
            TokenTree::Ident(word) if indexed && word == "if" && is_choice(tokens.clone()) => {
                return Some((word.span(), CHOICE));
            }
            _ => {}
        }
        in_let = match &token {
            TokenTree::Ident(word) => word == "let" || word == "for" || in_let,
            _ => false,
        };
        indexed = match &token {
            TokenTree::Ident(word) => word != "else" && word != "in" && word != "return",
            TokenTree::Group(group) => group.delimiter() != Delimiter::Brace,
            TokenTree::Literal(_) => true,
            TokenTree::Punct(_) => false,
        };
    }
    None
}

/// A colon by itself, not those of a path, or three dots.
fn colon(tokens: TokenStream) -> Option<Span> {
    let mut tokens = tokens.into_iter().peekable();
    let is = |token: &TokenTree, sign| matches!(token, TokenTree::Punct(punct) if punct.as_char() == sign);
    let is_colon = |token: &TokenTree| is(token, ':');
    // `x[..., 0]`
    let (mut dots, mut first) = (0, None);
    for token in tokens.clone() {
        dots = if is(&token, '.') { dots + 1 } else { 0 };
        first = if dots == 1 { Some(token.span()) } else { first };
        if dots == 3 {
            return first;
        }
    }
    while let Some(token) = tokens.next() {
        if is_colon(&token) && tokens.next_if(is_colon).is_none() {
            return Some(token.span());
        }
    }
    None
}
