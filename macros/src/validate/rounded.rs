//! Quotients of whole numbers beside tensors: Rust rounds them, and PyTorch does not. What is written says by
//! itself what it leaves; of constants and counters rustc is asked while it walks over the types. Knows no tensors.

use std::collections::HashSet;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{BinOp, Expr, ExprBinary, ExprLit, ExprUnary, Lit};

use super::expressions::{compound, unparenthesized};
use super::extents::is_float;
use super::numbers::whole;
use super::scope::Scope;
use crate::ast::Place;
use crate::body::{Rounded, Value};
use crate::free::Origin;
use crate::mistakes::spaced;
use crate::naming::KILN;

/// A quotient of whole numbers that are written, which leaves something.
fn rounded_quotient(number: &Expr) -> Option<&ExprBinary> {
    match unparenthesized(number) {
        Expr::Binary(quotient @ ExprBinary { left, op, right, .. }) => {
            let inner = rounded_quotient(left).or_else(|| rounded_quotient(right));
            inner.or_else(|| {
                let rest = || whole(left)?.checked_rem(whole(right)?);
                (matches!(op, BinOp::Div(_)) && rest().is_some_and(|rest| rest != 0)).then_some(quotient)
            })
        }
        Expr::Unary(ExprUnary { expr, .. }) => rounded_quotient(expr),
        _ => None,
    }
}

/// What to write instead of a number with a quotient that Rust rounds.
fn instead_of_rounded(number: &Expr) -> Option<String> {
    let quotient = rounded_quotient(number)?;
    let (left, right) = (whole(&quotient.left)?, whole(&quotient.right)?);
    Some(format!("write `{left}.0 / {right}.0`"))
}

/// Whether a number may be whole, and is made of names and literals alone: a call may be of a function that rustc can not
/// evaluate.
fn is_asked(number: &Expr) -> bool {
    match unparenthesized(number) {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => !number.suffix().starts_with('f'),
        Expr::Path(_) => true,
        Expr::Unary(ExprUnary { expr, .. }) => is_asked(expr),
        Expr::Binary(ExprBinary { left, right, .. }) => is_asked(left) && is_asked(right),
        Expr::Cast(cast) => !is_float(&cast.ty) && is_asked(&cast.expr),
        _ => false,
    }
}

/// A number as one with a fraction.
fn with_fraction(number: &Expr) -> String {
    match (whole(number), number) {
        (Some(number), _) => format!("{number}.0"),
        (None, Expr::Binary(_)) => format!("({}) as f64", spaced(number)),
        (None, _) => format!("{} as f64", spaced(number)),
    }
}

/// What is found of a quotient: a call of a function of these names, `check` at its place, and else `held`, for a name.
fn call(
    [check, held]: [&str; 2],
    quotient: &ExprBinary,
    sides: &TokenStream,
    instead: &str,
    holds: bool,
) -> TokenStream {
    let Place { first, last, .. } = Place::of(quotient);
    let [first, last] = [first, last].map(|span| span.resolved_at(Span::call_site()));
    let kiln = KILN.at(first);
    let text = spaced(quotient);
    let function = Ident::new(if holds { held } else { check }, first);
    let path = quote_spanned!(first=> #kiln::graph::shape::#function);
    let arguments = quote_spanned!(last=> (#text, #instead, #sides));
    quote!(#path #arguments)
}

/// That of a quotient that leaves something.
fn found(quotient: &ExprBinary, origin: Origin, [left, right]: [&TokenStream; 2], holds: bool) -> TokenStream {
    let instead = format!("{} / {}", with_fraction(&quotient.left), with_fraction(&quotient.right));
    if origin == Origin::Extent {
        let functions = ["check_quotient_of_extents", "quotient_of_extents"];
        return call(functions, quotient, &quote!([#left, #right]), &instead, holds);
    }
    // What is written is whole, and may be too large for the i32 that rustc would take it for.
    let sides = [(&quotient.left, left), (&quotient.right, right)];
    let named = sides.into_iter().filter(|(side, _)| whole(side).is_none());
    let asked = named.map(|(_, side)| quote!(#KILN::graph::written::is_float(#side)));
    let sides = quote!([#left as i128, #right as i128], false #(|| #asked)*);
    call(["check_quotient", "quotient"], quotient, &sides, &instead, holds)
}

/// The variable beside a name that holds what is found of the quotients in its number.
fn beside(name: &Ident) -> Ident {
    format_ident!("_rounded_{}", name.unraw(), span = name.span().resolved_at(Span::mixed_site()))
}

/// The names to which a body gives another value, `name = ..` or `name += ..`, where it holds a quotient at all; the names
/// of arguments are among them.
pub fn given_anew(body: TokenStream) -> HashSet<String> {
    let mut names = HashSet::new();
    let mut waiting: Vec<TokenStream> = Some(body).filter(|body| holds_slash(body.clone())).into_iter().collect();
    while let Some(tokens) = waiting.pop() {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let word = |at: usize| tokens.get(at).map(ToString::to_string).unwrap_or_default();
        for (at, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Ident(name) => {
                    let is_new = at > 0 && matches!(word(at - 1).as_str(), "let" | "mut");
                    let sign = at + 1 + usize::from(matches!(word(at + 1).as_str(), "+" | "-" | "*" | "/"));
                    if !is_new && word(sign) == "=" && word(sign + 1) != "=" {
                        names.insert(name.to_string());
                    }
                }
                TokenTree::Group(group) => waiting.push(group.stream()),
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }
    names
}

fn holds_slash(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Punct(sign) => sign.as_char() == '/',
        TokenTree::Group(group) => holds_slash(group.stream()),
        _ => false,
    })
}

impl Scope<'_> {
    /// That a number beside tensors is what it is in PyTorch. Gives what rustc is to check of it.
    pub fn not_rounded(&mut self, number: &Expr) -> Option<TokenStream> {
        if let Some(quotient) = rounded_quotient(number) {
            let instead = instead_of_rounded(number)?;
            return self.mistake(
                quotient,
                format!("`{}` of whole numbers is rounded down in Rust: {instead}", spaced(quotient)),
            );
        }
        let mut asked = Vec::new();
        self.quotients(number, false, &mut asked);
        Some(quote!(#(#asked;)*))
    }

    /// A number that becomes a tensor, behind what rustc is to check of it.
    pub fn checked(&mut self, number: TokenStream, written: &Expr) -> Option<TokenStream> {
        let quotients = self.not_rounded(written)?;
        Some(if quotients.is_empty() { number } else { quote!({ #quotients #number }) })
    }

    /// What rustc is to find of the quotients in a number: checks, or what a name of the number holds.
    fn quotients(&mut self, number: &Expr, holds: bool, asked: &mut Vec<TokenStream>) {
        match unparenthesized(number) {
            Expr::Binary(quotient @ ExprBinary { left, op, right, .. }) => {
                self.quotients(left, holds, asked);
                self.quotients(right, holds, asked);
                let is_known = whole(left).is_some() && whole(right).is_some();
                let origin = self.origin(left).and(self.origin(right));
                let is_asked = is_asked(left) && is_asked(right) && origin == Origin::Constant;
                let is_quotient = matches!(compound(op).unwrap_or(*op), BinOp::Div(_));
                let has_fraction = self.has_fraction(left) || self.has_fraction(right);
                if !is_quotient || has_fraction || is_known || !(is_asked || origin == Origin::Extent) {
                    return;
                }
                if let (Some(Value::Number(l)), Some(Value::Number(r))) = (self.value(left), self.value(right)) {
                    asked.push(found(quotient, origin, [&l, &r], holds));
                }
            }
            Expr::Unary(ExprUnary { expr, .. }) => self.quotients(expr, holds, asked),
            // A name of it was computed over types as well.
            Expr::MethodCall(power)
                if !holds && power.method == "pow" && power.args.iter().all(is_asked) && is_asked(&power.receiver) =>
            {
                let is_real = self.has_fraction(&power.receiver) || power.args.iter().any(|arg| self.has_fraction(arg));
                if !is_real && let Some(Value::Number(number)) = self.value(number) {
                    asked.push(quote!(let _ = #number));
                }
            }
            Expr::Path(path) => {
                if let Some(name) = path.path.get_ident()
                    && let Some(of_name) = self.beside(name)
                {
                    let text = name.unraw().to_string();
                    asked.push(if holds {
                        of_name.into_token_stream()
                    } else {
                        let place = name.span().resolved_at(Span::call_site());
                        let kiln = KILN.at(place);
                        quote_spanned!(place=> #kiln::graph::shape::check_quotient_of_name(#text, #of_name))
                    });
                }
            }
            _ => {}
        }
    }

    /// What a name of a number holds beside it: what rustc finds of the quotients in the number.
    pub fn held(&mut self, number: &Expr) -> Vec<TokenStream> {
        let mut held = Vec::new();
        if let Some(quotient) = rounded_quotient(number) {
            let ExprBinary { left, right, .. } = quotient;
            held.push(found(quotient, Origin::Constant, [&quote!((#left)), &quote!((#right))], true));
        }
        self.quotients(number, true, &mut held);
        held
    }

    /// What a new name of a number holds beside it, if it is read.
    pub fn rounded(&mut self, name: &Ident, number: &Expr) -> Option<Rounded> {
        let found = self.held(number);
        let is_read = !found.is_empty() || self.given_anew.contains(&name.to_string());
        is_read.then(|| Rounded { name: beside(name), found })
    }

    /// What a name holds beside the number that it is given now.
    pub fn now_rounded(&mut self, target: &Expr, number: &Expr) -> Option<Rounded> {
        let Expr::Path(path) = target else { return None };
        let name = self.beside(path.path.get_ident()?)?;
        Some(Rounded { name, found: self.held(number) })
    }

    /// The variable beside a name.
    fn beside(&self, name: &Ident) -> Option<Ident> {
        self.number_name(name)?.rounded.clone()
    }
}
